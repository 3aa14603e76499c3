"""A friend's user on another node: profile, presence, keys, device lists, messages to devices, media."""
import re

from client import Case, Client, Node, event_with, room_of, timeline_of
from signing import cross_signing_keys
from test_keys import changed, claim, left, one_time_keys, query, upload
from test_media import MediaCase, png, size_of


class Friends(MediaCase):
    """Two nodes that paired, shared by the tests of a class."""

    @classmethod
    def setUpClass(cls):
        cls.nodes = [Node(cls.program) for _ in range(2)]
        cls.addClassCleanup(lambda: [n.remove() for n in cls.nodes])
        for n in cls.nodes:
            n.start()
        cls.owners = [n.user(name) for n, name in zip(cls.nodes, ("ann", "ben"))]
        cls.nodes[1].command("join", re.search(r"KITH:\S+", cls.nodes[0].command("invite")).group())

    def pair(self, in_room=True):
        a, b = self.nodes[0].user("alice"), self.nodes[1].user("bob")
        if not in_room:
            return a, b, None
        room = a.create_room(preset="private_chat", invite=[b.user_id])
        b.sync_until(lambda s: room_of(s, room, "invite"), seconds=30)
        b.join(room)
        a.sync_until(lambda s: any(e.get("state_key") == b.user_id and e["content"]["membership"] == "join"
                                   for e in timeline_of(s, room)), seconds=30)
        b.sync()
        return a, b, room


