"""Profiles, presence and the user directory."""
import threading
import time

from client import Case, Client, event_with, room_of, timeline_of


class Profile(Case):
    def field(self, who, user, name):
        return who.ok("GET", "/v3/profile/{}/{}", user.user_id, name)

    def put(self, user, name, value):
        return user.ok("PUT", "/v3/profile/{}/{}", user.user_id, name, body={name: value})

    def test_name_and_picture(self):
        u, other = self.users("u", "other")
        self.put(u, "displayname", "Lemur ✨")
        self.put(u, "avatar_url", "mxc://example.org/abc")
        self.assertEqual(self.field(other, u, "displayname"), {"displayname": "Lemur ✨"})
        self.assertEqual(self.field(other, u, "avatar_url"), {"avatar_url": "mxc://example.org/abc"})
        self.assertEqual(other.ok("GET", "/v3/profile/{}", u.user_id),
                         {"displayname": "Lemur ✨", "avatar_url": "mxc://example.org/abc"})
        self.assertEqual(self.field(Client(self.node), u, "displayname"), {"displayname": "Lemur ✨"})

    def test_a_new_user_has_a_name(self):
        u = self.user("named")
        self.assertEqual(self.field(u, u, "displayname")["displayname"], u.user_id[1:].split(":")[0])

    def test_taking_away(self):
        u = self.user()
        for value in ("", None):
            self.put(u, "displayname", "x")
            self.put(u, "displayname", value)
            u.refused(404, "M_NOT_FOUND", "GET", "/v3/profile/{}/displayname", u.user_id)
        self.put(u, "avatar_url", "mxc://a/b")
        u.ok("DELETE", "/v3/profile/{}/avatar_url", u.user_id)
        self.assertEqual(u.ok("GET", "/v3/profile/{}", u.user_id), {})
        u.ok("DELETE", "/v3/profile/{}/avatar_url", u.user_id)

    def test_fields_of_ones_own(self):
        u, other = self.users("u", "other")
        for name, value in (("m.tz", "Europe/Berlin"), ("org.example.pets", ["cat", {"n": 1}]),
                            ("org.example.null", None), ("a.b", 7)):
            if value is None:
                continue
            self.put(u, name, value)
            self.assertEqual(self.field(other, u, name), {name: value})
        self.assertEqual(other.ok("GET", "/v3/profile/{}", u.user_id)["org.example.pets"], ["cat", {"n": 1}])
        u.ok("DELETE", "/v3/profile/{}/{}", u.user_id, "org.example.pets")
        other.refused(404, "M_NOT_FOUND", "GET", "/v3/profile/{}/{}", u.user_id, "org.example.pets")

    def test_refusals(self):
        u, other = self.users("u", "other")
        server = u.user_id.split(":", 1)[1]
        put = ("PUT", "/v3/profile/{}/{}", u.user_id)
        other.refused(403, "M_FORBIDDEN", *put, "displayname", body={"displayname": "x"})
        other.refused(403, "M_FORBIDDEN", "DELETE", "/v3/profile/{}/displayname", u.user_id)
        Client(self.node).refused(401, "M_MISSING_TOKEN", *put, "displayname", body={"displayname": "x"})
        u.refused(400, "M_MISSING_PARAM", *put, "displayname", body={"name": "x"})
        u.refused(400, "M_BAD_JSON", *put, "displayname", body={"displayname": 1})
        u.refused(400, "M_INVALID_PARAM", *put, "displayname", body={"displayname": "x" * 257})
        u.refused(400, "M_INVALID_PARAM", *put, "avatar_url", body={"avatar_url": "https://example.org/a.png"})
        u.refused(400, "M_INVALID_PARAM", *put, "Bad Name", body={"Bad Name": "x"})
        u.refused(400, "M_KEY_TOO_LARGE", *put, "a." + "x" * 255, body={"a." + "x" * 255: 1})
        self.put(u, "a.big", "x" * 40000)
        u.refused(400, "M_PROFILE_TOO_LARGE", *put, "a.more", body={"a.more": "x" * 30000})
        self.assertNotIn("a.more", u.ok("GET", "/v3/profile/{}", u.user_id))
        u.refused(404, "M_NOT_FOUND", "GET", "/v3/profile/{}", f"@nobody:{server}")
        u.refused(404, "M_NOT_FOUND", "GET", "/v3/profile/{}/avatar_url", u.user_id)
        u.refused(400, "M_INVALID_PARAM", "GET", "/v3/profile/{}", "nobody")

    def test_changes_go_into_the_users_rooms(self):
        u, friend = self.users("u", "friend")
        rooms = [friend.create_room(preset="public_chat") for _ in range(2)]
        for room in rooms:
            u.join(room)
        left = friend.create_room(preset="public_chat")
        u.join(left)
        u.leave(left)
        friend.sync()
        for name, value in (("displayname", "New Name"), ("avatar_url", "mxc://a/b")):
            self.put(u, name, value)

            def told(sync):
                seen = [event_with(timeline_of(sync, room), type="m.room.member", state_key=u.user_id)
                        for room in rooms]
                self.assertFalse(timeline_of(sync, left))
                return all(seen) and seen
            for e in friend.sync_until(told):
                self.assertEqual((e["content"]["membership"], e["content"][name]), ("join", value))
        self.assertEqual(friend.ok("GET", "/v3/rooms/{}/joined_members", rooms[0])["joined"][u.user_id],
                         {"display_name": "New Name", "avatar_url": "mxc://a/b"})
        # The same again is no change.
        self.put(u, "displayname", "New Name")
        self.assertFalse(timeline_of(friend.sync(), rooms[0]))

    def test_new_rooms_know_the_profile(self):
        u = self.user()
        self.put(u, "displayname", "Before")
        self.put(u, "avatar_url", "mxc://a/b")
        room = u.create_room()
        self.assertEqual(u.state(room, "m.room.member", u.user_id)["displayname"], "Before")
        self.assertEqual(u.state(room, "m.room.member", u.user_id)["avatar_url"], "mxc://a/b")


