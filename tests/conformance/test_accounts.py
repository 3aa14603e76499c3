"""Accounts: registering, signing in and out, passwords, tokens, the end of an account."""
import json
import threading
import time

from client import NO_BODY, Case, Client, Node, User, path

PASSWORD = "password"


def password_auth(user, password=PASSWORD, **more):
    return {"type": "m.login.password", "password": password,
            "identifier": {"type": "m.id.user", "user": user.user_id}, **more}


def login_body(user, password=PASSWORD, **more):
    return {"type": "m.login.password", "password": password,
            "identifier": {"type": "m.id.user", "user": user}, **more}


class Registering(Case):
    def test_without_auth_the_flows_are_told(self):
        out = Client(self.node).call("POST", "/v3/register", body={})
        self.assertEqual(out.status, 401)
        self.assertEqual(out.json["flows"], [{"stages": ["m.login.dummy"]}])
        self.assertTrue(out.json["session"])

    def register(self, status=200, **body):
        out = Client(self.node).call("POST", "/v3/register",
                                     body={"auth": {"type": "m.login.dummy"}, **body})
        self.assertEqual(out.status, status, out)
        return out.json

    def test_a_user_is_made_and_signed_in(self):
        out = self.register(username="made", password=PASSWORD, device_id="mine",
                            initial_device_display_name="my device")
        self.assertTrue(out["user_id"].startswith("@made:"))
        self.assertEqual(out["device_id"], "mine")
        u = User(self.node, out["access_token"], out["user_id"], out["device_id"])
        self.assertEqual(u.ok("GET", "/v3/account/whoami"),
                         {"user_id": out["user_id"], "device_id": "mine", "is_guest": False})
        self.assertEqual(u.ok("GET", "/v3/devices/{}", "mine")["display_name"], "my device")

    def test_names_are_made_lower_case(self):
        self.assertTrue(self.register(username="SHOUTING", password=PASSWORD)["user_id"].startswith("@shouting:"))

    def test_names_with_the_characters_of_the_grammar(self):
        for c in "q3._=-/+":
            name = f"chars{c}x"
            self.assertTrue(self.register(username=name, password=PASSWORD)["user_id"].startswith(f"@{name}:"))

    def test_names_with_other_characters_are_invalid(self):
        for c in "!\":?\\@[]{|}£é\n' #":
            self.assertEqual(self.register(400, username=f"bad{c}name", password=PASSWORD)["errcode"],
                             "M_INVALID_USERNAME", c)
            Client(self.node).refused(400, "M_INVALID_USERNAME", "GET", "/v3/register/available",
                                      query={"username": f"bad{c}name"})

    def test_a_taken_name_is_refused_before_and_after_the_stages(self):
        self.register(username="taken", password=PASSWORD)
        self.assertEqual(self.register(400, username="taken", password="x")["errcode"], "M_USER_IN_USE")
        self.assertEqual(self.register(400, username="Taken", password="x")["errcode"], "M_USER_IN_USE")
        c = Client(self.node)
        c.refused(400, "M_USER_IN_USE", "POST", "/v3/register", body={"username": "taken"})
        c.refused(400, "M_USER_IN_USE", "GET", "/v3/register/available", query={"username": "taken"})
        self.assertTrue(c.ok("GET", "/v3/register/available", query={"username": "free"})["available"])

    def test_a_name_is_made_up_when_none_is_given(self):
        a, b = self.register(password=PASSWORD), self.register(password=PASSWORD)
        self.assertNotEqual(a["user_id"], b["user_id"])

    def test_inhibit_login_gives_no_token(self):
        out = self.register(username="quiet", password=PASSWORD, inhibit_login=True)
        self.assertNotIn("access_token", out)
        self.assertNotIn("device_id", out)
        Client(self.node).ok("POST", "/v3/login", body=login_body("quiet"))

    def test_passwords_may_have_any_characters(self):
        self.register(username="umlaut", password="ü\u2028🔑\u0000x")
        Client(self.node).ok("POST", "/v3/login", body=login_body("umlaut", "ü\u2028🔑\u0000x"))
        Client(self.node).refused(403, "M_FORBIDDEN", "POST", "/v3/login", body=login_body("umlaut", "ü\u2028🔑"))

    def test_the_session_is_completed_step_by_step(self):
        c = Client(self.node)
        first = c.call("POST", "/v3/register", body={"username": "steps", "password": PASSWORD})
        self.assertEqual(first.status, 401)
        session = first.json["session"]
        out = c.ok("POST", "/v3/register", body={
            "username": "steps", "password": PASSWORD, "auth": {"type": "m.login.dummy", "session": session}})
        self.assertTrue(out["user_id"].startswith("@steps:"))

    def test_guests_are_refused(self):
        Client(self.node).refused(403, "M_GUEST_ACCESS_FORBIDDEN", "POST", "/v3/register",
                                  query={"kind": "guest"})

    def test_invalid_utf8_is_no_json(self):
        out = Client(self.node).raw("POST", path("/v3/register"), b'{"test": "a\x81"}')
        self.assertEqual((out.status, out.errcode), (400, "M_NOT_JSON"))


