#!/usr/bin/env python3
"""The `kith` program as a person or a script uses it: commands, settings, exit codes, signals.

usage: test_program.py KITH
"""
import http.client
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

KITH = ""
OK, ERROR, USAGE, NO_IDENTITY, DAMAGED, LOCKED, ADDRESS, UNREACHABLE, EXISTS, REFUSED = range(10)
COMMANDS = ("run", "init", "register", "invite", "join", "peers", "status", "check", "auth", "resolve")


def free_port(given=set()):
    """A port that nobody listens on, and that was not given to another caller here before."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in given:
            given.add(port)
            return port


class Node:
    """A running node; killed at the end of a test if it still runs."""

    def __init__(self, data, *flags, env=None, listen=None):
        self.data, self.listen = str(data), listen or f"127.0.0.1:{free_port()}"
        self.link = f"127.0.0.1:{free_port()}"
        self.log = open(self.data + ".log", "ab")
        self.process = subprocess.Popen(
            [KITH, "run", "--data-dir", self.data, "--link-listen", self.link,
             *(() if listen == "" else ("--listen", self.listen)), *flags],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, **(env or {})})
        self.greeting = ""

    def wait(self):
        """Returns when it has said how to reach it."""
        for line in self.process.stdout:
            self.greeting += line
            if "accept a friend's invite" in line:
                return self
        raise AssertionError(f"it ended: {self.process.wait()} {self.log_text()}")

    def log_text(self):
        return pathlib.Path(self.data + ".log").read_text()

    def get(self, path, method="GET", body=None, token=None):
        host, _, port = self.listen.rpartition(":")
        c = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=60)
        c.request(method, path, None if body is None else json.dumps(body),
                  {"Authorization": f"Bearer {token}"} if token else {})
        r = c.getresponse()
        answer = r.status, json.loads(r.read() or b"{}")
        c.close()
        return answer

    def stop(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.process.wait(60)
        self.process.stdout.close()
        self.log.close()
        return code


class Program(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="kith-program-"))
        self.data = self.top / "node"
        self.nodes = []

    def tearDown(self):
        for n in self.nodes:
            n.stop(signal.SIGKILL)
        shutil.rmtree(self.top)

    def kith(self, *words, data=None, stdin="", env=None, code=OK):
        """Runs a command and returns its standard output, or on failure standard error."""
        p = subprocess.run([KITH, *words, "--data-dir", str(data or self.data)], input=stdin,
                           capture_output=True, text=True, timeout=60,
                           env={**os.environ, **(env or {})})
        self.assertEqual(p.returncode, code, f"{words}: {p.stdout}{p.stderr}")
        if code != OK and code != DAMAGED:
            said = [line for line in p.stderr.splitlines() if not re.match(r"\d{4}-", line)]
            self.assertEqual(len(said), 1, p.stderr)
            self.assertTrue(said[0].startswith("kith: "), p.stderr)
        return p.stdout if code == OK else p.stderr + p.stdout

    def node(self, *flags, data=None, **how):
        n = Node(data or self.data, *flags, **how)
        self.nodes.append(n)
        return n.wait()

    # Help, usage

    def test_help_and_version(self):
        run = lambda *w: subprocess.run([KITH, *w], capture_output=True, text=True, check=True).stdout
        self.assertRegex(run("--version"), r"^kith \d+\.\d+\.\d+\n$")
        self.assertTrue(all(f"\n  {c}" in run("--help") for c in COMMANDS))
        for c in COMMANDS:
            self.assertIn(f"usage: kith {c}", run(c, "--help"))
            self.assertEqual("--data-dir" in run(c, "--help"), c not in ("auth", "resolve"))
        self.assertIn("--registration", run("run", "--help"))
        self.assertNotIn("--registration", run("peers", "--help"))

    def test_usage_errors_say_what_is_wrong(self):
        for words, said in ((["fly"], "fly"), (["run", "--wings", "2"], "wings"),
                            (["join"], "join INVITE"), (["register"], "register NAME"),
                            (["register", "a", "b"], "register NAME"),
                            (["peers", "--no-qr"], "--no-qr"),
                            (["run", "--listen", "nowhere"], "HOST:PORT"),
                            (["run", "--registration", "maybe"], "closed|token|open"),
                            (["run", "--rate-limits", "1"], "on|off"),
                            (["run", "--password-cost", "high"], "default|low"),
                            (["run", "--default-room-version", "99"], "12")):
            self.assertIn(said, self.kith(*words, code=USAGE))
        self.assertFalse(self.data.exists())

    # Identity

    def test_commands_without_a_node(self):
        for c in ("status", "peers", "check", "invite"):
            self.assertIn("kith init", self.kith(c, code=NO_IDENTITY))
        self.kith("register", "alice", stdin="secret word\n", code=NO_IDENTITY)
        self.assertFalse(self.data.exists())

    def test_init_and_recover(self):
        said = self.kith("init")
        name = re.search(r"\b[a-z2-7]{52}\b", said)[0]
        code = re.search(r"(?:[a-z2-7]{5}-){10}[a-z2-7]{5}", said)[0]
        before = (self.data / "identity").read_bytes()
        self.kith("init", code=EXISTS)
        self.assertEqual(before, (self.data / "identity").read_bytes())
        self.assertEqual(stat.S_IMODE(self.data.stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE((self.data / "identity").stat().st_mode), 0o600)

        other = self.top / "other"
        self.assertIn(name, self.kith("init", "--recover", code, data=other))
        self.assertEqual(json.loads(self.kith("status", "--json", data=other))["server_name"], name)
        asked = self.top / "asked"
        self.assertIn(name, self.kith("init", "--recover", data=asked, stdin=code + "\n"))
        wrong = code[:-1] + ("a" if code[-1] != "a" else "b")
        self.kith("init", "--recover", wrong, data=self.top / "wrong", code=USAGE)
        self.assertFalse((self.top / "wrong" / "identity").exists())

    def test_a_new_account_without_any_directory(self):
        home = self.top / "home"
        home.mkdir()
        env = {k: v for k, v in os.environ.items() if k != "XDG_DATA_HOME"} | {"HOME": str(home)}
        subprocess.run([KITH, "init"], env=env, check=True, capture_output=True)
        data = home / ".local" / "share" / "kith"
        self.assertEqual(stat.S_IMODE(data.stat().st_mode), 0o700)
        self.assertTrue((data / "identity").exists())

    def test_a_damaged_or_missing_key_is_refused(self):
        self.kith("init")
        self.kith("register", "alice", stdin="secret word\n")
        key = self.data / "identity"
        whole = key.read_bytes()
        for damaged in (b"", whole[:-1], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], b"\0" * 4000):
            key.write_bytes(damaged)
            for c in ("status", "run"):
                self.kith(c, code=DAMAGED)
            self.assertEqual(key.read_bytes(), damaged)
        key.unlink()
        for c in ("run", "init", "status"):
            self.assertIn("--recover", self.kith(c, code=DAMAGED))
        self.assertFalse(key.exists())
        self.kith("init", data=self.top / "b")
        shutil.copy(self.top / "b" / "identity", key)
        self.assertIn("another server's", self.kith("run", code=DAMAGED))
        key.write_bytes(whole)
        self.assertEqual(json.loads(self.kith("status", "--json"))["users"], 1)

    # Running

    def test_runs_as_spelled(self):
        n = self.node("--registration", "open", "--rate-limits", "off",
                      "--default-room-version", "11", "--password-cost", "low")
        self.assertIn(f"http://{n.listen}", n.greeting)
        status, versions = n.get("/_matrix/client/versions")
        self.assertEqual(status, 200)
        self.assertIn("v1.1", versions["versions"])
        status, made = n.get("/_matrix/client/v3/register", "POST", {
            "username": "alice", "password": "secret word", "auth": {"type": "m.login.dummy"}})
        self.assertEqual(status, 200, made)
        token = made["access_token"]
        _, able = n.get("/_matrix/client/v3/capabilities", token=token)
        self.assertEqual(able["capabilities"]["m.room_versions"]["default"], "11")
        port = int(n.listen.rpartition(":")[2])
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.2", port), 1)
        self.assertEqual(n.stop(), 0)
        self.assertNotIn(token, n.log_text())
        self.assertNotIn("secret word", n.log_text())
        self.assertEqual(json.loads(self.kith("status", "--json"))["users"], 1)

    def test_every_signal_that_ends_ends_cleanly(self):
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self.assertEqual(self.node().stop(sig), 0)

    def test_flags_go_over_environment_over_file(self):
        ports = [free_port() for _ in range(3)]
        self.kith("init")
        (self.data / "kith.conf").write_text(
            f"listen = 127.0.0.1:{ports[0]}\nregistration = open\nrate-limits = off\n")
        self.node(listen="")
        n = self.nodes[-1]
        self.assertIn(f":{ports[0]}\n", n.greeting)
        n.stop()
        n = self.node(listen="", env={"KITH_LISTEN": f"127.0.0.1:{ports[1]}"})
        self.assertIn(f":{ports[1]}\n", n.greeting)
        n.stop()
        n = self.node(listen=f"127.0.0.1:{ports[2]}", env={"KITH_LISTEN": f"127.0.0.1:{ports[1]}"})
        self.assertIn(f":{ports[2]}\n", n.greeting)
        self.assertEqual(n.get("/_matrix/client/v3/register", "POST", {})[0], 401)
        n.stop()
        self.assertIn("line 2", self.bad_conf("registration = open\nwings = 2\n"))
        self.assertIn("KITH_LISTEN", self.kith("run", env={"KITH_LISTEN": "x"}, code=USAGE))

    def bad_conf(self, text):
        (self.data / "kith.conf").write_text(text)
        return self.kith("run", code=USAGE)

    def test_a_second_process_and_a_taken_port(self):
        n = self.node()
        self.kith("run", "--listen", "127.0.0.1:0", code=LOCKED)
        self.assertIn(n.listen, self.kith("run", "--listen", n.listen, data=self.top / "b", code=ADDRESS))
        self.assertEqual(n.get("/_matrix/client/versions")[0], 200)

    def test_the_owner_token_makes_the_first_account_alone(self):
        n = self.node("--password-cost", "low")
        token = re.search(r"registration token: (\S+)", n.greeting)[1]
        body = {"username": "alice", "password": "secret word"}
        self.assertIn(n.get("/_matrix/client/v3/register", "POST",
                            {**body, "auth": {"type": "m.login.dummy"}})[0], (400, 401, 403))
        status, flows = n.get("/_matrix/client/v3/register", "POST", body)
        self.assertEqual(status, 401)
        auth = {"type": "m.login.registration_token", "token": token, "session": flows["session"]}
        status, made = n.get("/_matrix/client/v3/register", "POST", {**body, "auth": auth})
        self.assertEqual(status, 200, made)
        status, _ = n.get("/_matrix/client/v3/register", "POST", {**body, "username": "eve"})
        self.assertIn(status, (401, 403))
        n.stop()
        self.assertNotIn("registration token", self.node().greeting)
        self.assertNotIn(token, n.log_text())

    # Commands, with a running node and without

    def test_commands_reach_a_running_node_or_open_the_directory(self):
        self.kith("init")
        for running in (False, True):
            n = self.node("--password-cost", "low") if running else None
            name = "bob" if running else "alice"
            self.assertIn(f"@{name}:", self.kith("register", name, "--password-cost", "low",
                                                 stdin="secret word\n"))
            self.kith("register", name, stdin="secret word\n", code=EXISTS)
            self.kith("register", "No Name", stdin="secret word\n", code=USAGE)
            self.kith("register", "empty", stdin="\n", code=USAGE)
            self.kith("register", "eof", stdin="", code=USAGE)
            status = json.loads(self.kith("status", "--json"))
            self.assertEqual((status["running"], status["users"]), (running, 1 + running))
            self.assertIn("in order", self.kith("status"))
            self.assertEqual(json.loads(self.kith("peers", "--json")), {"peers": []})
            self.assertEqual(json.loads(self.kith("check", "--json")), {"findings": [], "ok": True})
            self.assertRegex(self.kith("invite", "--expires", "60"), r"(?i)^kith:1[a-z2-7]+\n")
            self.kith("invite", "--expires", "soon", code=USAGE)
            self.kith("join", "kith:1nonsense", code=USAGE)
            if n:
                self.assertEqual(n.stop(), 0)

    def test_two_people_pair(self):
        a, b = self.node(), self.node(data=self.top / "b")
        self.kith("register", "alice", stdin="secret word\n")
        self.kith("register", "bob", stdin="secret word\n", data=b.data)
        invite = self.kith("invite", "--no-qr").split("\n")[0]
        joined = self.kith("join", invite, data=b.data)
        self.assertIn("@alice:", joined)
        self.kith("join", invite, data=self.top / "c", code=NO_IDENTITY)
        self.kith("init", data=self.top / "c")
        self.assertIn("used up", self.kith("join", invite, data=self.top / "c", code=UNREACHABLE))
        for data, friend in ((a.data, "@bob:"), (b.data, "@alice:")):
            for _ in range(100):
                said = self.kith("peers", data=data)
                if "linked" in said and friend in said:
                    break
                time.sleep(0.1)
            self.assertIn("linked", said)
            self.assertIn(friend, said)
        a.stop()
        self.assertIn("@bob:", self.kith("peers"))

    def test_an_invite_of_a_node_that_is_off(self):
        self.kith("init")
        invite = self.kith("invite", "--link-listen", f"127.0.0.1:{free_port()}").split("\n")[0]
        self.kith("init", data=self.top / "b")
        self.kith("join", invite, data=self.top / "b", code=UNREACHABLE)

    def test_a_terminal_sees_progress_and_a_qr_code(self):
        self.kith("init")
        with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts, and says nothing
            link = "127.0.0.1:%d" % mute.getsockname()[1]
            mute_too = self.top / "mute"
            self.kith("init", data=mute_too)
            mute.close()
            invite = self.kith("invite", "--link-listen", link, data=mute_too).split("\n")[0]
            with socket.create_server(("127.0.0.1", int(link.rpartition(":")[2]))):
                self.assertIn("..", self.on_terminal("join", invite, until=b".."))
        self.assertIn("\u2588", self.on_terminal("invite"))
        self.assertNotIn("\u2588", self.on_terminal("invite", "--no-qr"))

    def on_terminal(self, *words, until=None, seconds=60):
        """What a command prints on a terminal, until it has said that, ends, or the time is over."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(KITH, [KITH, *words, "--data-dir", str(self.data)])
        said, end = b"", time.monotonic() + seconds
        while time.monotonic() < end and not (until and until in said):
            if select.select([fd], [], [], 0.2)[0]:
                try:
                    got = os.read(fd, 65536)
                except OSError:
                    break
                said += got
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(fd)
        return said.decode()

    # Rules

    def rules(self, command, text, *flags, code=OK):
        p = subprocess.run([KITH, command, "-", *flags], input=text, capture_output=True, text=True)
        self.assertEqual(p.returncode, code, p.stdout + p.stderr)
        return [json.loads(line) for line in p.stdout.splitlines()] if code == OK or p.stdout else p.stderr

    def test_rules_of_a_room(self):
        def event(type, sender, key, content, auth, ts):
            return {"type": type, "sender": sender, "state_key": key, "content": content, "depth": ts,
                    "room_id": "!r:a", "prev_events": ["$x"], "auth_events": auth, "origin_server_ts": ts}
        create = {**event("m.room.create", "@a:a", "", {"room_version": "11"}, [], 1), "prev_events": []}
        join = {**event("m.room.member", "@a:a", "@a:a", {"membership": "join"}, ["$create"], 2),
                "prev_events": ["$create"]}
        levels = event("m.room.power_levels", "@a:a", "", {"users": {"@a:a": 100}}, ["$create", "$join"], 3)
        mine = event("m.room.topic", "@a:a", "", {"topic": "1"}, ["$create", "$join", "$levels"], 4)
        later = event("m.room.topic", "@a:a", "", {"topic": "2"}, ["$create", "$join", "$levels"], 5)
        theirs = event("m.room.topic", "@b:b", "", {"topic": "3"}, ["$create", "$levels"], 6)
        events = {"$create": create, "$join": join, "$levels": levels, "$mine": mine, "$later": later,
                  "$theirs": theirs}
        base = ["$create", "$join", "$levels"]
        case = {"room_version": "11", "events": events,
                "state_sets": [[*base, "$mine"], [*base, "$later"], [*base, "$theirs"]]}
        answer, = self.rules("resolve", json.dumps(case, indent=1))
        self.assertEqual(answer, {"resolved": sorted([*base, "$later"]), "rejected": ["$theirs"]})
        answer, = self.rules("resolve", json.dumps(case), "--explain")
        won = {x["event_id"]: x["won"] for x in answer["explained"]}
        self.assertEqual(won, {"$mine": False, "$later": True, "$theirs": False})
        why = {x["event_id"]: x["why"] for x in answer["explained"]}
        self.assertIn("$later", why["$mine"])
        self.assertIn("not in the room", why["$theirs"])
        self.assertEqual(self.rules("resolve", json.dumps({**case, "state_sets": []}))[0]["resolved"], [])
        answer, = self.rules("resolve", json.dumps(case), "--verify")
        self.assertEqual(answer["rejected"], sorted(events))

        one = {"room_version": "11", "event": create, "auth_events": []}
        two = {"room_version": "11", "event": {**create, "content": {"room_version": "0"}}, "auth_events": []}
        answers = self.rules("auth", json.dumps(one) + "\n\n" + json.dumps(two) + "\n", "--lines")
        self.assertEqual([a["allowed"] for a in answers], [True, False])
        self.assertIn("rule 1", answers[1]["rule"])
        answers = self.rules("auth", '{"room_version": "99"}\n' + json.dumps(one) + "\n", "--lines", code=USAGE)
        self.assertIn("99", answers[0]["error"])
        self.assertTrue(answers[1]["allowed"])
        for text in ("", "{}", "[1]", '{"room_version": "11", "event": 1, "auth_events": []}', "{"):
            self.assertTrue(self.rules("auth", text, code=USAGE).startswith("kith: -: "))
        self.assertIn("$none", self.rules("resolve", json.dumps({**case, "state_sets": [["$none"]]}), code=USAGE))

    # The control socket, and what check finds

    def test_the_control_socket_is_ours_alone(self):
        n = self.node()
        mode = (self.data / "control").stat().st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        for line in (b"\n", b"{}\n", b"[1]\n", b'{"command": "fly"}\n', b'{"command": 1}\n',
                     b'{"command": "register", "arguments": {"user": 1, "password": []}}\n',
                     b"\0" * 70000 + b"\n"):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(60)
                s.connect(str(self.data / "control"))
                try:
                    s.sendall(line)
                    answer = s.recv(65536)
                except (BrokenPipeError, ConnectionResetError):
                    answer = b""
                if answer:
                    self.assertNotEqual(json.loads(answer)["status"], 0, answer)
        if os.getuid() == 0:
            reached = subprocess.run(
                [shutil.which("python3", path="/usr/bin"), "-c", "import socket,sys; s=socket.socket(socket.AF_UNIX);"
                 "s.connect(sys.argv[1])", str(self.data / "control")],
                preexec_fn=lambda: os.setuid(65534), capture_output=True)
            self.assertNotEqual(reached.returncode, 0)
        self.assertEqual(json.loads(self.kith("status", "--json"))["running"], True)
        n.stop()
        self.assertFalse((self.data / "control").exists())

    def test_a_socket_left_behind_is_no_running_node(self):
        n = self.node()
        n.stop(signal.SIGKILL)
        self.assertEqual(json.loads(self.kith("status", "--json"))["running"], False)
        self.assertEqual(self.node().stop(), 0)

    def test_check_finds_damage(self):
        self.kith("init")
        self.kith("register", "alice", stdin="secret word\n")
        db = self.data / "kith.db"
        whole = db.read_bytes()
        db.write_bytes(whole[:8192] + os.urandom(8192) + whole[16384:])
        said = self.kith("check", code=DAMAGED)
        self.assertTrue(said.strip())
        db.write_bytes(b"not a database at all" * 400)
        self.kith("check", code=DAMAGED)
        self.kith("run", code=DAMAGED)
        db.write_bytes(whole)
        self.kith("check")


if __name__ == "__main__":
    KITH = sys.argv.pop(1)
    result = unittest.main(exit=False, verbosity=2).result
    sys.exit(not result.wasSuccessful())
