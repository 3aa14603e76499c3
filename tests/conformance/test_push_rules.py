"""Push rules: the defaults, and what one may change."""
import threading
import time

from client import Case, event_with

KINDS = ("override", "content", "room", "sender", "underride")
DEFAULTS = {
    "override": [".m.rule.master", ".m.rule.suppress_notices", ".m.rule.invite_for_me", ".m.rule.member_event",
                 ".m.rule.is_user_mention", ".m.rule.is_room_mention", ".m.rule.tombstone", ".m.rule.reaction",
                 ".m.rule.room.server_acl", ".m.rule.suppress_edits"],
    "underride": [".m.rule.call", ".m.rule.encrypted_room_one_to_one", ".m.rule.room_one_to_one",
                  ".m.rule.message", ".m.rule.encrypted"],
}
NOTICE = [{"kind": "event_match", "key": "content.msgtype", "pattern": "m.notice"}]
OWN = [
    ("room", "!spam:example.com", {}),
    ("room", "!v12-room-ids-have-no-server", {}),
    ("sender", "@bob:example.com", {}),
    ("content", "my content rule", {"pattern": "my_pattern"}),
    ("override", "my_override_rule", {"conditions": NOTICE}),
    ("underride", "my_underride_rule", {"conditions": NOTICE}),
]


