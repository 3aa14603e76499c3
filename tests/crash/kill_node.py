#!/usr/bin/env python3
"""kill -9 of a whole node under load: everything that a client was answered is there afterwards.

    kill_node.py --kith PROGRAM [--kills N] [--seed N] [--senders N]

Accounts are registered, rooms made, messages and topics sent by several clients at once; at a
random moment the process is killed, started again on the same data, and asked for every event,
room and token that a 200 stood for. A transaction id whose answer never came is sent once more:
the room must then hold that message once.
"""
import argparse
import http.client
import pathlib
import random
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
from servers import Client, Kith  # noqa: E402

GONE = (OSError, http.client.HTTPException)  # the connection broke: nothing was answered


class Load:
    """What several clients do until the server is gone, and what they were told."""

    def __init__(self, server, seed):
        self.server = server
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.events = []    # (room, event id)
        self.rooms = []     # (token, room)
        self.tokens = []    # (token, user id)
        self.open = []      # (token, room, transaction id): asked, not answered
        self.wrong = []     # answers that no kill explains
        self.n = 0

    def number(self):
        with self.lock:
            self.n += 1
            return self.n

    def one(self, client, state):
        kind = self.random.random()
        if not state or kind < 0.02:
            state["room"] = client.create_room()
            with self.lock:
                self.rooms.append((client.token, state["room"]))
            return
        if kind < 0.1:
            answer = client.call("PUT", f"/_matrix/client/v3/rooms/{state['room']}/state/m.room.topic/",
                                 {"topic": f"topic {self.number()}"})
        else:
            txn = f"t{self.number()}"
            with self.lock:
                self.open.append((client.token, state["room"], txn))
            answer = {"event_id": client.send(state["room"], txn, f"message {txn}")}
            with self.lock:
                self.open.remove((client.token, state["room"], txn))
        with self.lock:
            self.events.append((client.token, state["room"], answer["event_id"]))

    def client(self, name):
        state = {}
        try:
            client = Client(self.server, name)
            with self.lock:
                self.tokens.append((client.token, client.user_id))
            while not self.stop.is_set():
                self.one(client, state)
        except GONE:
            pass
        except RuntimeError as e:
            self.wrong.append(str(e))

    def run(self, senders, seconds, tag):
        threads = [threading.Thread(target=self.client, args=(f"{tag}u{i}",)) for i in range(senders)]
        for t in threads:
            t.start()
        time.sleep(seconds)
        self.server.process.kill()
        self.server.process.wait()
        self.stop.set()
        for t in threads:
            t.join()
        self.stop.clear()


def look(load):
    """What was acknowledged and is not there."""
    lost = []
    client = Client(load.server)
    for token, user in load.tokens:
        client.token = token
        if client.call("GET", "/_matrix/client/v3/account/whoami")["user_id"] != user:
            lost.append(f"the token of {user}")
    for token, room in load.rooms:
        client.token = token
        if room not in client.call("GET", "/_matrix/client/v3/joined_rooms")["joined_rooms"]:
            lost.append(f"room {room}")
    for token, room, event in load.events:
        client.token = token
        try:
            client.call("GET", f"/_matrix/client/v3/rooms/{room}/event/{event}")
        except RuntimeError as e:
            lost.append(str(e))
    return lost


def again(load):
    """Sends what was not answered once more: the message is in its room exactly once."""
    wrong = []
    client = Client(load.server)
    for token, room, txn in load.open:
        client.token = token
        client.send(room, txn, f"message {txn}")
        chunk = client.call("GET", f"/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=50")["chunk"]
        n = sum(e["content"].get("body") == f"message {txn}" for e in chunk)
        if n != 1:
            wrong.append(f"message {txn} is in {room} {n} times")
    return wrong


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kith", required=True)
    p.add_argument("--kills", type=int, default=10)
    p.add_argument("--senders", type=int, default=6)
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    rng = random.Random(args.seed)
    bad = 0
    acknowledged = 0
    with tempfile.TemporaryDirectory() as d:
        server = Kith(d, str(pathlib.Path(args.kith).resolve()))
        server.prepare()
        server.start()
        for kill in range(args.kills):
            load = Load(server, args.seed * 1000 + kill)
            load.run(args.senders, 0.05 + rng.random() * 0.8, f"k{kill}")
            server.start()
            found = load.wrong + look(load) + again(load)
            for line in found:
                print(f"kill {kill}: {line}")
            bad += bool(found)
            acknowledged += len(load.events) + len(load.rooms) + len(load.tokens)
        server.stop()
    print(f"{args.kills} kills, {bad} with something lost, {acknowledged} answers looked for")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
