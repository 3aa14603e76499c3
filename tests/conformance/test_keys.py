"""End-to-end encryption keys: devices', one-time, fallback, cross-signing; who hears of changes."""
from client import Case, Client, event_with
from signing import Key, cross_signing_keys, device_keys

SIGNED = "signed_curve25519"


def one_time_keys(user, key, *names):
    return {f"{SIGNED}:{n}": key.signed({"key": f"a2V5{n}"}, user.user_id, user.device_id) for n in names}


def upload(user, word="1", signed=True, **more):
    keys, key = device_keys(user, word, signed)
    return user.ok("POST", "/v3/keys/upload", body={"device_keys": keys, **more}), keys, key


def query(who, *users, **more):
    return who.ok("POST", "/v3/keys/query", body={"device_keys": {u.user_id: [] for u in users}, **more})


def claim(who, user, algorithm=SIGNED, device=None):
    out = who.ok("POST", "/v3/keys/claim", body={
        "one_time_keys": {user.user_id: {device or user.device_id: algorithm}}})
    return out["one_time_keys"].get(user.user_id, {}).get(device or user.device_id)


def changed(user):
    return lambda sync: user.user_id in sync.get("device_lists", {}).get("changed", [])


def left(user):
    return lambda sync: user.user_id in sync.get("device_lists", {}).get("left", [])


class DeviceKeys(Case):
    def test_what_was_uploaded_is_seen(self):
        u, other = self.users("u", "other")
        out, keys, _ = upload(u)
        self.assertEqual(out["one_time_key_counts"].get(SIGNED, 0), 0)
        for who in (u, other):
            got = query(who, u)["device_keys"][u.user_id]
            self.assertEqual(got, {u.device_id: {**keys, "unsigned": {}}})
        u.ok("PUT", "/v3/devices/{}", u.device_id, body={"display_name": "phone"})
        self.assertEqual(query(other, u)["device_keys"][u.user_id][u.device_id]["unsigned"],
                         {"device_display_name": "phone"})

    def test_only_the_devices_asked_for(self):
        u = self.user()
        second = u.again()
        upload(u)
        upload(second)
        for wanted, found in (([], [u.device_id, second.device_id]), ([u.device_id], [u.device_id]),
                              (["nothing"], []), ([second.device_id, "nothing"], [second.device_id])):
            out = u.ok("POST", "/v3/keys/query", body={"device_keys": {u.user_id: wanted}})
            self.assertEqual(sorted(out["device_keys"][u.user_id]), sorted(found))

    def test_users_without_keys_and_users_who_are_not_there(self):
        u, other = self.users("u", "other")
        server = u.user_id.split(":", 1)[1]
        out = u.ok("POST", "/v3/keys/query", body={"device_keys": {other.user_id: [], f"@nobody:{server}": []}})
        self.assertEqual(out["device_keys"][other.user_id], {})
        self.assertEqual(out["device_keys"].get(f"@nobody:{server}", {}), {})
        self.assertEqual(out.get("failures", {}), {})

    def test_signatures_may_be_missing(self):
        u = self.user()
        upload(u, signed=False)

    def test_keys_of_another_are_refused(self):
        u, other = self.users("u", "other")
        keys, _ = device_keys(other, "x")
        u.refused(400, ("M_BAD_JSON", "M_INVALID_PARAM"), "POST", "/v3/keys/upload", body={"device_keys": keys})
        mine, _ = device_keys(u, "x")
        mine["device_id"] = "another"
        u.refused(400, ("M_BAD_JSON", "M_INVALID_PARAM"), "POST", "/v3/keys/upload", body={"device_keys": mine})

    def test_incomplete_keys_are_refused_whole(self):
        u = self.user()
        for missing in ("user_id", "device_id", "algorithms", "keys"):
            keys, key = device_keys(u, "x")
            del keys[missing]
            u.refused(400, "M_BAD_JSON", "POST", "/v3/keys/upload", body={
                "device_keys": keys, "one_time_keys": one_time_keys(u, key, "A")})
        self.assertEqual(u.ok("POST", "/v3/keys/upload", body={})["one_time_key_counts"].get(SIGNED, 0), 0)

    def test_a_query_in_the_wrong_shape(self):
        u = self.user()
        for wrong in ({u.user_id: {u.device_id: True}}, {u.user_id: "x"}, {u.user_id: [1]}, [], "x", {"nobody": []}):
            u.refused(400, "M_BAD_JSON", "POST", "/v3/keys/query", body={"device_keys": wrong})
        u.refused(400, "M_BAD_JSON", "POST", "/v3/keys/query", body={})


