#!/usr/bin/env python3
"""A disk that fails below a whole node: what clients see, and that nothing acknowledged is lost.

    faults_node.py --kith PROGRAM --shim LIBRARY [--every N]

For each kind of error (disk full, I/O errors of writing, syncing, reading and truncating, read-only,
no descriptors): first the disk stays ill, and every write must be refused with 503 or 507 and a
sentence that says why, reads must go on, and writes must work again soon after it is well. Then,
in turn, each single call of a round of requests fails once (or each --every-th). At the end the
node is killed and started again, and all that was answered with 200 must be there.
"""
import argparse
import errno
import json
import pathlib
import random
import sys
import tempfile
import time

from load import GONE, V3, Notes, Refused, User, quoted
from shim import MAKE, NAME, OPEN, READ, SYNC, TRUNCATE, WRITE, ShimmedKith

KINDS = [
    # name, calls, errno, whether every write must be refused while it lasts
    ("disk full", MAKE | WRITE | TRUNCATE | NAME, errno.ENOSPC, True),
    ("over quota", MAKE | WRITE | TRUNCATE | NAME, errno.EDQUOT, True),
    ("error of writing", WRITE, errno.EIO, True),
    ("error of syncing", SYNC, errno.EIO, True),
    ("read-only", MAKE | WRITE | TRUNCATE | NAME, errno.EROFS, True),
    ("error of reading", READ, errno.EIO, False),
    ("error of truncating and renaming", TRUNCATE | NAME, errno.EIO, False),
    ("no descriptors", OPEN, errno.EMFILE, False),
]
CALLS_MAX = 2000
WELL_S = 20  # until a healed node must write again, on a slow machine


class Trial:
    def __init__(self, server, seed):
        self.server = server
        self.notes = Notes()
        self.rng = random.Random(seed)
        self.wrong = []
        self.reading = False
        self.user = User(server, "alice")
        self.user.n_keys = 0
        self.notes.told(self.notes.users, self.user)
        # Without logins: an account has at most a hundred devices.
        self.kinds = [k for k in self.notes.kinds if type(k).__name__ != "Devices"]
        self.kinds[0].do(self.user, self.rng)
        self.room = self.user.room
        self.first = self.user.send(self.room, "first", "the first message")
        self.uri = json.loads(self.user.raw("POST", "/_matrix/media/v3/upload", b"a file",
                                            "text/plain"))["content_uri"]

    def attempt(self, kind):
        """True: answered with 200. A refusal must be one of the disk's."""
        try:
            kind.do(self.user, self.rng)
            return True
        except Refused as e:
            self.unanswered(kind)
            try:
                text = json.loads(e.body)["error"].lower()
            except ValueError:
                text = ""
            # What can't be read may look damaged for as long as that lasts.
            if e.status == 500 and self.reading and "damaged" in text:
                return False
            if e.status not in (503, 507) or not any(w in text for w in ("disk", "stored", "memory")):
                self.wrong.append(str(e))
            return False
        except GONE as e:
            self.unanswered(kind)
            if self.server.process.poll() is not None:
                raise RuntimeError(f"the node ended: {self.server.process.poll()}") from e
            self.user = self.user.again()
            self.user.n_keys, self.user.room = 0, self.kinds[0].done[0][1]
            return False

    @staticmethod
    def unanswered(kind):
        """What a failed sync refused may be stored all the same."""
        kind.unsure += kind.open
        kind.open = []

    def read(self):
        u = self.user
        u.call("GET", f"{V3}/account/whoami")
        u.call("GET", f"{V3}/rooms/{quoted(self.room)}/event/{quoted(self.first)}")
        u.call("GET", f"{V3}/sync?timeout=0")
        if u.raw("GET", "/_matrix/client/v1/media/download/" + self.uri[6:]) != b"a file":
            self.wrong.append("the file has changed")

    def until_well(self, what):
        """All kinds of writing work again."""
        end = time.monotonic() + WELL_S
        while not all([self.attempt(k) for k in self.kinds]):
            if time.monotonic() > end:
                self.wrong.append(f"{what}: nothing is written though the disk is well again")
                return
            time.sleep(0.05)

    def lasting(self, what, ops, error, all_refused):
        self.server.fail(ops, error)
        self.reading = ops & READ
        for _ in range(2):
            for k in self.kinds:
                if self.attempt(k) and all_refused:
                    self.wrong.append(f"{what}: {type(k).__name__} was answered with 200")
        if not ops & READ:
            try:
                self.read()
            except Refused as e:
                # What has reached the disk is not known until the log is read again, which
                # needs syncs; and without descriptors no file can be opened.
                if ops != SYNC and error != errno.EMFILE:
                    self.wrong.append(f"{what}: a read was refused: {e}")
        self.server.heal()
        self.until_well(what)

    def each(self, what, ops, error, every):
        """The number of calls that failed, each in a round of its own."""
        rounds = 0
        for at in range(1, CALLS_MAX, every):
            self.server.fail(ops, error, after=at, once=True)
            for k in self.kinds:
                self.attempt(k)
            hit = self.server.hits()
            self.server.heal()
            if not hit:
                break
            rounds += 1
            self.until_well(f"{what}, call {at}")
        return rounds


def run(server, args):
    """How many answers were wrong, and what was lost."""
    bad = 0
    server.start()
    trial = Trial(server, 1)
    for what, ops, error, all_refused in KINDS:
        rounds = 0
        try:
            trial.lasting(what, ops, error, all_refused)
            rounds = trial.each(what, ops, error, args.every)
        except (RuntimeError, *GONE) as e:
            trial.wrong.append(f"{type(e).__name__} {e}: " + (server.dir / "log").read_text()[-600:])
        print(f"{what}: {rounds} single calls, {len(trial.wrong)} wrong answers", flush=True)
        for line in trial.wrong[:10]:
            print("   ", line)
        if trial.wrong:
            print("    its log:", *[x for x in (server.dir / "log").read_text().splitlines()
                                    if " error " in x][-5:], sep="\n      ")
        bad += len(trial.wrong)
        trial.wrong.clear()
        server.heal()
    server.process.kill()
    server.process.wait()
    server.start()
    lost = trial.notes.look()
    for line in lost:
        print(line)
    print(f"{bad} wrong answers, {len(lost)} of {trial.notes.answers} acknowledged things lost")
    return bad, lost


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kith", required=True)
    p.add_argument("--shim", required=True)
    p.add_argument("--every", type=int, default=1)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as d:
        server = ShimmedKith(d, str(pathlib.Path(args.kith).resolve()),
                             str(pathlib.Path(args.shim).resolve()))
        try:
            bad, lost = run(server, args)
        finally:
            if server.process.poll() is None:
                server.process.kill()
    return bad + len(lost) != 0


if __name__ == "__main__":
    sys.exit(main())
