#!/usr/bin/env python3
"""Benchmarks of one node, with matrix-synapse (SQLite) beside it in the same run.

usage: run.py --kith PROGRAM [--bare PROGRAM] [--synapse DIR | --no-synapse] [--smoke] [--strict]
              [--events N] [--json FILE]

For each operation: CPU time of the server's process, disk flushes (strace), bytes written (the
block layer's write_bytes, checkpoints included) and how often it slept, which hold on a noisy
machine where times don't; and times, of which the ratio to the peer counts. Beside each figure
stands what kith must reach and whether it does. Bounds of CPU were set on a machine where the bare
server (bare_server.c) takes BARE_MS for a signed, stored message; what it takes here is measured
before and after kith's operations, and stands beside as what kith may be a multiple of.
--strict: exit status 1 if a bound does not hold that is not of time. --smoke runs everything small,
so that its figures say nothing.
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
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
from flush import send_beside_flush  # noqa: E402
from servers import Bare, Client, Kith, Synapse, synapse_python  # noqa: E402

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
    """Runs work(n), which does n operations and says how long each took: figures of one."""
    os.sync()
    settle(server)
    cpu, written, slept = server.cpu(), server.written(), server.wakeups()
    began = time.perf_counter()
    times = work(n)
    wall = time.perf_counter() - began
    settle(server)
    return {
        "cpu_ms": (server.cpu() - cpu) * 1000 / len(times),
        "written_kib": (server.written() - written) / 1024 / len(times),
        "sleeps": (server.wakeups() - slept) / len(times),
        "median_ms": statistics.median(times) * 1000,
        "per_second": len(times) / wall,
    }


def timed(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def send_alone(server, alice, room):
    c = alice.fork(server)
    return lambda n: [timed(lambda: c.send(room, f"a{time.time_ns()}")) for _ in range(n)]


def send_together(server, alice, room, senders=16):
    clients = [alice.fork(server) for _ in range(senders)]

    def one(k, n):
        return [timed(lambda: clients[k].send(room, f"t{k}.{time.time_ns()}")) for _ in range(n)]

    def work(n):
        with concurrent.futures.ThreadPoolExecutor(senders) as pool:
            return [t for ts in pool.map(lambda k: one(k, max(1, n // senders)), range(senders)) for t in ts]

    return work


class Poll:
    """A client's chain of long polls."""

    SYNC = "/_matrix/client/v3/sync?filter=" + urllib.parse.quote(json.dumps(
        {"presence": {"types": []}, "account_data": {"types": []}}))

    def __init__(self, client, room):
        self.client, self.room = client, room
        self.since = client.call("GET", self.SYNC + "&timeout=0")["next_batch"]

    def wait(self):
        """The next events of the room: their ids, and when they came."""
        while True:
            a = self.client.call("GET", f"{self.SYNC}&timeout=30000&since={urllib.parse.quote(self.since)}")
            self.since = a["next_batch"]
            joined = a.get("rooms", {}).get("join", {}).get(self.room, {})
            events = joined.get("timeline", {}).get("events", [])
            if events:
                return [e["event_id"] for e in events], time.perf_counter()


def deliver(server, alice, bob, room):
    """A PUT until it is in another client's long poll, which is parked before each."""
    sender, poll = alice.fork(server), Poll(bob.fork(server), urllib.parse.unquote(room))

    def one(waiter):
        answer = waiter.submit(poll.wait)
        time.sleep(0.02)  # until the poll is parked
        began = time.perf_counter()
        sent = sender.send(room, f"d{time.time_ns()}")
        ids, at = answer.result()
        assert sent in ids, "the poll was answered without the event"
        return at - began

    def work(n):
        with concurrent.futures.ThreadPoolExecutor(1) as waiter:
            return [one(waiter) for _ in range(n)]

    return work


