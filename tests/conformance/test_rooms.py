"""Creating rooms, their state, and who is in them (client-server API, "Rooms")."""
import time

from client import Case, event_with, numbers


def local_alias(user, name):
    return f"#{name}{next(numbers)}:{user.user_id.split(':', 1)[1]}"


class Create(Case):
    def test_presets_set_their_state(self):
        u = self.user()
        for preset, rule, guests in (("private_chat", "invite", "can_join"),
                                     ("trusted_private_chat", "invite", "can_join"),
                                     ("public_chat", "public", "forbidden")):
            room = u.create_room(preset=preset)
            self.assertEqual(u.state(room, "m.room.join_rules")["join_rule"], rule)
            self.assertEqual(u.state(room, "m.room.guest_access")["guest_access"], guests)
            self.assertEqual(u.state(room, "m.room.history_visibility")["history_visibility"], "shared")

    def test_visibility_chooses_the_preset(self):
        u = self.user()
        self.assertEqual(u.state(u.create_room(visibility="public"), "m.room.join_rules")["join_rule"],
                         "public")
        self.assertEqual(u.state(u.create_room(visibility="private"), "m.room.join_rules")["join_rule"],
                         "invite")

    def test_events_come_in_the_order_of_the_specification(self):
        u = self.user()
        room = u.create_room(room_alias_name=f"order{next(numbers)}", name="N", topic="T", preset="public_chat",
                             initial_state=[{"type": "a.b", "content": {"x": 1}}])
        sync = u.sync(filter={"room": {"timeline": {"limit": 100}}})
        types = [e["type"] for e in sync["rooms"]["join"][room]["timeline"]["events"]]
        self.assertEqual(types, [
            "m.room.create", "m.room.member", "m.room.power_levels", "m.room.canonical_alias",
            "m.room.join_rules", "m.room.history_visibility", "m.room.guest_access", "a.b",
            "m.room.name", "m.room.topic"])

    def test_a_topic_is_written_as_text_too(self):
        u = self.user()
        content = u.state(u.create_room(topic="Test Room"), "m.room.topic")
        self.assertEqual(content["topic"], "Test Room")
        self.assertEqual([t["body"] for t in content["m.topic"]["m.text"]], ["Test Room"])
        given = [{"type": "m.room.topic", "content": {"topic": "other"}}]
        self.assertEqual(u.state(u.create_room(initial_state=given), "m.room.topic"), {"topic": "other"})
        both = u.state(u.create_room(topic="T", initial_state=given), "m.room.topic")
        self.assertEqual(both["topic"], "T")

    def test_versions(self):
        u = self.user()
        for version, info in u.ok("GET", "/v3/capabilities")["capabilities"]["m.room_versions"]["available"].items():
            room = u.create_room(room_version=version)
            create = u.state(room, "m.room.create")
            self.assertEqual(create["room_version"], version)
            levels = u.state(room, "m.room.power_levels")
            self.assertIn(info, ("stable", "unstable"))
            for key in ("ban", "kick", "redact", "state_default", "events_default", "users_default"):
                self.assertIsInstance(levels[key], int)
            if version in ("11", "12"):
                self.assertNotIn("creator", create)
            if version == "12":
                self.assertNotIn(u.user_id, levels.get("users", {}))
                self.assertGreater(levels["events"]["m.room.tombstone"], levels["state_default"])
                self.assertNotIn(":", room)
            else:
                self.assertEqual(levels["users"][u.user_id], 100)

    def test_bad_requests(self):
        u = self.user()
        for code, options in (
                ("M_UNSUPPORTED_ROOM_VERSION", {"room_version": "nonsense"}),
                ("M_BAD_JSON", {"room_version": 1}),
                (("M_INVALID_PARAM", "M_BAD_JSON"), {"preset": "nonsense"}),
                (("M_INVALID_PARAM", "M_BAD_JSON"), {"visibility": "nonsense"}),
                (("M_INVALID_PARAM", "M_BAD_JSON"), {"invite": ["nobody"]}),
                ("M_INVALID_ROOM_STATE", {"power_level_content_override": {"users": {"nobody": 1}}}),
                ("M_INVALID_ROOM_STATE", {"power_level_content_override": {"events_default": 200, "users_default": -5},
                                          "room_version": "11", "name": "x", "initial_state": [
                                              {"type": "m.room.power_levels", "content": {"users": {u.user_id: 0}}}]})):
            u.refused(400, code, "POST", "/v3/createRoom", body=options)

    def test_the_version_and_creator_cannot_be_set_by_creation_content(self):
        u = self.user()
        room = u.create_room(creation_content={"test": "azerty", "room_version": "test", "m.federate": False})
        create = u.state(room, "m.room.create")
        self.assertEqual((create["test"], create["m.federate"]), ("azerty", False))
        self.assertNotEqual(create["room_version"], "test")

    def test_invites_of_a_trusted_chat_have_the_creators_power(self):
        a, b = self.users("a", "b")
        old = a.create_room(preset="trusted_private_chat", invite=[b.user_id], room_version="11", is_direct=True)
        self.assertEqual(a.state(old, "m.room.power_levels")["users"], {a.user_id: 100, b.user_id: 100})
        self.assertTrue(a.state(old, "m.room.member", b.user_id)["is_direct"])
        new = a.create_room(preset="trusted_private_chat", invite=[b.user_id], room_version="12")
        self.assertEqual(a.state(new, "m.room.create")["additional_creators"], [b.user_id])

    def test_an_alias_belongs_to_one_room(self):
        u = self.user()
        name = f"taken{next(numbers)}"
        room = u.create_room(room_alias_name=name)
        alias = f"#{name}:{u.user_id.split(':', 1)[1]}"
        self.assertEqual(u.state(room, "m.room.canonical_alias")["alias"], alias)
        self.assertEqual(u.ok("GET", "/v3/directory/room/{}", alias)["room_id"], room)
        u.refused(400, "M_ROOM_IN_USE", "POST", "/v3/createRoom", body={"room_alias_name": name})

    def test_overridden_power_levels(self):
        u = self.user()
        room = u.create_room(power_level_content_override={"events": {"x.y": 7}, "invite": 3})
        levels = u.state(room, "m.room.power_levels")
        self.assertEqual((levels["events"], levels["invite"], levels["ban"]), ({"x.y": 7}, 3, 50))


