"""That the checks of this suite can fail, and what every endpoint does alike."""
from client import Case, Client, api, path


class Schemas(Case):
    def test_values_of_the_wrong_shape_are_seen(self):
        schema = {"type": "object", "required": ["a"], "properties": {
            "a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "string"}},
            "c": {"enum": ["x"]}, "d": {"type": "string", "format": "mx-room-id"}},
            "additionalProperties": {"type": ["string", "null"]}}
        good = [{"a": 1}, {"a": 1, "b": []}, {"a": 1, "b": ["x"], "c": "x", "d": "!r", "z": None}]
        bad = [None, [], {}, {"a": True}, {"a": "1"}, {"a": 1.5}, {"a": 1, "b": [1]},
               {"a": 1, "b": {}}, {"a": 1, "c": "y"}, {"a": 1, "d": "#r"}, {"a": 1, "z": 1}]
        for v in good:
            self.assertEqual(api.check(v, schema), [], v)
        for v in bad:
            self.assertNotEqual(api.check(v, schema), [], v)

    def test_alternatives(self):
        schema = {"oneOf": [{"type": "string"}, {"required": ["a"], "type": "object"}]}
        self.assertEqual(api.check("x", schema), [])
        self.assertEqual(api.check({"a": 1}, schema), [])
        self.assertNotEqual(api.check({}, schema), [])

    def test_paths_are_found(self):
        self.assertEqual(api.find("GET", "/_matrix/client/v3/sync?timeout=0"), "sync")
        self.assertEqual(api.find("PUT", path("/v3/rooms/{}/send/{}/{}", "!a/b", "c", "d")), "sendMessage")
        self.assertIsNone(api.find("GET", "/_matrix/client/v3/nothing"))

    def test_every_schema_is_understood(self):
        for name, op in api.operations.items():
            for schema in [*op["answers"].values(), op.get("request")]:
                if schema is not None:
                    for value in (None, {}, [], "", 0, True):
                        api.check(value, schema, name)


class Dispatch(Case):
    def test_unknown_paths_are_unrecognized(self):
        c = Client(self.node)
        for target in ("/_matrix/client/v3/nothing", "/_matrix/client/unknown", "/_matrix/nothing",
                       "/_matrix", "/_matrix/client/v3/rooms", "/_matrix/client/v3/sync/more",
                       "/_matrix/client/v1/unknown", "/_matrix/client/v3/room/unknown", "/_matrix/media/unknown",
                       "/_matrix/media/v3/unknown", "/_matrix/federation/v1/unknown", "/_matrix/key/v2/unknown"):
            for method in ("GET", "PUT", "POST", "DELETE"):
                c.refused(404, "M_UNRECOGNIZED", method, target)

    def test_known_paths_with_other_methods_are_405(self):
        u = self.user()
        for method, target in (("PATCH", "/v3/sync"), ("POST", "/v3/sync"), ("DELETE", "/v3/createRoom"),
                               ("GET", "/v3/createRoom"), ("PUT", "/v3/joined_rooms"), ("PUT", "/v3/login"),
                               ("PUT", "/_matrix/media/v3/upload")):
            u.refused(405, "M_UNRECOGNIZED", method, target)