class OneTimeKeys(Case):
    def counts(self, out):
        return out["one_time_key_counts"].get(SIGNED)

    def test_each_is_given_away_once(self):
        u, other = self.users("u", "other")
        _, _, key = upload(u)
        keys = one_time_keys(u, key, "A", "B")
        self.assertEqual(self.counts(u.ok("POST", "/v3/keys/upload", body={"one_time_keys": keys})), 2)
        got = {}
        for _ in range(2):
            one = claim(other, u)
            self.assertEqual(len(one), 1)
            got.update(one)
        self.assertEqual(got, keys)
        self.assertIsNone(claim(other, u))
        self.assertEqual(self.counts(u.ok("POST", "/v3/keys/upload", body={})), 0)

    def test_they_go_in_the_order_they_came(self):
        u = self.user()
        _, _, key = upload(u)
        for name in ("5", "1", "3"):
            u.ok("POST", "/v3/keys/upload", body={"one_time_keys": one_time_keys(u, key, name)})
        self.assertEqual([list(claim(u, u))[0] for _ in range(3)], [f"{SIGNED}:{n}" for n in ("5", "1", "3")])

    def test_the_same_again_counts_once(self):
        u = self.user()
        _, _, key = upload(u)
        for names, n in ((("A", "B", "C"), 3), (("A", "B", "C"), 3), (("B", "C", "D"), 4)):
            out = u.ok("POST", "/v3/keys/upload", body={"one_time_keys": one_time_keys(u, key, *names)})
            self.assertEqual(self.counts(out), n)
        other = {f"{SIGNED}:A": key.signed({"key": "b3RoZXI"}, u.user_id, u.device_id)}
        u.refused(400, ("M_INVALID_PARAM", "M_UNKNOWN"), "POST", "/v3/keys/upload", body={"one_time_keys": other})

    def test_algorithms_are_counted_apart(self):
        u = self.user()
        out = u.ok("POST", "/v3/keys/upload", body={"one_time_keys": {
            "curve25519:A": "YWE", "curve25519:B": "YmI", "my.algorithm:A": "Y2M"}})
        self.assertEqual((out["one_time_key_counts"]["curve25519"], out["one_time_key_counts"]["my.algorithm"]), (2, 1))
        self.assertEqual(claim(u, u, "my.algorithm"), {"my.algorithm:A": "Y2M"})
        self.assertIsNone(claim(u, u, "my.algorithm"))

    def test_counts_come_with_syncs(self):
        u, other = self.users("u", "other")
        _, _, key = upload(u)
        u.sync()
        u.ok("POST", "/v3/keys/upload", body={"one_time_keys": one_time_keys(u, key, "A", "B")})
        u.sync_until(lambda s: s["device_one_time_keys_count"][SIGNED] == 2)
        claim(other, u)
        u.sync_until(lambda s: s["device_one_time_keys_count"][SIGNED] == 1)

    def test_fallback_keys(self):
        u, other = self.users("u", "other")
        _, _, key = upload(u)

        def fallback(name):
            one = {"key": f"ZmFs{name}", "fallback": True}
            return {f"{SIGNED}:{name}": key.signed(one, u.user_id, u.device_id)}
        self.assertEqual(u.sync()["device_unused_fallback_key_types"], [])
        first = fallback("F")
        u.ok("POST", "/v3/keys/upload", body={"fallback_keys": first, "one_time_keys": one_time_keys(u, key, "A")})
        self.assertEqual(u.sync()["device_unused_fallback_key_types"], [SIGNED])
        self.assertIn(f"{SIGNED}:A", claim(other, u))
        self.assertEqual(claim(other, u), first)
        self.assertEqual(claim(other, u), first)
        u.sync_until(lambda s: s["device_unused_fallback_key_types"] == [])
        u.ok("POST", "/v3/keys/upload", body={"fallback_keys": first})
        self.assertEqual(u.sync()["device_unused_fallback_key_types"], [])
        second = fallback("G")
        u.ok("POST", "/v3/keys/upload", body={"fallback_keys": second})
        self.assertEqual(u.sync()["device_unused_fallback_key_types"], [SIGNED])
        self.assertEqual(claim(other, u), second)

    def test_they_end_with_the_device(self):
        u, other = self.users("u", "other")
        second = u.again()
        _, _, key = upload(second)
        second.ok("POST", "/v3/keys/upload", body={"one_time_keys": one_time_keys(second, key, "A")})
        second.ok("POST", "/v3/logout")
        self.assertIsNone(claim(other, u, device=second.device_id))
        self.assertEqual(query(other, u)["device_keys"][u.user_id], {})

    def test_refusals(self):
        u = self.user()
        for wrong in ({"nocolon": "x"}, {"a:b": 1}, {"a:b": {}}, {"a:b": {"key": 1}}, []):
            u.refused(400, "M_BAD_JSON", "POST", "/v3/keys/upload", body={"one_time_keys": wrong})
            u.refused(400, "M_BAD_JSON", "POST", "/v3/keys/upload", body={"fallback_keys": wrong})
        for wrong in ({u.user_id: []}, {u.user_id: {"D": 1}}, [], {"nobody": {}}):
            u.refused(400, "M_BAD_JSON", "POST", "/v3/keys/claim", body={"one_time_keys": wrong})