class State(Case):
    def test_state_is_read_as_content_and_as_event(self):
        u = self.user()
        room = u.create_room(name="N")
        self.assertEqual(u.state(room, "m.room.name"), {"name": "N"})
        e = u.ok("GET", "/v3/rooms/{}/state/m.room.name", room, query={"format": "event"})
        self.assertEqual((e["type"], e["state_key"], e["sender"], e["room_id"], e["content"]),
                         ("m.room.name", "", u.user_id, room, {"name": "N"}))
        types = {(e["type"], e["state_key"]) for e in u.ok("GET", "/v3/rooms/{}/state", room)}
        self.assertLessEqual({("m.room.create", ""), ("m.room.member", u.user_id), ("m.room.name", ""),
                              ("m.room.power_levels", "")}, types)

    def test_missing_state_is_not_found(self):
        u = self.user()
        room = u.create_room()
        u.refused(404, "M_NOT_FOUND", "GET", "/v3/rooms/{}/state/{}", room, "no.such")
        u.refused(404, "M_NOT_FOUND", "GET", "/v3/rooms/{}/state/{}/{}", room, "m.room.name", "key")

    def test_strangers_may_not_read(self):
        a, b = self.users("a", "b")
        room = a.create_room()
        for target in ("state", "state/m.room.name", "members", "joined_members", "messages?dir=b"):
            b.refused(403, "M_FORBIDDEN", "GET", "/_matrix/client/v3/rooms/" + room.replace("!", "%21") + "/" + target)

    def test_unknown_rooms_are_forbidden(self):
        u = self.user()
        for room in ("!nothing:example.org", "!" + "A" * 43):
            u.refused(403, "M_FORBIDDEN", "GET", "/v3/rooms/{}/messages", room, query={"dir": "b"})
            for target in ("state", "members", "joined_members"):
                u.refused(403, "M_FORBIDDEN", "GET", "/v3/rooms/{}/" + target, room)
            u.refused(403, "M_FORBIDDEN", "PUT", "/v3/rooms/{}/send/a/b", room)
            u.refused(403, "M_FORBIDDEN", "PUT", "/v3/rooms/{}/state/a/b", room)
            u.refused(404, "M_NOT_FOUND", "GET", "/v3/rooms/{}/event/{}", room, "$x")

    def test_writing_the_same_state_again_makes_no_event(self):
        u = self.user()
        room = u.create_room()
        first = u.put_state(room, "a.test", {"a": [1, {"b": None}]})
        self.assertEqual(u.put_state(room, "a.test", {"a": [1, {"b": None}]}), first)
        self.assertNotEqual(u.put_state(room, "a.test", {"a": 2}), first)

    def test_state_keys_of_others_are_theirs(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat", power_level_content_override={"state_default": 0})
        b.join(room)
        b.put_state(room, "x.y", {}, b.user_id)
        b.refused(403, "M_FORBIDDEN", "PUT", "/v3/rooms/{}/state/x.y/{}", room, a.user_id, body={})

    def test_power_levels(self):
        u = self.user()
        room = u.create_room(room_version="12")
        u.put_state(room, "m.room.power_levels", {"invite": 100, "users": {"@other:their.home": 20}})
        u.put_state(room, "m.room.power_levels", {"users": {}})
        u.put_state(room, "m.room.power_levels", {})
        u.refused(400, ("M_BAD_JSON", "M_INVALID_PARAM"), "PUT", "/v3/rooms/{}/state/m.room.power_levels", room,
                  body={"users": {u.user_id: 100}})
        self.assertEqual(u.state(room, "m.room.power_levels"), {})
        old = u.create_room(room_version="11")
        u.put_state(old, "m.room.power_levels", {"users": {u.user_id: 100}})
        u.put_state(old, "m.room.power_levels", {})
        u.refused(403, "M_FORBIDDEN", "PUT", "/v3/rooms/{}/state/m.room.power_levels", old,
                  body={"users": {u.user_id: 100}})

    def test_a_user_can_lower_the_default_that_equals_his_own(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat", power_level_content_override={
            "users_default": 100, "users": {b.user_id: 100}, "events": {}, "notifications": {}})
        b.join(room)
        b.put_state(room, "m.room.power_levels", {"users_default": 40, "users": {b.user_id: 100}, "events": {},
                                                  "notifications": {}})

    def test_levels_must_be_integers_and_users_user_ids(self):
        u = self.user()
        room = u.create_room()
        for content in ({"ban": "50"}, {"ban": 1.5}, {"users": {"nobody": 1}}, {"users": []}, {"events": {"a": "1"}},
                        {"users": {"@a:b": None}}, {"notifications": {"room": "x"}}):
            u.refused(400, ("M_BAD_JSON", "M_INVALID_PARAM"), "PUT", "/v3/rooms/{}/state/m.room.power_levels",
                      room, body=content)

    def test_a_create_event_cannot_be_sent(self):
        u = self.user()
        room = u.create_room()
        for method, target in (("PUT", "state/m.room.create/"), ("PUT", "send/m.room.create/x")):
            a = u.call(method, "/_matrix/client/v3/rooms/" + room.replace("!", "%21") + "/" + target, body={})
            self.assertEqual(a.status, 400, a)

    def test_large_events_are_refused(self):
        u = self.user()
        room = u.create_room()
        body = {"msgtype": "m.text", "body": "x" * 70000}
        u.refused(413, "M_TOO_LARGE", "PUT", "/v3/rooms/{}/send/m.room.message/1", room, body=body)
        u.refused(413, "M_TOO_LARGE", "PUT", "/v3/rooms/{}/state/x.y", room, body=body)
        u.refused(413, "M_TOO_LARGE", "PUT", "/v3/rooms/{}/send/m.room.message/2", room,
                  body={"msgtype": "m.text", "body": "x" * 65400})

    def test_long_types_and_keys_are_refused(self):
        u = self.user()
        room = u.create_room()
        for target in (("send", "t" * 256, "1"), ("state", "t" * 256, ""), ("state", "t", "k" * 256)):
            a = u.call("PUT", "/v3/rooms/{}/{}/{}/{}", room, *target, body={})
            self.assertIn(a.status, (400, 413), a)

    def test_numbers_that_events_cannot_hold(self):
        u = self.user()
        room = u.create_room()
        for n, number in enumerate((b"9007199254740992", b"-9007199254740992", b"1.1", b"-0.5")):
            u.refused(400, "M_BAD_JSON", "PUT", "/v3/rooms/{}/send/a.b/{}", room, f"n{n}",
                      body=b'{"body":' + number + b"}")
            u.refused(400, "M_BAD_JSON", "PUT", "/v3/rooms/{}/state/a.b", room, body=b'{"body":' + number + b"}")
        for n, value in enumerate((b"Infinity", b"-Infinity", b"NaN", b"'x'", b"")):
            u.refused(400, "M_NOT_JSON", "PUT", "/v3/rooms/{}/send/a.b/{}", room, f"v{n}",
                      body=b'{"body":' + value + b"}")

    def test_json_that_is_too_deep_is_bad_json(self):
        u = self.user()
        room = u.create_room()
        for body in (b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}",
                     b'{"a":[' + b"1," * 31000 + b"1]}"):
            a = u.call("PUT", "/v3/rooms/{}/send/a.b/deep", room, body=body)
            self.assertTrue(a.status == 200 or (a.status == 400 and a.errcode == "M_BAD_JSON") or a.status == 413, a)