class PushRules(Case):
    def rules(self, u):
        return u.ok("GET", "/v3/pushrules/")["global"]

    def put(self, u, kind, name, query=None, **rule):
        return u.ok("PUT", "/v3/pushrules/global/{}/{}", kind, name, body={"actions": ["notify"], **rule}, query=query)

    def get(self, u, kind, name):
        return u.ok("GET", "/v3/pushrules/global/{}/{}", kind, name)

    def names(self, u, kind):
        return [r["rule_id"] for r in self.rules(u)[kind] if not r["default"]]

    def test_the_defaults(self):
        u = self.user()
        rules = self.rules(u)
        self.assertEqual(set(rules), set(KINDS))
        self.assertEqual(u.ok("GET", "/v3/pushrules/global/"), rules)
        for kind in KINDS:
            self.assertTrue(all(r["default"] for r in rules[kind]))
        for kind, names in DEFAULTS.items():
            got = [r["rule_id"] for r in rules[kind]]
            self.assertEqual([n for n in got if n in names], names)
        self.assertFalse(self.get(u, "override", ".m.rule.master")["enabled"])
        mention = self.get(u, "override", ".m.rule.is_user_mention")
        self.assertEqual(mention["conditions"], [
            {"kind": "event_property_contains", "key": "content.m\\.mentions.user_ids", "value": u.user_id}])
        self.assertEqual(event_with(self.get(u, "override", ".m.rule.invite_for_me")["conditions"],
                                    key="state_key")["pattern"], u.user_id)

    def test_rules_of_each_kind(self):
        u = self.user()
        for kind, name, more in OWN:
            self.put(u, kind, name, **more)
            self.assertEqual(self.get(u, kind, name),
                             {"actions": ["notify"], "default": False, "enabled": True, "rule_id": name, **more})
            self.put(u, kind, name, **{**more, "actions": ["dont_notify"]})
            self.assertEqual(self.get(u, kind, name)["actions"], ["dont_notify"])
            u.ok("DELETE", "/v3/pushrules/global/{}/{}", kind, name)
            u.refused(404, "M_NOT_FOUND", "GET", "/v3/pushrules/global/{}/{}", kind, name)
            u.refused(404, "M_NOT_FOUND", "DELETE", "/v3/pushrules/global/{}/{}", kind, name)
        self.assertTrue(all(r["default"] for kind in KINDS for r in self.rules(u)[kind]))

    def test_new_rules_go_first_or_where_they_are_put(self):
        u = self.user()
        a, b, c, d = (f"!{x}:example.com" for x in "abcd")
        self.put(u, "room", a)
        self.put(u, "room", b)
        self.assertEqual(self.names(u, "room"), [b, a])
        self.put(u, "room", c, {"after": b})
        self.assertEqual(self.names(u, "room"), [b, c, a])
        self.put(u, "room", d, {"before": a})
        self.assertEqual(self.names(u, "room"), [b, c, d, a])
        self.put(u, "room", a, {"before": c})
        self.assertEqual(self.names(u, "room"), [b, a, c, d])
        self.put(u, "room", b)  # a rule that is there stays where it is
        self.assertEqual(sorted(self.names(u, "room")), [a, b, c, d])
        for where in ("before", "after"):
            u.refused(404, "M_NOT_FOUND", "PUT", "/v3/pushrules/global/room/{}", "!e:example.com",
                      body={"actions": []}, query={where: "!x:example.com"})

    def test_own_rules_stand_before_the_defaults_but_for_master(self):
        u = self.user()
        self.put(u, "override", "mine", conditions=[])
        self.put(u, "underride", "mine", conditions=[])
        rules = self.rules(u)
        self.assertEqual([r["rule_id"] for r in rules["override"][:2]], [".m.rule.master", "mine"])
        self.assertEqual(rules["underride"][0]["rule_id"], "mine")

    def every_rule(self, u):
        for kind, name, more in OWN:
            self.put(u, kind, name, **more)
        return [(kind, r["rule_id"]) for kind in KINDS for r in self.rules(u)[kind]]

    def test_actions_of_every_rule(self):
        u = self.user()
        for kind, name in self.every_rule(u):
            for actions in ([], ["notify", {"set_tweak": "sound", "value": "bing"}, {"set_tweak": "highlight"}]):
                u.ok("PUT", "/v3/pushrules/global/{}/{}/actions", kind, name, body={"actions": actions})
                self.assertEqual(u.ok("GET", "/v3/pushrules/global/{}/{}/actions", kind, name), {"actions": actions})
                self.assertEqual(self.get(u, kind, name)["actions"], actions)

    def test_every_rule_is_turned_on_and_off(self):
        u = self.user()
        for kind, name in self.every_rule(u):
            for enabled in (True, False, True):
                u.ok("PUT", "/v3/pushrules/global/{}/{}/enabled", kind, name, body={"enabled": enabled})
                self.assertEqual(u.ok("GET", "/v3/pushrules/global/{}/{}/enabled", kind, name), {"enabled": enabled})

    def test_rules_that_are_not_there(self):
        u = self.user()
        for kind, name in (("override", ".not.a.default"), ("sender", "@bob:example.com")):
            rule = ("/v3/pushrules/global/{}/{}", kind, name)
            u.refused(404, "M_NOT_FOUND", "GET", *rule)
            for member, value in (("actions", ["notify"]), ("enabled", True)):
                u.refused(404, "M_NOT_FOUND", "GET", rule[0] + "/" + member, kind, name)
                u.refused(404, "M_NOT_FOUND", "PUT", rule[0] + "/" + member, kind, name, body={member: value})
        u.refused(400, "M_INVALID_PARAM", "GET", "/v3/pushrules/global/{}/{}", "colour", "x")

    def test_refusals(self):
        u = self.user()
        rule = ("PUT", "/v3/pushrules/global/{}/{}")
        bad = [
            ("override", ".m.rule.mine", {"actions": [], "conditions": []}, "M_INVALID_PARAM"),
            ("override", "a\\b", {"actions": [], "conditions": []}, "M_INVALID_PARAM"),
            ("override", "a/b", {"actions": [], "conditions": []}, "M_INVALID_PARAM"),
            ("override", "x" * 300, {"actions": [], "conditions": []}, "M_INVALID_PARAM"),
            ("override", "x", {"conditions": []}, "M_BAD_JSON"),
            ("override", "x", {"actions": "notify", "conditions": []}, "M_BAD_JSON"),
            ("override", "x", {"actions": [], "conditions": {}}, "M_BAD_JSON"),
            ("override", "x", {"actions": [], "conditions": [{}]}, "M_BAD_JSON"),
            ("override", "x", {"actions": [1], "conditions": []}, ("M_BAD_JSON", "M_INVALID_PARAM")),
            ("override", "x", {"actions": [{}], "conditions": []}, ("M_BAD_JSON", "M_INVALID_PARAM")),
            ("content", "x", {"actions": []}, "M_BAD_JSON"),
            ("content", "x", {"actions": [], "pattern": 1}, "M_BAD_JSON"),
            ("colour", "x", {"actions": []}, "M_INVALID_PARAM"),
        ]
        for kind, name, body, errcode in bad:
            u.refused(400, errcode, *rule, kind, name, body=body)
        u.refused(400, ("M_INVALID_PARAM", "M_UNKNOWN"), "DELETE", "/v3/pushrules/global/override/.m.rule.master")

    def test_changes_wake_a_parked_sync(self):
        u = self.user()
        self.assertIn("global", event_with(u.sync()["account_data"]["events"], type="m.push_rules")["content"])
        rule = ("/v3/pushrules/global/room/{}", "!foo:example.com")
        steps = [
            lambda: self.put(u, "room", "!foo:example.com"),
            lambda: u.ok("PUT", rule[0] + "/enabled", rule[1], body={"enabled": False}),
            lambda: u.ok("PUT", rule[0] + "/enabled", rule[1], body={"enabled": True}),
            lambda: u.ok("PUT", rule[0] + "/actions", rule[1], body={"actions": ["dont_notify"]}),
            lambda: u.ok("DELETE", *rule),
        ]
        other = u.again()
        other.sync()
        for step in steps:
            timer = threading.Timer(0.2, step)
            timer.start()
            began = time.monotonic()
            out = other.sync_until(lambda s: event_with(s.get("account_data", {}).get("events", []),
                                                        type="m.push_rules"))
            self.assertLess(time.monotonic() - began, 5)
            timer.join()
            self.assertEqual(out["content"]["global"], self.rules(u))
