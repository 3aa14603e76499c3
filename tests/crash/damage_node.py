#!/usr/bin/env python3
"""Damaged data directories: nothing is ever begun afresh in silence, and nothing made worse.

    damage_node.py --kith PROGRAM

A node is used and ended; then, on copies of its directory, a file is damaged, lost, emptied or
opened to others, and the program started on it. It must say what is wrong and leave the files
as they are; where only some pages are damaged it serves what can be read and refuses to write.
A copy of a stopped node's directory, on the other hand, is a backup that must work.
"""
import argparse
import hashlib
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

from load import V3, Refused, User, quoted
from servers import Kith

DAMAGED, LOCKED = 4, 5  # exit codes, kith.h


def fill(d, kith):
    """A node with a room of some hundred messages and a file; one clean and one killed copy."""
    server = Kith(d, kith)
    server.start()
    alice = User(server, "alice")
    alice.room = alice.create_room()
    for i in range(300):
        alice.event = alice.send(alice.room, f"t{i}", f"message {i} " + "x" * 500)
    alice.raw("POST", "/_matrix/media/v3/upload", b"a file", "text/plain")
    server.stop()
    shutil.copytree(server.dir / "data", pathlib.Path(d) / "clean")
    server.start()
    for i in range(20):
        alice.again().send(alice.room, f"u{i}", f"late message {i}")
    server.process.kill()
    server.process.wait()
    shutil.copytree(server.dir / "data", pathlib.Path(d) / "killed", ignore=shutil.ignore_patterns("control*"))
    return server, alice


def prints(folder):
    """What lies in a folder."""
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in folder.rglob("*") if p.is_file() and not p.name.endswith("-shm")
            and p.name not in ("lock", "control") and (p.stat().st_size or p.name != "kith.db-wal")}


def flip(path, at, n=1):
    data = bytearray(path.read_bytes())
    for i in range(n):
        data[at + i] ^= 0x55
    path.write_bytes(data)


def newer(path):
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 9999")
    db.commit()
    db.close()


# What is done to the folder, from which copy, and words that the refusal must have.
REFUSED = [
    ("the key is damaged", "clean", lambda f: flip(f / "identity", 40), "damaged"),
    ("the key is cut short", "clean", lambda f: (f / "identity").write_bytes(
        (f / "identity").read_bytes()[:50]), "damaged"),
    ("the key is empty", "clean", lambda f: (f / "identity").write_bytes(b""), "damaged"),
    ("the key is missing", "clean", lambda f: (f / "identity").unlink(), "identity"),
    ("others may read the key", "clean", lambda f: (f / "identity").chmod(0o644), "chmod 600"),
    ("the database is missing", "clean", lambda f: (f / "kith.db").unlink(), "missing"),
    ("the database is missing, its log is not", "killed",
     lambda f: (f / "kith.db").unlink(), "missing"),
    ("the database is empty", "clean", lambda f: (f / "kith.db").write_bytes(b""), "empty"),
    ("the log is missing", "killed", lambda f: (f / "kith.db-wal").unlink(), "kith.db-wal"),
    ("the database's first page is damaged", "clean", lambda f: flip(f / "kith.db", 0, 100), "kith.db"),
    ("the database is cut short", "clean", lambda f: (f / "kith.db").write_bytes(
        (f / "kith.db").read_bytes()[:200 * 1024]), "kith.db"),
    ("a newer kith wrote the database", "clean", lambda f: newer(f / "kith.db"), "newer"),
]


class Bad(Exception):
    pass


def need(yes, what):
    if not yes:
        raise Bad(what)


def copy(d, which):
    to = pathlib.Path(d) / "damaged" / "data"
    shutil.rmtree(to.parent, ignore_errors=True)
    shutil.copytree(pathlib.Path(d) / which, to)
    return to


def check_refused(d, kith, which, damage, words):
    folder = copy(d, which)
    damage(folder)
    before = prints(folder)
    server = Kith(folder.parent, kith)
    r = subprocess.run(server.command(), capture_output=True, text=True, timeout=60)
    said = r.stdout + r.stderr
    need(r.returncode not in (0, 1) and r.returncode > 0, f"exit code {r.returncode}: {said}")
    need(words in said, f"it does not say {words!r}: {said}")
    after = prints(folder)
    need(before == after, f"files changed: {set(before.items()) ^ set(after.items())}")


def check_again(d, kith, alice, which):
    """A whole copy works."""
    server = Kith(copy(d, which).parent, kith)
    server.start()
    alice.server.port = server.port
    me = alice.again()
    me.call("GET", f"{V3}/rooms/{quoted(alice.room)}/event/{quoted(alice.event)}")
    me.send(alice.room, "after", "and it goes on")
    server.stop()


def check_pages(d, kith, alice):
    """Damaged pages in the middle, found behind an unclean end: reads go on, writes are refused."""
    folder = copy(d, "killed")
    size = (folder / "kith.db").stat().st_size
    for at in range(size // 2, size - 8192, 16384):
        flip(folder / "kith.db", at, 512)
    server = Kith(folder.parent, kith)
    server.start()
    alice.server.port = server.port
    me = alice.again()
    end = time.monotonic() + 30
    while True:
        try:
            me.send(alice.room, f"w{time.monotonic()}", "is it still written?")
        except Refused as e:
            need(e.status >= 500, str(e))
            if "damaged" in str(e):
                break
        need(time.monotonic() < end, "the damage was not found")
        time.sleep(0.1)
    need(me.call("GET", f"{V3}/account/whoami")["user_id"] == me.user_id, "reads are refused")
    need("damaged" in (server.dir / "log").read_text(), "nothing in the log")
    server.stop()
    r = subprocess.run([kith, "check", "--data-dir", str(folder)], capture_output=True, text=True)
    need(r.returncode == DAMAGED, f"kith check: {r.returncode} {r.stdout}{r.stderr}")


def check_second(d, kith):
    folder = copy(d, "clean")
    server = Kith(folder.parent, kith)
    server.start()
    other = Kith(folder.parent, kith)
    r = subprocess.run(other.command(), capture_output=True, text=True, timeout=60)
    need(r.returncode == LOCKED, f"exit code {r.returncode}: {r.stderr}")
    server.stop()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kith", required=True)
    kith = str(pathlib.Path(p.parse_args().kith).resolve())
    bad = 0
    with tempfile.TemporaryDirectory() as d:
        _, alice = fill(d, kith)
        cases = [(name, check_refused, (d, kith, which, damage, words))
                 for name, which, damage, words in REFUSED]
        cases += [("a copy of a stopped node is a backup", check_again, (d, kith, alice, "clean")),
                  ("what a killed node left works as it is", check_again, (d, kith, alice, "killed")),
                  ("pages are damaged", check_pages, (d, kith, alice)),
                  ("a second process is refused", check_second, (d, kith))]
        for name, check, args in cases:
            try:
                check(*args)
                print(f"ok - {name}", flush=True)
            except (Bad, Refused, RuntimeError, subprocess.TimeoutExpired) as e:
                bad += 1
                print(f"not ok - {name}: {e}", flush=True)
    print(f"{len(cases)} kinds of damage, {bad} not met as they must be")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
