#!/usr/bin/env python3
"""login_times: does a login tell by its time who has an account? (security.md T2)

    login_times.py --kith PROGRAM [--tries 200]

Logs in as someone who is there, with a wrong password, and as someone who isn't, in turn, and
compares the medians: they may differ by a tenth. For a quiet machine; the conformance suite
compares the work instead.
"""
import argparse
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "conformance"))
from client import Client, Node  # noqa: E402


def login(node, name):
    began = time.perf_counter()
    Client(node).refused(403, "M_FORBIDDEN", "POST", "/v3/login", body={
        "type": "m.login.password", "password": "wrong", "identifier": {"type": "m.id.user", "user": name}})
    return time.perf_counter() - began


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kith", required=True)
    p.add_argument("--tries", type=int, default=200)
    args = p.parse_args()
    node = Node(args.kith)
    node.extra = ["--password-cost", "default"]
    try:
        node.start()
        there = node.user().user_id
        times = {there: [], "nobody-here": []}
        for _ in range(args.tries):
            for name, took in times.items():
                took.append(login(node, name))
    finally:
        node.remove()
    known, unknown = (statistics.median(t) * 1000 for t in times.values())
    off = abs(known - unknown) / max(known, unknown)
    print(f"wrong password {known:.1f} ms, unknown user {unknown:.1f} ms, medians of {args.tries}: {off:.1%} apart")
    return off > 0.1


if __name__ == "__main__":
    sys.exit(main())