class SigningIn(Case):
    def test_the_flows(self):
        flows = Client(self.node).ok("GET", "/v3/login")["flows"]
        self.assertIn({"type": "m.login.password"}, flows)

    def test_by_whole_id_localpart_and_the_old_member(self):
        u = self.user()
        localpart = u.user_id[1:].split(":")[0]
        server = u.user_id.split(":", 1)[1]
        c = Client(self.node)
        for body in (login_body(u.user_id), login_body(localpart), login_body(localpart.upper()),
                     login_body(f"@{localpart.title()}:{server}"),
                     {"type": "m.login.password", "user": localpart, "password": PASSWORD}):
            out = c.ok("POST", "/v3/login", body=body)
            self.assertEqual(out["user_id"], u.user_id)
            User(self.node, out["access_token"], u.user_id, "").ok("GET", "/v3/account/whoami")

    def test_the_device_asked_for_is_given(self):
        u = self.user()
        out = Client(self.node).ok("POST", "/v3/login", body=login_body(u.user_id, device_id="a/b c"))
        self.assertEqual(out["device_id"], "a/b c")

    def test_the_same_device_again_ends_its_old_token(self):
        u = self.user()
        out = Client(self.node).ok("POST", "/v3/login", body=login_body(u.user_id, device_id=u.device_id))
        u.refused(401, "M_UNKNOWN_TOKEN", "GET", "/v3/account/whoami")
        again = User(self.node, out["access_token"], u.user_id, u.device_id)
        self.assertEqual(len(again.ok("GET", "/v3/devices")["devices"]), 1)

    def test_refusals(self):
        u = self.user()
        c = Client(self.node)
        refused = [
            (403, "M_FORBIDDEN", login_body(u.user_id, "wrong")),
            (403, "M_FORBIDDEN", login_body("nobody-here")),
            (403, "M_FORBIDDEN", login_body(f"@nobody:{u.user_id.split(':', 1)[1]}")),
            (403, "M_FORBIDDEN", login_body(u.user_id.split(":")[0] + ":elsewhere.example")),
            (403, "M_FORBIDDEN", login_body(u.user_id, PASSWORD + "\0")),
            (403, "M_FORBIDDEN", login_body(u.user_id, "x" * 513)),
            (400, "M_UNKNOWN", {**login_body(u.user_id), "type": "m.login.magic"}),
            (400, ("M_BAD_JSON", "M_MISSING_PARAM"), {"password": PASSWORD}),
            (400, ("M_BAD_JSON", "M_MISSING_PARAM"), {"type": "m.login.password", "password": PASSWORD}),
            (400, ("M_BAD_JSON", "M_MISSING_PARAM"), {"type": "m.login.password", "user": u.user_id}),
        ]
        for status, errcode, body in refused:
            c.refused(status, errcode, "POST", "/v3/login", body=body)

    def test_tokens_that_are_not_there(self):
        c = Client(self.node)
        c.refused(401, "M_MISSING_TOKEN", "GET", "/v3/account/whoami")
        c.token = "nonsense"
        out = c.refused(401, "M_UNKNOWN_TOKEN", "GET", "/v3/account/whoami")
        self.assertFalse(out["soft_logout"])
        c.refused(401, "M_UNKNOWN_TOKEN", "POST", "/v3/logout")
        c.token = None
        c.refused(401, "M_MISSING_TOKEN", "POST", "/v3/logout")

    def test_a_token_in_the_query_counts_only_if_configured(self):
        u = self.user()
        Client(self.node).refused(401, "M_MISSING_TOKEN", "GET", "/v3/account/whoami", query={"access_token": u.token})