class CrossSigning(Case):
    def put(self, user, body):
        return user.call("POST", "/v3/keys/device_signing/upload", body=body)

    def auth(self, user, password="password"):
        return {"type": "m.login.password", "password": password,
                "identifier": {"type": "m.id.user", "user": user.user_id}}

    def test_the_first_keys_take_no_password_and_others_do(self):
        u, other = self.users("u", "other")
        body, _ = cross_signing_keys(u, "1")
        self.assertEqual(self.put(u, body).status, 200)
        self.assertEqual(self.put(u, body).status, 200)  # the same again
        mine, theirs = query(u, u), query(other, u)
        for usage in ("master", "self_signing"):
            for got in (mine, theirs):
                self.assertEqual(got[f"{usage}_keys"][u.user_id]["keys"], body[f"{usage}_key"]["keys"])
        self.assertEqual(mine["user_signing_keys"][u.user_id]["keys"], body["user_signing_key"]["keys"])
        self.assertEqual(theirs.get("user_signing_keys", {}), {})

        second, _ = cross_signing_keys(u, "2")
        asked = self.put(u, second)
        self.assertEqual(asked.status, 401)
        self.assertEqual(asked.json["flows"], [{"stages": ["m.login.password"]}])
        self.assertEqual(self.put(u, {**second, "auth": self.auth(u, "wrong")}).status, 401)
        self.assertEqual(query(u, u)["master_keys"][u.user_id]["keys"], body["master_key"]["keys"])
        self.assertEqual(self.put(u, {**second, "auth": self.auth(u)}).status, 200)
        self.assertEqual(query(other, u)["master_keys"][u.user_id]["keys"], second["master_key"]["keys"])

    def test_one_more_key_takes_a_password_too(self):
        u = self.user()
        body, _ = cross_signing_keys(u, "1")
        self.assertEqual(self.put(u, {k: body[k] for k in ("master_key", "self_signing_key")}).status, 200)
        self.assertEqual(self.put(u, {"user_signing_key": body["user_signing_key"]}).status, 401)
        self.assertEqual(self.put(u, {"user_signing_key": body["user_signing_key"], "auth": self.auth(u)}).status, 200)

    def test_refusals(self):
        u, other = self.users("u", "other")
        body, keys = cross_signing_keys(u, "1")
        theirs, _ = cross_signing_keys(other, "1")
        bad_signature = {**body["self_signing_key"], "signatures": {
            u.user_id: {f"ed25519:{keys['master'].public}": keys["self_signing"].sign(b"x")}}}
        unsigned = {k: v for k, v in body["self_signing_key"].items() if k != "signatures"}
        two_keys = {**body["master_key"], "keys": {**body["master_key"]["keys"], "ed25519:x": "x"}}
        for wrong, errcode in (
                ({"self_signing_key": body["self_signing_key"]}, "M_MISSING_PARAM"),
                ({**body, "self_signing_key": bad_signature}, "M_INVALID_SIGNATURE"),
                ({**body, "self_signing_key": unsigned}, "M_INVALID_SIGNATURE"),
                (theirs, "M_BAD_JSON"), ({"master_key": two_keys}, "M_BAD_JSON"),
                ({"master_key": {**body["master_key"], "usage": ["self_signing"]}}, "M_BAD_JSON"),
                ({"master_key": 1}, "M_BAD_JSON")):
            out = self.put(u, wrong)
            self.assertEqual((out.status, out.errcode), (400, errcode), wrong)
        self.assertEqual(query(u, u).get("master_keys", {}), {})

    def signatures(self, user, signed):
        return user.ok("POST", "/v3/keys/signatures/upload", body=signed)

    def test_a_device_is_signed(self):
        u, friend = self.users("u", "friend")
        u.join(friend.create_room(preset="public_chat"))
        _, mine, _ = upload(u)
        body, keys = cross_signing_keys(u, "1")
        self.put(u, body)
        friend.sync()
        signed = keys["self_signing"].signed(mine, u.user_id)
        self.assertEqual(self.signatures(u, {u.user_id: {u.device_id: signed}}).get("failures", {}), {})
        friend.sync_until(changed(u))
        for who in (u, friend):
            got = query(who, u)["device_keys"][u.user_id][u.device_id]["signatures"][u.user_id]
            self.assertEqual(got, signed["signatures"][u.user_id])
        # The same device keys again keep what was signed.
        u.ok("POST", "/v3/keys/upload", body={"device_keys": mine})
        got = query(friend, u)["device_keys"][u.user_id][u.device_id]["signatures"][u.user_id]
        self.assertEqual(got, signed["signatures"][u.user_id])

    def test_a_master_key_is_signed_by_a_device(self):
        u, other = self.users("u", "other")
        _, _, device = upload(u)
        body, keys = cross_signing_keys(u, "1")
        self.put(u, body)
        signed = device.signed(body["master_key"], u.user_id, u.device_id)
        self.assertEqual(self.signatures(u, {u.user_id: {keys["master"].public: signed}}).get("failures", {}), {})
        self.assertEqual(query(other, u)["master_keys"][u.user_id]["signatures"], signed["signatures"])

    def test_another_user_is_signed_and_only_the_signer_sees_it(self):
        a, b = self.users("a", "b")
        _, keys_a = cross_signing_keys(a, "1")
        self.put(a, cross_signing_keys(a, "1")[0])
        body_b, keys_b = cross_signing_keys(b, "1")
        self.put(b, body_b)
        a.sync()
        b.sync()
        signed = keys_a["user_signing"].signed(body_b["master_key"], a.user_id)
        self.assertEqual(self.signatures(a, {b.user_id: {keys_b["master"].public: signed}}).get("failures", {}), {})
        a.sync_until(changed(b))
        self.assertFalse(changed(a)(b.sync()))
        self.assertEqual(query(a, b)["master_keys"][b.user_id]["signatures"][a.user_id], signed["signatures"][a.user_id])
        self.assertNotIn(a.user_id, query(b, b)["master_keys"][b.user_id].get("signatures", {}))

    def test_wrong_signatures_are_named_and_the_others_count(self):
        u, other = self.users("u", "other")
        second = u.again()
        _, mine, _ = upload(u)
        _, mine2, _ = upload(second)
        body, keys = cross_signing_keys(u, "1")
        self.put(u, body)
        good = keys["self_signing"].signed(mine, u.user_id)
        wrong_signer = keys["user_signing"].signed(mine2, u.user_id, keys["self_signing"].public)
        out = self.signatures(u, {u.user_id: {u.device_id: good, second.device_id: wrong_signer, "GONE": mine}})
        self.assertEqual(set(out["failures"][u.user_id]), {second.device_id, "GONE"})
        self.assertEqual(out["failures"][u.user_id][second.device_id]["errcode"], "M_INVALID_SIGNATURE")
        self.assertEqual(out["failures"][u.user_id]["GONE"]["errcode"], "M_NOT_FOUND")
        got = query(other, u)["device_keys"][u.user_id]
        self.assertIn(f"ed25519:{keys['self_signing'].public}", got[u.device_id]["signatures"][u.user_id])
        self.assertNotIn(f"ed25519:{keys['self_signing'].public}", got[second.device_id]["signatures"][u.user_id])

    def test_changes_reach_those_who_share_a_room(self):
        u, friend, stranger = self.users("u", "friend", "stranger")
        u.join(friend.create_room(preset="public_chat"))
        for who in (u, friend, stranger):
            who.sync()
        self.put(u, cross_signing_keys(u, "1")[0])
        for who in (u, friend):
            who.sync_until(changed(u))
        self.assertFalse(changed(u)(stranger.sync()))


