"""A user's devices, and messages from device to device."""
import threading
import time

from client import Case, Client, numbers


def auth(user, password="password"):
    return {"type": "m.login.password", "password": password,
            "identifier": {"type": "m.id.user", "user": user.user_id}}


class Devices(Case):
    def test_one_and_all(self):
        u = self.user()
        others = []
        for name in ("a", "b/c d"):
            Client(self.node).ok("POST", "/v3/login", body={
                "type": "m.login.password", "password": "password", "device_id": name,
                "initial_device_display_name": f"display {name}",
                "identifier": {"type": "m.id.user", "user": u.user_id}})
            one = u.ok("GET", "/v3/devices/{}", name)
            self.assertEqual((one["device_id"], one["display_name"]), (name, f"display {name}"))
            self.assertEqual(one["last_seen_ip"], "127.0.0.1")
            self.assertLess(abs(one["last_seen_ts"] - time.time() * 1000), 600000)
            others.append(one)
        listed = {d["device_id"]: d for d in u.ok("GET", "/v3/devices")["devices"]}
        self.assertEqual(set(listed), {u.device_id, "a", "b/c d"})
        for one in others:
            self.assertEqual(listed[one["device_id"]], one)

    def test_a_new_name(self):
        u = self.user()
        u.ok("PUT", "/v3/devices/{}", u.device_id, body={"display_name": "new"})
        self.assertEqual(u.ok("GET", "/v3/devices/{}", u.device_id)["display_name"], "new")
        u.ok("PUT", "/v3/devices/{}", u.device_id, body={})
        self.assertEqual(u.ok("GET", "/v3/devices/{}", u.device_id)["display_name"], "new")
        u.refused(400, "M_INVALID_PARAM", "PUT", "/v3/devices/{}", u.device_id, body={"display_name": "x" * 101})
        u.refused(400, "M_BAD_JSON", "PUT", "/v3/devices/{}", u.device_id, body={"display_name": 1})

    def test_devices_that_are_not_there(self):
        u, other = self.users("u", "other")
        for device in ("unknown", other.device_id):
            u.refused(404, "M_NOT_FOUND", "GET", "/v3/devices/{}", device)
            u.refused(404, "M_NOT_FOUND", "PUT", "/v3/devices/{}", device, body={"display_name": "x"})
        u.ok("DELETE", "/v3/devices/{}", "unknown", body={"auth": auth(u)})
        u.ok("DELETE", "/v3/devices/{}", other.device_id, body={"auth": auth(u)})
        other.ok("GET", "/v3/account/whoami")

    def test_deleting_takes_the_owners_password(self):
        u, eve = self.users("u", "eve")
        phone = u.again()
        path = ("DELETE", "/v3/devices/{}", phone.device_id)
        for body in (None, {}, {"auth": auth(u, "wrong")}):
            out = u.call(*path, body=body)
            self.assertEqual(out.status, 401, body)
            self.assertEqual(out.json["flows"], [{"stages": ["m.login.password"]}])
        u.refused(403, "M_FORBIDDEN", *path, body={"auth": auth(eve)})
        phone.ok("GET", "/v3/account/whoami")
        u.ok(*path, body={"auth": auth(u)})
        u.refused(404, "M_NOT_FOUND", "GET", "/v3/devices/{}", phone.device_id)
        phone.refused(401, "M_UNKNOWN_TOKEN", "GET", "/v3/sync")

    def test_several_at_once(self):
        u = self.user()
        phones = [u.again() for _ in range(3)]
        ids = [p.device_id for p in phones[:2]]
        self.assertEqual(u.call("POST", "/v3/delete_devices", body={"devices": ids}).status, 401)
        u.ok("POST", "/v3/delete_devices", body={"devices": ids + ["unknown"], "auth": auth(u)})
        self.assertEqual({d["device_id"] for d in u.ok("GET", "/v3/devices")["devices"]},
                         {u.device_id, phones[2].device_id})
        u.refused(400, "M_BAD_JSON", "POST", "/v3/delete_devices", body={})
        u.refused(400, "M_BAD_JSON", "POST", "/v3/delete_devices", body={"devices": [1]})