class SigningOut(Case):
    def test_of_one_device(self):
        u = self.user()
        other = u.again()
        self.assertEqual(len(u.ok("GET", "/v3/devices")["devices"]), 2)
        other.ok("POST", "/v3/logout")
        other.refused(401, "M_UNKNOWN_TOKEN", "GET", "/v3/sync")
        self.assertEqual([d["device_id"] for d in u.ok("GET", "/v3/devices")["devices"]], [u.device_id])

    def test_of_all(self):
        u = self.user()
        other = u.again()
        other.ok("POST", "/v3/logout/all")
        for user in (u, other):
            user.refused(401, "M_UNKNOWN_TOKEN", "GET", "/v3/sync")

    def test_a_body_is_not_needed(self):
        for body in (None, b"", b"{}"):
            out = self.user().raw("POST", path("/v3/logout"), body)
            self.assertEqual(out.status, 200, out)


class Refreshing(Case):
    def login(self, u):
        out = Client(self.node).ok("POST", "/v3/login", body=login_body(u.user_id, refresh_token=True))
        self.assertGreater(out["expires_in_ms"], 0)
        return out

    def test_a_token_is_exchanged(self):
        u = self.user()
        first = self.login(u)
        c = Client(self.node)
        second = c.ok("POST", "/v3/refresh", body={"refresh_token": first["refresh_token"]})
        self.assertNotEqual(second["access_token"], first["access_token"])
        self.assertNotEqual(second["refresh_token"], first["refresh_token"])
        c.token = second["access_token"]
        self.assertEqual(c.ok("GET", "/v3/account/whoami")["device_id"], first["device_id"])

    def test_the_old_tokens_end_with_the_first_use_of_the_new(self):
        u = self.user()
        first = self.login(u)
        c = Client(self.node)
        lost = c.ok("POST", "/v3/refresh", body={"refresh_token": first["refresh_token"]})
        # The answer may have been lost: the same again is allowed until the new one is used.
        second = c.ok("POST", "/v3/refresh", body={"refresh_token": first["refresh_token"]})
        c.token = lost["access_token"]
        c.refused(401, "M_UNKNOWN_TOKEN", "GET", "/v3/account/whoami")
        c.token = second["access_token"]
        c.ok("GET", "/v3/account/whoami")
        c.token = None
        c.refused(401, "M_UNKNOWN_TOKEN", "POST", "/v3/refresh", body={"refresh_token": first["refresh_token"]})
        c.token = first["access_token"]
        c.refused(401, "M_UNKNOWN_TOKEN", "GET", "/v3/account/whoami")

    def test_who_did_not_ask_gets_none(self):
        out = Client(self.node).ok("POST", "/v3/login", body=login_body(self.user().user_id))
        self.assertNotIn("refresh_token", out)
        self.assertNotIn("expires_in_ms", out)

    def test_refusals(self):
        c = Client(self.node)
        c.refused(401, "M_UNKNOWN_TOKEN", "POST", "/v3/refresh", body={"refresh_token": "nonsense"})
        c.refused(400, ("M_BAD_JSON", "M_MISSING_PARAM"), "POST", "/v3/refresh")
        first = self.login(self.user())
        c.token = first["access_token"]
        c.ok("POST", "/v3/logout")
        c.token = None
        c.refused(401, "M_UNKNOWN_TOKEN", "POST", "/v3/refresh", body={"refresh_token": first["refresh_token"]})