class DeviceLists(Case):
    """device_lists of syncs and keys/changes."""

    def friends(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        b.join(room)
        a.sync()
        return a, b, room

    def changes(self, who, since):
        return who.ok("GET", "/v3/keys/changes", query={"from": since, "to": who.since})

    def heard(self, who, user, act, kind=changed):
        since = who.since
        act()
        who.sync_until(kind(user))
        self.assertIn(user.user_id, self.changes(who, since)["changed" if kind is changed else "left"])
        self.assertFalse(kind(user)(who.sync()))

    def test_new_keys_new_devices_names_and_deletion(self):
        a, b, _ = self.friends()
        self.heard(a, b, lambda: upload(b))
        second = []
        self.heard(a, b, lambda: second.append(b.again()))
        self.heard(a, b, lambda: upload(second[0]))
        self.heard(a, b, lambda: b.ok("PUT", "/v3/devices/{}", b.device_id, body={"display_name": "wibble"}))
        self.heard(a, b, lambda: second[0].ok("POST", "/v3/logout"))
        self.assertEqual(list(query(a, b)["device_keys"][b.user_id]), [b.device_id])

    def test_ones_own_devices(self):
        a = self.user()
        a.sync()
        self.heard(a, a, a.again)

    def test_who_comes_into_a_room_and_who_leaves(self):
        a, b = self.users("a", "b")
        room = a.create_room(preset="public_chat")
        a.sync()
        self.heard(a, b, lambda: b.join(room))
        upload(b)
        a.sync_until(changed(b))
        self.heard(a, b, lambda: b.leave(room), left)
        upload(b, "2")
        self.assertFalse(changed(b)(a.sync()))
        self.heard(a, b, lambda: b.join(room))

    def test_coming_into_a_room_and_leaving_it_oneself(self):
        a, b = self.users("a", "b")
        room = b.create_room(preset="public_chat")
        a.sync()
        self.heard(a, b, lambda: a.join(room))
        self.heard(a, b, lambda: a.leave(room), left)
        upload(b)
        self.assertFalse(changed(b)(a.sync()))

    def test_another_shared_room_is_enough(self):
        a, b, room = self.friends()
        second = a.create_room(preset="public_chat")
        b.join(second)
        a.sync()
        b.leave(room)
        self.assertFalse(left(b)(a.sync()))

    def test_left_changed_and_back_between_two_syncs(self):
        a, b, room = self.friends()
        since = a.since
        b.leave(room)
        upload(b)
        b.join(room)
        a.sync_until(changed(b))
        self.assertIn(b.user_id, self.changes(a, since)["changed"])

    def test_refusals(self):
        a = self.user()
        a.sync()
        for wrong in ({"from": a.since}, {"to": a.since}, {"from": "x", "to": a.since}, {"from": a.since, "to": "x"}, {}):
            a.refused(400, ("M_INVALID_PARAM", "M_MISSING_PARAM"), "GET", "/v3/keys/changes", query=wrong)