class ToDevice(Case):
    def send(self, sender, messages, txn=None, type="my.type"):
        return sender.ok("PUT", "/v3/sendToDevice/{}/{}", type, txn or f"t{next(numbers)}", body={"messages": messages})

    def events(self, sync):
        return sync.get("to_device", {}).get("events", [])

    def event(self, sender, n):
        return {"sender": sender.user_id, "type": "my.type", "content": {"n": n}}

    def test_to_one_device_and_to_all(self):
        a, b, c = self.users("a", "b", "c")
        c2 = c.again()
        self.send(a, {b.user_id: {b.device_id: {"n": 1}, "unknown": {"n": 9}}, c.user_id: {"*": {"n": 2}}})
        self.assertEqual(self.events(b.sync()), [self.event(a, 1)])
        for who in (c, c2):
            self.assertEqual(self.events(who.sync()), [self.event(a, 2)])
        for who in (b, c, c2):
            self.assertNotIn("to_device", who.sync())

    def test_they_come_until_acknowledged_and_then_never_again(self):
        a, b = self.users("a", "b")
        b.sync()
        before = b.since
        self.send(a, {b.user_id: {b.device_id: {"n": 1}}})
        for _ in range(2):
            self.assertEqual(self.events(b.sync(since=before)), [self.event(a, 1)])
        self.assertEqual(self.events(b.sync()), [])
        self.send(a, {b.user_id: {b.device_id: {"n": 2}}})
        self.assertEqual(self.events(b.sync()), [self.event(a, 2)])
        self.assertEqual(self.events(b.sync(since=None)), [self.event(a, 2)])
        self.assertEqual(self.events(b.sync()), [])
        self.assertEqual(self.events(b.sync(since=None)), [])

    def test_in_the_order_they_were_sent(self):
        a, b = self.users("a", "b")
        for n in range(150):
            self.send(a, {b.user_id: {b.device_id: {"n": n}}})
        got = []
        while len(got) < 150:
            events = self.events(b.sync())
            self.assertTrue(events)
            got += [e["content"]["n"] for e in events]
        self.assertEqual(got, list(range(150)))

    def test_the_same_transaction_once(self):
        a, b = self.users("a", "b")
        for n in (1, 2):
            self.send(a, {b.user_id: {b.device_id: {"n": n}}}, "once")
        self.send(a, {b.user_id: {b.device_id: {"n": 3}}}, "once", "my.other")
        self.send(a.again(), {b.user_id: {b.device_id: {"n": 4}}}, "once")
        self.assertEqual([e["content"]["n"] for e in self.events(b.sync())], [1, 3, 4])

    def test_a_parked_sync_is_woken(self):
        a, b = self.users("a", "b")
        b.sync()
        b.sync(timeout=300)
        threading.Timer(0.2, self.send, (a, {b.user_id: {"*": {"n": 1}}})).start()
        began = time.monotonic()
        b.sync_until(lambda s: self.events(s) == [self.event(a, 1)])
        self.assertLess(time.monotonic() - began, 5)

    def test_refusals(self):
        a = self.user()
        where = ("PUT", "/v3/sendToDevice/{}/{}", "my.type", "t")
        for body in ({}, {"messages": []}, {"messages": {"nobody": {}}}, {"messages": {a.user_id: []}},
                     {"messages": {a.user_id: {"*": 1}}}, {"messages": {a.user_id: {"*": []}}}):
            a.refused(400, "M_BAD_JSON", *where, body=body)
        a.refused(400, "M_INVALID_PARAM", "PUT", "/v3/sendToDevice/{}/{}", "x" * 256, "t", body={"messages": {}})