class LoginTokens(Case):
    def get(self, user, body=NO_BODY):
        return user.call("POST", "/v1/login/get_token", body=body)

    def make(self, user):
        out = self.get(user, {"auth": password_auth(user)})
        self.assertEqual(out.status, 200, out)
        self.assertLessEqual(out.json["expires_in_ms"], 120000)
        return out.json["login_token"]

    def login(self, token, **more):
        return Client(self.node).call("POST", "/v3/login", body={"type": "m.login.token", "token": token, **more})

    def test_they_are_told_of(self):
        flows = Client(self.node).ok("GET", "/v3/login")["flows"]
        self.assertIn({"type": "m.login.token", "get_login_token": True}, flows)
        caps = self.user().ok("GET", "/v3/capabilities")["capabilities"]
        self.assertEqual(caps["m.get_login_token"], {"enabled": True})

    def test_another_device_signs_in_once(self):
        u = self.user()
        token = self.make(u)
        out = self.login(token, device_id="phone")
        self.assertEqual(out.status, 200, out)
        self.assertEqual((out.json["user_id"], out.json["device_id"]), (u.user_id, "phone"))
        User(self.node, out.json["access_token"], u.user_id, "phone").ok("GET", "/v3/account/whoami")
        again = self.login(token)
        self.assertEqual((again.status, again.errcode), (403, "M_FORBIDDEN"))

    def test_the_user_is_always_asked(self):
        u = self.user()
        for _ in range(2):
            asked = self.get(u)
            self.assertEqual(asked.status, 401)
            self.assertEqual(asked.json["flows"], [{"stages": ["m.login.password"]}])
            self.assertEqual(self.get(u, {"auth": password_auth(u, "wrong")}).status, 401)
            self.make(u)

    def test_only_the_last_token_counts(self):
        u = self.user()
        first, second = self.make(u), self.make(u)
        self.assertEqual(self.login(first).status, 403)
        self.assertEqual(self.login(second).status, 200)

    def test_it_ends_with_the_account_and_the_device_that_asked(self):
        u = self.user()
        token = self.make(u)
        other = u.again()
        other.ok("POST", "/v3/logout/all")
        self.assertEqual(self.login(token).status, 403)

    def test_nonsense_is_refused(self):
        for token in ("", "nonsense", "x" * 5000):
            out = self.login(token)
            self.assertEqual((out.status, out.errcode), (403, "M_FORBIDDEN"))
        out = self.login(1)
        self.assertEqual((out.status, out.errcode), (400, "M_BAD_JSON"))


class Passwords(Case):
    def change(self, user, old, new, **more):
        return user.call("POST", "/v3/account/password", body={
            "auth": password_auth(user, old), "new_password": new, **more})

    def test_the_new_one_counts_and_other_devices_are_signed_out(self):
        u = self.user()
        other = u.again()
        self.assertEqual(self.change(u, PASSWORD, "new").status, 200)
        c = Client(self.node)
        c.refused(403, "M_FORBIDDEN", "POST", "/v3/login", body=login_body(u.user_id))
        c.ok("POST", "/v3/login", body=login_body(u.user_id, "new"))
        u.ok("GET", "/v3/account/whoami")
        other.refused(401, "M_UNKNOWN_TOKEN", "GET", "/v3/account/whoami")

    def test_other_devices_can_be_kept(self):
        u = self.user()
        other = u.again()
        self.assertEqual(self.change(u, PASSWORD, "new", logout_devices=False).status, 200)
        other.ok("GET", "/v3/account/whoami")

    def test_it_takes_the_old_one(self):
        u = self.user()
        out = self.change(u, "wrong", "new")
        self.assertEqual((out.status, out.errcode), (401, "M_FORBIDDEN"))
        self.assertEqual(out.json["flows"], [{"stages": ["m.login.password"]}])
        self.assertEqual(u.call("POST", "/v3/account/password", body={"new_password": "new"}).status, 401)
        Client(self.node).refused(401, "M_MISSING_TOKEN", "POST", "/v3/account/password",
                                  body={"new_password": "new"})
        Client(self.node).ok("POST", "/v3/login", body=login_body(u.user_id))

    def test_another_users_password_does_not_do(self):
        alice, eve = self.users("alice", "eve")
        out = alice.call("POST", "/v3/account/password", body={
            "auth": password_auth(eve), "new_password": "new"})
        self.assertEqual((out.status, out.errcode), (403, "M_FORBIDDEN"))

    def test_a_password_is_neither_empty_nor_endless(self):
        u = self.user()
        for bad in ("", "x" * 513):
            out = self.change(u, PASSWORD, bad)
            self.assertEqual((out.status, out.errcode), (400, "M_INVALID_PARAM"), out)
        self.assertEqual(self.change(u, PASSWORD, "x" * 512).status, 200)


