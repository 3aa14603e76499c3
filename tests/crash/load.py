"""Clients of a real node that note what they were answered, and look for it afterwards.

Every kind of thing that a client can have stored has a class here: do() writes it and notes what
the 200 stood for, look() asks the node for all that was noted. What was asked and not answered
(the server was killed, or refused) is tried again where the API promises that it counts once.
"""
import hashlib
import http.client
import json
import pathlib
import random
import sys
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
from servers import Client  # noqa: E402

GONE = (OSError, http.client.HTTPException)  # the connection broke: nothing was answered
V3 = "/_matrix/client/v3"


class Refused(Exception):
    """An answer that is no 200."""

    def __init__(self, what, status, body):
        super().__init__(f"{what}: {status} {body[:300]}")
        self.status = status
        self.body = body


class User(Client):
    """A client that can also send and fetch bytes, and tells refusals apart."""

    def __init__(self, server, name=None):
        super().__init__(server)
        if name:
            a = self.call("POST", f"{V3}/register", {
                "username": name, "password": "correct horse battery",
                "auth": {"type": "m.login.dummy"}})
            self.token, self.user_id, self.device_id = a["access_token"], a["user_id"], a["device_id"]

    def raw(self, method, path, data=None, kind="application/json"):
        headers = {"Content-Type": kind}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        self.c.request(method, path, data, headers)
        r = self.c.getresponse()
        body = r.read()
        if r.status != 200:
            raise Refused(f"{method} {path}", r.status, body)
        return body

    def call(self, method, path, body=None):
        return json.loads(self.raw(method, path, None if body is None else json.dumps(body)))

    def again(self):
        """The same user after the server has started anew."""
        u = User(self.server)
        u.token, u.user_id, u.device_id = self.token, self.user_id, self.device_id
        return u


def quoted(s):
    return urllib.parse.quote(s, safe="")


class Notes:
    """What all clients of a run were told, shared between their threads. now() is the time that
    each answer is noted with."""

    def __init__(self, now=lambda: 0):
        self.now = now
        self.at = {}   # id of what was noted -> when
        self.lock = threading.Lock()
        self.n = 0
        self.users = []
        self.answers = 0
        self.wrong = []   # answers that no kill explains
        self.claimed = set()   # one-time keys that were handed out, over all lives
        self.taken = None      # of them, how many may be gone: None: all that are claimed
        self.kinds = [Rooms(self), Messages(self), Topics(self), AccountData(self),
                      ToDevice(self), OneTimeKeys(self), Media(self), Devices(self)]

    def number(self):
        with self.lock:
            self.n += 1
            return self.n

    def told(self, where, what):
        with self.lock:
            self.at[id(what)] = self.now()
            where.append(what)
            self.answers += 1

    def other_user(self, rng):
        with self.lock:
            return rng.choice(self.users) if self.users else None

    def upto(self, time, rng, most):
        """What had been told by then, and of each kind only the last few and as many others."""
        early = Notes()
        early.users = [u for u in self.users if self.at[id(u)] <= time]
        early.claimed = {k for k in self.claimed if self.at[k] <= time}
        early.taken = self.claimed
        for kind, of in zip(early.kinds, self.kinds):
            kind.done = of.some([x for x in of.done if self.at[id(x)] <= time], rng, most)
            kind.unsure = of.open
        return early

    def n_told(self):
        return len(self.users) + sum(len(k.done) for k in self.kinds)

    def look(self):
        lost = list(self.wrong)
        for check in [self.look_at_users] + [k.look for k in self.kinds]:
            try:
                lost += check()
            except Refused as e:
                lost.append(str(e))
        return lost

    def look_at_users(self):
        return [f"the token of {u.user_id}" for u in list(self.users)
                if u.again().call("GET", f"{V3}/account/whoami")["user_id"] != u.user_id]


class Kind:
    weight = 1

    def __init__(self, notes):
        self.notes = notes
        self.done = []
        self.open = []  # asked, not answered
        self.unsure = []  # the same, of another life: not to be asked again

    def some(self, done, rng, most):
        old = done[:-most]
        return rng.sample(old, min(most, len(old))) + done[-most:]

    def attempt(self, what):
        with self.notes.lock:
            self.open.append(what)

    def ended(self, what):
        with self.notes.lock:
            self.open.remove(what)


