"""/sync and filters (client-server API, "Syncing", "Filtering")."""
import threading
import time

from client import Case, User, event_with, room_of, timeline_of


class Sync(Case):
    def test_a_joined_room_has_all_its_parts(self):
        u = self.user()
        room = u.create_room()
        part = room_of(u.sync(), room)
        self.assertLessEqual({"timeline", "state", "ephemeral", "account_data", "summary",
                              "unread_notifications"}, set(part))
        self.assertLessEqual({"events", "limited", "prev_batch"}, set(part["timeline"]))
        self.assertEqual(room_of(u.sync(), room), {})
        self.assertIn("timeline", room_of(u.sync(full_state="true"), room))

    def test_a_new_room_is_told_once(self):
        u = self.user()
        u.sync()
        room = u.create_room()
        self.assertEqual(timeline_of(u.sync(), room)[0]["type"], "m.room.create")
        self.assertEqual(room_of(u.sync(), room), {})

    def test_a_long_poll_waits(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        b.sync()
        began = time.monotonic()
        self.assertEqual(b.sync(timeout=300).get("rooms", {}).get("join", {}), {})
        self.assertGreaterEqual(time.monotonic() - began, 0.28)
        timer = threading.Timer(0.3, lambda: a.send(room, "wake"))
        timer.start()
        began = time.monotonic()
        got = timeline_of(b.sync(timeout=20000), room)
        timer.join()
        self.assertEqual(got[0]["content"]["body"], "wake")
        self.assertLess(time.monotonic() - began, 10)

    def test_join_leave_join_is_a_joined_room(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.sync()
        since = b.since
        b.join(room)
        b.leave(room)
        b.join(room)
        sync = b.sync(since=since)
        self.assertEqual(room_of(sync, room, "leave"), {})
        self.assertTrue(room_of(sync, room))

    def test_a_refused_invite_then_a_join(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        a.invite(room, b)
        b.sync()
        b.leave(room)
        self.assertTrue(room_of(b.sync(full_state="true"), room, "leave"))
        b.join(room)
        sync = b.sync(full_state="true")
        self.assertEqual(room_of(sync, room, "leave"), {})
        self.assertTrue(room_of(sync, room))

    def test_a_new_members_timeline_is_whole_or_limited(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        for i in range(4):
            a.send(room, str(i))
        b.sync()
        for i in range(4):
            a.send(room, str(i))
        b.join(room)
        part = room_of(b.sync(filter={"room": {"timeline": {"limit": 10, "types": ["m.room.message"]},
                                               "state": {"types": []}}}), room)
        events = part["timeline"]["events"]
        self.assertEqual({e["type"] for e in events}, {"m.room.message"})
        self.assertEqual(part["timeline"]["limited"], len(events) < 8)
        self.assertEqual(part["state"]["events"], [])

    def test_a_gap(self):
        u = self.user()
        room = u.create_room()
        u.sync()
        sent = [u.put_state(room, "a.b", {"n": i}, str(i)) for i in range(8)]
        part = room_of(u.sync(filter={"room": {"timeline": {"limit": 2}}}), room)
        self.assertEqual([e["event_id"] for e in part["timeline"]["events"]], sent[-2:])
        self.assertTrue(part["timeline"]["limited"])
        self.assertEqual({e["event_id"] for e in part["state"]["events"]}, set(sent[:-2]))
        page = u.messages(room, limit=2, **{"from": part["timeline"]["prev_batch"]})
        self.assertEqual([e["event_id"] for e in page["chunk"]], sent[-3:-5:-1])

    def test_limits(self):
        u = self.user()
        room = u.create_room()
        one = [u.send(room, str(i)) for i in range(2)]
        part = room_of(u.sync(filter={"room": {"timeline": {"limit": 2}}}), room)
        self.assertEqual([e["event_id"] for e in part["timeline"]["events"]], one)
        self.assertTrue(part["timeline"]["limited"])
        self.assertFalse(room_of(u.sync(since=None, filter={"room": {"timeline": {"limit": 100}}}),
                                 room)["timeline"]["limited"])
        two = u.send(room, "x")
        part = room_of(u.sync(filter={"room": {"timeline": {"limit": 1}}}), room)
        self.assertEqual([e["event_id"] for e in part["timeline"]["events"]], [two])
        self.assertFalse(part["timeline"]["limited"])

    def test_a_full_state_increment_has_recent_events_alone(self):
        u = self.user()
        room = u.create_room()
        u.sync()
        for i in range(11):
            u.send(room, type="a.filler", n=i)
        u.send(room, type="last.filler")
        events = timeline_of(u.sync(full_state="true", filter={"room": {"timeline": {"limit": 1}}}), room)
        self.assertEqual([e["type"] for e in events], ["last.filler"])

    def test_state_after(self):
        u = self.user()
        room = u.create_room(name="one")
        for name, key in (("use_state_after", "state_after"),
                          ("org.matrix.msc4222.use_state_after", "org.matrix.msc4222.state_after")):
            part = room_of(u.sync(since=None, **{name: "true"}), room)
            self.assertNotIn("state", part)
            have = {e["type"] for e in part[key]["events"]}
            self.assertLessEqual({"m.room.create", "m.room.member", "m.room.power_levels"}, have)
            u.put_state(room, "m.room.name", {"name": key})
            part = room_of(u.sync(**{name: "true"}), room)
            self.assertEqual([e["content"]["name"] for e in part[key]["events"]], [key])

    def test_lazy_members(self):
        a, b, c = self.users("a", "b", "c")
        room = a.create_room(preset="public_chat")
        b.join(room)
        c.join(room)
        others = [self.user("other") for _ in range(5)]
        for o in others:
            o.join(room)
        for i in range(12):
            a.send(room, str(i))
        lazy = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 5}}}

        def members(part):
            return {e["state_key"] for e in part["state"]["events"] if e["type"] == "m.room.member"}
        part = room_of(c.sync(filter=lazy), room)
        heroes = set(part["summary"]["m.heroes"])
        self.assertEqual(len(heroes), 5)
        self.assertEqual(members(part), {a.user_id, c.user_id} | heroes)
        self.assertEqual(part["summary"]["m.joined_member_count"], 8)
        a.send(room, "again")
        self.assertEqual(members(room_of(c.sync(filter=lazy), room)), set())
        late = next(o for o in others if o.user_id not in heroes)
        late.send(room, "first")
        self.assertEqual(members(room_of(c.sync(filter=lazy), room)), {late.user_id})
        lazy["room"]["state"]["include_redundant_members"] = True
        late.send(room, "second")
        self.assertIn(late.user_id, members(room_of(c.sync(filter=lazy), room)))

    def test_a_new_name_brings_no_state(self):
        u = self.user()
        room = u.create_room()
        u.put_state(room, "a.b", {"x": 1})
        f = {"room": {"timeline": {"types": []}, "state": {"types": ["a.b"]}, "ephemeral": {"types": []}},
             "presence": {"types": []}}
        self.assertEqual([e["type"] for e in room_of(u.sync(filter=f), room)["state"]["events"]], ["a.b"])
        u.put_state(room, "m.room.member", {"membership": "join", "displayname": "boris"}, u.user_id)
        u.send(room)
        self.assertEqual(u.sync(filter=f).get("rooms", {}).get("join", {}), {})

    def test_joining_and_leaving_in_one_step_brings_the_state(self):
        a, b = self.users("a", "b")
        room = a.create_room()
        a.put_state(room, "a.b", {"x": 1})
        a.invite(room, b)
        f = {"room": {"timeline": {"types": []}, "state": {"types": ["a.b"]}, "include_leave": True}}
        b.sync(filter=f)
        b.join(room)
        b.leave(room)
        part = room_of(b.sync(filter=f), room, "leave")
        self.assertEqual([e["content"] for e in part["state"]["events"]], [{"x": 1}])

    def test_a_join_that_one_was_not_there_for_is_in_the_state(self):
        a, b, c = self.users("a", "b", "c")
        room = a.create_room(preset="public_chat", initial_state=[
            {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}])
        b.join(room)
        a.invite(room, c)
        b.sync()
        b.leave(room)
        c.join(room)
        b.join(room)
        part = room_of(b.sync(), room)
        events = part["state"]["events"] + part["timeline"]["events"]
        self.assertTrue(any(e.get("state_key") == c.user_id and e["content"]["membership"] == "join" for e in events))

    def test_the_summary_names_a_room_without_a_name(self):
        a, b, c = self.users("a", "b", "c")
        room = a.create_room(preset="public_chat")
        b.join(room)
        c.join(room)
        lazy = {"room": {"state": {"lazy_load_members": True}}}
        self.assertEqual(room_of(a.sync(filter=lazy), room)["summary"], {
            "m.joined_member_count": 3, "m.invited_member_count": 0, "m.heroes": sorted([b.user_id, c.user_id])})
        a.put_state(room, "m.room.name", {"name": "N"})
        summary = room_of(a.sync(since=None, filter=lazy), room)["summary"]
        self.assertNotIn("m.heroes", summary)

    def test_a_direct_chat_begins_with_one_join(self):
        a, b = self.users("a", "b")
        room = a.create_room(invite=[b.user_id], is_direct=True)
        events = b.sync()["rooms"]["invite"][room]["invite_state"]["events"]
        invite = event_with(events, type="m.room.member", state_key=b.user_id)
        self.assertIs(invite["content"]["is_direct"], True)
        b.join(room)
        part = room_of(b.sync(), room)
        joins = [e for e in part["timeline"]["events"] + part["state"]["events"]
                 if e.get("state_key") == b.user_id and e["content"]["membership"] == "join"]
        self.assertEqual(len(joins), 1)

    def test_left_rooms(self):
        u = self.user()
        room = u.create_room()
        leave = {"room": {"include_leave": True}}
        u.sync(filter=leave)
        since = u.since
        u.leave(room)
        self.assertTrue(room_of(u.sync(since=since), room, "leave"))
        self.assertEqual(room_of(u.sync(), room, "leave"), {})
        self.assertTrue(room_of(u.sync(since=None, filter=leave), room, "leave"))
        self.assertEqual(room_of(u.sync(since=None), room, "leave"), {})
        self.assertTrue(room_of(u.sync(since=since, full_state="true", filter=leave), room, "leave"))

    def test_left_rooms_end_where_the_user_left(self):
        a, b = self.users("a", "b")
        f = {"room": {"timeline": {"types": ["m.room.message", "a.b"]}, "state": {"types": ["a.b"]},
                      "include_leave": True}}
        room = a.create_room(preset="public_chat")
        b.join(room)
        b.sync(filter=f)
        since = b.since
        a.send(room, "before")
        a.put_state(room, "a.b", {"is": "before"})
        b.leave(room)
        a.send(room, "after")
        a.put_state(room, "a.b", {"is": "after"})
        for at in (None, since):
            part = room_of(b.sync(since=at, filter=f), room, "leave")
            self.assertEqual(part["state"]["events"], [])
            self.assertEqual([e["content"].get("body", e["content"].get("is")) for e in part["timeline"]["events"]],
                             ["before", "before"])

    def test_a_left_room_does_not_come_again(self):
        a, b = self.users("a", "b")
        room, spam = a.create_room(preset="public_chat"), a.create_room(preset="public_chat")
        b.join(room)
        b.join(spam)
        f = {"room": {"timeline": {"limit": 1}, "include_leave": True}}
        a.sync(filter=f)
        a.leave(room)
        self.assertTrue(room_of(a.sync(filter=f), room, "leave"))
        b.put_state(room, "m.room.member", {"membership": "join", "filler": "x"}, b.user_id)
        for i in range(5):
            b.send(spam, str(i))
        self.assertEqual(a.sync(filter=f)["rooms"].get("leave", {}), {})

    def test_one_sees_ones_own_leave(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat", initial_state=[
            {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}])
        b.join(room)
        f = {"room": {"include_leave": True}}
        a.sync(filter=f)
        a.leave(room)
        part = room_of(a.sync(filter=f), room, "leave")
        self.assertEqual(part["state"]["events"], [])
        self.assertEqual([(e["sender"], e["content"]["membership"]) for e in part["timeline"]["events"]],
                         [(a.user_id, "leave")])

    def test_rooms_of_ignored_users_invites_are_not_told(self):
        a, b, c = self.users("a", "b", "c")
        a.ok("PUT", "/v3/user/{}/account_data/m.ignored_user_list", a.user_id,
             body={"ignored_users": {b.user_id: {}}})
        a.sync()
        bad = b.create_room(invite=[a.user_id])
        good = c.create_room(invite=[a.user_id])
        for since in (a.since, None):
            sync = a.sync(since=since)
            self.assertTrue(room_of(sync, good, "invite"))
            self.assertEqual(room_of(sync, bad, "invite"), {})

    def test_messages_of_ignored_users_are_not_told(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        a.sync()
        a.ok("PUT", "/v3/user/{}/account_data/m.ignored_user_list", a.user_id,
             body={"ignored_users": {b.user_id: {}}})
        unwanted = b.send(room, "unwanted")
        state = b.put_state(room, "m.room.member", {"membership": "join", "x": 1}, b.user_id)
        wanted = a.send(room, "wanted")
        events = [e["event_id"] for e in timeline_of(a.sync(), room)]
        self.assertEqual(events, [state, wanted])
        page = [e["event_id"] for e in a.messages(room, limit=3)["chunk"]]
        self.assertNotIn(unwanted, page)
        self.assertEqual(a.sync(since=None)["rooms"]["join"][room]["unread_notifications"]["notification_count"], 0)

    def test_room_account_data(self):
        u = self.user()
        room = u.create_room()
        u.sync()
        u.ok("PUT", "/v3/user/{}/rooms/{}/account_data/a.b", u.user_id, room, body={"x": 1})
        self.assertEqual(u.ok("GET", "/v3/user/{}/rooms/{}/account_data/a.b", u.user_id, room), {"x": 1})
        self.assertEqual(room_of(u.sync(), room)["account_data"]["events"], [{"type": "a.b", "content": {"x": 1}}])
        u.ok("PUT", "/v3/user/{}/account_data/c.d", u.user_id, body={"y": 1})
        self.assertEqual(event_with(u.sync()["account_data"]["events"], type="c.d")["content"], {"y": 1})
        part = room_of(u.sync(since=None), room)
        self.assertTrue(event_with(part["account_data"]["events"], type="a.b"))

    def test_to_device_messages_come_until_they_are_acknowledged(self):
        a, b = self.users("a", "b")
        b.sync()
        since = b.since

        def send(n):
            a.ok("PUT", "/v3/sendToDevice/a.b/{}", f"{a.device_id}{n}",
                 body={"messages": {b.user_id: {b.device_id: {"n": n}}}})
        for n in range(3):
            send(n)

        def got(**query):
            return [e["content"]["n"] for e in b.sync(**query).get("to_device", {}).get("events", [])]
        self.assertEqual(got(since=since), [0, 1, 2])
        self.assertEqual(got(since=since), [0, 1, 2])
        send(3)
        self.assertEqual(got(), [3])
        self.assertEqual(got(), [])

    def test_tokens(self):
        u = self.user()
        for since in ("nonsense", "", "s"):
            a = u.call("GET", "/v3/sync", query={"since": since, "timeout": 0})
            self.assertIn(a.status, (200,) if not since else (400,), a)
        for query in ({"timeout": "x"}, {"full_state": "maybe"}, {"filter": "{"}, {"filter": '{"room":7}'},
                      {"filter": "unknown"}, {"set_presence": "nonsense"}):
            self.assertEqual(u.call("GET", "/v3/sync", query={"timeout": 0, **query}).status, 400, query)


class Filters(Case):
    def test_a_filter_is_kept(self):
        u = self.user()
        f = {"room": {"timeline": {"limit": 10}}, "x.unknown": 1}
        made = u.ok("POST", "/v3/user/{}/filter", u.user_id, body=f)["filter_id"]
        self.assertFalse(made.startswith("{"))
        self.assertEqual(u.ok("GET", "/v3/user/{}/filter/{}", u.user_id, made), f)
        u.refused(404, "M_NOT_FOUND", "GET", "/v3/user/{}/filter/{}", u.user_id, "nothing")
        other = self.user()
        other.refused(403, "M_FORBIDDEN", "GET", "/v3/user/{}/filter/{}", u.user_id, made)
        other.refused(403, "M_FORBIDDEN", "POST", "/v3/user/{}/filter", u.user_id, body=f)

    def test_bad_filters(self):
        u = self.user()
        no, bad = "not an object", "not a list"
        for f in ({"presence": no}, {"room": no}, {"room": {"timeline": no}}, {"room": {"state": no}},
                  {"room": {"ephemeral": no}}, {"room": {"account_data": no}},
                  *({"room": {"timeline": {k: bad}}} for k in
                    ("rooms", "not_rooms", "senders", "not_senders", "types", "not_types",
                     "related_by_senders", "related_by_rel_types")),
                  {"room": {"timeline": {"types": [1]}}}, {"room": {"timeline": {"rooms": ["not a room"]}}},
                  {"room": {"timeline": {"senders": ["not a user"]}}}, {"event_fields": "x"},
                  {"event_fields": [1]}, {"room": {"state": {"lazy_load_members": "true"}}},
                  {"room": {"state": {"lazy_load_members": 1}}},
                  {"room": {"state": {"include_redundant_members": "true"}}}, {"event_format": "x"}, {"room": {"include_leave": "x"}}):
            a = u.call("POST", "/v3/user/{}/filter", u.user_id, body=f)
            self.assertEqual(a.status, 400, (f, a))

    def test_filters_by_room_type_and_sender(self):
        a, b = self.users("a", "b")
        one, two = a.create_room(preset="public_chat"), a.create_room()
        b.join(one)

        def rooms(**f):
            return set(a.sync(since=None, filter={"room": f}).get("rooms", {}).get("join", {}))
        self.assertEqual(rooms(rooms=[one]), {one})
        self.assertEqual(rooms(not_rooms=[one]), {two})
        self.assertEqual(rooms(rooms=[]), set())
        x, y = a.send(one, type="x.y"), b.send(one, type="x.y")

        def events(**f):
            return [e["event_id"] for e in timeline_of(a.sync(since=None, filter={"room": {"timeline": f}}), one)]
        self.assertEqual(events(types=["x.*"]), [x, y])
        self.assertEqual(events(types=["x.*"], senders=[b.user_id]), [y])
        self.assertEqual(events(types=["x.*"], not_senders=[b.user_id]), [x])
        self.assertEqual(events(types=["x.*"], not_types=["x.y"]), [])
        self.assertEqual(events(not_rooms=[one]), [])

    def test_event_fields(self):
        u = self.user()
        room = u.create_room(name="N")
        u.checked = False  # the schemas ask for the fields that were asked away
        u.send(room, "hi", extra={"deep": {"a": 1, "b": 2}}, **{"dot.ted": 7})

        def last(*fields):
            part = room_of(u.sync(since=None, filter={"event_fields": list(fields),
                                                      "room": {"timeline": {"limit": 1}}}), room)
            self.assertTrue(all(set(e) <= {f.split(".")[0] for f in fields} for e in part["state"]["events"]))
            return part["timeline"]["events"][-1]
        self.assertEqual(last("type", "content.body"), {"type": "m.room.message", "content": {"body": "hi"}})
        self.assertEqual(last("content.extra.deep.a"), {"content": {"extra": {"deep": {"a": 1}}}})
        self.assertEqual(last("content.extra.deep", "content.extra.deep.a")["content"],
                         {"extra": {"deep": {"a": 1, "b": 2}}})
        self.assertEqual(last(r"content.dot\.ted"), {"content": {"dot.ted": 7}})
        self.assertEqual(last("no.such.field"), {})
        self.assertEqual(last("sender", "event_id")["sender"], u.user_id)

    def test_federation_format(self):
        u = self.user()
        room = u.create_room()
        u.checked = False  # the schema has the format of clients alone
        e = timeline_of(u.sync(filter={"event_format": "federation"}), room)[-1]
        self.assertLessEqual({"auth_events", "prev_events", "hashes", "depth", "signatures"}, set(e))


class Unread(Case):
    def counts(self, user, room, threads=False):
        f = {"room": {"timeline": {"unread_thread_notifications": threads}}}
        part = room_of(user.sync(since=None, filter=f), room)
        n = part["unread_notifications"]
        return ((n.get("highlight_count", 0), n.get("notification_count", 0)),
                {k: (v["highlight_count"], v["notification_count"])
                 for k, v in part.get("unread_thread_notifications", {}).items()})

    def test_threaded_receipts(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)

        def thread(root, body):
            return a.send(room, body, **{"m.relates_to": {"rel_type": "m.thread", "event_id": root},
                                         **({"m.mentions": {"user_ids": [b.user_id]}} if b.user_id in body else {})})
        first = a.send(room, "Hello world!")
        second = thread(first, "Start thread!")
        thread(first, f"Thread response {b.user_id}!")
        fourth = a.send(room, f"Hello {b.user_id}!", **{"m.mentions": {"user_ids": [b.user_id]}})
        thread(first, "End thread")
        sixth = a.send(room, "Reference!", **{"m.relates_to": {"rel_type": "m.reference", "event_id": first}})
        seventh = a.send(room, type="m.room.reaction", **{"m.relates_to": {
            "rel_type": "m.annotation", "event_id": sixth, "key": "test"}})

        def expect(plain, main, threads):
            self.assertEqual(self.counts(b, room), (plain, {}))
            self.assertEqual(self.counts(b, room, True), (main, threads))

        def read(event, **body):
            b.ok("POST", "/v3/rooms/{}/receipt/m.read/{}", room, event, body=body)
        expect((2, 6), (1, 3), {first: (1, 3)})
        read(first, thread_id="main")
        expect((2, 5), (1, 2), {first: (1, 3)})
        read(second, thread_id=first)
        expect((2, 4), (1, 2), {first: (1, 2)})
        read(fourth)
        expect((0, 2), (0, 1), {first: (0, 1)})
        # An annotation of the main timeline's event, read in the thread.
        b.call("POST", "/v3/rooms/{}/receipt/m.read/{}", room, seventh, body={"thread_id": first})

    def test_many_messages_are_counted_by_and_by(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        senders = [threading.Thread(target=lambda u: [u.send(room, str(i)) for i in range(130)], args=(u,))
                   for u in (User(self.node, a.token, a.user_id, a.device_id) for _ in range(16))]
        for s in senders:
            s.start()
        for s in senders:
            s.join()
        self.assertGreaterEqual(self.counts(b, room)[0][1], 1990)
        self.assertEqual(self.counts(b, room)[0], (0, 2080))
        a.send(room, "last")
        self.assertEqual(self.counts(b, room)[0], (0, 2081))

    def test_own_messages_and_reading_set_the_count(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        last = [a.send(room, str(i)) for i in range(3)][-1]
        self.assertEqual(self.counts(b, room)[0], (0, 3))
        self.assertEqual(self.counts(a, room)[0], (0, 0))
        b.sync()
        b.ok("POST", "/v3/rooms/{}/receipt/m.read/{}", room, last)
        part = room_of(b.sync(), room)
        self.assertEqual(part["unread_notifications"]["notification_count"], 0)
        b.ok("PUT", "/v3/pushrules/global/room/{}", room, body={"actions": []})
        a.send(room, "quiet")
        self.assertEqual(self.counts(b, room)[0], (0, 0))
