#!/usr/bin/env python3
"""Two linked nodes, each killed at random moments while both write to each other.

    kill_pair.py --kith PROGRAM [--kills N] [--seed N]

Alice's node and Bob's node share a room. Both send messages there and to-device messages to each
other, as fast as they are answered; one node or both are killed with -9 and started again. Then
everything that was answered with 200 must arrive on the other side, and everything, also what was
sent again under its transaction id because no answer had come, exactly once.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

from load import GONE, V3, User, quoted, waiting
from servers import Kith

PATIENCE_S = 90  # for what is on its way, on a slow machine


class Side:
    """A node, its user, and what that user sent and was answered."""

    def __init__(self, d, name, kith):
        folder = pathlib.Path(d) / name
        os.mkdir(folder)
        self.name = name
        self.server = Kith(folder, kith)
        self.server.start()
        self.user = User(self.server, name)
        self.other = None
        self.n = 0
        self.messages = []
        self.notes = []     # to-device
        self.stop = threading.Event()
        self.wrong = []

    def send(self, kind, n):
        u = self.user
        if kind == "message":
            u.send(u.room, f"{self.name}{n}", f"{self.name} {n}")
        else:
            to = self.other.user
            u.call("PUT", f"{V3}/sendToDevice/org.example.test/{self.name}{n}",
                   {"messages": {to.user_id: {to.device_id: {"n": f"{self.name} {n}"}}}})

    def write(self):
        """Until told to stop. What got no answer is tried again until it has one."""
        rng = random.Random(f"{self.name} {self.n}")
        while not self.stop.is_set():
            self.n += 1
            kind = "message" if rng.random() < 0.7 else "note"
            (self.messages if kind == "message" else self.notes).append(f"{self.name} {self.n}")
            while True:
                try:
                    self.send(kind, self.n)
                    break
                except GONE:
                    time.sleep(0.02)
                    try:
                        self.user = self.again()
                    except GONE:
                        pass
                except Exception as e:
                    self.wrong.append(f"{type(e).__name__} {e}")
                    return

    def again(self):
        u = self.user.again()
        u.room = self.user.room
        return u

    def kill(self):
        self.server.process.kill()
        self.server.process.wait()


def pair(a, b, kith):
    def command(*args):
        r = subprocess.run([kith, *args], capture_output=True, text=True)
        if r.returncode:
            raise RuntimeError(f"kith {args[0]}: {r.stderr}")
        return json.loads(r.stdout)

    invite = command("invite", "--json", "--data-dir", str(a.server.dir / "data"))["invite"]
    command("join", "--json", invite, "--data-dir", str(b.server.dir / "data"))
    a.other, b.other = b, a
    a.user.room = a.user.create_room(invite=[b.user.user_id])
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            b.user.call("POST", f"{V3}/join/{quoted(a.user.room)}?server_name="
                        + a.user.user_id.split(":", 1)[1], {})
            break
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
    b.user.room = a.user.room


def texts(side, enough):
    """All messages of the room that are not older than what is looked for."""
    u = side.again()
    found = []
    at = ""
    while True:
        a = u.call("GET", f"{V3}/rooms/{quoted(u.room)}/messages?dir=b&limit=200{at}")
        found += [e["content"].get("body") for e in a["chunk"] if e["type"] == "m.room.message"]
        if not a["chunk"] or "end" not in a or enough in found:
            return found
        at = "&from=" + quoted(a["end"])


def arrived(side, expected, got):
    """What of the expected did not come exactly once; waits for what is on its way."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = got()
        missing = [x for x in expected if x not in found]
        if not missing or time.monotonic() > end:
            break
        time.sleep(0.1)
    return [f"{x} never arrived at {side.name}" for x in missing] + \
        [f"{x} arrived at {side.name} {found.count(x)} times" for x in expected if found.count(x) > 1]


def check(sides):
    wrong = []
    sent = [m for s in sides for m in s.messages]
    for s in sides:
        first = s.messages[0] if s.messages else ""
        wrong += s.wrong
        wrong += arrived(s, sent, lambda: texts(s, first))
        noted = []
        wrong += arrived(s, s.other.notes, lambda: noted.extend(waiting(s.again())) or noted)
    return wrong


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kith", required=True)
    p.add_argument("--kills", type=int, default=10)
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    kith = str(pathlib.Path(args.kith).resolve())
    rng = random.Random(args.seed)
    bad = 0
    answers = 0
    with tempfile.TemporaryDirectory() as d:
        sides = [Side(d, "alice", kith), Side(d, "bob", kith)]
        pair(*sides, kith)
        for kill in range(args.kills):
            for s in sides:
                s.messages, s.notes, s.wrong = [], [], []
                s.stop.clear()
            threads = [threading.Thread(target=s.write) for s in sides]
            for t in threads:
                t.start()
            victims = rng.choice((sides[:1], sides[1:], sides))
            for s in victims:
                time.sleep(rng.random() * 0.6)
                s.kill()
            time.sleep(rng.random() * 0.3)  # the other one goes on alone
            for s in victims:
                s.server.start()
            time.sleep(rng.random() * 0.3)
            for s in sides:
                s.stop.set()
            for t in threads:
                t.join()
            found = check(sides)
            for line in found[:20]:
                print(f"kill {kill} of {' and '.join(s.name for s in victims)}: {line}", flush=True)
            bad += bool(found)
            answers += sum(len(s.messages) + len(s.notes) for s in sides)
        for s in sides:
            s.server.stop()
    print(f"{args.kills} kills of one of two nodes or both, {bad} with something lost or doubled, "
          f"{answers} messages looked for")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