class Deactivating(Case):
    def deactivate(self, user, password=PASSWORD, **more):
        return user.call("POST", "/v3/account/deactivate", body={"auth": password_auth(user, password), **more})

    def test_it_takes_the_password(self):
        u = self.user()
        self.assertEqual(u.call("POST", "/v3/account/deactivate", body={}).status, 401)
        out = self.deactivate(u, "wrong")
        self.assertEqual((out.status, out.errcode), (401, "M_FORBIDDEN"))
        u.ok("GET", "/v3/account/whoami")

    def test_nothing_is_left(self):
        u, friend = self.users("gone", "friend")
        room = friend.create_room(preset="public_chat")
        u.join(room)
        u.ok("PUT", "/v3/profile/{}/displayname", u.user_id, body={"displayname": "Gone"})
        other = u.again()
        out = self.deactivate(u, erase=False)
        self.assertEqual(out.json["id_server_unbind_result"], "success")
        for user in (u, other):
            user.refused(401, "M_UNKNOWN_TOKEN", "GET", "/v3/account/whoami")
        c = Client(self.node)
        c.refused(403, "M_FORBIDDEN", "POST", "/v3/login", body=login_body(u.user_id))
        localpart = u.user_id[1:].split(":")[0]
        c.refused(400, "M_USER_IN_USE", "GET", "/v3/register/available", query={"username": localpart})
        friend.refused(404, "M_NOT_FOUND", "GET", "/v3/profile/{}", u.user_id)
        self.assertNotIn(u.user_id, friend.ok("GET", "/v3/rooms/{}/joined_members", room)["joined"])
        self.assertEqual(friend.ok("POST", "/v3/keys/query", body={"device_keys": {u.user_id: []}})
                         .get("device_keys", {}).get(u.user_id, {}), {})

    def test_erase_is_a_boolean(self):
        u = self.user()
        out = self.deactivate(u, erase="yes")
        self.assertEqual((out.status, out.errcode), (400, "M_BAD_JSON"))


class UserInteractive(Case):
    """A session is of one user and one thing to do."""

    def start(self, user, device):
        out = user.call("DELETE", "/v3/devices/{}", device)
        self.assertEqual(out.status, 401)
        self.assertEqual(set(out.json) - {"completed"}, {"session", "flows", "params"})
        return out.json["session"]

    def test_it_is_not_for_another_device(self):
        u = self.user()
        a, b = u.again(), u.again()
        session = self.start(u, a.device_id)
        out = u.call("DELETE", "/v3/devices/{}", b.device_id, body={"auth": password_auth(u, session=session)})
        self.assertEqual((out.status, out.errcode), (403, "M_FORBIDDEN"))
        b.ok("GET", "/v3/account/whoami")

    def test_it_is_not_for_another_operation(self):
        u = self.user()
        session = self.start(u, u.again().device_id)
        out = u.call("POST", "/v3/account/deactivate", body={"auth": password_auth(u, session=session)})
        self.assertEqual((out.status, out.errcode), (403, "M_FORBIDDEN"))
        u.ok("GET", "/v3/account/whoami")

    def test_it_is_not_for_another_user(self):
        u, eve = self.users("u", "eve")
        session = self.start(u, "D")
        out = eve.call("DELETE", "/v3/devices/{}", "D", body={"auth": password_auth(eve, session=session)})
        self.assertEqual((out.status, out.errcode), (403, "M_FORBIDDEN"))

    def test_one_that_is_not_there_begins_anew(self):
        u = self.user()
        a = u.again()
        out = u.call("DELETE", "/v3/devices/{}", a.device_id,
                     body={"auth": password_auth(u, session="forgotten")})
        self.assertEqual((out.status, out.errcode), (401, "M_FORBIDDEN"))
        session = out.json["session"]
        u.ok("DELETE", "/v3/devices/{}", a.device_id, body={"auth": password_auth(u, session=session)})

    def test_it_is_used_once(self):
        u = self.user()
        a = u.again()
        session = self.start(u, a.device_id)
        body = {"auth": password_auth(u, session=session)}
        u.ok("DELETE", "/v3/devices/{}", a.device_id, body=body)
        self.assertEqual(u.call("DELETE", "/v3/devices/{}", a.device_id, body=body).status, 401)

    def test_a_wrong_password_leaves_the_session(self):
        u = self.user()
        a = u.again()
        session = self.start(u, a.device_id)
        out = u.call("DELETE", "/v3/devices/{}", a.device_id,
                     body={"auth": password_auth(u, "wrong", session=session)})
        self.assertEqual((out.status, out.errcode, out.json["session"]), (401, "M_FORBIDDEN", session))
        u.ok("DELETE", "/v3/devices/{}", a.device_id, body={"auth": password_auth(u, session=session)})