class AnotherNode(Friends):
    def test_the_owner_of_the_other_node_is_found(self):
        ann, ben = self.owners
        found = ben.ok("POST", "/v3/user_directory/search", body={"search_term": "ann"})["results"]
        self.assertIn(ann.user_id, [p["user_id"] for p in found])

    def test_profiles(self):
        a, b, _ = self.pair(in_room=False)
        a.ok("PUT", "/v3/profile/{}/displayname", a.user_id, body={"displayname": "Alice Cooper"})
        a.ok("PUT", "/v3/profile/{}/avatar_url", a.user_id, body={"avatar_url": "mxc://x/y"})
        a.ok("PUT", "/v3/profile/{}/m.tz", a.user_id, body={"m.tz": "Europe/Berlin"})
        self.assertEqual(b.ok("GET", "/v3/profile/{}", a.user_id),
                         {"displayname": "Alice Cooper", "avatar_url": "mxc://x/y", "m.tz": "Europe/Berlin"})
        self.assertEqual(b.ok("GET", "/v3/profile/{}/displayname", a.user_id), {"displayname": "Alice Cooper"})
        server = a.user_id.split(":", 1)[1]
        b.refused(404, "M_NOT_FOUND", "GET", "/v3/profile/{}", f"@nobody:{server}")
        b.refused(404, "M_NOT_FOUND", "GET", "/v3/profile/{}/{}", a.user_id, "org.example.nothing")

    def test_a_change_of_profile_reaches_the_other_node(self):
        a, b, room = self.pair()
        a.ok("PUT", "/v3/profile/{}/displayname", a.user_id, body={"displayname": "Changed"})
        b.sync_until(lambda s: (event_with(timeline_of(s, room), type="m.room.member", state_key=a.user_id) or
                                {"content": {}})["content"].get("displayname") == "Changed", seconds=20)
        found = b.ok("POST", "/v3/user_directory/search", body={"search_term": "changed"})["results"]
        self.assertIn(a.user_id, [p["user_id"] for p in found])

    def test_the_directory_knows_those_in_rooms_that_one_shares_or_could_enter(self):
        a, b, room = self.pair()
        carol = self.nodes[0].user("carol")
        b.ok("PUT", "/v3/profile/{}/displayname", b.user_id, body={"displayname": "Findable Bob"})
        a.sync_until(lambda s: event_with(timeline_of(s, room), type="m.room.member", state_key=b.user_id),
                     seconds=20)

        def found(who):
            results = who.ok("POST", "/v3/user_directory/search", body={"search_term": "findable bob"})["results"]
            return b.user_id in [p["user_id"] for p in results]
        self.assertTrue(found(a))
        self.assertFalse(found(carol))
        for type, content, seen in (("m.room.join_rules", {"join_rule": "public"}, True),
                                    ("m.room.join_rules", {"join_rule": "invite"}, False),
                                    ("m.room.history_visibility", {"history_visibility": "world_readable"}, True)):
            a.put_state(room, type, content)
            self.assertEqual(found(carol), seen, content)
        a.leave(room)
        for who in (a, carol):
            self.assertFalse(found(who))

    def test_presence(self):
        a, b, _ = self.pair()

        def seen(**fields):
            def look(sync):
                return any(e["sender"] == a.user_id and all(e["content"].get(k) == v for k, v in fields.items())
                           for e in sync.get("presence", {}).get("events", []))
            return look
        a.ok("PUT", "/v3/presence/{}/status", a.user_id, body={"presence": "online", "status_msg": "Update"})
        b.sync_until(seen(presence="online", status_msg="Update"), seconds=20)
        a.ok("PUT", "/v3/presence/{}/status", a.user_id, body={"presence": "unavailable"})
        b.sync_until(seen(presence="unavailable"), seconds=20)
        self.assertEqual(b.ok("GET", "/v3/presence/{}/status", a.user_id)["presence"], "unavailable")

    def test_keys_are_queried_and_claimed(self):
        a, b, _ = self.pair(in_room=False)
        _, keys, key = upload(a)
        one = one_time_keys(a, key, "A")
        a.ok("POST", "/v3/keys/upload", body={"one_time_keys": one})
        body, _ = cross_signing_keys(a, "1")
        a.ok("POST", "/v3/keys/device_signing/upload", body=body)
        got = query(b, a)
        self.assertEqual(got["device_keys"][a.user_id][a.device_id]["keys"], keys["keys"])
        self.assertEqual(got["master_keys"][a.user_id]["keys"], body["master_key"]["keys"])
        self.assertEqual(got["self_signing_keys"][a.user_id], body["self_signing_key"])
        self.assertEqual(got.get("user_signing_keys", {}), {})
        self.assertEqual(got.get("failures", {}), {})
        self.assertEqual(claim(b, a), one)
        self.assertIsNone(claim(b, a))

    def test_a_server_that_is_not_there_is_a_failure_of_its_own(self):
        a, b, _ = self.pair(in_room=False)
        upload(a)
        nowhere = "@x:" + "a" * 51 + "q"
        out = b.ok("POST", "/v3/keys/query", body={"device_keys": {a.user_id: [], nowhere: []}, "timeout": 2000},
                   timeout=60)
        self.assertIn(a.device_id, out["device_keys"][a.user_id])
        self.assertEqual(list(out["failures"]), [nowhere[3:]])
        out = b.ok("POST", "/v3/keys/claim", body={"one_time_keys": {nowhere: {"D": "signed_curve25519"}},
                                                   "timeout": 2000}, timeout=60)
        self.assertEqual(list(out["failures"]), [nowhere[3:]])

    def heard(self, who, user, act, kind=changed):
        act()
        who.sync_until(kind(user), seconds=20)

    def test_device_lists(self):
        a, b, room = self.pair()
        self.heard(b, a, lambda: upload(a))
        second = []
        self.heard(b, a, lambda: second.append(a.again()))
        self.heard(b, a, lambda: upload(second[0]))
        self.heard(b, a, lambda: a.ok("PUT", "/v3/devices/{}", a.device_id, body={"display_name": "phone"}))
        got = query(b, a)["device_keys"][a.user_id]
        self.assertEqual(set(got), {a.device_id, second[0].device_id})
        self.assertEqual(got[a.device_id]["unsigned"]["device_display_name"], "phone")
        self.heard(b, a, lambda: second[0].ok("POST", "/v3/logout"))
        self.assertEqual(set(query(b, a)["device_keys"][a.user_id]), {a.device_id})
        body, keys = cross_signing_keys(a, "1")
        self.heard(b, a, lambda: a.ok("POST", "/v3/keys/device_signing/upload", body=body))
        self.assertEqual(query(b, a)["master_keys"][a.user_id]["keys"], body["master_key"]["keys"])
        mine = query(a, a)["device_keys"][a.user_id][a.device_id]
        signed = keys["self_signing"].signed({k: v for k, v in mine.items() if k != "unsigned"}, a.user_id)
        self.heard(b, a, lambda: a.ok("POST", "/v3/keys/signatures/upload", body={a.user_id: {a.device_id: signed}}))
        self.assertEqual(query(b, a)["device_keys"][a.user_id][a.device_id]["signatures"], signed["signatures"])

    def test_who_left_is_not_followed(self):
        a, b, room = self.pair()
        self.heard(b, a, lambda: upload(a))
        self.heard(b, a, lambda: a.leave(room), left)
        _, keys, _ = upload(a, "2")
        self.assertEqual(query(b, a)["device_keys"][a.user_id][a.device_id]["keys"], keys["keys"])
        self.assertFalse(changed(a)(b.sync()))
        b.invite(room, a)
        a.sync_until(lambda s: room_of(s, room, "invite"), seconds=20)
        _, keys, _ = upload(a, "3")
        self.heard(b, a, lambda: a.join(room))
        self.assertEqual(query(b, a)["device_keys"][a.user_id][a.device_id]["keys"], keys["keys"])

    def test_messages_to_devices(self):
        a, b, _ = self.pair(in_room=False)
        second = b.again()
        for who in (b, second):
            who.sync()
        for n, device in ((1, b.device_id), (2, "*")):
            a.ok("PUT", "/v3/sendToDevice/{}/{}", "my.type", f"t{n}",
                 body={"messages": {b.user_id: {device: {"n": n}}}})
        got = []
        b.sync_until(lambda s: got.extend(s.get("to_device", {}).get("events", [])) or len(got) >= 2, seconds=20)
        self.assertEqual(got, [{"sender": a.user_id, "type": "my.type", "content": {"n": n}} for n in (1, 2)])
        second.sync_until(lambda s: s.get("to_device", {}).get("events", []) ==
                          [{"sender": a.user_id, "type": "my.type", "content": {"n": 2}}], seconds=20)

    def test_media(self):
        a, b, _ = self.pair(in_room=False)
        data = png(300, 200)
        uri = self.upload(a, data, "image/png", "\U0001f414.png")
        for _ in range(2):  # from there, and from the cache
            out = self.get(b, uri)
            self.assertEqual((out.status, out.data, out.headers["Content-Type"]), (200, data, "image/png"))
            self.assertEqual(out.headers["Content-Disposition"], "inline; filename*=utf-8''%F0%9F%90%94.png")
        out = self.get(b, uri, kind="thumbnail", query={"width": 32, "height": 32})
        self.assertEqual((out.status, size_of(out.data)), (200, (32, 21)))
        text = self.upload(a, b"Hello", "text/plain")
        self.assertEqual(self.get(b, text).data, b"Hello")
        html = self.upload(a, b"<script>", "text/html")
        self.assertEqual(self.get(b, html).headers["Content-Disposition"], "attachment")
        self.refused(self.get(b, uri + "x"), 404, "M_NOT_FOUND")
        self.refused(self.get(b, self.upload(a, b"unseen"), query={"allow_remote": "false"}), 404, "M_NOT_FOUND")
