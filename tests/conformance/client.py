"""A running kith and its users, for tests that see no more than a client does.

Every answer to a path of the specification is checked against its schema there (schema.py).
"""
import http.client
import itertools
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from schema import Api

api = Api()
numbers = itertools.count(1)
NO_BODY = object()


def free_port(given=set()):
    """A port that nobody listens on, and that was not given to another caller here before."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in given:
            given.add(port)
            return port


def path(template, *args):
    """The template with each {} filled by an argument, percent-encoded: "/v3/rooms/{}/leave"."""
    filled = template.format(*[urllib.parse.quote(str(a), safe="") for a in args])
    return "/_matrix/client" + filled if filled.startswith(("/v1", "/v3", "/unstable")) else filled


class Answer:
    def __init__(self, status, headers, data):
        self.status = status
        self.headers = headers
        self.data = data

    @property
    def json(self):
        return json.loads(self.data)

    @property
    def errcode(self):
        return self.json.get("errcode")

    def __repr__(self):
        return f"{self.status} {self.data[:400].decode('utf-8', 'replace')}"


class Client:
    """Asks one node, with a token or without."""

    def __init__(self, node, token=None):
        self.node = node
        self.token = token
        self.connection = None
        self.checked = True

    def raw(self, method, target, data=None, headers=None, timeout=40):
        """One request with these bytes; the connection is kept for the next."""
        headers = dict(headers or {})
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if data is not None:
            headers.setdefault("Content-Type", "application/json")
        for again in (False, True):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.node.port)
            self.connection.timeout = timeout
            try:
                if self.connection.sock is None:
                    self.connection.connect()
                self.connection.sock.settimeout(timeout)
                self.connection.request(method, target, data, headers)
                r = self.connection.getresponse()
                return Answer(r.status, dict(r.getheaders()), r.read())
            except (ConnectionError, http.client.BadStatusLine):
                self.close()  # the server closed an idle connection, or was started anew
                if again:
                    raise
        raise AssertionError

    def call(self, method, template, *args, body=NO_BODY, query=None, timeout=40):
        """The Answer to a request; its shape is checked if the specification knows the path."""
        target = path(template, *args)
        if query:
            target += "?" + urllib.parse.urlencode(query, doseq=True)
        if body is NO_BODY:
            body = {} if method in ("PUT", "POST") else None
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.raw(method, target, data, timeout=timeout)
        if answer.status >= 500:
            raise AssertionError(f"{method} {target}: {answer}")
        name = api.find(method, target)
        if name and self.checked:
            wrong = api.check_answer(name, answer.status, self.body_of(answer))
            if wrong:
                raise AssertionError(f"{method} {target}: " + "; ".join(wrong[:10]))
        return answer

    @staticmethod
    def body_of(answer):
        json_type = answer.headers.get("Content-Type", "").startswith("application/json")
        return answer.json if json_type else None

    def ok(self, method, template, *args, **kw):
        """The JSON of a 200."""
        answer = self.call(method, template, *args, **kw)
        if answer.status != 200:
            raise AssertionError(f"{method} {path(template, *args)}: {answer}")
        return answer.json

    def refused(self, status, errcode, method, template, *args, **kw):
        """The JSON of an error, which must be that one; errcode may be a tuple of them."""
        answer = self.call(method, template, *args, **kw)
        codes = (errcode,) if isinstance(errcode, str) else errcode
        if answer.status != status or answer.errcode not in codes:
            raise AssertionError(
                f"{method} {path(template, *args)}: {answer}, not {status} {errcode}")
        return answer.json

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None


class User(Client):
    """An account on a node, signed in; the calls that nearly every test makes."""

    def __init__(self, node, token, user_id, device_id):
        super().__init__(node, token)
        self.user_id = user_id
        self.device_id = device_id
        self.since = None

    def create_room(self, **options):
        return self.ok("POST", "/v3/createRoom", body=options)["room_id"]

    def join(self, room, **query):
        return self.ok("POST", "/v3/join/{}", room, query=query)["room_id"]

    def leave(self, room):
        return self.ok("POST", "/v3/rooms/{}/leave", room)

    def invite(self, room, user):
        return self.ok("POST", "/v3/rooms/{}/invite", room, body={"user_id": user.user_id})

    def send(self, room, body="hello", type="m.room.message", txn=None, **content):
        if type == "m.room.message" and "msgtype" not in content:
            content = {"msgtype": "m.text", "body": body, **content}
        return self.ok("PUT", "/v3/rooms/{}/send/{}/{}", room, type, txn or f"t{next(numbers)}",
                       body=content)["event_id"]

    def put_state(self, room, type, content, key=""):
        return self.ok("PUT", "/v3/rooms/{}/state/{}/{}", room, type, key,
                       body=content)["event_id"]

    def state(self, room, type, key=""):
        return self.ok("GET", "/v3/rooms/{}/state/{}/{}", room, type, key)

    def event(self, room, event_id):
        return self.ok("GET", "/v3/rooms/{}/event/{}", room, event_id)

    def messages(self, room, **query):
        query.setdefault("dir", "b")
        return self.ok("GET", "/v3/rooms/{}/messages", room, query=query)

    def sync(self, timeout=0, since=NO_BODY, filter=None, **query):
        """One sync from where the last left off (since=None: from the beginning)."""
        since = self.since if since is NO_BODY else since
        if since is not None:
            query["since"] = since
        if filter is not None:
            query["filter"] = filter if isinstance(filter, str) else json.dumps(filter)
        out = self.ok("GET", "/v3/sync", query={"timeout": timeout, **query})
        self.since = out["next_batch"]
        return out

    def sync_until(self, found, seconds=10, **query):
        """Syncs on until found(answer) is true; returns what it returned."""
        deadline = time.monotonic() + seconds
        while True:
            got = found(self.sync(timeout=1000 if self.since else 0, **query))
            if got:
                return got
            if time.monotonic() > deadline:
                raise AssertionError("sync never showed it")

    def again(self, password=None):
        """The same user on another device."""
        out = Client(self.node).ok("POST", "/v3/login", body={
            "type": "m.login.password", "password": password or "password",
            "identifier": {"type": "m.id.user", "user": self.user_id}})
        return User(self.node, out["access_token"], out["user_id"], out["device_id"])


class Node:
    """A kith process with a data directory of its own."""

    extra = []  # further settings

    def __init__(self, program):
        self.program = program
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="kith-conformance-"))
        self.port = free_port()
        self.link_port = free_port()
        self.process = None

    def start(self):
        log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen(
            [self.program, "run", "--data-dir", str(self.dir / "data"),
             "--listen", f"127.0.0.1:{self.port}", "--link-listen", f"127.0.0.1:{self.link_port}",
             "--registration", "open", "--rate-limits", "off", "--password-cost", "low", *self.extra],
            stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the node does not answer:\n{self.log()}") from None
                time.sleep(0.02)

    def log(self):
        return (self.dir / "log").read_text(encoding="utf-8", errors="replace")[-20000:]

    def stop(self):
        """Ends it as a service manager would; it must end cleanly (leaks are an error too)."""
        if not self.process:
            return
        self.process.terminate()
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process = None
        if status != 0:
            raise AssertionError(f"the node ended with {status}:\n{self.log()}")

    def restart(self):
        self.stop()
        self.start()

    def remove(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def command(self, *args):
        """A command of the program that speaks to this node; what it printed."""
        done = subprocess.run([self.program, *args, "--data-dir", str(self.dir / "data")],
                              capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    def user(self, name="user", password="password"):
        """A new account, with a number behind its name."""
        out = Client(self).ok("POST", "/v3/register", body={
            "username": f"{name}{next(numbers)}", "password": password,
            "auth": {"type": "m.login.dummy"}})
        return User(self, out["access_token"], out["user_id"], out["device_id"])


class Case(unittest.TestCase):
    """Tests that share one node; `program` and `node` are set by `run`."""

    program = None
    node = None
    maxDiff = 4000

    def user(self, name="user"):
        return self.node.user(name)

    def users(self, *names):
        return [self.node.user(n) for n in names]

    def new_node(self):
        """One more node, gone when the test ends."""
        node = Node(self.program)
        self.addCleanup(node.remove)
        return node.start()


def event_with(events, **fields):
    """The first event with these fields, or None."""
    for e in events:
        if all(e.get(k) == v for k, v in fields.items()):
            return e
    return None


def room_of(sync, room, kind="join"):
    """What a sync says of a room; {} if nothing."""
    return sync.get("rooms", {}).get(kind, {}).get(room, {})


def timeline_of(sync, room, kind="join"):
    return room_of(sync, room, kind).get("timeline", {}).get("events", [])
