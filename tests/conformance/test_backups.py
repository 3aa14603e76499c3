"""Backups of room keys on the server."""
from client import Case

ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"


def key(first=3, forwarded=0, verified=False, **data):
    return {"first_message_index": first, "forwarded_count": forwarded, "is_verified": verified,
            "session_data": data or {"ephemeral": "e", "ciphertext": "c", "mac": "m"}}


class Backups(Case):
    def version(self, u, **auth_data):
        return u.ok("POST", "/v3/room_keys/version", body={
            "algorithm": ALGORITHM, "auth_data": auth_data or {"public_key": "k"}})["version"]

    def info(self, u, version=None):
        if version is None:
            return u.ok("GET", "/v3/room_keys/version")
        return u.ok("GET", "/v3/room_keys/version/{}", version)

    def put(self, u, version, value, *where):
        return u.ok("PUT", "/v3/room_keys/keys" + "/{}" * len(where), *where, body=value, query={"version": version})

    def get(self, u, version, *where):
        return u.ok("GET", "/v3/room_keys/keys" + "/{}" * len(where), *where, query={"version": version})

    def delete(self, u, version, *where):
        return u.ok("DELETE", "/v3/room_keys/keys" + "/{}" * len(where), *where, query={"version": version})

    def test_versions(self):
        u = self.user()
        u.refused(404, "M_NOT_FOUND", "GET", "/v3/room_keys/version")
        first = self.version(u, public_key="one")
        self.assertEqual(self.info(u), {"algorithm": ALGORITHM, "auth_data": {"public_key": "one"}, "count": 0,
                                        "etag": self.info(u)["etag"], "version": first})
        second = self.version(u)
        self.assertEqual(self.info(u)["version"], second)
        self.assertEqual(self.info(u, first)["version"], first)
        u.ok("PUT", "/v3/room_keys/version/{}", second, body={
            "algorithm": ALGORITHM, "auth_data": {"public_key": "new"}, "version": second})
        self.assertEqual(self.info(u)["auth_data"], {"public_key": "new"})
        u.ok("DELETE", "/v3/room_keys/version/{}", second)
        self.assertEqual(self.info(u)["version"], first)
        u.refused(404, "M_NOT_FOUND", "GET", "/v3/room_keys/version/{}", second)
        u.ok("DELETE", "/v3/room_keys/version/{}", second)

    def test_many_versions_are_in_order(self):
        u = self.user()
        made = [self.version(u) for _ in range(12)]
        self.assertEqual(len(set(made)), 12)
        self.assertEqual(self.info(u)["version"], made[-1])

    def test_what_is_not_there(self):
        u = self.user()
        version = self.version(u)
        u.refused(404, "M_NOT_FOUND", "GET", "/v3/room_keys/keys/{}/{}", "!no", "no", query={"version": version})
        self.assertEqual(self.get(u, version, "!no"), {"sessions": {}})
        self.assertEqual(self.get(u, version), {"rooms": {}})
        for bogus in ("bogus", "99", "0", "-1", "01"):
            u.refused(404, "M_NOT_FOUND", "GET", "/v3/room_keys/keys", query={"version": bogus})
            u.refused(404, "M_NOT_FOUND", "PUT", "/v3/room_keys/keys", query={"version": bogus}, body={"rooms": {}})

    def test_keys_by_session_room_and_all_at_once(self):
        u = self.user()
        version = self.version(u)
        self.assertEqual(self.put(u, version, key(1), "!a", "s/1")["count"], 1)
        self.assertEqual(self.put(u, version, {"sessions": {"s2": key(2), "s3": key(3)}}, "!a")["count"], 3)
        out = self.put(u, version, {"rooms": {"!b": {"sessions": {"s4": key(4)}}, "!c": {"sessions": {}}}})
        self.assertEqual(out["count"], 4)
        self.assertEqual(self.get(u, version, "!a", "s/1"), key(1))
        self.assertEqual(self.get(u, version, "!a"), {"sessions": {"s/1": key(1), "s2": key(2), "s3": key(3)}})
        self.assertEqual(self.get(u, version)["rooms"]["!b"], {"sessions": {"s4": key(4)}})
        self.assertEqual(self.delete(u, version, "!a", "s2")["count"], 3)
        self.assertEqual(self.delete(u, version, "!a")["count"], 1)
        self.assertEqual(self.delete(u, version)["count"], 0)
        self.assertEqual(self.get(u, version), {"rooms": {}})

    def test_the_etag_moves_with_what_is_there(self):
        u = self.user()
        version = self.version(u)
        first = self.put(u, version, key(5), "!a", "s")["etag"]
        self.assertEqual(self.put(u, version, key(6), "!a", "s")["etag"], first)  # worse: stays as it was
        better = self.put(u, version, key(4), "!a", "s")["etag"]
        self.assertNotEqual(better, first)
        self.assertEqual(self.info(u)["etag"], better)
        self.assertNotEqual(self.delete(u, version, "!a", "s")["etag"], better)

    def test_the_better_key_stays(self):
        u = self.user()
        version = self.version(u)
        cases = [
            (key(10, 5), [key(11, 5), key(10, 6), key(11, 6)]),
            (key(10, 5, True), [key(11, 5), key(10, 6), key(1, 1), key(11, 5, True), key(10, 6, True)]),
        ]
        for i, (good, worse) in enumerate(cases):
            self.put(u, version, good, "!a", f"s{i}")
            for k in worse:
                self.put(u, version, k, "!a", f"s{i}")
                self.assertEqual(self.get(u, version, "!a", f"s{i}"), good)
        for better in (key(10, 4, True), key(9, 9, True)):
            self.put(u, version, better, "!a", "s1")
            self.assertEqual(self.get(u, version, "!a", "s1"), better)

    def test_only_the_last_version_takes_keys(self):
        u = self.user()
        old = self.version(u)
        new = self.version(u)
        out = u.refused(403, "M_WRONG_ROOM_KEYS_VERSION", "PUT", "/v3/room_keys/keys/{}/{}", "!a", "s",
                        body=key(), query={"version": old})
        self.assertEqual(out["current_version"], new)

    def test_a_new_version_is_empty(self):
        u = self.user()
        version = self.version(u)
        self.put(u, version, key(), "!a", "s")
        u.ok("DELETE", "/v3/room_keys/version/{}", version)
        new = self.version(u)
        self.assertNotEqual(new, version)
        self.assertEqual(self.get(u, new), {"rooms": {}})

    def test_each_user_has_his_own(self):
        u, other = self.users("u", "other")
        version = self.version(u)
        self.put(u, version, key(), "!a", "s")
        other.refused(404, "M_NOT_FOUND", "GET", "/v3/room_keys/version")
        other.refused(404, "M_NOT_FOUND", "GET", "/v3/room_keys/keys", query={"version": version})

    def test_refusals(self):
        u = self.user()
        version = self.version(u)
        for body in ({}, {"algorithm": ALGORITHM}, {"auth_data": {}}, {"algorithm": 1, "auth_data": {}},
                     {"algorithm": ALGORITHM, "auth_data": "x"}):
            u.refused(400, "M_BAD_JSON", "POST", "/v3/room_keys/version", body=body)
        put = ("PUT", "/v3/room_keys/version/{}", version)
        u.refused(400, "M_INVALID_PARAM", *put, body={"algorithm": "other", "auth_data": {}})
        u.refused(400, "M_INVALID_PARAM", *put, body={"algorithm": ALGORITHM, "auth_data": {}, "version": "99"})
        u.refused(404, "M_NOT_FOUND", "PUT", "/v3/room_keys/version/{}", "99",
                  body={"algorithm": ALGORITHM, "auth_data": {}})
        where = ("PUT", "/v3/room_keys/keys/{}/{}", "!a", "s")
        u.refused(400, ("M_INVALID_PARAM", "M_MISSING_PARAM"), *where, body=key())
        for missing in key():
            body = key()
            del body[missing]
            u.refused(400, "M_BAD_JSON", *where, body=body, query={"version": version})
        for member, wrong in (("first_message_index", -1), ("first_message_index", "1"), ("forwarded_count", 1.5),
                              ("is_verified", 1), ("session_data", "x")):
            u.refused(400, "M_BAD_JSON", *where, body={**key(), member: wrong}, query={"version": version})
        self.assertEqual(self.get(u, version), {"rooms": {}})
        # What is wrong with one key is wrong with all of the request.
        body = {"rooms": {"!a": {"sessions": {"s1": key(), "s2": {}}}}}
        u.refused(400, "M_BAD_JSON", "PUT", "/v3/room_keys/keys", body=body, query={"version": version})
        self.assertEqual(self.get(u, version), {"rooms": {}})
