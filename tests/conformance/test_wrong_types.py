"""security.md J5: every field of every body in nine wrong kinds, made from the specification's schemas.

What has the wrong type is refused, with M_BAD_JSON: it is never taken for a default, and never a 500.
"""
import json

from client import Case, Client, api, path

KINDS = [None, True, 7, -1.5, 10**30, "wrong", [], [[]], {}, {"a": {}}]

# Fields that this server has no use for: what stands there is not looked at.
UNREAD = {
    ("joinRoom", "third_party_signed"), ("joinRoomById", "third_party_signed"),  # no invites by address
    ("createRoom", "invite_3pid"),
}

FROZEN = ("getContent", "getContentOverrideName", "getContentThumbnail")

SAMPLES = {"mx-user-id": "@someone:example.org", "mx-room-id": "!room:example.org", "mx-event-id": "$event",
           "mx-mxc-uri": "mxc://a/b", "mx-room-alias": "#a:example.org"}
# What must stand in a body for the rest of it to be looked at.
BASE = {"login": {"type": "m.login.password", "user": "nobody", "password": "x"},
        "register": {"username": "typed", "password": "x"},
        "upgradeRoom": {"new_version": "12"}}
NAMES = {"^@": "@someone:example.org", "^!": "!room:example.org"}


def flat(schema):
    """The schema without $ref and allOf."""
    out = {"properties": {}, "patternProperties": {}, "required": []}
    parts = [schema]
    while parts:
        s = parts.pop()
        if "$ref" in s:
            parts.append(api.definitions[s["$ref"]])
        parts += s.get("allOf", [])
        for key, value in s.items():
            if key in ("properties", "patternProperties"):
                out[key] = {**value, **out[key]}
            elif key == "required":
                out[key] = [*out[key], *value]
            elif key not in ("$ref", "allOf"):
                out.setdefault(key, value)
    return out


def types(schema):
    t = schema.get("type")
    return t if isinstance(t, list) else [t] if t else []


def sample(schema):
    s = flat(schema)
    if "enum" in s:
        return s["enum"][0]
    t = (types(s) or ["object"])[0]
    if t == "object":
        return {name: sample(s["properties"][name]) for name in s["required"] if name in s["properties"]}
    return {"string": SAMPLES.get(s.get("format"), "text"), "integer": 1, "number": 1, "boolean": True,
            "array": [], "null": None}[t]


def has_type(value, schema):
    allowed = types(schema)
    if not allowed:
        return True
    return any(api.check(value, {"type": t}) == [] for t in allowed)


def places(schema, depth=0):
    """(names on the way, schema there, whether it must be there, a function that puts a value there)."""
    s = flat(schema)
    if depth > 4:
        return
    children = [(name, sub, name in s["required"]) for name, sub in s["properties"].items()]
    children += [(NAMES.get(p, "name"), sub, True) for p, sub in s["patternProperties"].items()]
    if isinstance(s.get("additionalProperties"), dict):
        children.append(("name:a", s["additionalProperties"], True))
    for name, sub, required in children:
        def put(value, name=name):
            return {**sample(schema), name: value}
        yield (name,), flat(sub), required, put
        for more, there, needed, put_below in places(sub, depth + 1):
            yield (name, *more), there, needed, lambda v, put=put, below=put_below: put(below(v))
    if "items" in s:
        def put_item(value):
            return [value]
        yield ("[]",), flat(s["items"]), True, put_item
        for more, there, needed, put_below in places(s["items"], depth + 1):
            yield ("[]", *more), there, needed, lambda v, below=put_below: [below(v)]


