"""security.md T1 and L5: no secret that was handed out stands in the database, its files or the log."""
import json
import pathlib
import subprocess

from client import Case, Client, Node, User
from signing import cross_signing_keys, device_keys
from test_accounts import login_body, password_auth


class DebugNode(Node):
    """Logs all it can."""

    def start(self):
        (self.dir / "data").mkdir(mode=0o700, exist_ok=True)
        (self.dir / "data" / "kith.conf").write_text("log-level = debug\n")
        return super().start()


class Secrets(Case):
    def setUp(self):
        self.own = DebugNode(self.program)
        self.addCleanup(self.own.remove)
        self.own.start()
        self.secrets = {}

    def note(self, what, secret):
        self.assertGreaterEqual(len(secret), 8, what)
        self.secrets[what] = secret.encode()

    def live(self):
        """What makes a node hand out or take every kind of secret."""
        password, second = "correct horse battery staple", "Tr0ub4dor&3 but longer"
        nobody = Client(self.own)
        out = nobody.ok("POST", "/v3/register", body={
            "username": "alice", "password": password, "auth": {"type": "m.login.dummy"}})
        u = User(self.own, out["access_token"], out["user_id"], out["device_id"])
        self.note("the password", password)
        self.note("a token of a registration", u.token)
        login = nobody.ok("POST", "/v3/login", body=login_body(u.user_id, password, refresh_token=True))
        self.note("a token of a login", login["access_token"])
        self.note("a refresh token", login["refresh_token"])
        again = nobody.ok("POST", "/v3/refresh", body={"refresh_token": login["refresh_token"]})
        self.note("a refreshed token", again["access_token"])
        self.note("the next refresh token", again["refresh_token"])
        Client(self.own, again["access_token"]).ok("GET", "/v3/account/whoami")
        self.note("an openid token", u.ok("POST", "/v3/user/{}/openid/request_token", u.user_id)["access_token"])
        token = u.ok("POST", "/v1/login/get_token", body={"auth": password_auth(u, password)})["login_token"]
        self.note("a login token", token)
        by_token = nobody.ok("POST", "/v3/login", body={"type": "m.login.token", "token": token})
        self.note("a token of a login by token", by_token["access_token"])
        asked = u.call("DELETE", "/v3/devices/{}", by_token["device_id"])
        self.note("a session of authentication", asked.json["session"])
        u.call("DELETE", "/v3/devices/{}", by_token["device_id"], body={
            "auth": password_auth(u, "a wrong password of mine", session=asked.json["session"])})
        self.note("a wrong password", "a wrong password of mine")
        u.ok("POST", "/v3/account/password", body={"auth": password_auth(u, password), "new_password": second,
                                                   "logout_devices": False})
        self.note("the new password", second)
        nobody.refused(403, "M_FORBIDDEN", "POST", "/v3/login", body=login_body(u.user_id, "yet another guess"))
        self.note("a guess", "yet another guess")
        u.raw("GET", f"/_matrix/client/v3/account/whoami?access_token={u.token}")
        Client(self.own).raw("GET", f"/_matrix/client/v3/sync?access_token={u.token}")
        Client(self.own, u.token + "x").raw("GET", "/_matrix/client/v3/sync")
        Client(self.own, u.token).raw("GET", "/_matrix/client/v3/nothing")
        Client(self.own, u.token).raw("POST", "/_matrix/client/v3/createRoom", b"{" + u.token.encode())
        room = u.create_room(preset="public_chat")
        u.send(room, "a message that nobody else may read")
        u.raw("PUT", f"/_matrix/client/v3/rooms/{room}/send/m.room.message/t",
              b'{"body":"a message that nobody else may read","msgtype":3,}')
        keys, _ = device_keys(u, "1")
        u.ok("POST", "/v3/keys/upload", body={"device_keys": keys})
        u.ok("POST", "/v3/keys/device_signing/upload", body=cross_signing_keys(u, "1")[0])
        u.ok("PUT", "/v3/user/{}/account_data/{}", u.user_id, "my.type", body={"x": 1})
        return u

    def files(self):
        for p in sorted(pathlib.Path(self.own.dir, "data").rglob("*")):
            if p.is_file():
                yield p, p.read_bytes()

    def test_none_is_kept_or_logged(self):
        u = self.live()
        for when in ("while it runs", "after it ended"):
            kept = list(self.files())
            self.assertTrue(any(u.user_id.encode() in data for _, data in kept))
            for what, secret in self.secrets.items():
                for p, data in kept:
                    self.assertNotIn(secret, data, f"{what} stands in {p.name} {when}")
            if self.own.process:
                self.own.stop()
        log = (self.own.dir / "log").read_bytes()
        self.assertIn(b" debug ", log)
        self.assertIn(u.user_id.encode(), log)
        for what, secret in {**self.secrets, "a message": b"a message that nobody else"}.items():
            self.assertNotIn(secret, log, f"{what} stands in the log")

    def test_backups_of_the_database_hold_none(self):
        u = self.live()
        self.assertEqual(u.ok("GET", "/v3/account/whoami")["user_id"], u.user_id)
        copies = self.own.dir / "copy.db"
        source = next(p for p, _ in self.files() if p.suffix == ".db")
        subprocess.run(["python3", "-c", "import sqlite3,sys; sqlite3.connect(sys.argv[1]).backup("
                        "sqlite3.connect(sys.argv[2]))", source, copies], check=True)
        data = copies.read_bytes()
        self.assertIn(u.user_id.encode(), data)
        for what, secret in self.secrets.items():
            self.assertNotIn(secret, data, what)
