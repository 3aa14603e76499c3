"""Sending and reading events, relations and threads (client-server API, "Rooms", "Relationships")."""
import time

from client import Case, event_with, numbers


def ids(events):
    return [e["event_id"] for e in events]


class Send(Case):
    def test_a_transaction_id_makes_one_event(self):
        u = self.user()
        one, two = u.create_room(), u.create_room()
        first = u.send(one, "a", txn="same")
        self.assertEqual(u.send(one, "a", txn="same"), first)
        self.assertEqual(u.send(one, "other", txn="same"), first)
        self.assertNotEqual(u.send(two, "a", txn="same"), first)
        self.assertNotEqual(u.send(one, type="x.y", txn="same"), first)
        self.assertNotEqual(u.again().send(one, "a", txn="same"), first)

    def test_the_sender_sees_his_transaction_id_alone(self):
        u = self.user()
        v = self.user()
        room = u.create_room(preset="public_chat")
        v.join(room)
        event = u.send(room, txn="mine")
        self.assertEqual(u.event(room, event)["unsigned"]["transaction_id"], "mine")
        timeline = u.sync()["rooms"]["join"][room]["timeline"]["events"]
        self.assertEqual(event_with(timeline, event_id=event)["unsigned"]["transaction_id"], "mine")
        for other in (u.again(), v):
            self.assertNotIn("transaction_id", other.event(room, event)["unsigned"])

    def test_events_have_the_client_format(self):
        u = self.user()
        room = u.create_room()
        e = u.event(room, u.send(room, "hi"))
        self.assertEqual(set(e), {"content", "event_id", "origin_server_ts", "room_id", "sender", "type", "unsigned"})
        self.assertGreaterEqual(e["unsigned"]["age"], 0)

    def test_only_members_may_send(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.refused(403, "M_FORBIDDEN", "PUT", "/v3/rooms/{}/send/m.room.message/1", room,
                  body={"msgtype": "m.text", "body": "x"})
        b.join(room)
        b.refused(403, "M_FORBIDDEN", "PUT", "/v3/rooms/{}/state/m.room.name", room, body={"name": "x"})
        a.put_state(room, "m.room.power_levels", {"events_default": 50})
        b.refused(403, "M_FORBIDDEN", "PUT", "/v3/rooms/{}/send/m.room.message/2", room,
                  body={"msgtype": "m.text", "body": "x"})

    def test_a_redaction_takes_the_content(self):
        for version in ("10", "11", "12"):
            a, b = self.users("a", "b")
            available = a.ok("GET", "/v3/capabilities")["capabilities"]["m.room_versions"]["available"]
            if version not in available:
                continue
            room = a.create_room(preset="public_chat", room_version=version)
            b.join(room)
            event = a.send(room, "secret")
            b.refused(403, "M_FORBIDDEN", "PUT", "/v3/rooms/{}/redact/{}/1", room, event)
            redaction = a.ok("PUT", "/v3/rooms/{}/redact/{}/{}", room, event, "r1",
                             body={"reason": "because"})["event_id"]
            self.assertEqual(a.ok("PUT", "/v3/rooms/{}/redact/{}/{}", room, event, "r1",
                                  body={"reason": "because"})["event_id"], redaction)
            e = b.event(room, event)
            self.assertEqual(e["content"], {})
            because = e["unsigned"]["redacted_because"]
            self.assertEqual((because["event_id"], because["content"]["reason"]), (redaction, "because"))
            self.assertEqual(because["redacts"], event)
            self.assertEqual(b.event(room, redaction)["redacts"], event)
            own = b.send(room, "mine")
            b.ok("PUT", "/v3/rooms/{}/redact/{}/{}", room, own, "r2")
            theirs = b.send(room, "theirs")
            a.ok("PUT", "/v3/rooms/{}/redact/{}/{}", room, theirs, "r3")
            self.assertEqual(a.event(room, theirs)["content"], {})

    def test_what_is_not_there_cannot_be_redacted(self):
        a = self.user()
        room, other = a.create_room(), a.create_room()
        elsewhere = a.send(other)
        for event in ("$nothing", elsewhere):
            got = a.call("PUT", "/v3/rooms/{}/redact/{}/{}", room, event, f"t{next(numbers)}")
            self.assertIn(got.status, (200, 400, 403, 404), got)
        self.assertEqual(a.event(other, elsewhere)["content"]["body"], "hello")

    def test_a_redaction_can_be_sent_as_an_event(self):
        u = self.user()
        room = u.create_room(room_version="11")
        event = u.send(room, "secret")
        u.ok("PUT", "/v3/rooms/{}/send/m.room.redaction/1", room, body={"redacts": event})
        self.assertEqual(u.event(room, event)["content"], {})


class Read(Case):
    def test_pages_go_both_ways(self):
        u = self.user()
        room = u.create_room()
        sent = [u.send(room, str(i)) for i in range(10)]
        back, start = [], None
        while True:
            page = u.messages(room, limit=4, **({"from": start} if start else {}))
            back += ids(page["chunk"])
            start = page.get("end")
            if not start:
                break
        self.assertEqual(back[:10], sent[::-1])
        self.assertEqual(u.event(room, back[-1])["type"], "m.room.create")
        forth, start = [], None
        while True:
            page = u.messages(room, dir="f", limit=4, **({"from": start} if start else {}))
            forth += ids(page["chunk"])
            if not page["chunk"] or not page.get("end"):
                break
            start = page["end"]
        self.assertEqual(forth, back[::-1])

    def test_sync_tokens_are_page_tokens(self):
        u = self.user()
        room = u.create_room()
        u.sync()
        before = u.since
        event = u.send(room, "x")
        page = u.messages(room, dir="f", **{"from": before})
        self.assertEqual(ids(page["chunk"]), [event])
        sync = u.sync(filter={"room": {"timeline": {"limit": 1}}})
        prev = sync["rooms"]["join"][room]["timeline"]["prev_batch"]
        second = u.send(room, "y")
        sync = u.sync(filter={"room": {"timeline": {"limit": 1}}})
        prev = sync["rooms"]["join"][room]["timeline"]["prev_batch"]
        self.assertEqual(ids(u.messages(room, limit=1, **{"from": prev})["chunk"]), [event])
        self.assertEqual(ids(u.messages(room, dir="f", **{"from": before, "to": prev})["chunk"]), [event])
        self.assertEqual(ids(u.messages(room, limit=1, **{"from": u.since})["chunk"]), [second])

    def test_bad_queries(self):
        u = self.user()
        room = u.create_room()
        for query in ({}, {"dir": "x"}, {"dir": "b", "limit": "x"}, {"dir": "b", "limit": "-1"},
                      {"dir": "b", "from": "nonsense"}, {"dir": "b", "to": "nonsense"},
                      {"dir": "b", "filter": "nonsense"}, {"dir": "b", "filter": '{"types":7}'}):
            a = u.call("GET", "/v3/rooms/{}/messages", room, query=query)
            if query:
                self.assertEqual(a.status, 400, (query, a))

    def test_filters(self):
        u = self.user()
        room = u.create_room()
        one = u.send(room, type="a.one")
        two = u.send(room, type="b.two", url="mxc://a/b")

        def found(**f):
            import json
            return ids(u.messages(room, limit=100, filter=json.dumps(f))["chunk"])
        self.assertEqual(found(types=["a.one"]), [one])
        self.assertEqual(found(types=["a.*", "b.*"]), [two, one])
        self.assertNotIn(one, found(not_types=["a.*"]))
        self.assertEqual(found(contains_url=True), [two])
        self.assertNotIn(two, found(contains_url=False))
        self.assertEqual(found(senders=["@nobody:x"]), [])
        self.assertEqual(found(types=["a.*", "b.*"], limit=1), [two])

    def test_filters_of_relations(self):
        u, v = self.users("u", "v")
        room = u.create_room(preset="public_chat")
        v.join(room)
        root, other = u.send(room, "root"), u.send(room, "other")
        reply = v.send(room, "reply", **{"m.relates_to": {"rel_type": "m.thread", "event_id": root}})
        reference = u.send(room, "ref", **{"m.relates_to": {"rel_type": "m.reference", "event_id": other}})

        def found(**f):
            import json
            f["types"] = ["m.room.message"]
            return set(ids(u.messages(room, limit=100, filter=json.dumps(f))["chunk"]))
        self.assertEqual(found(), {root, other, reply, reference})
        self.assertEqual(found(related_by_rel_types=["m.thread"]), {root})
        self.assertEqual(found(related_by_rel_types=["m.thread", "m.reference"]), {root, other})
        self.assertEqual(found(related_by_senders=[v.user_id]), {root})
        self.assertEqual(found(related_by_senders=[u.user_id], related_by_rel_types=["m.thread"]), set())

    def test_lazy_members(self):
        a, b, c = self.users("a", "b", "c")
        room = a.create_room(preset="public_chat")
        b.join(room)
        c.join(room)
        b.send(room)
        a.sync()
        before = a.since
        c.send(room)
        a.sync()
        page = a.messages(room, dir="f", filter='{"lazy_load_members":true}', **{"from": before, "to": a.since})
        self.assertEqual([(e["type"], e["state_key"]) for e in page["state"]], [("m.room.member", c.user_id)])

    def test_history_ends_where_a_user_left(self):
        a, b, c = self.users("a", "b", "c")
        room = a.create_room(preset="public_chat", initial_state=[
            {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}])
        b.join(room)
        a.put_state(room, "m.room.name", {"name": "before"})
        a.put_state(room, "a.b", {"is": "before"})
        one, two = a.send(room, "1"), a.send(room, "2")
        b.leave(room)
        b.sync()
        a.put_state(room, "m.room.name", {"name": "after"})
        a.put_state(room, "a.b", {"is": "after"})
        three = a.send(room, "3")
        c.join(room)
        self.assertEqual(b.state(room, "m.room.name"), {"name": "before"})
        self.assertEqual(b.state(room, "a.b"), {"is": "before"})
        self.assertEqual(a.state(room, "a.b"), {"is": "after"})
        members = {e["state_key"]: e["content"]["membership"]
                   for e in b.ok("GET", "/v3/rooms/{}/members", room)["chunk"]}
        self.assertEqual(members, {a.user_id: "join", b.user_id: "leave"})
        page = b.messages(room, limit=3, **{"from": b.since})["chunk"]
        self.assertEqual(ids(page)[1:], [two, one])
        self.assertEqual(page[0]["state_key"], b.user_id)
        self.assertEqual(b.messages(room, dir="f", limit=100, **{"from": b.since})["chunk"], [])
        b.refused(404, "M_NOT_FOUND", "GET", "/v3/rooms/{}/event/{}", room, three)
        b.refused(403, "M_FORBIDDEN", "GET", "/v3/rooms/{}/joined_members", room)

    def test_history_visibility_of_single_events(self):
        for visibility, stranger, later, invited in (
                ("world_readable", True, True, True), ("shared", False, True, True),
                ("invited", False, False, True), ("joined", False, False, False)):
            a, b, c = self.users("a", "b", "c")
            room = a.create_room(preset="public_chat", initial_state=[
                {"type": "m.room.history_visibility", "content": {"history_visibility": visibility}}])
            first = a.send(room, "first")
            a.invite(room, b)
            second = a.send(room, "second")

            def sees(user, event, expected):
                status = user.call("GET", "/v3/rooms/{}/event/{}", room, event).status
                self.assertEqual(status, 200 if expected else 404, (visibility, user.user_id))
                status = user.call("GET", "/v3/rooms/{}/context/{}", room, event).status
                self.assertIn(status, (200,) if expected else (403, 404), (visibility, user.user_id))
            sees(c, first, stranger)
            b.join(room)
            sees(b, first, later)
            sees(b, second, invited)
            sees(b, a.send(room, "third"), True)

    def test_context(self):
        u = self.user()
        room = u.create_room()
        sent = [u.send(room, str(i)) for i in range(5)]
        c = u.ok("GET", "/v3/rooms/{}/context/{}", room, sent[2], query={"limit": 2})
        self.assertEqual(c["event"]["event_id"], sent[2])
        self.assertEqual(ids(c["events_before"]), [sent[1]])
        self.assertEqual(ids(c["events_after"]), [sent[3]])
        self.assertEqual(ids(u.messages(room, limit=1, **{"from": c["start"]})["chunk"]), [sent[0]])
        self.assertEqual(ids(u.messages(room, dir="f", limit=1, **{"from": c["end"]})["chunk"]), [sent[4]])
        self.assertIn("m.room.create", [e["type"] for e in c["state"]])
        none = u.ok("GET", "/v3/rooms/{}/context/{}", room, sent[2], query={"limit": 0})
        self.assertEqual((none["events_before"], none["events_after"]), ([], []))
        u.refused(404, "M_NOT_FOUND", "GET", "/v3/rooms/{}/context/{}", room, "$nothing")
        v = self.user()
        u.invite(room, v)
        v.join(room)
        last = u.send(room)
        lazy = u.ok("GET", "/v3/rooms/{}/context/{}", room, last, query={
            "limit": 0, "filter": '{"lazy_load_members":true}'})
        self.assertEqual([e["state_key"] for e in lazy["state"] if e["type"] == "m.room.member"], [u.user_id])

    def test_events_by_time(self):
        u = self.user()
        room = u.create_room()
        first = u.send(room, "1")
        time.sleep(0.02)
        second = u.send(room, "2")
        at = u.event(room, first)["origin_server_ts"]
        then = u.event(room, second)["origin_server_ts"]

        def near(ts, dir):
            return u.ok("GET", "/v1/rooms/{}/timestamp_to_event", room, query={"ts": ts, "dir": dir})
        self.assertEqual(near(at + 1, "f"), {"event_id": second, "origin_server_ts": then})
        self.assertEqual(near(then - 1, "b")["event_id"], first)
        u.refused(404, "M_NOT_FOUND", "GET", "/v1/rooms/{}/timestamp_to_event", room,
                  query={"ts": then + 10000, "dir": "f"})
        u.refused(400, ("M_INVALID_PARAM", "M_MISSING_PARAM"), "GET", "/v1/rooms/{}/timestamp_to_event", room)

    def test_membership_is_told_with_each_event(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        before = a.send(room, "before")
        a.invite(room, b)
        invited = a.send(room, "invited")
        b.join(room)
        after = a.send(room, "after")
        expected = {before: "leave", invited: "invite", after: "join"}
        for event, membership in expected.items():
            self.assertEqual(b.event(room, event)["unsigned"]["membership"], membership)
        for e in b.sync()["rooms"]["join"][room]["timeline"]["events"] + b.messages(room, limit=100)["chunk"]:
            if e["event_id"] in expected:
                self.assertEqual(e["unsigned"]["membership"], expected[e["event_id"]])
            if e.get("state_key") == b.user_id:
                self.assertEqual(e["unsigned"]["membership"], e["content"]["membership"])


class Relations(Case):
    def relate(self, u, room, root, kind, type="m.room.message", **content):
        return u.send(room, kind, type=type, **{**content, "m.relates_to": {"rel_type": kind, "event_id": root}})

    def test_relations_by_kind_and_type(self):
        u = self.user()
        room = u.create_room()
        root = u.send(room, "root")
        thread = self.relate(u, room, root, "m.thread")
        dummy = self.relate(u, room, root, "m.thread", type="m.dummy")
        edit = self.relate(u, room, root, "m.replace", **{"m.new_content": {"msgtype": "m.text", "body": "new"}})

        def found(*more):
            return ids(u.ok("GET", "/v1/rooms/{}/relations/{}" + "/{}" * len(more), room, root, *more)["chunk"])
        self.assertEqual(found(), [edit, dummy, thread])
        self.assertEqual(found("m.thread"), [dummy, thread])
        self.assertEqual(found("m.thread", "m.room.message"), [thread])
        u.refused(404, "M_NOT_FOUND", "GET", "/v1/rooms/{}/relations/{}", room, "$nothing")

    def test_relations_in_pages(self):
        u = self.user()
        room = u.create_room()
        root = u.send(room, "root")
        sent = [self.relate(u, room, root, "m.thread") for _ in range(7)]
        for dir, expected in (("b", sent[::-1]), ("f", sent)):
            got, start = [], None
            while True:
                page = u.ok("GET", "/v1/rooms/{}/relations/{}", room, root,
                            query={"dir": dir, "limit": 3, **({"from": start} if start else {})})
                got += ids(page["chunk"])
                start = page.get("next_batch")
                if not start:
                    break
            self.assertEqual(got, expected)
        u.sync()
        later = [self.relate(u, room, root, "m.thread") for _ in range(3)]
        page = u.ok("GET", "/v1/rooms/{}/relations/{}", room, root, query={"dir": "f", "from": u.since})
        self.assertEqual(ids(page["chunk"]), later)
        page = u.ok("GET", "/v1/rooms/{}/relations/{}", room, root, query={"dir": "b", "to": u.since})
        self.assertEqual(ids(page["chunk"]), later[::-1])

    def test_recursive_relations(self):
        u = self.user()
        room = u.create_room()
        root = u.send(room, "root")
        reply = self.relate(u, room, root, "m.thread")
        reaction = u.send(room, type="m.reaction", **{"m.relates_to": {
            "rel_type": "m.annotation", "event_id": reply, "key": "x"}})
        page = u.ok("GET", "/v1/rooms/{}/relations/{}", room, root, query={"recurse": "true"})
        self.assertEqual(ids(page["chunk"]), [reaction, reply])
        self.assertGreaterEqual(page["recursion_depth"], 2)

    def test_an_annotation_counts_once(self):
        u = self.user()
        room = u.create_room()
        root = u.send(room, "root")
        content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": root, "key": "x"}}
        u.ok("PUT", "/v3/rooms/{}/send/m.reaction/1", room, body=content)
        u.refused(400, "M_DUPLICATE_ANNOTATION", "PUT", "/v3/rooms/{}/send/m.reaction/2", room, body=content)
        other = u.send(room, type="m.reaction", **{"m.relates_to": {**content["m.relates_to"], "key": "y"}})
        u.ok("PUT", "/v3/rooms/{}/redact/{}/1", room, other)
        u.send(room, type="m.reaction", **{"m.relates_to": {**content["m.relates_to"], "key": "y"}})
        v = self.user()
        u.invite(room, v)
        v.join(room)
        v.ok("PUT", "/v3/rooms/{}/send/m.reaction/3", room, body=content)

    def test_bundles(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        root = a.send(room, "root")
        reply = b.send(room, "reply", **{"m.relates_to": {"rel_type": "m.thread", "event_id": root}})
        latest = b.send(room, "latest", **{"m.relates_to": {"rel_type": "m.thread", "event_id": root}})
        edit = a.send(room, "* new", **{"m.relates_to": {"rel_type": "m.replace", "event_id": root},
                                         "m.new_content": {"msgtype": "m.text", "body": "new"}})
        b.send(room, "* no", **{"m.relates_to": {"rel_type": "m.replace", "event_id": root},
                                 "m.new_content": {"msgtype": "m.text", "body": "no"}})
        reference = b.send(room, "ref", **{"m.relates_to": {"rel_type": "m.reference", "event_id": root}})
        places = [a.event(room, root), event_with(a.messages(room, limit=100)["chunk"], event_id=root),
                  a.ok("GET", "/v3/rooms/{}/context/{}", room, root)["event"],
                  event_with(a.sync()["rooms"]["join"][room]["timeline"]["events"], event_id=root)]
        for e in places:
            relations = e["unsigned"]["m.relations"]
            self.assertEqual(relations["m.replace"]["event_id"], edit)
            self.assertEqual(relations["m.thread"]["count"], 2)
            self.assertEqual(relations["m.thread"]["latest_event"]["event_id"], latest)
            self.assertTrue(relations["m.thread"]["current_user_participated"])
            self.assertEqual(relations["m.reference"]["chunk"], [{"event_id": reference}])
            self.assertEqual(e["content"]["body"], "root")
        b.ok("PUT", "/v3/rooms/{}/redact/{}/{}", room, latest, "r1")
        relations = a.event(room, root)["unsigned"]["m.relations"]
        self.assertEqual((relations["m.thread"]["count"], relations["m.thread"]["latest_event"]["event_id"]),
                         (1, reply))
        b.ok("PUT", "/v3/rooms/{}/redact/{}/{}", room, reply, "r2")
        a.ok("PUT", "/v3/rooms/{}/redact/{}/{}", room, edit, "r3")
        relations = a.event(room, root)["unsigned"]["m.relations"]
        self.assertEqual(set(relations), {"m.reference"})

    def test_an_event_relates_to_one_of_its_room(self):
        u = self.user()
        room, other = u.create_room(), u.create_room()
        root = u.send(other, "root")
        u.send(room, "x", **{"m.relates_to": {"rel_type": "m.thread", "event_id": root}})
        self.assertNotIn("m.relations", u.event(other, root)["unsigned"])

    def test_threads(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        one, two = a.send(room, "1"), b.send(room, "2")
        r1 = a.send(room, "r1", **{"m.relates_to": {"rel_type": "m.thread", "event_id": one}})
        r2 = b.send(room, "r2", **{"m.relates_to": {"rel_type": "m.thread", "event_id": two}})

        def threads(user=a, **query):
            chunk = user.ok("GET", "/v1/rooms/{}/threads", room, query=query)["chunk"]
            return [(e["event_id"], e["unsigned"]["m.relations"]["m.thread"]["latest_event"]["event_id"])
                    for e in chunk]
        self.assertEqual(threads(), [(two, r2), (one, r1)])
        r3 = a.send(room, "r3", **{"m.relates_to": {"rel_type": "m.thread", "event_id": one}})
        self.assertEqual(threads(), [(one, r3), (two, r2)])
        self.assertEqual(threads(include="participated"), [(one, r3)])
        self.assertEqual(threads(limit=1), [(one, r3)])
        first = a.ok("GET", "/v1/rooms/{}/threads", room, query={"limit": 1})
        self.assertEqual(threads(**{"from": first["next_batch"]}), [(two, r2)])

    def test_no_thread_hangs_on_a_thread(self):
        u = self.user()
        room = u.create_room()
        root = u.send(room, "root")
        reply = self.relate(u, room, root, "m.thread")
        u.refused(400, ("M_UNKNOWN", "M_INVALID_PARAM", "M_BAD_JSON"), "PUT", "/v3/rooms/{}/send/m.room.message/x", room,
                  body={"msgtype": "m.text", "body": "x", "m.relates_to": {"rel_type": "m.thread", "event_id": reply}})


class Receipts(Case):
    def read(self, user, room, event, kind="m.read", **body):
        return user.ok("POST", "/v3/rooms/{}/receipt/{}/{}", room, kind, event, body=body)

    def receipts(self, user, room):
        out = user.sync(since=None)["rooms"]["join"][room]["ephemeral"]["events"]
        e = event_with(out, type="m.receipt")
        if e:
            self.assertNotIn("room_id", e)
        return e["content"] if e else {}

    def test_receipts_reach_the_others(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        event = a.send(room)
        self.read(b, room, event)
        self.assertIn("ts", self.receipts(a, room)[event]["m.read"][b.user_id])
        second = a.send(room)
        self.read(b, room, second, "m.read.private")
        self.assertNotIn(second, self.receipts(a, room))
        self.assertIn("m.read.private", self.receipts(b, room)[second])

    def test_a_receipt_never_goes_back(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        first, second = a.send(room, "1"), a.send(room, "2")
        self.read(b, room, second)
        self.read(b, room, first)
        self.assertEqual(list(self.receipts(a, room)), [second])
        self.read(b, room, second, "m.fully_read")
        self.assertEqual(b.ok("GET", "/v3/user/{}/rooms/{}/account_data/m.fully_read", b.user_id, room),
                         {"event_id": second})

    def test_threaded_and_plain_receipts_of_one_event_are_both_told(self):
        a = self.user()
        room = a.create_room()
        root = a.send(room)
        reply = a.send(room, "x", **{"m.relates_to": {"rel_type": "m.thread", "event_id": root}})
        self.read(a, room, reply)
        self.read(a, room, reply, thread_id=root)
        events = a.sync(since=None)["rooms"]["join"][room]["ephemeral"]["events"]
        threads = {e["content"][reply]["m.read"][a.user_id].get("thread_id") for e in events
                   if e["type"] == "m.receipt" and reply in e["content"]}
        self.assertEqual(threads, {None, root})

    def test_bad_receipts(self):
        a, b = self.users("a", "b")
        room = a.create_room()
        event = a.send(room)
        a.refused(400, ("M_INVALID_PARAM", "M_UNKNOWN"), "POST", "/v3/rooms/{}/receipt/m.nonsense/{}", room, event)
        a.refused(400, ("M_INVALID_PARAM", "M_BAD_JSON"), "POST", "/v3/rooms/{}/receipt/m.read/{}", room, event,
                  body={"thread_id": 7})
        a.refused(400, ("M_INVALID_PARAM", "M_BAD_JSON"), "POST", "/v3/rooms/{}/receipt/m.read/{}", room, event,
                  body={"thread_id": ""})
        b.refused(403, "M_FORBIDDEN", "POST", "/v3/rooms/{}/receipt/m.read/{}", room, event)

    def test_read_markers(self):
        a = self.user()
        room = a.create_room()
        event = a.send(room)
        a.ok("POST", "/v3/rooms/{}/read_markers", room, body={"m.fully_read": event, "m.read": event})
        self.assertIn(event, self.receipts(a, room))
        data = a.sync(since=None)["rooms"]["join"][room]["account_data"]["events"]
        self.assertEqual(event_with(data, type="m.fully_read")["content"], {"event_id": event})
        self.assertEqual(a.ok("GET", "/v3/user/{}/rooms/{}/account_data/m.fully_read", a.user_id, room),
                         {"event_id": event})
        a.refused(405, ("M_BAD_JSON", "M_UNRECOGNIZED", "M_UNKNOWN"), "PUT",
                  "/v3/user/{}/rooms/{}/account_data/m.fully_read", a.user_id, room, body={"event_id": event})
        second = a.send(room)
        self.read(a, room, second, "m.fully_read")
        self.assertEqual(a.ok("GET", "/v3/user/{}/rooms/{}/account_data/m.fully_read", a.user_id, room),
                         {"event_id": second})

    def test_nobody_types_after_a_restart(self):
        node = self.new_node()
        a, b = node.user("a"), node.user("b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        a.ok("PUT", "/v3/rooms/{}/typing/{}", room, a.user_id, body={"typing": True})

        def typing():
            part = b.sync().get("rooms", {}).get("join", {}).get(room, {})
            e = event_with(part.get("ephemeral", {}).get("events", []), type="m.typing")
            return e["content"]["user_ids"] if e else None
        self.assertEqual(typing(), [a.user_id])
        node.restart()
        self.assertEqual(typing(), [])
        self.assertIsNone(typing())

    def test_typing(self):
        a, b, c = self.users("a", "b", "c")
        room = a.create_room(preset="public_chat")
        b.join(room)
        b.sync()
        c.sync()

        def typing(user, timeout=20000):
            events = user.sync(timeout=timeout).get("rooms", {}).get("join", {}).get(room, {}).get("ephemeral", {})
            e = event_with(events.get("events", []), type="m.typing")
            return e["content"]["user_ids"] if e else None
        a.ok("PUT", "/v3/rooms/{}/typing/{}", room, a.user_id, body={"typing": True, "timeout": 3000})
        self.assertEqual(typing(b), [a.user_id])
        self.assertIsNone(typing(c, timeout=300))
        self.assertEqual(typing(b), [])
        a.ok("PUT", "/v3/rooms/{}/typing/{}", room, a.user_id, body={"typing": True, "timeout": 30000})
        self.assertEqual(typing(b), [a.user_id])
        a.ok("PUT", "/v3/rooms/{}/typing/{}", room, a.user_id, body={"typing": False})
        self.assertEqual(typing(b), [])
        b.refused(403, "M_FORBIDDEN", "PUT", "/v3/rooms/{}/typing/{}", room, a.user_id, body={"typing": True})
        c.refused(403, "M_FORBIDDEN", "PUT", "/v3/rooms/{}/typing/{}", room, c.user_id, body={"typing": True})
        a.refused(400, ("M_BAD_JSON", "M_MISSING_PARAM"), "PUT", "/v3/rooms/{}/typing/{}", room, a.user_id, body={})