class TokensEnd(Case):
    """security.md T3: at once, and what is parked too."""

    def parked(self, user):
        """A sync that waits, and what became of it."""
        first = user.sync()["next_batch"]
        got = {}

        def poll():
            began = time.monotonic()
            c = Client(self.node, user.token)
            got["answer"] = c.raw("GET", f"/_matrix/client/v3/sync?timeout=20000&since={first}")
            got["seconds"] = time.monotonic() - began
        thread = threading.Thread(target=poll)
        thread.start()
        time.sleep(0.3)
        self.assertTrue(thread.is_alive(), got)
        return thread, got

    def ended(self, poll):
        thread, got = poll
        thread.join(30)
        self.assertLess(got["seconds"], 15)  # the poll's own time is 20
        self.assertEqual((got["answer"].status, got["answer"].errcode), (401, "M_UNKNOWN_TOKEN"), got)

    def test_logout(self):
        u = self.user()
        poll = self.parked(u)
        u.ok("POST", "/v3/logout")
        self.ended(poll)

    def test_logout_of_all(self):
        u = self.user()
        other = u.again()
        poll = self.parked(u)
        other.ok("POST", "/v3/logout/all")
        self.ended(poll)

    def test_device_deletion(self):
        u = self.user()
        other = u.again()
        poll = self.parked(other)
        u.ok("DELETE", "/v3/devices/{}", other.device_id, body={"auth": password_auth(u)})
        self.ended(poll)
        a = u.again()
        poll = self.parked(a)
        u.ok("POST", "/v3/delete_devices", body={"devices": [a.device_id], "auth": password_auth(u)})
        self.ended(poll)

    def test_password_change(self):
        u = self.user()
        other = u.again()
        u.sync()
        poll, mine = self.parked(other), self.parked(u)
        u.ok("POST", "/v3/account/password", body={"auth": password_auth(u), "new_password": "new"})
        self.ended(poll)
        mine[0].join(30)
        self.assertEqual(mine[1]["answer"].status, 200)
        self.assertEqual(mine[1]["answer"].json["device_lists"]["changed"], [u.user_id])

    def test_deactivation(self):
        u = self.user()
        poll = self.parked(u)
        u.ok("POST", "/v3/account/deactivate", body={"auth": password_auth(u)})
        self.ended(poll)

    def test_the_same_device_signs_in_again(self):
        u = self.user()
        poll = self.parked(u)
        Client(self.node).ok("POST", "/v3/login", body=login_body(u.user_id, device_id=u.device_id))
        self.ended(poll)