class Rooms(Kind):
    weight = 1

    def do(self, user, rng):
        user.room = user.create_room()
        self.notes.told(self.done, (user, user.room))

    def look(self):
        joined = {u: u.again().call("GET", f"{V3}/joined_rooms")["joined_rooms"]
                  for u in {u for u, _ in self.done}}
        return [f"room {room}" for u, room in self.done if room not in joined[u]]


def get_event(user, room, event):
    try:
        user.call("GET", f"{V3}/rooms/{quoted(room)}/event/{quoted(event)}")
        return None
    except Refused as e:
        return str(e)


class Messages(Kind):
    """Also: what was not answered and is sent once more, with its transaction id, is there once."""
    weight = 30

    def do(self, user, rng):
        txn = f"t{self.notes.number()}"
        what = (user, user.room, txn)
        self.attempt(what)
        event = user.send(user.room, txn, f"message {txn}")
        self.ended(what)
        self.notes.told(self.done, (user, user.room, txn, event))

    def look(self):
        lost = [get_event(u.again(), room, event) for u, room, _, event in self.done]
        for u, room, txn in self.open:
            me = u.again()
            me.send(room, txn, f"message {txn}")
            n = bodies(me, room, 60).count(f"message {txn}")
            if n != 1:
                lost.append(f"message {txn} is in {room} {n} times")
        self.open = []
        return [x for x in lost if x]


def bodies(user, room, limit):
    """The texts of a room's last messages."""
    chunk = user.call("GET", f"{V3}/rooms/{quoted(room)}/messages?dir=b&limit={limit}")["chunk"]
    return [e["content"].get("body") for e in chunk if e["type"] == "m.room.message"]


class Topics(Kind):
    weight = 3

    def do(self, user, rng):
        event = user.call("PUT", f"{V3}/rooms/{quoted(user.room)}/state/m.room.topic/",
                          {"topic": f"topic {self.notes.number()}"})["event_id"]
        self.notes.told(self.done, (user, user.room, event))

    def look(self):
        lost = [get_event(u.again(), room, event) for u, room, event in self.done]
        return [x for x in lost if x]


class AccountData(Kind):
    weight = 5

    def do(self, user, rng):
        n = self.notes.number()
        where = f"/rooms/{quoted(user.room)}" if n % 2 else ""
        path = f"{V3}/user/{quoted(user.user_id)}{where}/account_data/org.example.t{n}"
        user.call("PUT", path, {"n": n})
        self.notes.told(self.done, (user, path, n))

    def look(self):
        lost = []
        for u, path, n in self.done:
            try:
                if u.again().call("GET", path) != {"n": n}:
                    lost.append(f"{path} is another one's")
            except Refused as e:
                lost.append(str(e))
        return lost


class ToDevice(Kind):
    """Each message arrives exactly once, however often it was sent."""
    weight = 6

    def send(self, user, to, n):
        user.call("PUT", f"{V3}/sendToDevice/org.example.test/d{n}",
                  {"messages": {to.user_id: {to.device_id: {"n": n}}}})

    def do(self, user, rng):
        to = self.notes.other_user(rng)
        what = (user, to, self.notes.number())
        self.attempt(what)
        self.send(*what)
        self.ended(what)
        self.notes.told(self.done, what)

    def look(self):
        for what in self.open:
            self.send(what[0].again(), *what[1:])
        expected = self.done + self.open
        got = {u: waiting(u.again()) for u in {to for _, to, _ in expected}}
        wrong = []
        for _, to, n in expected:
            times = got[to].count(n)
            if times != 1:
                wrong.append(f"to-device message {n} arrived {times} times")
        self.done, self.open = [], []
        return wrong


def waiting(user):
    """The numbers in the messages that wait for a device; they are gone afterwards."""
    numbers = []
    since = ""
    while True:
        a = user.call("GET", f"{V3}/sync?timeout=0{since}")
        events = a.get("to_device", {}).get("events", [])
        numbers += [e["content"]["n"] for e in events if e["type"] == "org.example.test"]
        since = f"&since={a['next_batch']}"
        if not events:
            return numbers


