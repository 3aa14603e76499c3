"""Rooms with users of another node: what the client API has to ask the other server for."""
from client import numbers, timeline_of
from test_two_nodes import Friends as TwoNodes


class FriendsRooms(TwoNodes):
    def test_a_canonical_alias_of_the_other_server_must_lead_to_the_room(self):
        a, b, room = self.pair()
        server = b.user_id.split(":", 1)[1]
        good, elsewhere = f"#here{next(numbers)}:{server}", f"#elsewhere{next(numbers)}:{server}"
        b.ok("PUT", "/v3/directory/room/{}", good, body={"room_id": room})
        b.ok("PUT", "/v3/directory/room/{}", elsewhere, body={"room_id": b.create_room()})
        self.assertEqual(a.ok("GET", "/v3/directory/room/{}", good)["room_id"], room)
        for bad in (elsewhere, f"#missing:{server}"):
            for content in ({"alias": bad}, {"alias": good, "alt_aliases": [bad]}):
                a.refused(400, "M_BAD_ALIAS", "PUT", "/v3/rooms/{}/state/m.room.canonical_alias", room, body=content)
        a.put_state(room, "m.room.canonical_alias", {"alias": good})
        self.assertEqual(a.state(room, "m.room.canonical_alias"), {"alias": good})
        # What is in the event already is not asked for again.
        b.ok("DELETE", "/v3/directory/room/{}", good)
        a.put_state(room, "m.room.canonical_alias", {"alias": good, "x": 1})

    def test_state_and_messages_cross(self):
        a, b, room = self.pair()
        state = a.put_state(room, "a.b", {"x": 1})
        message = b.send(room, "across")
        b.sync_until(lambda s: any(e["event_id"] == state for e in timeline_of(s, room)), seconds=20)
        a.sync_until(lambda s: any(e["event_id"] == message for e in timeline_of(s, room)), seconds=20)
        self.assertEqual(b.state(room, "a.b"), {"x": 1})
        self.assertEqual(b.event(room, message)["unsigned"]["membership"], "join")

    def test_knocking_at_a_room_of_the_other_node(self):
        a, b, _ = self.pair()
        server = a.user_id.split(":", 1)[1]
        room = a.create_room(name="K", initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}])
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/join/{}", room, query={"via": server})
        b.ok("POST", "/v3/knock/{}", room, body={"reason": "please"}, query={"via": server})
        b.sync_until(lambda s: room in s.get("rooms", {}).get("knock", {}), seconds=20)
        a.sync_until(lambda s: any(e.get("state_key") == b.user_id for e in timeline_of(s, room)), seconds=20)
        member = a.state(room, "m.room.member", b.user_id)
        self.assertEqual((member["membership"], member["reason"]), ("knock", "please"))
        a.invite(room, b)
        b.sync_until(lambda s: room in s.get("rooms", {}).get("invite", {}), seconds=20)
        b.join(room)
        closed = a.create_room()
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/knock/{}", closed, query={"via": server})

    def test_who_left_can_be_invited_again(self):
        a, b, room = self.pair()
        b.leave(room)
        a.sync_until(lambda s: any(e.get("state_key") == b.user_id and e["content"]["membership"] == "leave"
                                   for e in timeline_of(s, room)), seconds=20)
        b.ok("POST", "/v3/rooms/{}/forget", room)
        a.invite(room, b)
        b.sync_until(lambda s: room in s.get("rooms", {}).get("invite", {}), seconds=20)
        b.join(room)
        self.assertIn(room, b.ok("GET", "/v3/joined_rooms")["joined_rooms"])

    def test_an_invite_is_refused_across(self):
        a, b, _ = self.pair()
        room = a.create_room(name="N", invite=[b.user_id])
        events = b.sync_until(lambda s: s.get("rooms", {}).get("invite", {}).get(room), seconds=20)["invite_state"]["events"]
        self.assertLessEqual({"m.room.create", "m.room.name", "m.room.join_rules", "m.room.member"},
                             {e["type"] for e in events})
        b.leave(room)
        self.assertIn(room, b.sync()["rooms"]["leave"])
        a.sync_until(lambda s: any(e.get("state_key") == b.user_id and e["content"]["membership"] == "leave"
                                   for e in timeline_of(s, room)), seconds=20)

    def test_restricted_rooms_across(self):
        a, b, _ = self.pair()
        server = a.user_id.split(":", 1)[1]
        space = a.create_room(preset="public_chat", creation_content={"type": "m.space"})
        room = a.create_room(initial_state=[{"type": "m.room.join_rules", "content": {
            "join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}}])
        self.assertGreaterEqual(b.call("POST", "/v3/join/{}", room, query={"via": server}).status, 400)
        b.join(space, via=server)
        b.join(room, via=server)
        self.assertEqual(b.state(room, "m.room.member", b.user_id)["join_authorised_via_users_server"], a.user_id)


class History(TwoNodes):
    """Paging through a room that was there before one came (backfill)."""

    def pages(self, user, room, limit, dir="b", start=None):
        out, n = [], 0
        while True:
            page = user.messages(room, dir=dir, limit=limit, **({"from": start} if start else {}))
            out += page["chunk"]
            start = page.get("end", start)
            n += 1
            self.assertLess(n, 500, "the pages never end")
            if not page.get("end") or (dir == "f" and not page["chunk"]):
                return [e["event_id"] for e in out], start

    def check(self, user, room, sent):
        for limit in (50, 7, 3, 1):
            back, start = self.pages(user, room, limit)
            self.assertEqual(len(back), len(set(back)), f"limit {limit}: events came twice")
            self.assertEqual([e for e in back if e in set(sent)], sent[::-1], f"limit {limit}")
        for limit in (50, 7):
            forth, _ = self.pages(user, room, limit, "f", start)
            self.assertEqual(len(forth), len(set(forth)), f"limit {limit}: events came twice")
            self.assertEqual([e for e in forth if e in set(sent)], sent, f"forward, limit {limit}")

    def test_messages_alone(self):
        a, b, _ = self.pair(in_room=False)
        room = a.create_room(preset="public_chat")
        sent = [a.send(room, str(i)) for i in range(45)]
        b.join(room, via=a.user_id.split(":", 1)[1])
        self.check(b, room, sent)

    def test_a_lively_room(self):
        a, b, _ = self.pair(in_room=False)
        c, d = self.nodes[0].user("c"), self.nodes[0].user("d")
        room = a.create_room(preset="public_chat")
        sent = []

        def say(user, n):
            sent.extend(user.send(room, str(i)) for i in range(n))
        say(a, 5)
        a.put_state(room, "m.room.topic", {"topic": "1"})
        c.join(room)
        say(c, 5)
        a.put_state(room, "m.room.power_levels", {"users": {c.user_id: 50}})
        d.join(room)
        say(d, 4)
        d.leave(room)
        say(a, 6)
        d.join(room)
        a.ok("POST", "/v3/rooms/{}/kick", room, body={"user_id": d.user_id})
        say(c, 5)
        for event in sent[:5]:
            a.send(room, type="m.reaction", **{"m.relates_to": {"rel_type": "m.annotation", "event_id": event, "key": "x"}})
        a.put_state(room, "m.room.name", {"name": "lively"})
        say(a, 7)
        b.join(room, via=a.user_id.split(":", 1)[1])
        self.check(b, room, sent)

    def test_what_happened_while_one_was_away(self):
        a, b, _ = self.pair(in_room=False)
        server = a.user_id.split(":", 1)[1]
        room = a.create_room(preset="public_chat")
        b.join(room, via=server)
        b.leave(room)
        a.sync_until(lambda s: any(e.get("state_key") == b.user_id and e["content"]["membership"] == "leave"
                                   for e in timeline_of(s, room)), seconds=20)
        sent = [a.send(room, str(i)) for i in range(12)]
        a.put_state(room, "m.room.topic", {"topic": "missed"})
        sent += [a.send(room, str(i)) for i in range(12)]
        b.join(room, via=server)
        self.check(b, room, sent)
