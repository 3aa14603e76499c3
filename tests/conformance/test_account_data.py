"""Account data, tags and filters."""
import json

from client import Case, Client, event_with, room_of


class Data(Case):
    def path(self, u, type, room=None):
        if room is None:
            return ("/v3/user/{}/account_data/{}", u.user_id, type)
        return ("/v3/user/{}/rooms/{}/account_data/{}", u.user_id, room, type)

    def put(self, u, type, content, room=None):
        return u.ok("PUT", *self.path(u, type, room), body=content)

    def get(self, u, type, room=None):
        return u.ok("GET", *self.path(u, type, room))

    def test_what_was_put_is_got(self):
        u = self.user()
        room = u.create_room()
        for where in (None, room):
            for content in ({"a": 1}, {"b": {"c": [1, "2", None, True]}}, {}):
                self.put(u, "my.type", content, where)
                self.assertEqual(self.get(u, "my.type", where), content)

    def test_it_comes_with_syncs(self):
        u = self.user()
        room = u.create_room()
        self.put(u, "my.still", {"is": "lions"})
        self.put(u, "my.still", {"is": "tigers"}, room)
        self.put(u, "my.type", {"is": "cats"})
        self.put(u, "my.type", {"is": "rats"}, room)
        only = {"account_data": {"types": ["my.type"]}, "room": {"account_data": {"types": ["my.type"]}}}
        first = u.sync(filter=only)
        self.assertEqual(first["account_data"]["events"], [{"type": "my.type", "content": {"is": "cats"}}])
        self.assertEqual(room_of(first, room)["account_data"]["events"],
                         [{"type": "my.type", "content": {"is": "rats"}}])
        u.sync()
        self.put(u, "my.type", {"is": "dogs"})
        self.put(u, "my.type", {"is": "frogs"}, room)
        more = u.sync()
        self.assertEqual(more["account_data"]["events"], [{"type": "my.type", "content": {"is": "dogs"}}])
        self.assertEqual(room_of(more, room)["account_data"]["events"],
                         [{"type": "my.type", "content": {"is": "frogs"}}])
        self.assertFalse(u.sync().get("account_data", {}).get("events"))

    def test_refusals(self):
        u, other = self.users("u", "other")
        room = u.create_room()
        for where in (None, room):
            for method in ("GET", "PUT"):
                other.refused(403, "M_FORBIDDEN", method, *self.path(u, "my.type", where))
            u.refused(404, "M_NOT_FOUND", "GET", *self.path(u, "my.nothing", where))
            u.refused(400, "M_BAD_JSON", "PUT", *self.path(u, "my.type", where), body=[])
            u.refused(400, "M_NOT_JSON", "PUT", *self.path(u, "my.type", where), body=b"")
        for type in ("m.fully_read", "m.push_rules"):
            u.refused(405, "M_BAD_JSON", "PUT", *self.path(u, type))
            u.refused(405, "M_BAD_JSON", "PUT", *self.path(u, type, room))
        u.refused(400, "M_INVALID_PARAM", "PUT", *self.path(u, "my.type", "no-room"))
        u.refused(413, "M_TOO_LARGE", "PUT", *self.path(u, "my.type"), body={"x": "y" * 65600})
        self.put(u, "my.type", {"x": "y" * 65000})

    def test_push_rules_are_there_too(self):
        u = self.user()
        self.assertEqual(self.get(u, "m.push_rules"), u.ok("GET", "/v3/pushrules/"))


