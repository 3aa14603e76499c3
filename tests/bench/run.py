#!/usr/bin/env python3
"""Benchmarks of one node, with matrix-synapse (SQLite) beside it in the same run.

usage: run.py --kith PROGRAM [--synapse DIR | --no-synapse] [--smoke] [--events N] [--json FILE]

For each operation: CPU time of the server's processes, disk flushes (strace) and bytes written
(the block layer's write_bytes, checkpoints included), which hold on a noisy machine where times
don't; and times, of which the ratio to the peer counts. What kith must reach is checked at the
end: exit status 1 if a bound does not hold. --smoke runs everything small, and checks no bound.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from flush import send_beside_flush  # noqa: E402
from servers import Client, Kith, Synapse, synapse_python  # noqa: E402

# io_submit: kith has the kernel do its fdatasync, and submits nothing else.
FLUSH_CALLS = ("fsync", "fdatasync", "sync_file_range", "msync", "io_submit")


def settle(server):
    """Waits until the server has been quiet for a moment."""
    while True:
        before = server.cpu()
        time.sleep(0.5)
        if server.cpu() - before < 0.02:
            return


def measured(server, n, work):
    """Runs work(), which does n operations: figures of one."""
    os.sync()
    settle(server)
    cpu, written = server.cpu(), server.written()
    began = time.perf_counter()
    times = work()
    wall = time.perf_counter() - began
    settle(server)
    return {
        "cpu_ms": (server.cpu() - cpu) * 1000 / n,
        "written_kib": (server.written() - written) / 1024 / n,
        "median_ms": statistics.median(times) * 1000 if times else None,
        "per_second": n / wall,
    }


def timed(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def send_alone(server, alice, room, n):
    return measured(server, n, lambda: [timed(lambda: alice.send(room, f"a{time.time_ns()}")) for _ in range(n)])


def send_together(server, alice, room, n, senders=16):
    each = max(1, n // senders)

    def one(k):
        c = alice.fork(server)
        return [timed(lambda: c.send(room, f"t{k}.{time.time_ns()}")) for _ in range(each)]

    def all_of_them():
        with concurrent.futures.ThreadPoolExecutor(senders) as pool:
            return [t for ts in pool.map(one, range(senders)) for t in ts]

    return measured(server, each * senders, all_of_them)


def deliver(server, alice, bob, room, n):
    """A PUT until it is in another client's long poll, which is parked before each."""
    sync = "/_matrix/client/v3/sync?timeout=30000&filter=" + urllib.parse.quote(json.dumps(
        {"presence": {"types": []}, "account_data": {"types": []}}))
    since = bob.call("GET", sync.replace("timeout=30000", "timeout=0"))["next_batch"]
    state = {"since": since}

    def wait_for(event_id, got):
        while True:
            a = bob.call("GET", f"{sync}&since={urllib.parse.quote(state['since'])}")
            state["since"] = a["next_batch"]
            joined = a.get("rooms", {}).get("join", {}).get(room, {})
            ids = [e["event_id"] for e in joined.get("timeline", {}).get("events", [])]
            if ids:
                got["at"], got["ids"] = time.perf_counter(), ids
                return

    def work():
        times = []
        for k in range(n):
            got = {}
            waiter = threading.Thread(target=wait_for, args=(None, got))
            waiter.start()
            time.sleep(0.02)  # until the poll is parked
            began = time.perf_counter()
            sent = alice.send(room, f"d{time.time_ns()}")
            waiter.join()
            assert sent in got["ids"], "the poll was answered without the event"
            times.append(got["at"] - began)
        return times

    return measured(server, n, work)


def idle_wakeups(server, seconds):
    settle(server)
    before = server.wakeups()
    time.sleep(seconds)
    return (server.wakeups() - before) / seconds


def flushes(server, work, n):
    """Flushes of one operation, counted by strace around a fresh start of the server."""
    out = server.dir / "strace"
    server.stop()
    server.start(wrap=["strace", "-f", "-qq", "-e", "trace=" + ",".join(FLUSH_CALLS), "-o", str(out)])
    settle(server)
    before = len(out.read_text().splitlines())
    work()
    settle(server)
    lines = [l for l in out.read_text().splitlines()[before:] if "resumed" not in l]
    server.stop()
    server.start()
    return len([l for l in lines if any(c + "(" in l for c in FLUSH_CALLS)]) / n


