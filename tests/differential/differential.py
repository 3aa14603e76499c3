#!/usr/bin/env python3
"""Compares kith's authorisation rules and state resolution with matrix-synapse's own functions, on
random rooms of every version.

usage: differential.py KITH [--synapse VENV] [--rooms N] [--seed N] [--first N] [--versions 1,2,...] [--keep FILE]
Each room is some events and a few resolutions; a room of a seed is always the same. --keep writes
the cases that differ, a JSON object on each line, for `kith auth --lines` and `kith resolve --lines`.
"""
import argparse
import json
import os
import pathlib
import random
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "bench"))
from servers import synapse_python


def explained(case, synapse):
    """Why an event's verdict differs, where the specification is against Synapse; else None."""
    event = case["event"]
    create = next((a["content"] for a in case["auth_events"] if a["type"] == "m.room.create"), {})
    if event["type"] == "m.room.member" and create.get("m.federate") is False and not synapse:
        # rooms/v1.md, rule 3: "If the content of the m.room.create event in the room state has the
        # property m.federate set to false, and the sender domain of the event does not match the
        # sender domain of the create event, reject." It looks at the sender alone, Synapse at the
        # one whose membership it is too.
        return "a membership of another server's user in a room that is not federated"
    via = event["content"].get("join_authorised_via_users_server")
    known = isinstance(via, str) and via.startswith("@") and ":" in via
    if event["type"] == "m.room.member" and via is not None and not known and synapse:
        # rooms/v8.md, rule 4.2: "If the event is not validly signed by the homeserver of the user
        # ID denoted by the key, reject." What denotes no user has no homeserver to sign.
        return "join_authorised_via_users_server is no user id"
    if event["type"] == "m.room.power_levels" and any(map(python_level, levels(event))) and synapse:
        # rooms/v1.md, rule 10.1: "If users property in content is not an object with keys that are
        # valid user IDs with values that are integers (or a string that is an integer), reject.",
        # and "power_levels events accept values as strings": "a single base 10 integer".
        return "a power level that is one to Python alone"
    current = next((a for a in case["auth_events"] if a["type"] == "m.room.power_levels"), None)
    if current and any(map(python_level, levels(current))) and synapse is not None:
        # The same of an event that Synapse took.
        return "a current power level that is one to Python alone"
    if current and int(case["room_version"]) < 10 and synapse is None and not all_levels(current):
        # rooms/v1.md, rule 10, asks only of users for levels, and of nothing else in a room's first
        # (10.2), so an event with others is accepted; then rules 8 and 10.3 to 10.7 compare values,
        # and there is none. Synapse fails with a TypeError and the like for all that comes after.
        return "current power levels that are no levels"
    return None


def python_level(value):
    """Is it no level in any version, and one to Python's int(): true, "1_0", digits of other scripts?"""
    return isinstance(value, bool) or isinstance(value, str) and not LEVEL.fullmatch(value) and is_int(value)


def is_int(text):
    try:
        int(text)
    except ValueError:
        return False
    return True


LEVEL = re.compile(r"\s*[-+]?[0-9]+\s*")
NAMED = ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")
MAPS = ("users", "events", "notifications")


def levels(event):
    """All that stands where a power level event has levels."""
    named = [event["content"][k] for k in NAMED if k in event["content"]]
    return [*named, *(v for key in MAPS for v in level_map(event, key))]


def all_levels(event):
    """Is it well-formed by rooms/v1.md: objects of integers, floats or strings that are integers?"""
    maps = [event["content"][k] for k in MAPS if k in event["content"]]
    return all(isinstance(m, dict) for m in maps) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool)
        or isinstance(v, str) and LEVEL.fullmatch(v) for v in levels(event))


def level_map(event, key):
    """The values of one of the maps of a power level event."""
    found = event["content"].get(key)
    return found.values() if isinstance(found, dict) else []


class Kith:
    """`kith auth` or `kith resolve`, a line in, a line out."""

    def __init__(self, program, command):
        self.process = subprocess.Popen([program, command, "-", "--lines"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, case):
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kith")
    parser.add_argument("--synapse", default="build/synapse-venv")
    parser.add_argument("--rooms", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the first room's number")
    parser.add_argument("--versions", default=",".join(str(v) for v in range(1, 13)))
    parser.add_argument("--keep")
    args = parser.parse_args()
    if "KITH_IN_VENV" not in os.environ:
        python = synapse_python(args.synapse)
        if not python:
            return "matrix-synapse can't be had"
        os.environ["KITH_IN_VENV"] = "1"
        os.execv(python, [python, *sys.argv])
    from rooms import Room

    keep = open(args.keep, "w") if args.keep else None
    auth, resolve = Kith(args.kith, "auth"), Kith(args.kith, "resolve")
    counts = dict(verdicts=0, resolutions=0, raised=0, explained=0, differ=0)

    def differs(seed, case, theirs, ours):
        counts["differ"] += 1
        if isinstance(theirs, dict) and "error" not in ours:
            theirs, ours = ({k: sorted(set(a[k]) - set(b[k])) for k in a}
                            for a, b in ((theirs, ours), (ours, theirs)))
        shown = json.dumps(case.get("event", {}).get("content", ""))
        print(f"seed {seed}, version {case['room_version']}: Synapse {theirs}, kith {ours} {shown}")
        if keep:
            print(json.dumps({"synapse": theirs, **case}), file=keep)

    versions = args.versions.split(",")
    for i in range(args.first, args.first + args.rooms):
        seed = args.seed * 1_000_000 + i
        rng = random.Random(seed)
        room = Room(rng, versions[i % len(versions)])
        room.begin()
        try:
            for _ in range(rng.choice([5, 15, 30, 60])):
                room.step()
            resolutions = list(room.resolve_cases(3))
        except (TypeError, ValueError, AttributeError):  # Synapse can't resolve over levels that are no numbers
            counts["raised"] += 1
            resolutions = []
        known = 0  # events that are judged otherwise for a reason: their room's state is, too
        for case, allowed in room.auth_cases():
            answer = auth.ask(case)
            counts["verdicts"] += 1
            if allowed is None:  # an event that Synapse fails over is none that it takes
                counts["raised"] += 1
            if answer.get("allowed") == bool(allowed):
                continue
            if explained(case, allowed):
                known += 1
                counts["explained"] += 1
            else:
                differs(seed, case, allowed, answer)
        for case, wanted in resolutions:
            answer = resolve.ask(case)
            counts["resolutions"] += 1
            if answer != wanted and known:
                counts["explained"] += 1
            elif answer != wanted:
                differs(seed, case, wanted, answer)
    auth.end()
    resolve.end()
    print("{verdicts} verdicts ({raised} where Synapse raised), {resolutions} resolutions, "
          "{explained} differ as explained, {differ} differ".format(**counts))
    return counts["differ"] > 0


if __name__ == "__main__":
    sys.exit(main())