# What is measured of each event: name, how it is done, and the share of --events.
OPERATIONS = [
    ("send, alone", lambda s, a, b, room: send_alone(s, a, room), 1 / 4),
    ("send, 16 senders", lambda s, a, b, room: send_together(s, a, room), 1),
    ("delivery to a long poll", deliver, 1 / 20),
]


def idle_wakeups(server, seconds):
    settle(server)
    before = server.wakeups()
    time.sleep(seconds)
    return (server.wakeups() - before) / seconds


def flush_lines(out):
    lines = [l for l in out.read_text().splitlines() if "resumed" not in l]
    return len([l for l in lines if any(c + "(" in l for c in FLUSH_CALLS)])


def flushes(server, alice, bob, room, n):
    """Flushes of one operation each, counted by strace around a fresh start of the server."""
    out = server.dir / "strace"
    counts = {}
    server.stop()
    server.start(wrap=["strace", "-f", "-qq", "-e", "trace=" + ",".join(FLUSH_CALLS), "-o", str(out)])
    for name, operation, _ in OPERATIONS:
        work = operation(server, alice, bob, room)
        settle(server)
        before = flush_lines(out)
        done = len(work(n))
        settle(server)
        counts[name] = (flush_lines(out) - before) / done
    server.stop()
    server.start()
    return counts


class BareSends:
    """The bare server and one client of it; each call adds n sends to what it has measured."""

    def __init__(self, dir, program):
        dir.mkdir(parents=True)
        self.server = Bare(dir, program)
        self.server.start()
        self.client = Client(self.server)
        self.figures = []

    def __call__(self, n):
        work = send_alone(self.server, self.client, "bare")
        work(16)
        self.figures.append(measured(self.server, n, work))

    def median(self):
        return {k: statistics.median(f[k] for f in self.figures) for k in self.figures[0]}


class Figures(dict):
    """What has been measured of a server, told on standard error as it comes: a run takes minutes."""

    def __init__(self, server):
        super().__init__()
        self.server = server

    def __setitem__(self, operation, figures):
        super().__setitem__(operation, figures)
        said = ", ".join(f"{k} {v:.3f}" for k, v in figures.items())
        print(f"{self.server}: {operation}: {said}", file=sys.stderr, flush=True)