class OneTimeKeys(Kind):
    """A key is handed out once, also when the server is killed right behind the answer. What was
    uploaded and handed out to nobody is still there; a claim that got no answer may have taken one."""
    weight = 6

    def do(self, user, rng):
        if user.n_keys < 5:
            self.upload(user)
        else:
            self.claim(user, self.notes.other_user(rng))

    def upload(self, user):
        keys = {}
        for _ in range(10):
            n = self.notes.number()
            keys[f"signed_curve25519:K{n}"] = {"key": f"key {n}", "signatures": {}}
        user.call("POST", f"{V3}/keys/upload", {"one_time_keys": keys})
        user.n_keys += len(keys)
        for k in keys:
            self.notes.told(self.done, (user, k))

    def claim(self, user, of):
        what = (user, of)
        self.attempt(what)
        a = user.call("POST", f"{V3}/keys/claim", {
            "one_time_keys": {of.user_id: {of.device_id: "signed_curve25519"}}})
        self.ended(what)
        of.n_keys -= 1
        for key in a["one_time_keys"].get(of.user_id, {}).get(of.device_id, {}):
            with self.notes.lock:
                if (of.user_id, key) in self.notes.claimed:
                    self.notes.wrong.append(f"{key} of {of.user_id} was handed out twice")
                self.notes.claimed.add((of.user_id, key))
                self.notes.at[(of.user_id, key)] = self.notes.now()
                self.notes.answers += 1

    def some(self, done, rng, most):
        return done  # they are counted

    def look(self):
        wrong = []
        claimed = self.notes.claimed if self.notes.taken is None else self.notes.taken
        for u in {u for u, _ in self.done}:
            me = u.again()
            counts = me.call("POST", f"{V3}/keys/upload", {})["one_time_key_counts"]
            there = counts.get("signed_curve25519", 0)
            taken = sum(1 for user, _ in claimed if user == u.user_id)
            uploaded = sum(1 for user, _ in self.done if user is u)
            unsure = sum(1 for _, of in self.open + self.unsure if of is u)
            if there < uploaded - taken - unsure:
                wrong.append(f"{u.user_id} has {there} keys: {uploaded} uploaded, {taken} claimed, "
                             f"{unsure} claims without an answer")
            before = len(self.notes.wrong)
            for _ in range(min(there, 3)):
                self.claim(me, u)
            wrong += self.notes.wrong[before:]
        return wrong


class Media(Kind):
    weight = 3

    def do(self, user, rng):
        n = self.notes.number()
        data = hashlib.sha256(str(n).encode()).digest() * rng.choice((1, 100, 3000))
        uri = json.loads(user.raw("POST", "/_matrix/media/v3/upload?filename=f", data,
                                  "application/octet-stream"))["content_uri"]
        self.notes.told(self.done, (user, uri, data))
        rude = user.again()  # asks, and is gone before, while or after it is answered
        rude.c.request("GET", "/_matrix/client/v1/media/download/" + uri[6:],
                       headers={"Authorization": "Bearer " + user.token})
        threading.Event().wait(rng.choice((0, 0.001, 0.003)))
        rude.c.close()

    def look(self):
        lost = []
        for u, uri, data in self.done:
            try:
                if u.again().raw("GET", "/_matrix/client/v1/media/download/" + uri[6:]) != data:
                    lost.append(f"{uri} has other bytes")
            except Refused as e:
                lost.append(str(e))
        return lost


class Devices(Kind):
    weight = 1

    def do(self, user, rng):
        device = user.call("POST", f"{V3}/login", {
            "type": "m.login.password", "password": "correct horse battery",
            "identifier": {"type": "m.id.user", "user": user.user_id}})["device_id"]
        self.notes.told(self.done, (user, device))

    def look(self):
        lost = []
        for u, device in self.done:
            try:
                u.again().call("GET", f"{V3}/devices/{device}")
            except Refused as e:
                lost.append(str(e))
        return lost


class Load:
    """Several clients, each doing one thing after the other until its server is gone."""

    def __init__(self, server, notes, seed, tag):
        self.server = server
        self.notes = notes
        self.seed = seed
        self.tag = tag
        self.stop = threading.Event()
        self.threads = []

    def client(self, i):
        rng = random.Random(f"{self.seed} {self.tag} {i}")
        kinds = self.notes.kinds
        try:
            user = User(self.server, f"{self.tag}u{i}")
            user.n_keys = 0
            user.room = None
            self.notes.told(self.notes.users, user)
            kinds[0].do(user, rng)
            while not self.stop.is_set():
                rng.choices(kinds, [k.weight for k in kinds])[0].do(user, rng)
        except GONE:
            pass
        except Exception as e:
            self.notes.wrong.append(f"{type(e).__name__} {e}")

    def start(self, clients):
        self.threads = [threading.Thread(target=self.client, args=(i,)) for i in range(clients)]
        for t in self.threads:
            t.start()

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()