def run_one(server, args):
    n = args.events
    r = {}
    server.dir.mkdir(parents=True)
    server.prepare()
    first = server.start()
    server.stop()
    r["start, first run"] = {"ms": first * 1000}
    r["start, empty"] = {"ms": statistics.median(timed_starts(server, 3)) * 1000}
    alice = Client(server, "alice")
    bob = Client(server, "bob")
    room = alice.create_room()
    quoted = urllib.parse.quote(room)
    bob.call("POST", f"/_matrix/client/v3/join/{quoted}", {})
    settle(server)
    r["idle after start"] = {"pss_mib": server.pss() / 2**20}
    r["idle wake-ups"] = {"per_second": idle_wakeups(server, 2 if args.smoke else 20)}
    r["send, alone"] = send_alone(server, alice, quoted, n // 4)
    r["send beside a bare flush"] = send_beside_flush(server, alice, quoted, max(10, n // 10))
    r["send, 16 senders"] = send_together(server, alice, quoted, n)
    r["delivery to a long poll"] = deliver(server, alice, bob, room, max(10, n // 20))
    k = max(16, n // 20)
    r["send, alone"]["flushes"] = flushes(server, lambda: send_many(server, alice, quoted, k), k)
    r["send, 16 senders"]["flushes"] = flushes(
        server, lambda: send_sixteen(server, alice, quoted, k), k // 16 * 16)
    alice = alice.fork(server)
    fill(server, alice, quoted, args.database_events)
    settle(server)
    r[f"idle after {args.database_events} events"] = {"pss_mib": server.pss() / 2**20}
    server.stop()
    r[f"database, {args.database_events} events"] = {"mib": server.database_bytes() / 2**20}
    if args.many:
        server.start()
        fill(server, alice.fork(server), quoted, args.database_events + args.many)
        server.stop()
    r[f"start, {args.database_events + args.many} events"] = {
        "ms": statistics.median(timed_starts(server, 3)) * 1000}
    server.stop()
    return r


def timed_starts(server, n):
    times = []
    for _ in range(n):
        server.stop()
        times.append(server.start())
    return times


def send_many(server, alice, room, n):
    c = alice.fork(server)
    for _ in range(n):
        c.send(room, f"m{time.time_ns()}")


def send_sixteen(server, alice, room, n):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda k: send_many(server, alice, room, n // 16), range(16)))


def fill(server, alice, room, total):
    """Sends until the room has had total messages, give or take 16."""
    send_sixteen(server, alice, room, max(0, total - server.sent))


# What kith must reach: (operation, figure, at most).
BOUNDS = [
    ("send, alone", "cpu_ms", 0.3), ("send, alone", "flushes", 1.05), ("send, alone", "written_kib", 20),
    ("send beside a bare flush", "beyond_ms", 1),
    ("send, 16 senders", "cpu_ms", 0.3), ("send, 16 senders", "flushes", 0.25), ("send, 16 senders", "written_kib", 8), ("delivery to a long poll", "cpu_ms", 0.6),
    ("idle after start", "pss_mib", 10), ("idle after 10000 events", "pss_mib", 16),
    ("idle wake-ups", "per_second", 0.1), ("start, empty", "ms", 50),
    ("start, 100000 events", "ms", 50), ("database, 10000 events", "mib", 14),
]


def report(results):
    names = list(results)
    print(f"\n{'operation':34} {'figure':12}" + "".join(f"{n:>12}" for n in names) + "     ratio")
    for operation in results[names[0]]:
        for figure in results[names[0]][operation]:
            row = [results[n].get(operation, {}).get(figure) for n in names]
            cells = "".join(f"{v:12.3f}" if v is not None else f"{'-':>12}" for v in row)
            ratio = f"{row[1] / row[0]:9.1f}x" if len(row) > 1 and row[0] and row[1] else ""
            print(f"{operation:34} {figure:12}{cells} {ratio}")


def check(kith):
    failed = 0
    print()
    for operation, figure, most in BOUNDS:
        got = kith.get(operation, {}).get(figure)
        if got is None:
            continue
        ok = got <= most
        failed += not ok
        print(f"{'holds ' if ok else 'FAILS '} {operation}: {figure} {got:.3f}, at most {most}")
    return failed


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kith", required=True)
    p.add_argument("--synapse", default="build/synapse-venv")
    p.add_argument("--no-synapse", action="store_true")
    p.add_argument("--smoke", action="store_true")
    p.add_argument("--events", type=int, default=4000)
    p.add_argument("--json")
    args = p.parse_args()
    args.database_events, args.many = 10000, 90000
    if args.smoke:
        args.events, args.database_events, args.many = 160, 160, 0
    top = pathlib.Path(tempfile.mkdtemp(prefix="kith-bench-"))
    results = {}
    try:
        kith = Kith(top / "kith", str(pathlib.Path(args.kith).resolve()))
        try:
            results["kith"] = run_one(kith, args)
        finally:
            kith.stop()
        python = None if args.no_synapse else synapse_python(args.synapse)
        if python:
            peer = Synapse(top / "synapse", str(pathlib.Path(python).absolute()))
            args.events = min(args.events, 800)
            args.many = 0
            try:
                results["synapse"] = run_one(peer, args)
            finally:
                peer.stop()
    finally:
        shutil.rmtree(top, ignore_errors=True)
    report(results)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1))
    failed = 0 if args.smoke else check(results["kith"])
    print(f"\n{'smoke run: no bound checked' if args.smoke else f'{failed} bounds do not hold'}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
