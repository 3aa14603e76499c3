"""Random rooms, made and judged by matrix-synapse's own functions."""
import asyncio

from signedjson.key import decode_signing_key_base64
from signedjson.sign import sign_json
from synapse import event_auth
from synapse.api.errors import AuthError
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.events import make_event_from_dict
from synapse.state import v1, v2
from synapse.storage.databases.main.event_federation import StateDifference
from unpaddedbase64 import encode_base64

USERS = ["@alice:a", "@bob:a", "@carol:b", "@dave:b", "@eve:c"]
KEYS = [decode_signing_key_base64("ed25519", "0", encode_base64(bytes([k]) * 32)) for k in range(3)]


class Clock:
    async def sleep(self, *_):
        pass


class Store:
    """What Synapse asks of its database, over a dict of events."""

    def __init__(self, events):
        self.events = events

    async def get_events(self, ids, redact_behaviour=None, allow_rejected=False, **_):
        return {i: self.events[i] for i in ids if i in self.events
                and (allow_rejected or not self.events[i].rejected_reason)}

    def chain(self, ids):
        seen, stack = set(), list(ids)
        while stack:
            i = stack.pop()
            if i not in seen:
                seen.add(i)
                stack.extend(self.events[i].auth_event_ids())
        return seen

    async def get_auth_chain_difference(self, _room, sets, conflicted, _extra):
        chains = [self.chain(s) for s in sets]
        subgraph = None
        if conflicted is not None:
            reach, subgraph, grows = self.chain(conflicted), set(conflicted), True
            while grows:
                more = {i for i in reach - subgraph
                        if any(a in subgraph for a in self.events[i].auth_event_ids())}
                grows = bool(more)
                subgraph |= more
        return StateDifference(auth_difference=set.union(*chains) - set.intersection(*chains),
                               conflicted_subgraph=subgraph)