def run_one(server, args, between=lambda n: None):
    """All figures of a server; between(n) is called around each of its operations."""
    n = args.events
    r = Figures(server.name)
    server.dir.mkdir(parents=True)
    server.prepare()
    first = server.start()
    server.stop()
    r["start, first run"] = {"ms": first * 1000}
    r["start, empty"] = {"ms": statistics.median(timed_starts(server, 3)) * 1000}
    alice = Client(server, "alice")
    bob = Client(server, "bob")
    room = urllib.parse.quote(alice.create_room())
    bob.call("POST", f"/_matrix/client/v3/join/{room}", {})
    settle(server)
    r["idle after start"] = {"pss_mib": server.pss() / 2**20}
    r["idle wake-ups"] = {"per_second": idle_wakeups(server, 2 if args.smoke else 20)}
    for name, operation, share in OPERATIONS:
        work = operation(server, alice, bob, room)
        work(min(16, n))
        between(max(16, n // 8))
        r[name] = measured(server, max(16, int(n * share)), work)
    between(max(16, n // 8))
    r["send beside a bare flush"] = send_beside_flush(server, alice, room, max(10, n // 10))
    for name, count in flushes(server, alice, bob, room, max(16, n // 20)).items():
        r[name]["flushes"] = count
    alice = alice.fork(server)
    fill(server, alice, room, args.database_events)
    settle(server)
    r[f"idle after {args.database_events} events"] = {"pss_mib": server.pss() / 2**20}
    server.stop()
    r[f"database, {args.database_events} events"] = {"mib": server.database_bytes() / 2**20}
    if args.many:
        server.start()
        fill(server, alice.fork(server), room, args.database_events + args.many)
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


def fill(server, alice, room, total):
    """Sends until the room has had total messages, give or take 16."""
    send_together(server, alice, room)(max(0, total - server.sent))


# What kith must reach: at most this of each.
BOUNDS = {
    ("send, alone", "cpu_ms"): 0.3, ("send, alone", "flushes"): 1.05, ("send, alone", "written_kib"): 20,
    ("send, 16 senders", "cpu_ms"): 0.3, ("send, 16 senders", "flushes"): 0.25,
    ("send, 16 senders", "written_kib"): 8, ("delivery to a long poll", "cpu_ms"): 0.6,
    ("send beside a bare flush", "beyond_ms"): 1, ("idle after start", "pss_mib"): 10,
    ("idle after 10000 events", "pss_mib"): 16, ("idle wake-ups", "per_second"): 0.1,
    ("start, empty", "ms"): 50, ("start, 100000 events", "ms"): 50, ("database, 10000 events", "mib"): 14,
}
TIMES = ("ms", "median_ms", "beyond_ms")  # a noisy machine may fail these


BARE_MS = 0.064  # the bare server's CPU for a send on the machine that the bounds of CPU are for


def in_bare_servers(figure, got, most, bare):
    """The bound and what was reached as multiples of what the bare server takes."""
    if figure != "cpu_ms" or not bare:
        return ""
    here, there = got / bare["send, alone"]["cpu_ms"], most / BARE_MS
    return f"; {here:.1f} bare servers, {'holds' if here <= there else 'FAILS'}, at most {there:.1f}"


def report(results):
    """Prints all figures; returns the bounds that kith does not hold."""
    failed = []
    names = list(results)
    print(f"\n{'operation':26} {'figure':12}" + "".join(f"{n:>12}" for n in names) + f"{'ratio':>10}  bound")
    for operation, figures in results["kith"].items():
        for figure, got in figures.items():
            row = [results[n].get(operation, {}).get(figure) for n in names]
            cells = "".join(f"{v:12.3f}" if v is not None else f"{'-':>12}" for v in row)
            peer = results.get("synapse", {}).get(operation, {}).get(figure)
            ratio = f"{peer / got:9.1f}x" if peer and got else " " * 10
            most = BOUNDS.get((operation, figure))
            mark = "" if most is None else f"  {'holds' if got <= most else 'FAILS'}, at most {most}"
            if most is not None and got > most:
                failed.append((operation, figure))
            mark += "" if most is None else in_bare_servers(figure, got, most, results.get("bare"))
            print(f"{operation:26} {figure:12}{cells}{ratio}{mark}".rstrip())
    return failed


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kith", required=True)
    p.add_argument("--bare", default=ROOT / "build/tests/bench/bare_server")
    p.add_argument("--synapse", default=ROOT / "build/synapse-venv")
    p.add_argument("--no-synapse", action="store_true")
    p.add_argument("--smoke", action="store_true")
    p.add_argument("--strict", action="store_true")
    p.add_argument("--events", type=int, default=4000)
    p.add_argument("--json")
    args = p.parse_args()
    for program in (args.kith, args.bare):
        if not os.access(program, os.X_OK):
            p.error(f"{program} is not built (tests/run builds everything, "
                    "or ninja -C build tests/bench/bare_server)")
    args.database_events, args.many = 10000, 90000
    if args.smoke:
        args.events, args.database_events, args.many = 160, 160, 0
    top = pathlib.Path(tempfile.mkdtemp(prefix="kith-bench-"))
    results = {}
    try:
        kith = Kith(top / "kith", str(pathlib.Path(args.kith).resolve()))
        bare = BareSends(top / "bare", str(pathlib.Path(args.bare).resolve()))
        try:
            results["kith"] = run_one(kith, args, bare)
            results["bare"] = {"send, alone": bare.median()}
        finally:
            kith.stop()
            bare.server.stop()
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
    failed = report(results)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1))
    lasting = [f for f in failed if f[1] not in TIMES]
    print(f"\n{len(failed)} bounds do not hold, {len(lasting)} of them whatever the machine does")
    return args.strict and len(lasting) > 0


if __name__ == "__main__":
    sys.exit(main())