class Presence(Case):
    def status(self, who, user):
        return who.ok("GET", "/v3/presence/{}/status", user.user_id)

    def put(self, user, presence, **more):
        return user.ok("PUT", "/v3/presence/{}/status", user.user_id, body={"presence": presence, **more})

    def friends(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        return a, b

    def seen(self, sync, user, **fields):
        for e in sync.get("presence", {}).get("events", []):
            self.assertEqual(set(e) - {"type", "sender", "content"}, set())
            if e["sender"] == user.user_id and all(e["content"].get(k) == v for k, v in fields.items()):
                return e
        return None

    def test_ones_own(self):
        u = self.user()
        self.assertIn("presence", self.status(u, u))
        self.put(u, "online", status_msg="Testing")
        got = self.status(u, u)
        self.assertEqual((got["presence"], got["status_msg"]), ("online", "Testing"))
        self.put(u, "unavailable")
        got = self.status(u, u)
        self.assertEqual(got["presence"], "unavailable")
        self.assertNotIn("status_msg", got)

    def test_changes_reach_those_who_share_a_room(self):
        a, b = self.friends()
        stranger = self.user("stranger")
        b.sync(set_presence="offline")
        stranger.sync(set_presence="offline")
        self.put(a, "online", status_msg="here")
        b.sync_until(lambda s: self.seen(s, a, presence="online", status_msg="here"), set_presence="offline")
        self.put(a, "unavailable")
        b.sync_until(lambda s: self.seen(s, a, presence="unavailable"), set_presence="offline")
        self.assertIsNone(self.seen(stranger.sync(set_presence="offline"), a))

    def test_a_sync_sets_it(self):
        a, b = self.friends()
        b.sync(set_presence="offline")
        a.sync(set_presence="unavailable")
        b.sync_until(lambda s: self.seen(s, a, presence="unavailable"), set_presence="offline")
        a.sync()
        b.sync_until(lambda s: self.seen(s, a, presence="online"), set_presence="offline")

    def test_one_sees_oneself(self):
        u = self.user()
        found = self.seen(u.sync(), u) or u.sync_until(lambda s: self.seen(s, u))
        self.assertEqual(found["content"]["presence"], "online")

    def test_syncing_as_offline_shows_nobody_online(self):
        a, b = self.friends()
        b.sync(set_presence="offline")
        a.sync(set_presence="offline")
        self.assertIsNone(self.seen(b.sync(set_presence="offline"), a, presence="online"))
        self.assertEqual(self.status(b, a)["presence"], "offline")

    def test_a_change_wakes_a_parked_sync(self):
        a, b = self.friends()
        self.put(a, "unavailable")
        b.sync(set_presence="offline")
        b.sync(timeout=500, set_presence="offline")
        threading.Timer(0.3, self.put, (a, "online")).start()
        began = time.monotonic()
        b.sync_until(lambda s: self.seen(s, a, presence="online"), set_presence="offline")
        self.assertLess(time.monotonic() - began, 5)

    def test_refusals(self):
        a, b = self.friends()
        stranger = self.user("stranger")
        b.refused(403, "M_FORBIDDEN", "PUT", "/v3/presence/{}/status", a.user_id, body={"presence": "online"})
        stranger.refused(403, "M_FORBIDDEN", "GET", "/v3/presence/{}/status", a.user_id)
        a.refused(400, "M_INVALID_PARAM", "PUT", "/v3/presence/{}/status", a.user_id, body={"presence": "asleep"})
        a.refused(400, "M_BAD_JSON", "PUT", "/v3/presence/{}/status", a.user_id, body={"presence": 1})
        a.refused(400, "M_BAD_JSON", "PUT", "/v3/presence/{}/status", a.user_id, body={})


class Directory(Case):
    def search(self, who, term, **more):
        return who.ok("POST", "/v3/user_directory/search", body={"search_term": term, **more})

    def ids(self, who, term, **more):
        return [p["user_id"] for p in self.search(who, term, **more)["results"]]

    def named(self, name):
        u = self.user()
        u.ok("PUT", "/v3/profile/{}/displayname", u.user_id, body={"displayname": name})
        return u

    def test_by_name_and_id_in_any_case(self):
        who, u = self.user(), self.named("Zebedee Quux")
        for term in ("zebedee", "QUUX", "edee q", u.user_id[:6].upper()):
            self.assertIn(u.user_id, self.ids(who, term), term)
        self.assertEqual(self.ids(who, "zebedeee"), [])

    def test_names_beyond_ascii_in_any_case(self):
        who, u = self.user(), self.named("Ägir ÖSTLUND Ждан")
        for term in ("ägir", "ÄGIR", "östlund", "ЖДАН"):
            self.assertIn(u.user_id, self.ids(who, term), term)

    def test_one_finds_oneself(self):
        u = self.named("Narcissus")
        self.assertEqual(self.ids(u, "narcissus"), [u.user_id])

    def test_a_change_of_name_counts_at_once(self):
        who, u = self.user(), self.named("Firstname Of Hers")
        self.assertIn(u.user_id, self.ids(who, "firstname of hers"))
        u.ok("PUT", "/v3/profile/{}/displayname", u.user_id, body={"displayname": "Secondname"})
        self.assertNotIn(u.user_id, self.ids(who, "firstname of hers"))
        self.assertIn(u.user_id, self.ids(who, "secondname"))

    def test_what_is_told(self):
        who, u = self.user(), self.named("Told Person")
        u.ok("PUT", "/v3/profile/{}/avatar_url", u.user_id, body={"avatar_url": "mxc://a/b"})
        self.assertEqual(self.search(who, "told person"), {"limited": False, "results": [
            {"user_id": u.user_id, "display_name": "Told Person", "avatar_url": "mxc://a/b"}]})

    def test_a_name_for_one_room_is_not_told_to_others(self):
        alice, bob, eve = self.named("Alice Public"), self.user("bob"), self.user("eve")
        room = bob.create_room(invite=[alice.user_id])
        alice.join(room)
        alice.put_state(room, "m.room.member", {"membership": "join", "displayname": "Alice Secretname"},
                        alice.user_id)
        self.assertEqual(self.ids(eve, "secretname"), [])
        self.assertEqual(self.search(eve, "alice public")["results"],
                         [{"user_id": alice.user_id, "display_name": "Alice Public"}])

    def test_limits(self):
        who = self.user()
        for _ in range(12):
            self.named("Manifold Person")
        for limit, n in ((3, 3), (0, 0), (11, 11)):
            out = self.search(who, "manifold", limit=limit)
            self.assertEqual((len(out["results"]), out["limited"]), (n, True))
        self.assertEqual(len(self.search(who, "manifold")["results"]), 10)
        out = self.search(who, "manifold", limit=10**15)
        self.assertEqual((len(out["results"]), out["limited"]), (12, False))

    def test_refusals(self):
        u = self.user()
        u.refused(400, "M_BAD_JSON", "POST", "/v3/user_directory/search", body={})
        u.refused(400, "M_BAD_JSON", "POST", "/v3/user_directory/search", body={"search_term": "a", "limit": "b"})
        Client(self.node).refused(401, "M_MISSING_TOKEN", "POST", "/v3/user_directory/search",
                                  body={"search_term": "a"})
        self.search(u, "x" * 10000)
        self.search(u, "")
