"""Starts and measures a server: kith, matrix-synapse on SQLite from a virtual environment, or the bare one."""
import http.client
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time


def free_port(given=set()):
    """A port that nobody listens on, and that was not given to another caller here before."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in given:
            given.add(port)
            return port


class Server:
    """One server process on loopback with a data directory of its own."""

    name = "?"

    def __init__(self, dir):
        self.dir = pathlib.Path(dir)
        self.port = free_port()
        self.process = None
        self.sent = 0  # messages so far, for fill()

    def command(self):
        raise NotImplementedError

    def prepare(self):
        pass

    def start(self, wrap=()):
        """Starts it; returns seconds until the first answer to /versions."""
        log = open(self.dir / "log", "ab")
        began = time.perf_counter()
        self.process = subprocess.Popen([*wrap, *self.command()], stdout=log, stderr=log,
                                        cwd=self.dir, env=self.environment())
        while True:
            try:
                c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                c.request("GET", "/_matrix/client/versions")
                if c.getresponse().status == 200:
                    c.close()
                    return time.perf_counter() - began
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"{self.name} ended: see {self.dir}/log")
                time.sleep(0.001)
                if time.perf_counter() - began > 120:
                    raise RuntimeError(f"{self.name} does not answer")

    def environment(self):
        return dict(os.environ)

    def stop(self):
        if self.process:
            os.kill(self.pid(), signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    # Figures of the kernel about the process.

    def pid(self):
        """The server itself, also below strace."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        comm = pathlib.Path(f"/proc/{self.process.pid}/comm").read_text().strip()
        return int(children.read_text().split()[0]) if comm == "strace" else self.process.pid

    def cpu(self):
        """Seconds of CPU used so far by all of its threads, to the nanosecond: its clock's
        number is made of the process's as clock_getcpuclockid(3) does it."""
        return time.clock_gettime(~self.pid() << 3 | 2)

    def written(self):
        """Bytes that the process caused to be sent to the block layer."""
        for line in pathlib.Path(f"/proc/{self.pid()}/io").read_text().splitlines():
            if line.startswith("write_bytes"):
                return int(line.split()[1])
        return 0

    def pss(self):
        """Proportional set size in bytes."""
        for line in pathlib.Path(f"/proc/{self.pid()}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        return 0

    def wakeups(self):
        """Voluntary context switches of all threads: each is a sleep that ended."""
        n = 0
        for task in pathlib.Path(f"/proc/{self.pid()}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    n += int(line.split()[1])
        return n

    def database_bytes(self):
        raise NotImplementedError


class Kith(Server):
    name = "kith"

    def __init__(self, dir, program):
        super().__init__(dir)
        self.program = program
        self.link_port = free_port()

    def command(self):
        return [self.program, "run", "--data-dir", str(self.dir / "data"),
                "--listen", f"127.0.0.1:{self.port}",
                "--link-listen", f"127.0.0.1:{self.link_port}", "--registration", "open",
                "--rate-limits", "off", "--password-cost", "low"]

    def database_bytes(self):
        return sum(p.stat().st_size for p in (self.dir / "data").glob("kith.db*"))


class Synapse(Server):
    name = "synapse"

    def __init__(self, dir, python):
        super().__init__(dir)
        self.python = python

    def prepare(self):
        subprocess.run([self.python, "-m", "synapse.app.homeserver", "--server-name", "bench.localhost",
                        "--config-path", str(self.dir / "homeserver.yaml"), "--generate-config",
                        "--report-stats=no", "--data-directory", str(self.dir)],
                       check=True, cwd=self.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        config = self.dir / "homeserver.yaml"
        loose = "{per_second: 100000, burst_count: 100000}"
        config.write_text(config.read_text().replace("port: 8008", f"port: {self.port}") + f"""
enable_registration: true
enable_registration_without_verification: true
bcrypt_rounds: 4
rc_message: {loose}
rc_registration: {loose}
rc_login: {{address: {loose}, account: {loose}, failed_attempts: {loose}}}
rc_joins: {{local: {loose}, remote: {loose}}}
rc_invites: {{per_room: {loose}, per_user: {loose}}}
presence: {{enabled: false}}
""")
        for log in self.dir.glob("*.log.config"):
            log.write_text(log.read_text().replace("level: INFO", "level: WARNING"))

    def command(self):
        return [self.python, "-m", "synapse.app.homeserver", "-c", str(self.dir / "homeserver.yaml")]

    def database_bytes(self):
        return sum(p.stat().st_size for p in self.dir.glob("homeserver.db*"))


class Bare(Server):
    """The least that signs, stores and answers: what this machine takes for that."""

    name = "bare"

    def __init__(self, dir, program):
        super().__init__(dir)
        self.program = program

    def command(self):
        return [self.program, str(self.port), str(self.dir / "log.db")]


class Client:
    """A user's keep-alive connection."""

    def __init__(self, server, user=None):
        self.server = server
        self.c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.c.connect()
        self.c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.token = self.user_id = None
        if user:
            a = self.call("POST", "/_matrix/client/v3/register", {
                "username": user, "password": "correct horse battery",
                "auth": {"type": "m.login.dummy"}})
            self.token, self.user_id = a["access_token"], a["user_id"]

    def fork(self, server):
        """Another connection of the same user."""
        other = Client(server)
        other.token, other.user_id = self.token, self.user_id
        return other

    def call(self, method, path, body=None):
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        data = None if body is None else json.dumps(body)
        self.c.request(method, path, data, headers)
        r = self.c.getresponse()
        text = r.read()
        if r.status != 200:
            raise RuntimeError(f"{method} {path}: {r.status} {text[:300]}")
        return json.loads(text)

    def create_room(self, **more):
        return self.call("POST", "/_matrix/client/v3/createRoom", {"preset": "public_chat", **more})["room_id"]

    def send(self, room, txn, text="hello there, this is a message of ordinary length"):
        self.server.sent += 1
        return self.call("PUT", f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}",
                         {"msgtype": "m.text", "body": text})["event_id"]


def synapse_python(where):
    """A virtual environment with matrix-synapse, made on first use; None where it can't be had."""
    python = pathlib.Path(where) / "bin" / "python"
    with open(f"{where}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests that need it run side by side
        if not python.exists():
            shutil.rmtree(where, ignore_errors=True)
            print("installing matrix-synapse ...", file=sys.stderr, flush=True)
            if subprocess.run([sys.executable, "-m", "venv", where]).returncode:
                return None
            if subprocess.run([python, "-m", "pip", "install", "-q", "matrix-synapse"]).returncode:
                shutil.rmtree(where, ignore_errors=True)
                return None
    return str(python)