class Room:
    """A room that grows by random events with random parents."""

    def __init__(self, random, name):
        self.random, self.name, self.version = random, name, KNOWN_ROOM_VERSIONS[name]
        self.number = int(name)
        self.events, self.pdus, self.after, self.verdicts = {}, {}, {}, []
        self.room_id, self.now, self.tips, self.creators = "!room:a", 1000, [], ["@alice:a"]

    # Events

    def references(self, ids):
        return [[i, {"sha256": "x"}] for i in ids] if self.number < 3 else list(ids)

    def make(self, type, sender, key, content, prev, state, **more):
        random = self.random
        pdu = {"type": type, "sender": sender, "content": content, "depth": 1 + len(self.events),
               "prev_events": self.references(prev), "origin_server_ts": self.now,
               "hashes": {"sha256": "A"}, "signatures": {}, "auth_events": [], **more}
        if random.random() < 0.05:
            pdu["depth"] = random.choice([0, 1, len(self.events) // 2])
        self.now += random.choice([-3, 0, 0, 1, 1, 2, 50])
        if key is not None:
            pdu["state_key"] = key
        if self.number < 12 or type != "m.room.create":
            pdu["room_id"] = self.room_id
        if self.number < 3:
            pdu["event_id"] = f"${len(self.events)}x{random.randrange(1 << 30)}:{sender[-1]}"
        if type != "m.room.create":
            pdu["auth_events"] = self.references(self.cite(pdu, state))
        event = make_event_from_dict(pdu, self.version)
        if event.event_id in self.events:
            return None
        allowed = self.judge(event)
        if not allowed:
            event = make_event_from_dict(pdu, self.version, rejected_reason="x")
        self.events[event.event_id], self.pdus[event.event_id] = event, pdu
        self.verdicts.append((event.event_id, allowed))
        return event

    def cite(self, pdu, state):
        """What the selection says, and now and then something old, double or wrong."""
        random = self.random
        plain = {**pdu, "content": {k: v for k, v in pdu["content"].items() if isinstance(v, str)}}
        plain["content"].setdefault("membership", "odd")
        keys = event_auth.auth_types_for_event(self.version, make_event_from_dict(plain, self.version))
        ids = [state[k] for k in sorted(keys) if k in state
               and not (self.number >= 12 and k[0] == "m.room.create")]
        if random.random() < 0.1 and ids and len(self.events) > 8:
            old = random.choice(list(self.events.values()))
            if old.is_state() and (old.type, old.state_key) in keys and old.type != "m.room.create":
                ids = [i for i in ids if (self.events[i].type, self.events[i].state_key)
                       != (old.type, old.state_key)] + [old.event_id]
        if random.random() < 0.02 and len(self.events) > 5:
            other = random.choice(list(self.events))
            if self.events[other].type != "m.room.create" or self.number < 12:
                ids.append(other)
        if random.random() < 0.01 and ids:
            ids.pop()
        return ids

    def judge(self, event):
        """True, False, or None where Synapse fails in another way."""
        try:
            asyncio_run(event_auth.check_state_independent_auth_rules(Store(self.events), event))
            event_auth.check_state_dependent_auth_rules(
                event, [self.events[i] for i in event.auth_event_ids()])
        except AuthError:
            return False
        except Exception:
            return None
        return True

    # State

    def resolve(self, sets):
        if len(sets) == 1:
            return dict(sets[0])
        if self.number == 1:
            found = v1.resolve_events_with_store(
                self.room_id, self.version, sets, None, Store(self.events).get_events)
        else:
            found = v2.resolve_events_with_store(
                Clock(), self.room_id, self.version, sets, None, Store(self.events))
        return dict(asyncio_run(found))

    def add(self, type, sender, key, content, prev, **more):
        state = self.resolve([self.after[p] for p in prev])
        event = self.make(type, sender, key, content, prev, state, **more)
        if event is None:
            return
        allowed = not event.rejected_reason
        if allowed:
            try:
                event_auth.check_state_dependent_auth_rules(
                    event, [self.events[i] for i in state.values()])
            except Exception:
                allowed = False
        if allowed and event.is_state():
            state[(event.type, event.state_key)] = event.event_id
        self.after[event.event_id] = state
        self.tips.append(event.event_id)

    # What happens

    def begin(self):
        content = {"room_version": self.name}
        if self.number < 11:
            content["creator"] = "@alice:a"
        if self.number >= 12 and self.random.random() < 0.5:
            content["additional_creators"] = ["@bob:a"]
            self.creators.append("@bob:a")
        if self.random.random() < 0.05:
            content["m.federate"] = False
        create = self.make("m.room.create", "@alice:a", "", content, [], {})
        if self.number >= 12:
            self.room_id = "!" + create.event_id[1:]
        self.after[create.event_id] = {("m.room.create", ""): create.event_id}
        self.tips = [create.event_id]
        levels = {"@carol:b": 50} if "@bob:a" in self.creators else {"@bob:a": 50}
        if self.number < 12:
            levels["@alice:a"] = 100
        for type, sender, key, content in (
                ("m.room.member", "@alice:a", "@alice:a", {"membership": "join"}),
                ("m.room.power_levels", "@alice:a", "", {"users": levels}),
                ("m.room.join_rules", "@alice:a", "", {"join_rule": "public"}),
                ("m.room.member", "@bob:a", "@bob:a", {"membership": "join"}),
                ("m.room.member", "@carol:b", "@carol:b", {"membership": "join"})):
            self.add(type, sender, key, content, [self.tips[-1]])

    def levels(self):
        """Levels as people set them, and as nobody should."""
        random = self.random
        number = lambda: random.choice([0, 10, 25, 50, 50, 100])
        users = {u: number() for u in USERS if random.random() < 0.6}
        if self.number < 12 and random.random() < 0.8:
            users["@alice:a"] = 100
        if self.number >= 12 and random.random() < 0.9:
            for creator in self.creators:
                users.pop(creator, None)
        content = {"users": users}
        for key in ("users_default", "events_default", "state_default", "ban", "kick", "invite", "redact"):
            if random.random() < 0.25:
                content[key] = number()
        if random.random() < 0.3:
            content["events"] = {"m.room.topic": number(), "m.thing": number()}
        if random.random() < 0.2:
            content["notifications"] = {"room": number()}
        odd = ["50", " 50 ", "+50", "-1", "007", "\t50\n", "x", "", "-", "+-1", "1.5", "5 0", "0x10", "1_0",
               "\u0665", "9" * 40, 2**53 - 1, 1 - 2**53, None, [], True, False, {}]
        if self.number < 6:
            odd += [50.0, 49.9, 1e3]
        if random.random() < 0.1:
            content[random.choice(["ban", "kick", "users_default", "invite"])] = random.choice(odd)
        if random.random() < 0.05:
            users[random.choice(USERS)] = random.choice(odd)
        if random.random() < 0.03:
            content["users"] = random.choice([[], "x", {"bad": 1}, {"@x": 1}])
        if random.random() < 0.03:
            content[random.choice(["events", "notifications"])] = random.choice([[], "x", {"a": "x"}])
        return content

    def step(self):
        random = self.random
        count = random.choice([1, 1, 1, 1, 2, 3])
        prev = sorted({random.choice(self.tips[-6:]) for _ in range(count)})
        user, target = random.choice(USERS[:2] + USERS), random.choice(USERS)
        kind = random.randrange(14)
        if kind == 0:
            self.add("m.room.topic", user, "", {"n": random.randrange(9)}, prev)
        elif kind == 1:
            self.add("m.room.name", user, "", {"n": random.randrange(9)}, prev)
        elif kind in (2, 3):
            membership = random.choice(["join", "join", "join", "leave", "knock"])
            self.add("m.room.member", user, user, {"membership": membership}, prev)
        elif kind == 4:
            membership = random.choice(["invite", "ban", "ban", "leave", "join", "knock", "odd", 1])
            self.add("m.room.member", user, target, {"membership": membership}, prev)
        elif kind == 5:
            rule = random.choice(["public", "public", "invite", "knock", "restricted",
                                  "knock_restricted", "private", "odd", 7])
            self.add("m.room.join_rules", user, "", {"join_rule": rule}, prev)
        elif kind == 6:
            via = target if random.random() < 0.9 else random.choice(["nobody", 7])
            self.add("m.room.member", user, user, {
                "membership": "join", "join_authorised_via_users_server": via}, prev)
        elif kind == 7:
            key = random.choice([user, target, "x", "@x", ""])
            self.add("m.thing", user, key, {"n": random.randrange(9)}, prev)
        elif kind == 8:
            self.add("m.room.message", user, None, {"n": random.randrange(99)}, prev)
        elif kind == 9:
            key = random.choice(["a", "b", "c", user.split(":")[1]])
            self.add("m.room.aliases", user, random.choice([key, key, None]), {"aliases": []}, prev)
        elif kind == 10:
            redacts = random.choice(self.tips)
            more = {"redacts": redacts} if self.number < 11 else {}
            self.add("m.room.redaction", user, None, {"redacts": redacts} if not more else {}, prev, **more)
        elif kind == 11:
            self.add(*random.choice([
                ("m.room.third_party_invite", user, "t", self.invited()),
                ("m.room.member", user, target, {
                    "membership": "invite", "third_party_invite": self.proof(target)})]), prev)
        else:
            self.add("m.room.power_levels", user, "", self.levels(), prev)

    # Third-party invites

    def invited(self):
        """The keys of who may vouch for somebody: one, a list, both, or nonsense."""
        random = self.random
        keys = [encode_base64(KEYS[k].verify_key.encode()) for k in random.sample(range(3), 2)]
        listed = [{"public_key": k, "key_validity_url": "https://id/valid"} for k in keys]
        return random.choice([
            {"public_key": keys[0]}, {"public_key": keys[0]}, {"public_keys": listed},
            {"public_key": keys[0], "public_keys": listed[1:]}, {"public_key": "x"}, {}])

    def proof(self, target):
        random = self.random
        signed = {"mxid": target if random.random() < 0.9 else random.choice(USERS),
                  "token": "t" if random.random() < 0.9 else "u"}
        if random.random() < 0.9:
            sign_json(signed, "id", KEYS[random.randrange(3)])
        else:
            signed["signatures"] = random.choice([{}, {"id": {}}, {"id": {"ed25519:0": "x"}}])
        if random.random() < 0.05:
            signed["more"] = 1  # what was signed is another object
        if random.random() < 0.9:
            return {"display_name": "x", "signed": signed}
        return random.choice([{"signed": {}}, {}, 1, None])

    # Cases

    def auth_cases(self):
        for event_id, allowed in self.verdicts:
            event = self.events[event_id]
            if any(self.events[i].rejected_reason for i in event.auth_event_ids()):
                continue  # they are to be accepted ones
            yield {"room_version": self.name, "event": self.pdus[event_id],
                   "auth_events": [self.pdus[i] for i in event.auth_event_ids()]}, allowed

    def resolve_cases(self, count):
        rejected = sorted(i for i, e in self.events.items() if e.rejected_reason)
        for _ in range(count):
            tips = [self.random.choice(self.tips[-15:]) for _ in range(self.random.choice([2, 2, 2, 3, 4]))]
            sets = [self.after[t] for t in tips]
            yield {"room_version": self.name, "events": self.pdus,
                   "state_sets": [sorted(s.values()) for s in sets]}, {
                "resolved": sorted(self.resolve(sets).values()), "rejected": rejected}


loop = asyncio.new_event_loop()


def asyncio_run(coroutine):
    return loop.run_until_complete(coroutine)