class About(Case):
    """What a client asks before anything else."""

    def test_versions(self):
        out = Client(self.node).ok("GET", "/_matrix/client/versions")
        self.assertEqual(out["versions"][0], "v1.1")
        for v in out["versions"]:
            self.assertRegex(v, r"^v[1-9]\d*\.\d+$")
        for on in out["unstable_features"].values():
            self.assertIs(type(on), bool)
        c = Client(self.node, "nonsense")
        c.refused(401, "M_UNKNOWN_TOKEN", "GET", "/_matrix/client/versions")
        self.assertEqual(self.user().ok("GET", "/_matrix/client/versions")["versions"], out["versions"])

    def test_well_known(self):
        out = Client(self.node).ok("GET", "/.well-known/matrix/client")
        self.assertEqual(out["m.homeserver"]["base_url"], f"http://127.0.0.1:{self.node.port}")

    def test_capabilities(self):
        caps = self.user().ok("GET", "/v3/capabilities")["capabilities"]
        self.assertEqual(caps["m.change_password"], {"enabled": True})
        self.assertIn(caps["m.room_versions"]["default"], caps["m.room_versions"]["available"])
        Client(self.node).refused(401, "M_MISSING_TOKEN", "GET", "/v3/capabilities")

    def test_turn_server(self):
        c = self.user()
        c.checked = False  # without a TURN server the answer is empty
        self.assertEqual(c.ok("GET", "/v3/voip/turnServer"), {})

    def test_openid(self):
        u, other = self.users("u", "other")
        out = u.ok("POST", "/v3/user/{}/openid/request_token", u.user_id)
        self.assertEqual(out["matrix_server_name"], u.user_id.split(":", 1)[1])
        self.assertEqual(out["token_type"], "Bearer")
        self.assertGreater(out["expires_in"], 0)
        u.refused(403, "M_FORBIDDEN", "POST", "/v3/user/{}/openid/request_token", other.user_id)
        # It is for third parties: it opens nothing here.
        Client(self.node, out["access_token"]).refused(401, "M_UNKNOWN_TOKEN", "GET", "/v3/account/whoami")

    def test_no_addresses(self):
        self.assertEqual(self.user().ok("GET", "/v3/account/3pid"), {"threepids": []})

    def test_pages_of_other_origins_may_read_all_answers(self):
        u = self.user()
        page = {"Origin": "https://app.example"}
        asked = [
            (u, "GET", "/v3/account/whoami", None, 200), (u, "GET", "/v3/nothing", None, 404),
            (u, "PATCH", "/v3/sync", None, 405), (u, "POST", "/v3/createRoom", b"{", 400),
            (u, "GET", "/v3/rooms/!a:b/state", None, 403), (Client(self.node), "GET", "/v3/sync", None, 401),
            (Client(self.node), "GET", "/v3/login", None, 200),
            (u, "POST", "/v3/keys/query", b'{"device_keys":{}}' + b" " * (11 << 20), 413),
            (u, "GET", "/v1/media/download/{}/nothing".format(u.user_id.split(":", 1)[1]), None, 404),
        ]
        for who, method, target, body, status in asked:
            out = who.raw(method, "/_matrix/client" + target, body, page)
            self.assertEqual(out.status, status, (target, out))
            self.cors(out)
            who.close()
        out = Client(self.node).raw("OPTIONS", path("/v3/sync"), None, {
            **page, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization",
            "Access-Control-Request-Private-Network": "true"})
        self.assertEqual((out.status, out.headers.get("Access-Control-Allow-Private-Network")), (200, "true"))
        self.cors(out)

    def cors(self, out):
        self.assertEqual(out.headers["Access-Control-Allow-Origin"], "*")
        methods = {m.strip() for m in out.headers["Access-Control-Allow-Methods"].split(",")}
        self.assertLessEqual({"GET", "POST", "PUT", "DELETE", "OPTIONS"}, methods)
        allowed = {h.strip().lower() for h in out.headers["Access-Control-Allow-Headers"].split(",")}
        self.assertLessEqual({"x-requested-with", "content-type", "authorization"}, allowed)
        self.assertNotIn("Access-Control-Allow-Credentials", out.headers)
        self.assertNotIn("Set-Cookie", out.headers)