class WrongTypes(Case):
    def setUp(self):
        self.own = self.new_node()
        self.admin, self.user1 = self.own.user("admin"), self.own.user("user")
        self.room = self.admin.create_room(preset="public_chat")
        self.event = self.admin.send(self.room)
        self.version = self.admin.ok("POST", "/v3/room_keys/version", body={
            "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {}})["version"]
        self.count = 0

    def target(self, name, op):
        """Where the request goes: to things that are there."""
        self.count += 1
        known = {"roomId": self.room, "roomIdOrAlias": self.room, "eventId": self.event, "version": self.version,
                 "userId": self.user1.user_id if "Admin" in name else self.admin.user_id,
                 "deviceId": self.admin.device_id, "eventType": "m.some", "txnId": f"t{self.count}",
                 "stateKey": "", "receiptType": "m.read", "type": "my.type", "tag": "u.tag", "kind": "override",
                 "ruleId": "mine" if name == "setPushRule" else ".m.rule.master", "keyName": "displayname",
                 "roomAlias": f"#a{self.count}:" + self.admin.user_id.split(":", 1)[1], "sessionId": "s"}
        target = op["path"]
        for parameter in op["parameters"]:
            if parameter["in"] == "path":
                value = known.get(parameter["name"], "x")
                target = target.replace("{" + parameter["name"] + "}", path("{}", value))
        return target + (f"?version={self.version}" if "room_keys/keys" in target else "")

    def test_every_field(self):
        tried, wrong = 0, []
        for name, op in api.operations.items():
            schema = op.get("request")
            if not schema or name == "inviteBy3PID":
                continue
            probe = self.admin.raw(op["method"], self.target(name, op), b"{")
            if probe.errcode == "M_UNRECOGNIZED":  # not here (yet)
                continue
            self.assertEqual((probe.status, probe.errcode), (400, "M_NOT_JSON"), name)
            for where, there, required, put in places(schema):
                if (name, where[0]) in UNREAD:
                    continue
                for value in KINDS:
                    if has_type(value, there) or (value is None and not required):
                        continue
                    body = {**put(value), **{k: v for k, v in BASE.get(name, {}).items() if k != where[0]}}
                    out = self.admin.raw(op["method"], self.target(name, op), json.dumps(body).encode())
                    tried += 1
                    if out.status != 400 or out.errcode != "M_BAD_JSON":
                        wrong.append(f"{name} {'.'.join(where)} = {json.dumps(value)}: {out}")
        self.assertGreater(tried, 1000)
        self.assertEqual(wrong, [], f"{len(wrong)} of {tried}:\n" + "\n".join(wrong))

    def test_bodies_that_are_no_object(self):
        for name, op in api.operations.items():
            if not op.get("request"):
                continue
            for value in KINDS:
                if isinstance(value, dict):
                    continue
                out = self.admin.raw(op["method"], self.target(name, op), json.dumps(value).encode())
                if out.errcode == "M_UNRECOGNIZED":
                    break
                self.assertEqual((out.status, out.errcode), (400, "M_BAD_JSON"), (name, value))

    def test_query_parameters(self):
        """Numbers and booleans of a query in other forms."""
        wrong = []
        for name, op in api.operations.items():
            for parameter in op["parameters"]:
                if parameter["in"] != "query" or op["method"] != "GET" or name in FROZEN:
                    continue
                t = flat(parameter["schema"]).get("type")
                for value in {"integer": ("x", "", "1.5", "1e3", "9" * 30), "boolean": ("x", "", "1", "True")}.get(t, ()):
                    target = self.target(name, op)
                    target += ("&" if "?" in target else "?") + parameter["name"] + "=" + value
                    out = self.admin.raw("GET", target)
                    if out.errcode == "M_UNRECOGNIZED":
                        break
                    if out.status != 400:
                        wrong.append(f"{name} {parameter['name']}={value}: {out}")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))


class Limits(Case):
    """security.md J2: limits of JSON, at their edges."""

    def put(self, u, body):
        out = u.raw("PUT", path("/v3/sendToDevice/{}/{}", "my.type", f"t{len(body)}"), body)
        return (out.status, out.errcode if out.status != 200 else None)

    def wrapped(self, u, content):
        return ('{"messages":{"' + u.user_id + '":{"*":' + content + "}}}").encode()

    def test_depth(self):
        u = self.user()
        for depth, expected in ((64, (200, None)), (65, (400, "M_BAD_JSON")), (2000, (400, "M_BAD_JSON"))):
            inner = depth - 4
            self.assertEqual(self.put(u, self.wrapped(u, '{"a":' + "[" * inner + "]" * inner + "}")), expected, depth)
        out = u.raw("POST", path("/v3/createRoom"), b"[" * 100000)
        self.assertEqual((out.status, out.errcode), (400, "M_BAD_JSON"))

    def test_keys_of_an_object(self):
        u = self.user()
        for n, expected in ((10000, (200, None)), (10001, (400, "M_BAD_JSON"))):
            self.assertEqual(self.put(u, self.wrapped(u, json.dumps({f"k{i}": 0 for i in range(n)}))), expected, n)

    def test_values(self):
        u = self.user()
        for n, expected in ((100000, (200, None)), (100001, (400, "M_BAD_JSON"))):
            self.assertEqual(self.put(u, self.wrapped(u, '{"a":' + json.dumps([0] * (n - 5)) + "}")), expected, n)

    def test_what_is_no_json(self):
        u = self.user()
        for body in (b"", b"{", b"{}{}", b"{'a':1}", b'{"a":01}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":+1}',
                     b'{"a":"\\ud800"}', b'{"a":"\x00"}', b'\xef\xbb\xbf{}', b'{"a":"\xff"}', b'{"a":1,}', b"nul"):
            out = u.raw("PUT", path("/v3/sendToDevice/{}/{}", "my.type", "t"), body)
            self.assertEqual((out.status, out.errcode), (400, "M_NOT_JSON"), body)
        out = u.raw("PUT", path("/v3/sendToDevice/{}/{}", "my.type", "t"), b'{"messages":{},"messages":{}}')
        self.assertEqual((out.status, out.errcode), (400, "M_BAD_JSON"))