class Membership(Case):
    def test_join_by_id_and_alias(self):
        a, b = self.users("a", "b")
        name = f"joinable{next(numbers)}"
        room = a.create_room(preset="public_chat", room_alias_name=name)
        self.assertEqual(b.ok("POST", "/v3/rooms/{}/join", room), {"room_id": room})
        b.leave(room)
        self.assertEqual(b.join(room), room)
        b.leave(room)
        self.assertEqual(b.join(f"#{name}:{a.user_id.split(':', 1)[1]}"), room)
        member = b.state(room, "m.room.member", b.user_id)
        self.assertEqual(member["membership"], "join")
        self.assertIn(room, b.ok("GET", "/v3/joined_rooms")["joined_rooms"])

    def test_joining_twice_is_one_join(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")

        def join():
            b.join(room)
            return b.ok("GET", "/v3/rooms/{}/state/m.room.member/{}", room, b.user_id,
                        query={"format": "event"})["event_id"]
        self.assertEqual(join(), join())

    def test_a_reason_is_kept(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")

        def reason(user=b):
            return a.state(room, "m.room.member", user.user_id)["reason"]
        b.ok("POST", "/v3/rooms/{}/join", room, body={"reason": "1"})
        self.assertEqual(reason(), "1")
        b.ok("POST", "/v3/rooms/{}/leave", room, body={"reason": "2"})
        self.assertEqual(reason(), "2")
        a.ok("POST", "/v3/rooms/{}/invite", room, body={"user_id": b.user_id, "reason": "3"})
        self.assertEqual(reason(), "3")
        a.ok("POST", "/v3/rooms/{}/kick", room, body={"user_id": b.user_id, "reason": "4"})
        self.assertEqual(reason(), "4")
        a.ok("POST", "/v3/rooms/{}/ban", room, body={"user_id": b.user_id, "reason": "5"})
        self.assertEqual(reason(), "5")
        a.ok("POST", "/v3/rooms/{}/unban", room, body={"user_id": b.user_id, "reason": "6"})
        self.assertEqual(reason(), "6")

    def test_who_may_not_join(self):
        a, b = self.users("a", "b")
        room = a.create_room()
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/join/{}", room)
        b.refused(404, "M_NOT_FOUND", "POST", "/v3/join/{}", local_alias(b, "nothing"))
        b.refused(400, "M_INVALID_PARAM", "POST", "/v3/join/{}", "nonsense")
        a.invite(room, b)
        b.join(room)
        a.ok("POST", "/v3/rooms/{}/ban", room, body={"user_id": b.user_id})
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/join/{}", room)

    def test_who_may_not_invite(self):
        a, b, c = self.users("a", "b", "c")
        room = a.create_room()
        a.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/invite", room, body={"user_id": a.user_id})
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/invite", room, body={"user_id": c.user_id})
        a.invite(room, b)
        b.join(room)
        a.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/invite", room, body={"user_id": b.user_id})
        a.refused(400, ("M_INVALID_PARAM", "M_BAD_JSON"), "POST", "/v3/rooms/{}/invite", room,
                  body={"user_id": "nobody"})
        a.refused(400, ("M_MISSING_PARAM", "M_BAD_JSON"), "POST", "/v3/rooms/{}/invite", room, body={})
        a.ok("POST", "/v3/rooms/{}/ban", room, body={"user_id": c.user_id})
        a.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/invite", room, body={"user_id": c.user_id})

    def test_an_invite_tells_of_the_room(self):
        a, b = self.users("a", "b")
        room = a.create_room(name="Invites", topic="T", initial_state=[
            {"type": "m.room.avatar", "content": {"url": "mxc://a/b"}},
            {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}], room_alias_name=f"stripped{next(numbers)}")
        a.invite(room, b)
        events = b.sync()["rooms"]["invite"][room]["invite_state"]["events"]
        have = {e["type"]: e["content"] for e in events if e["type"] != "m.room.member"}
        for kind in ("m.room.create", "m.room.name", "m.room.join_rules", "m.room.canonical_alias",
                     "m.room.avatar", "m.room.encryption", "m.room.topic"):
            self.assertIn(kind, have)
        self.assertEqual(have["m.room.name"], {"name": "Invites"})
        mine = event_with(events, type="m.room.member", state_key=b.user_id)
        self.assertEqual((mine["content"]["membership"], mine["sender"]), ("invite", a.user_id))

    def test_an_invite_can_be_refused(self):
        a, b = self.users("a", "b")
        room = a.create_room()
        a.invite(room, b)
        self.assertIn(room, b.sync()["rooms"]["invite"])
        b.leave(room)
        sync = b.sync()
        self.assertIn(room, sync["rooms"]["leave"])
        self.assertNotIn(room, sync["rooms"].get("invite", {}))
        self.assertEqual(a.state(room, "m.room.member", b.user_id)["membership"], "leave")
        self.assertNotIn(room, b.sync().get("rooms", {}).get("leave", {}))

    def test_an_invite_can_be_refused_after_the_inviter_left(self):
        a, b = self.users("a", "b")
        room = a.create_room()
        a.invite(room, b)
        b.sync()
        a.leave(room)
        b.leave(room)
        self.assertIn(room, b.sync()["rooms"]["leave"])
        self.assertNotIn(room, b.sync(since=None).get("rooms", {}).get("invite", {}))

    def test_the_creator_can_come_back(self):
        a, b = self.users("a", "b")
        room = a.create_room()
        a.invite(room, b)
        b.join(room)
        a.put_state(room, "m.room.power_levels", {"users": {b.user_id: 100}})
        a.leave(room)
        b.invite(room, a)
        self.assertEqual(a.join(room), room)

    def test_leaving_twice(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        b.leave(room)
        b.leave(room)
        self.user().refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/leave", room)

    def test_kicks(self):
        a, b, c = self.users("a", "b", "c")
        room = a.create_room(preset="public_chat")
        a.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/kick", room, body={"user_id": b.user_id})
        b.join(room)
        c.join(room)
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/kick", room, body={"user_id": c.user_id})
        a.ok("POST", "/v3/rooms/{}/kick", room, body={"user_id": b.user_id})
        self.assertEqual(a.state(room, "m.room.member", b.user_id)["membership"], "leave")
        a.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/kick", room, body={"user_id": b.user_id})
        b.leave(room)
        b.join(room)
        b.leave(room)
        a.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/kick", room, body={"user_id": b.user_id})

    def test_bans(self):
        a, b, c = self.users("a", "b", "c")
        room = a.create_room(preset="public_chat")
        b.join(room)
        a.put_state(room, "m.room.power_levels", {"users": {c.user_id: 100}})
        c.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/ban", room, body={"user_id": b.user_id})
        a.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/unban", room, body={"user_id": b.user_id})
        b.sync()
        a.ok("POST", "/v3/rooms/{}/ban", room, body={"user_id": b.user_id, "reason": "Testing"})
        self.assertIn(room, b.sync()["rooms"]["leave"])
        self.assertEqual(a.state(room, "m.room.member", b.user_id), {"membership": "ban", "reason": "Testing"})
        # A kick is no way to lift a ban.
        a.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/kick", room, body={"user_id": b.user_id})
        a.ok("POST", "/v3/rooms/{}/unban", room, body={"user_id": b.user_id})
        self.assertEqual(a.state(room, "m.room.member", b.user_id)["membership"], "leave")
        b.join(room)

    def test_a_stranger_can_be_banned(self):
        a = self.user()
        room = a.create_room()
        a.ok("POST", "/v3/rooms/{}/ban", room, body={"user_id": "@stranger:elsewhere.example"})
        self.assertEqual(a.state(room, "m.room.member", "@stranger:elsewhere.example")["membership"], "ban")

    def test_forgetting(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        a.refused(400, "M_UNKNOWN", "POST", "/v3/rooms/{}/forget", room)
        b.join(room)
        a.send(room)
        b.leave(room)
        event = b.messages(room)["chunk"][1]["event_id"]
        b.event(room, event)
        b.ok("POST", "/v3/rooms/{}/forget", room)
        b.refused(404, "M_NOT_FOUND", "GET", "/v3/rooms/{}/event/{}", room, event)
        b.refused(403, "M_FORBIDDEN", "GET", "/v3/rooms/{}/state", room)
        b.refused(403, "M_FORBIDDEN", "GET", "/v3/rooms/{}/messages", room, query={"dir": "b"})
        sync = b.sync(filter={"room": {"include_leave": True}})
        self.assertNotIn(room, sync.get("rooms", {}).get("leave", {}))
        b.join(room)
        self.assertTrue(b.messages(room)["chunk"])

    def test_forgetting_what_one_was_kicked_from_or_refused(self):
        a, b = self.users("a", "b")
        room = a.create_room()
        a.invite(room, b)
        b.leave(room)
        b.ok("POST", "/v3/rooms/{}/forget", room)
        a.invite(room, b)
        b.join(room)
        a.ok("POST", "/v3/rooms/{}/kick", room, body={"user_id": b.user_id})
        b.ok("POST", "/v3/rooms/{}/forget", room)
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/join/{}", room)
        a.leave(room)
        a.ok("POST", "/v3/rooms/{}/forget", room)

    def test_members(self):
        a, b, c = self.users("a", "b", "c")
        room = a.create_room(preset="public_chat")
        b.join(room)
        c.join(room)
        c.leave(room)

        def members(**query):
            chunk = a.ok("GET", "/v3/rooms/{}/members", room, query=query)["chunk"]
            self.assertTrue(all(e["room_id"] == room for e in chunk))
            return {e["state_key"] for e in chunk}
        everyone = {a.user_id, b.user_id, c.user_id}
        self.assertEqual(members(), everyone)
        self.assertEqual(members(membership="join"), {a.user_id, b.user_id})
        self.assertEqual(members(membership="leave"), {c.user_id})
        self.assertEqual(members(not_membership="leave"), {a.user_id, b.user_id})
        joined = a.ok("GET", "/v3/rooms/{}/joined_members", room)["joined"]
        self.assertEqual(set(joined), {a.user_id, b.user_id})
        for bad in ("membership", "not_membership"):
            a.refused(400, ("M_INVALID_PARAM", "M_BAD_JSON"), "GET", "/v3/rooms/{}/members", room,
                      query={bad: "nonsense"})

    def test_members_at_a_point(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        a.send(room)
        before = a.sync()["rooms"]["join"][room]["timeline"]["prev_batch"]
        at_sync = a.since
        b.join(room)
        b.send(room)
        for at in (at_sync, before):
            chunk = a.ok("GET", "/v3/rooms/{}/members", room, query={"at": at})["chunk"]
            self.assertEqual({e["state_key"] for e in chunk}, {a.user_id})
        a.refused(400, "M_INVALID_PARAM", "GET", "/v3/rooms/{}/members", room, query={"at": "nonsense"})

    def test_a_profile_goes_into_the_member_events(self):
        u = self.user()
        room = u.create_room()
        u.sync()
        u.ok("PUT", "/v3/profile/{}/displayname", u.user_id, body={"displayname": "Lemur"})
        u.sync_until(lambda s: event_with(
            s.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", []),
            type="m.room.member", state_key=u.user_id))
        u.ok("PUT", "/v3/profile/{}/avatar_url", u.user_id, body={"avatar_url": "mxc://a/b"})
        member = u.state(room, "m.room.member", u.user_id)
        self.assertEqual((member["displayname"], member["avatar_url"]), ("Lemur", "mxc://a/b"))
        joined = u.ok("GET", "/v3/rooms/{}/joined_members", room)["joined"]
        self.assertEqual(joined[u.user_id], {"display_name": "Lemur", "avatar_url": "mxc://a/b"})
        # A name of this room alone is kept when the profile changes in it.
        u.put_state(room, "m.room.member", {"membership": "join", "displayname": "here"}, u.user_id)
        self.assertEqual(u.state(room, "m.room.member", u.user_id)["displayname"], "here")

    def test_a_name_of_this_room_alone_is_kept_on_joining(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.ok("PUT", "/v3/profile/{}/displayname", b.user_id, body={"displayname": "everywhere"})
        b.put_state(room, "m.room.member", {"membership": "join", "displayname": "here"}, b.user_id)
        self.assertEqual(a.state(room, "m.room.member", b.user_id), {"membership": "join", "displayname": "here"})

    def test_world_readable_rooms_can_be_read(self):
        a, b = self.users("a", "b")
        room = a.create_room(initial_state=[
            {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}])
        event = a.send(room)
        self.assertIn(event, [e["event_id"] for e in b.messages(room)["chunk"]])
        self.assertEqual(b.state(room, "m.room.member", a.user_id)["membership"], "join")
        b.ok("GET", "/v3/rooms/{}/state", room)
        b.ok("GET", "/v3/rooms/{}/members", room)
        b.refused(403, "M_FORBIDDEN", "PUT", "/v3/rooms/{}/send/a.b/1", room)

    def test_knocking(self):
        a, b = self.users("a", "b")
        room = a.create_room(name="K", initial_state=[
            {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}])
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/join/{}", room)
        self.assertEqual(b.ok("POST", "/v3/knock/{}", room, body={"reason": "please"}), {"room_id": room})
        b.ok("POST", "/v3/knock/{}", room, body={"reason": "please"})
        events = b.sync()["rooms"]["knock"][room]["knock_state"]["events"]
        mine = event_with(events, type="m.room.member", state_key=b.user_id)
        self.assertEqual(mine["content"]["membership"], "knock")
        self.assertTrue(event_with(events, type="m.room.name"))
        self.assertEqual(a.state(room, "m.room.member", b.user_id)["reason"], "please")
        a.invite(room, b)
        self.assertIn(room, b.sync()["rooms"]["invite"])
        b.join(room)
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/knock/{}", room)
        other = a.create_room()
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/knock/{}", other)
        # A knock can be taken back, and refused.
        c = self.user()
        c.ok("POST", "/v3/knock/{}", room)
        c.leave(room)
        c.ok("POST", "/v3/knock/{}", room)
        c.sync()
        a.ok("POST", "/v3/rooms/{}/kick", room, body={"user_id": c.user_id})
        self.assertIn(room, c.sync()["rooms"]["leave"])

    def test_restricted_rooms(self):
        a, b = self.users("a", "b")
        for rule in ("restricted", "knock_restricted"):
            space = a.create_room(creation_content={"type": "m.space"}, preset="public_chat")
            room = a.create_room(initial_state=[{"type": "m.room.join_rules", "content": {
                "join_rule": rule, "allow": [{"type": "m.room_membership", "room_id": space}]}}])
            b.refused(403, "M_FORBIDDEN", "POST", "/v3/join/{}", room)
            b.join(space)
            b.join(room)
            member = b.state(room, "m.room.member", b.user_id)
            self.assertEqual(member["join_authorised_via_users_server"], a.user_id)
            # Who is in the room needs nobody's leave for a new name, and can't claim it.
            b.put_state(room, "m.room.member", {"membership": "join", "displayname": "Bobby",
                                                "join_authorised_via_users_server": "unused"}, b.user_id)
            self.assertEqual(b.state(room, "m.room.member", b.user_id),
                             {"membership": "join", "displayname": "Bobby"})
            b.leave(room)
            b.leave(space)
            b.refused(403, "M_FORBIDDEN", "POST", "/v3/join/{}", room)
            a.invite(room, b)
            b.join(room)
            b.leave(room)
            b.join(space)
            for allow in (["invalid"], "invalid", [{"type": "m.room_membership", "room_id": 7}]):
                a.put_state(room, "m.room.join_rules", {"join_rule": rule, "allow": allow})
                b.refused(403, "M_FORBIDDEN", "POST", "/v3/join/{}", room)

    def test_membership_by_the_state_endpoint(self):
        a, b = self.users("a", "b")
        room = a.create_room()
        a.put_state(room, "m.room.member", {"membership": "invite"}, b.user_id)
        b.put_state(room, "m.room.member", {"membership": "join"}, b.user_id)
        a.put_state(room, "m.room.member", {"membership": "ban"}, b.user_id)
        self.assertEqual(a.state(room, "m.room.member", b.user_id)["membership"], "ban")
        for content in ({}, {"membership": 1}, {"membership": "nonsense"}):
            a.refused(400, ("M_BAD_JSON", "M_INVALID_PARAM"), "PUT", "/v3/rooms/{}/state/m.room.member/{}",
                      room, b.user_id, body=content)
        a.refused(400, ("M_BAD_JSON", "M_INVALID_PARAM"), "PUT", "/v3/rooms/{}/state/m.room.member/{}",
                  room, "nobody", body={"membership": "invite"})


class Version12(Case):
    def test_creators_stand_above_all(self):
        a, b = self.users("a", "b")
        for level in (100, 949342, 2**53 - 1):
            room = a.create_room(room_version="12", invite=[b.user_id])
            b.join(room)
            a.put_state(room, "m.room.power_levels", {"users": {b.user_id: level}})
            b.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/kick", room, body={"user_id": a.user_id})
            a.ok("POST", "/v3/rooms/{}/kick", room, body={"user_id": b.user_id})
        self.assertEqual(a.state(a.create_room(room_version="12"), "m.room.power_levels")["users"], {})
        room = a.create_room(room_version="12")
        a.refused(400, "M_BAD_JSON", "PUT", "/v3/rooms/{}/state/m.room.power_levels", room,
                  body={"users": {b.user_id: 2**53}})
        a.refused(400, ("M_INVALID_ROOM_STATE", "M_BAD_JSON"), "POST", "/v3/createRoom", body={
            "room_version": "12", "power_level_content_override": {"users": {a.user_id: 100}}})

    def test_additional_creators(self):
        a, b, c = self.users("a", "b", "c")
        room = a.create_room(room_version="12", preset="public_chat",
                             creation_content={"additional_creators": [b.user_id]})
        b.join(room)
        a.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/kick", room, body={"user_id": b.user_id})
        b.put_state(room, "m.room.name", {"name": "b's"})
        a.refused(400, "M_BAD_JSON", "PUT", "/v3/rooms/{}/state/m.room.power_levels", room,
                  body={"users": {b.user_id: 100}})
        both = a.create_room(room_version="12", preset="trusted_private_chat", invite=[b.user_id],
                             creation_content={"additional_creators": [c.user_id]})
        self.assertEqual(set(a.state(both, "m.room.create")["additional_creators"]), {b.user_id, c.user_id})
        for bad in ("x", ["@foo:example.com", 42], ["@foo:example.com", "no user"], ["@invalid:dom$ain$.com"]):
            got = a.call("POST", "/v3/createRoom", body={
                "room_version": "12", "creation_content": {"additional_creators": bad}})
            self.assertEqual(got.status, 400, bad)

    def test_the_room_id_is_that_of_the_create_event(self):
        u = self.user()
        old = u.create_room(room_version="11")
        new = u.ok("POST", "/v3/rooms/{}/upgrade", old, body={"new_version": "12"})["replacement_room"]
        self.assertNotIn("event_id", u.state(new, "m.room.create")["predecessor"])
        for room in (new, u.create_room(room_version="12")):
            event = u.event(room, "$" + room[1:])
            self.assertEqual((event["type"], event["room_id"]), ("m.room.create", room))
            chunk = u.messages(room, limit=100)["chunk"] + u.ok("GET", "/v3/rooms/{}/state", room)
            for e in chunk:
                self.assertEqual(e["room_id"], room)

    def test_upgrades_leave_creators_out_of_the_levels(self):
        a, b, c = self.users("a", "b", "c")
        room = a.create_room(room_version="11", preset="public_chat")
        b.join(room)
        c.join(room)
        a.put_state(room, "m.room.power_levels", {"users": {a.user_id: 100, b.user_id: 100, c.user_id: 50}})
        new = a.ok("POST", "/v3/rooms/{}/upgrade", room, body={
            "new_version": "12", "additional_creators": [b.user_id]})["replacement_room"]
        self.assertEqual(a.state(new, "m.room.power_levels")["users"], {c.user_id: 50})
        other = a.create_room(room_version="12", preset="public_chat")
        b.join(other)
        a.put_state(other, "m.room.power_levels", {"users": {b.user_id: 150}})
        new = b.ok("POST", "/v3/rooms/{}/upgrade", other, body={"new_version": "12"})["replacement_room"]
        self.assertEqual(b.state(new, "m.room.power_levels")["users"], {})
        self.assertNotIn("additional_creators", b.state(new, "m.room.create"))


class Upgrade(Case):
    def test_an_upgrade_takes_the_state_along(self):
        a, b = self.users("a", "b")
        name = f"upgraded{next(numbers)}"
        old = a.create_room(preset="public_chat", name="N", topic="T", room_version="11", room_alias_name=name,
                            initial_state=[{"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}])
        b.join(old)
        c = self.user()
        c.join(old)
        a.ok("POST", "/v3/rooms/{}/ban", old, body={"user_id": c.user_id, "reason": "why"})
        a.ok("PUT", "/v3/pushrules/global/room/{}", old, body={"actions": ["dont_notify"]})
        b.ok("PUT", "/v3/pushrules/global/override/{}", old, body={"actions": [], "conditions": [
            {"kind": "event_match", "key": "room_id", "pattern": old}]})
        a.ok("PUT", "/v3/user/{}/rooms/{}/tags/x.y", a.user_id, old, body={"order": 0.5})
        for version in ("11", "12"):
            new = a.ok("POST", "/v3/rooms/{}/upgrade", old, body={"new_version": version})["replacement_room"]
            self.assertEqual(a.state(old, "m.room.tombstone")["replacement_room"], new)
            create = a.state(new, "m.room.create")
            self.assertEqual((create["room_version"], create["predecessor"]["room_id"]), (version, old))
            self.assertEqual(a.state(new, "m.room.name"), {"name": "N"})
            self.assertEqual(a.state(new, "m.room.topic")["topic"], "T")
            self.assertEqual(a.state(new, "m.room.encryption"), {"algorithm": "m.megolm.v1.aes-sha2"})
            self.assertEqual(a.state(new, "m.room.join_rules"), {"join_rule": "public"})
            self.assertEqual(a.state(new, "m.room.member", c.user_id)["membership"], "ban")
            self.assertEqual(a.state(new, "m.room.canonical_alias")["alias"],
                             f"#{name}:{a.user_id.split(':', 1)[1]}")
            self.assertIn("x.y", a.ok("GET", "/v3/user/{}/rooms/{}/tags", a.user_id, new)["tags"])
            b.join(new)
            self.wait_for_rule(a, "room", new)
            rule = self.wait_for_rule(b, "override", new)
            self.assertEqual(rule["conditions"][0]["pattern"], new)
            old = new

    def wait_for_rule(self, user, kind, room):
        """A rule that comes a moment after the join."""
        for _ in range(100):
            rule = event_with(user.ok("GET", "/v3/pushrules/")["global"][kind], rule_id=room)
            if rule:
                return rule
            time.sleep(0.02)
        raise AssertionError(f"no rule for {room}")

    def test_a_manual_upgrade_takes_push_rules_and_tags_along(self):
        a, b, c = self.users("a", "b", "c")
        old = a.create_room(preset="public_chat")
        b.join(old)
        for u in (a, b, c):
            u.ok("PUT", "/v3/pushrules/global/room/{}", old, body={"actions": ["dont_notify"]})
        b.ok("PUT", "/v3/user/{}/rooms/{}/tags/x.y", b.user_id, old, body={"order": 0.5})
        b.ok("PUT", "/v3/pushrules/global/room/{}/enabled", old, body={"enabled": False})
        new = a.create_room(preset="public_chat", creation_content={"predecessor": {"room_id": old}})
        a.put_state(old, "m.room.tombstone", {"body": "replaced", "replacement_room": new})
        b.join(new)
        c.join(new)
        self.assertTrue(self.wait_for_rule(a, "room", new)["enabled"])
        self.assertFalse(self.wait_for_rule(b, "room", new)["enabled"])
        self.assertIn("x.y", b.ok("GET", "/v3/user/{}/rooms/{}/tags", b.user_id, new)["tags"])
        # Who was never in the old room has nothing to carry over.
        self.assertIsNone(event_with(c.ok("GET", "/v3/pushrules/")["global"]["room"], rule_id=new))

    def test_who_may_not_upgrade(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/upgrade", room, body={"new_version": "11"})
        b.join(room)
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/upgrade", room, body={"new_version": "11"})
        a.refused(400, "M_UNSUPPORTED_ROOM_VERSION", "POST", "/v3/rooms/{}/upgrade", room,
                  body={"new_version": "nonsense"})
        a.refused(400, ("M_BAD_JSON", "M_MISSING_PARAM"), "POST", "/v3/rooms/{}/upgrade", room, body={})
        a.refused(404, "M_NOT_FOUND", "POST", "/v3/rooms/{}/upgrade", "!nothing:example.org",
                  body={"new_version": "11"})

    def test_additional_creators(self):
        a, b = self.users("a", "b")
        room = a.create_room(room_version="11")
        new = a.ok("POST", "/v3/rooms/{}/upgrade", room, body={
            "new_version": "12", "additional_creators": [b.user_id]})["replacement_room"]
        self.assertEqual(a.state(new, "m.room.create")["additional_creators"], [b.user_id])


class Aliases(Case):
    def test_an_alias_comes_and_goes(self):
        a, b = self.users("a", "b")
        room = a.create_room()
        for alias in (local_alias(a, "plain"), local_alias(a, "老虎£я")):
            a.ok("PUT", "/v3/directory/room/{}", alias, body={"room_id": room})
            got = b.ok("GET", "/v3/directory/room/{}", alias)
            self.assertEqual(got["room_id"], room)
            self.assertIn(a.user_id.split(":", 1)[1], got["servers"])
            self.assertIn(alias, a.ok("GET", "/v3/rooms/{}/aliases", room)["aliases"])
            a.refused(409, "M_UNKNOWN", "PUT", "/v3/directory/room/{}", alias, body={"room_id": room})
            b.refused(403, "M_FORBIDDEN", "DELETE", "/v3/directory/room/{}", alias)
            a.ok("DELETE", "/v3/directory/room/{}", alias)
            b.refused(404, "M_NOT_FOUND", "GET", "/v3/directory/room/{}", alias)
            b.refused(404, "M_NOT_FOUND", "DELETE", "/v3/directory/room/{}", alias)
        b.refused(403, "M_FORBIDDEN", "GET", "/v3/rooms/{}/aliases", room)
        for bad in ("nonsense", "#nothing", "!room:server"):
            b.refused(400, "M_INVALID_PARAM", "GET", "/v3/directory/room/{}", bad)
            b.refused(400, "M_INVALID_PARAM", "PUT", "/v3/directory/room/{}", bad, body={"room_id": room})

    def test_members_make_and_delete_their_own(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        alias = local_alias(b, "members")
        b.ok("PUT", "/v3/directory/room/{}", alias, body={"room_id": room})
        a.put_state(room, "m.room.canonical_alias", {"alias": alias})
        b.ok("DELETE", "/v3/directory/room/{}", alias)
        alias = local_alias(b, "members")
        b.ok("PUT", "/v3/directory/room/{}", alias, body={"room_id": room})
        a.ok("DELETE", "/v3/directory/room/{}", alias)

    def test_deleting_the_canonical_alias_empties_the_state(self):
        u = self.user()
        room = u.create_room()
        alias = local_alias(u, "canon")
        u.ok("PUT", "/v3/directory/room/{}", alias, body={"room_id": room})
        u.put_state(room, "m.room.canonical_alias", {"alias": alias})
        u.ok("DELETE", "/v3/directory/room/{}", alias)
        self.assertEqual(u.state(room, "m.room.canonical_alias"), {})

    def test_canonical_aliases_are_checked(self):
        u = self.user()
        room, other = u.create_room(), u.create_room()
        good, elsewhere = local_alias(u, "good"), local_alias(u, "elsewhere")
        u.ok("PUT", "/v3/directory/room/{}", good, body={"room_id": room})
        u.ok("PUT", "/v3/directory/room/{}", elsewhere, body={"room_id": other})
        u.put_state(room, "m.room.canonical_alias", {"alias": good, "alt_aliases": [good]})
        for code, content in (
                ("M_BAD_ALIAS", {"alias": local_alias(u, "missing")}),
                ("M_BAD_ALIAS", {"alias": elsewhere}),
                ("M_BAD_ALIAS", {"alias": "#a:unreachable.example"}),
                ("M_BAD_ALIAS", {"alias": good, "alt_aliases": [local_alias(u, "missing")]}),
                ("M_BAD_ALIAS", {"alias": good, "alt_aliases": [elsewhere]}),
                ("M_INVALID_PARAM", {"alias": "%invalid:x.y"}),
                ("M_INVALID_PARAM", {"alias": good, "alt_aliases": ["%invalid:x.y"]}),
                (("M_BAD_JSON", "M_INVALID_PARAM"), {"alias": 7}),
                (("M_BAD_JSON", "M_INVALID_PARAM"), {"alt_aliases": good})):
            u.refused(400, code, "PUT", "/v3/rooms/{}/state/m.room.canonical_alias", room, body=content)
        # What was there before need not be right any more.
        u.ok("DELETE", "/v3/directory/room/{}", good)
        u.put_state(room, "m.room.canonical_alias", {})

    def test_the_room_directory(self):
        a, b = self.users("a", "b")
        word = f"wombles{next(numbers)}"
        room = a.create_room(visibility="public", name="Test Name", topic=f"Topic {word}")
        found = b.ok("POST", "/v3/publicRooms", body={"filter": {"generic_search_term": word.upper()}})
        self.assertEqual([r["room_id"] for r in found["chunk"]], [room])
        entry = found["chunk"][0]
        self.assertEqual((entry["num_joined_members"], entry["world_readable"], entry["join_rule"],
                          entry["name"]), (1, False, "public", "Test Name"))
        self.assertIn(room, [r["room_id"] for r in b.ok("GET", "/v3/publicRooms")["chunk"]])
        self.assertEqual(b.ok("GET", "/v3/directory/list/room/{}", room), {"visibility": "public"})
        b.refused(403, "M_FORBIDDEN", "PUT", "/v3/directory/list/room/{}", room, body={"visibility": "private"})
        a.ok("PUT", "/v3/directory/list/room/{}", room, body={"visibility": "private"})
        self.assertNotIn(room, [r["room_id"] for r in b.ok("GET", "/v3/publicRooms")["chunk"]])
        b.refused(404, "M_NOT_FOUND", "GET", "/v3/directory/list/room/{}", "!nothing:example.org")

    def test_the_room_directory_in_pages(self):
        u = self.user()
        rooms = {u.create_room(visibility="public") for _ in range(3)}
        seen, since = [], None
        while True:
            page = u.ok("GET", "/v3/publicRooms", query={"limit": 1, **({"since": since} if since else {})})
            self.assertLessEqual(len(page["chunk"]), 1)
            seen += [r["room_id"] for r in page["chunk"]]
            since = page.get("next_batch")
            if not since:
                break
        self.assertLessEqual(rooms, set(seen))
        self.assertEqual(len(seen), len(set(seen)))