class Admin(Case):
    """What the first account may do to others; each of these tests makes its own node."""

    def setUp(self):
        self.node2 = self.new_node()
        self.owner, self.user2 = self.node2.user("owner"), self.node2.user("user")

    def test_a_locked_account_may_sign_out_alone(self):
        u = self.user2
        self.assertEqual(self.owner.ok("PUT", "/v1/admin/lock/{}", u.user_id, body={"locked": True}), {"locked": True})
        out = u.refused(401, "M_USER_LOCKED", "GET", "/v3/account/whoami")
        self.assertTrue(out["soft_logout"])
        self.assertEqual(self.owner.ok("GET", "/v1/admin/lock/{}", u.user_id), {"locked": True})
        self.owner.ok("PUT", "/v1/admin/lock/{}", u.user_id, body={"locked": False})
        u.ok("GET", "/v3/account/whoami")
        self.owner.ok("PUT", "/v1/admin/lock/{}", u.user_id, body={"locked": True})
        u.ok("POST", "/v3/logout")

    def test_a_suspended_account_reads(self):
        u = self.user2
        room = self.owner.create_room(preset="public_chat")
        u.join(room)
        self.owner.ok("PUT", "/v1/admin/suspend/{}", u.user_id, body={"suspended": True})
        u.ok("GET", "/v3/sync")
        u.refused(403, "M_USER_SUSPENDED", "PUT", "/v3/rooms/{}/send/m.room.message/t", room,
                  body={"msgtype": "m.text", "body": "x"})
        u.refused(403, "M_USER_SUSPENDED", "PUT", "/v3/profile/{}/displayname", u.user_id, body={"displayname": "x"})
        u.refused(403, "M_USER_SUSPENDED", "POST", "/v3/createRoom")
        u.ok("POST", "/v3/rooms/{}/leave", room)

    def test_only_the_owner_may(self):
        for call in (("GET", "/v1/admin/lock/{}", None), ("PUT", "/v1/admin/lock/{}", {"locked": True}),
                     ("GET", "/v1/admin/suspend/{}", None), ("PUT", "/v1/admin/suspend/{}", {"suspended": True})):
            self.user2.refused(403, "M_FORBIDDEN", call[0], call[1], self.owner.user_id, body=call[2] or NO_BODY)
        self.owner.refused(404, "M_NOT_FOUND", "GET", "/v1/admin/lock/{}",
                           "@nobody:" + self.owner.user_id.split(":", 1)[1])
        self.owner.refused(400, "M_INVALID_PARAM", "GET", "/v1/admin/lock/{}", "@nobody:elsewhere")

    def test_whois(self):
        u = self.user2
        for who in (u, self.owner):
            out = who.ok("GET", "/v3/admin/whois/{}", u.user_id)
            self.assertEqual(out["user_id"], u.user_id)
            connection = out["devices"][u.device_id]["sessions"][0]["connections"][0]
            self.assertEqual(connection["ip"], "127.0.0.1")
            self.assertLess(abs(connection["last_seen"] - time.time() * 1000), 600000)
        u.refused(403, "M_FORBIDDEN", "GET", "/v3/admin/whois/{}", self.owner.user_id)
        self.owner.refused(404, "M_NOT_FOUND", "GET", "/v3/admin/whois/{}",
                           "@nobody:" + self.owner.user_id.split(":", 1)[1])


class Closed(Case):
    """Registration is closed unless asked for otherwise (security.md L2)."""

    class ClosedNode(Node):
        extra = ["--registration", "closed"]

    def test_every_shape_of_a_registration_is_refused_from_the_first_second(self):
        node = self.ClosedNode(self.program)
        self.addCleanup(node.remove)
        node.start()
        c = Client(node)
        token = (node.dir / "data" / "owner-token").read_text().strip()
        first = c.call("POST", "/v3/register", body={})
        self.assertEqual((first.status, first.json["flows"]), (401, [{"stages": ["m.login.registration_token"]}]))
        self.assertNotIn(token.encode(), first.data)
        session = first.json["session"]
        shapes = [
            {"username": "eve"}, {"username": "eve", "password": "x"},
            *({"username": "eve", "password": "x", "auth": auth} for auth in (
                {}, {"type": "m.login.dummy"}, {"type": "m.login.dummy", "session": session},
                {"type": "m.login.password", "user": "eve", "password": "x"}, {"session": session},
                {"type": "m.login.registration_token"}, {"type": "m.login.registration_token", "token": ""},
                {"type": "m.login.registration_token", "token": token[:-1]},
                {"type": "m.login.registration_token", "token": token + "x"},
                {"type": "m.login.registration_token", "token": token.swapcase()},
                {"type": "m.login.registration_token", "token": [token]},
                {"type": "m.login.recaptcha", "response": "x"}, {"type": "m.login.application_service"})),
            {"type": "m.login.application_service", "username": "eve"},
        ]
        for body in shapes:
            out = c.call("POST", "/v3/register", body=body)
            self.assertIn(out.status, (400, 401, 403), (body, out))
            self.assertNotIn("access_token", out.json)
        for kind in ("guest", "admin", ""):
            self.assertIn(c.call("POST", "/v3/register", body={"password": "x"}, query={"kind": kind}).status,
                          (400, 401, 403))
        owner = {"username": "owner", "password": "x", "auth": {"type": "m.login.registration_token", "token": token}}
        out = c.ok("POST", "/v3/register", body=owner)
        self.assertTrue(out["user_id"].startswith("@owner:"))
        self.assertFalse((node.dir / "data" / "owner-token").exists())
        c.refused(403, "M_FORBIDDEN", "POST", "/v3/register", body={**owner, "username": "second"})
        c.refused(403, "M_FORBIDDEN", "POST", "/v3/register", body={})
