#!/usr/bin/env python3
"""Power loss of a whole node: all that its clients were answered is there when it starts again.

    power_node.py --kith PROGRAM --shim LIBRARY [--cuts N] [--seconds N] [--seed N] [--without-sync]

A node is made and used (load.py) on a disk that is recorded (disk_shim.c): the database, its log,
the keys, uploaded files, folders. Then the record is cut at random places, and a disk made of it
as a power cut may leave it (shim.py): what was synced, and any part of the rest. On each a real
node is started and asked for what had been answered by then. Before the first answer it may be a
new one; it may never be one that refuses to start. --without-sync tests the rig itself: without
the syncs in the record, something must be lost.
"""
import argparse
import pathlib
import random
import re
import shutil
import sys
import tempfile
import time

from load import GONE, Load, Notes
from servers import Kith
from shim import SYNCED, Disk, ShimmedKith, records


def live(d, args):
    """A node's life under load; returns the server and what was told when."""
    server = ShimmedKith(d, args.kith, args.shim, trace=True)
    notes = Notes(server.traced)
    server.start()
    load = Load(server, notes, args.seed, "p")
    load.start(4)
    time.sleep(args.seconds)
    if server.process.poll() is not None:
        raise RuntimeError("the node ended by itself: " + (server.dir / "log").read_text()[-2000:])
    server.process.kill()
    server.process.wait()
    load.end()
    return server, notes


def server_name(folder):
    """The name that a node said it has, in its log."""
    found = re.search(r"server name (?:is )?(\w{52})", (pathlib.Path(folder) / "log").read_text())
    return found and found[1]


def look(folder, args, name, notes, server):
    """What is wrong with the node that starts from this folder."""
    again = Kith(folder, args.kith)
    try:
        again.start()
    except RuntimeError:
        return ["it does not start: " + (again.dir / "log").read_text()[-300:]]
    wrong = []
    try:
        if name and server_name(folder) != name:
            wrong.append(f"it has become {server_name(folder)}")
        server.port = again.port
        wrong += notes.look()
    except GONE as e:
        wrong.append(f"it went away: {e}: " + (again.dir / "log").read_text()[-300:])
    again.process.kill()
    again.process.wait()
    return wrong


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kith", required=True)
    p.add_argument("--shim", required=True)
    p.add_argument("--cuts", type=int, default=200)
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--without-sync", action="store_true")
    args = p.parse_args()
    args.kith = str(pathlib.Path(args.kith).resolve())
    args.shim = str(pathlib.Path(args.shim).resolve())
    rng = random.Random(args.seed)
    bad = 0
    asked = 0
    with tempfile.TemporaryDirectory() as d:
        server, notes = live(d, args)
        name = server_name(d)
        disk = Disk(server.dir / "data")
        all_of_it = list(records(server.trace))
        if len(all_of_it) < 400:
            raise RuntimeError(f"only {len(all_of_it)} records: the node did not run over the shim")
        # Every tenth cut is among the first records: the keys and the schema are made there.
        cuts = sorted(rng.randrange(len(all_of_it) if i % 10 else 400) for i in range(args.cuts))
        done = 0
        for i, cut in enumerate(cuts):
            for r in all_of_it[done:cut]:
                if not (args.without_sync and r[1] == SYNCED):
                    disk.take(*r[1:])
            done = cut
            told = notes.upto(all_of_it[cut - 1][0] if cut else 0, rng, 20)
            folder = pathlib.Path(d) / "again"
            (folder / "data").mkdir(mode=0o700, parents=True)
            disk.image(folder / "data", rng)
            asked += told.n_told()
            found = look(folder, args, name if told.users else None, told, server)
            for line in found if not args.without_sync else []:
                print(f"cut {i}, behind record {cut}: {line}", flush=True)
            bad += bool(found)
            shutil.rmtree(folder)
    print(f"{args.cuts} cuts of {len(all_of_it)} records, {bad} with something lost, "
          f"{asked} answers looked for")
    return (bad == 0) == args.without_sync


if __name__ == "__main__":
    sys.exit(main())