class Tags(Case):
    def url(self, u, room, tag=None):
        return ("/v3/user/{}/rooms/{}/tags" + ("/{}" if tag is not None else ""), u.user_id, room,
                *([tag] if tag is not None else []))

    def test_added_listed_and_taken_away(self):
        u = self.user()
        room = u.create_room()
        self.assertEqual(u.ok("GET", *self.url(u, room)), {"tags": {}})
        u.sync()
        u.ok("PUT", *self.url(u, room, "u.work/ü"), body={"order": 0.25, "note": "x"})
        u.ok("PUT", *self.url(u, room, "m.favourite"), body={})
        tags = {"u.work/ü": {"order": 0.25, "note": "x"}, "m.favourite": {}}
        self.assertEqual(u.ok("GET", *self.url(u, room)), {"tags": tags})
        self.assertEqual(room_of(u.sync(), room)["account_data"]["events"],
                         [{"type": "m.tag", "content": {"tags": tags}}])
        u.ok("DELETE", *self.url(u, room, "u.work/ü"))
        self.assertEqual(u.ok("GET", *self.url(u, room)), {"tags": {"m.favourite": {}}})
        self.assertEqual(room_of(u.sync(), room)["account_data"]["events"],
                         [{"type": "m.tag", "content": {"tags": {"m.favourite": {}}}}])
        u.ok("DELETE", *self.url(u, room, "u.never"))

    def test_refusals(self):
        u, other = self.users("u", "other")
        room = u.create_room()
        for method, tag in (("GET", None), ("PUT", "u.a"), ("DELETE", "u.a")):
            other.refused(403, "M_FORBIDDEN", method, *self.url(u, room, tag))
        u.refused(400, "M_BAD_JSON", "PUT", *self.url(u, room, "u.a"), body={"order": "first"})
        u.refused(400, "M_INVALID_PARAM", "PUT", *self.url(u, room, "x" * 256), body={})


class Filters(Case):
    def test_what_was_put_is_got(self):
        u = self.user()
        filters = [
            {}, {"room": {"timeline": {"limit": 10}}, "org.example.more": [1]},
            {"event_fields": ["content.body", "type"], "event_format": "client",
             "presence": {"types": ["m.*"], "not_senders": ["@a:b"], "limit": 0},
             "account_data": {"not_types": ["m.x"]},
             "room": {"rooms": ["!a:b"], "not_rooms": [], "include_leave": True,
                      "state": {"lazy_load_members": True, "contains_url": False},
                      "timeline": {"unread_thread_notifications": True}, "ephemeral": {"types": []}}},
        ]
        for f in filters:
            filter_id = u.ok("POST", "/v3/user/{}/filter", u.user_id, body=f)["filter_id"]
            self.assertFalse(filter_id.startswith("{"))
            self.assertEqual(u.ok("GET", "/v3/user/{}/filter/{}", u.user_id, filter_id), f)
            u.sync(filter=filter_id, since=None)

    def test_refusals(self):
        u, other = self.users("u", "other")
        bad = [
            {"presence": "x"}, {"room": "x"}, {"room": {"timeline": "x"}}, {"room": {"state": 1}},
            {"room": {"ephemeral": []}}, {"room": {"rooms": "x"}},
            {"room": {"timeline": {"rooms": "x"}}}, {"room": {"timeline": {"not_rooms": "x"}}},
            {"room": {"timeline": {"senders": "x"}}}, {"room": {"timeline": {"not_senders": {}}}},
            {"room": {"timeline": {"types": "x"}}}, {"room": {"timeline": {"types": [1]}}},
            {"room": {"timeline": {"rooms": ["not_a_room_id"]}}},
            {"room": {"timeline": {"senders": ["not_a_sender_id"]}}},
            {"room": {"timeline": {"limit": "x"}}}, {"room": {"timeline": {"limit": 1.5}}},
            {"room": {"include_leave": "x"}}, {"event_fields": "x"}, {"event_fields": [1]},
            {"event_format": "x"}, {"account_data": {"types": {}}}, {"presence": {"limit": -1}},
        ]
        for f in bad:
            out = u.call("POST", "/v3/user/{}/filter", u.user_id, body=f)
            self.assertEqual(out.status, 400, (f, out))
            out = u.call("GET", "/v3/sync", query={"filter": json.dumps(f)})
            self.assertEqual(out.status, 400, (f, out))
        other.refused(403, "M_FORBIDDEN", "POST", "/v3/user/{}/filter", u.user_id, body={})
        filter_id = u.ok("POST", "/v3/user/{}/filter", u.user_id, body={})["filter_id"]
        other.refused(403, "M_FORBIDDEN", "GET", "/v3/user/{}/filter/{}", u.user_id, filter_id)
        for missing in ("nonsense", "999999", "-1"):
            u.refused(404, "M_NOT_FOUND", "GET", "/v3/user/{}/filter/{}", u.user_id, missing)
