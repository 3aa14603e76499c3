#!/usr/bin/env python3
"""kill -9 of a whole node under load: everything that a client was answered is there afterwards.

    kill_node.py --kith PROGRAM [--kills N] [--seed N] [--clients N]

Clients register, make rooms, send messages, topics, account data and to-device messages, upload
and claim one-time keys, upload files, log in (load.py). At a random moment the process is killed,
started again on the same data, and asked for all that a 200 stood for.
"""
import argparse
import pathlib
import random
import sys
import tempfile
import time

from load import GONE, Load, Notes
from servers import Kith


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kith", required=True)
    p.add_argument("--kills", type=int, default=10)
    p.add_argument("--clients", type=int, default=6)
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    rng = random.Random(args.seed)
    bad = 0
    answers = 0
    claimed = set()
    with tempfile.TemporaryDirectory() as d:
        server = Kith(d, str(pathlib.Path(args.kith).resolve()))
        server.prepare()
        server.start()
        for kill in range(args.kills):
            notes = Notes()
            notes.claimed = claimed
            load = Load(server, notes, args.seed, f"k{kill}")
            load.start(args.clients)
            time.sleep(0.05 + rng.random() * 0.8)
            ended = server.process.poll()
            server.process.kill()
            server.process.wait()
            load.end()
            server.start()
            try:
                found = notes.look()
            except GONE as e:
                found = [f"the node went away by itself: {e}, {server.process.poll()}",
                         *pathlib.Path(d, "log").read_text().splitlines()[-40:]]
                server.process.kill()
                server.start()
            if ended is not None:
                found.append(f"the node had ended by itself: {ended}")
            for line in found:
                print(f"kill {kill}: {line}", flush=True)
            bad += bool(found)
            answers += notes.answers
        server.stop()
    print(f"{args.kills} kills, {bad} with something lost, {answers} answers looked for")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
