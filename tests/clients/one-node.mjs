// one-node: what clients do beside talking, between two people of one node: profiles, rooms and
// their moderation, history, relations, devices, backups, push rules, media.
//
// usage: one-node.mjs KITH | --at URL
import * as sdk from "matrix-js-sdk";
import { Friend, until } from "./friend.mjs";
import { Scenario } from "./steps.mjs";

const t = new Scenario();

function assert(ok, what) {
    if (!ok) throw new Error(what);
}

function equal(got, wanted, what) {
    const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
    if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
}

/** The promise must fail with this status and errcode (null: any). */
async function refused(status, errcode, promise, what) {
    const error = await promise.then(() => null, (e) => e);
    if (!error) throw new Error(`${what} was not refused`);
    if (error.httpStatus !== status || (errcode && error.errcode !== errcode)) {
        throw new Error(`${what}: ${error.httpStatus} ${error.errcode ?? error}, not ${status} ${errcode}`);
    }
}

/** A request as JSON, as its client, or without a token. */
async function request(friend, method, path, body) {
    const answer = await fetch(`${t.urls[0]}${path}`, {
        method,
        headers: {
            ...(friend ? { Authorization: `Bearer ${friend.accessToken}` } : {}),
            ...(body ? { "Content-Type": "application/json" } : {}),
        },
        body: body && JSON.stringify(body),
    });
    return { status: answer.status, headers: answer.headers, body: await answer.json().catch(() => null) };
}

t.nodeStep("a node starts", () => t.startNodes(["A"]));

t.step("versions, capabilities, login flows", async () => {
    const { body: versions } = await request(null, "GET", "/_matrix/client/versions");
    assert(versions.versions.includes("v1.1"), "v1.1 is missing");
    const { body: flows } = await request(null, "GET", "/_matrix/client/v3/login");
    assert(flows.flows.some((f) => f.type === "m.login.password"), "no password login");
    const unknown = await request(null, "GET", "/_matrix/client/v3/no/such/thing");
    equal([unknown.status, unknown.body.errcode], [404, "M_UNRECOGNIZED"], "an unknown endpoint");
    equal(unknown.headers.get("access-control-allow-origin"), "*", "CORS on errors");
    const nobody = await request(null, "GET", "/_matrix/client/v3/account/whoami");
    equal([nobody.status, nobody.body.errcode], [401, "M_MISSING_TOKEN"], "no token");
});

t.step("register, log in again, log out", async () => {
    const tag = t.nodes.length ? "" : Date.now().toString(36);
    t.alice = await Friend.register(t.urls[0], `alice${tag}`);
    t.bob = await Friend.register(t.urls[0], `bob${tag}`);
    t.friends.push(t.alice, t.bob);
    await refused(400, "M_USER_IN_USE", Friend.register(t.urls[0], `alice${tag}`), "a taken name");
    const anonymous = sdk.createClient({ baseUrl: t.urls[0] });
    await refused(403, "M_FORBIDDEN", anonymous.loginRequest({
        type: "m.login.password", password: "wrong",
        identifier: { type: "m.id.user", user: t.alice.userId },
    }), "a wrong password");
    const second = await anonymous.loginRequest({
        type: "m.login.password", password: t.alice.password,
        identifier: { type: "m.id.user", user: t.alice.userId },
        initial_device_display_name: "second",
    });
    const { devices } = await t.alice.client.getDevices();
    assert(devices.some((d) => d.device_id === second.device_id && d.display_name === "second"),
        "the second device is not listed");
    const other = { accessToken: second.access_token };
    equal((await request(other, "GET", "/_matrix/client/v3/account/whoami")).body.device_id,
        second.device_id, "whoami");
    await request(other, "POST", "/_matrix/client/v3/logout", {});
    const gone = await request(other, "GET", "/_matrix/client/v3/account/whoami");
    equal([gone.status, gone.body.errcode], [401, "M_UNKNOWN_TOKEN"], "after logout");
    equal((await t.alice.client.getDevices()).devices.length, 1, "devices after logout");
    await t.alice.client.setDeviceDetails(t.alice.client.getDeviceId(), { display_name: "desk" });
    equal((await t.alice.client.getDevice(t.alice.client.getDeviceId())).display_name, "desk",
        "the device's name");
});

t.step("both sync", async () => {
    await t.alice.start();
    await t.bob.start();
});

t.step("profiles", async () => {
    await t.alice.client.setDisplayName("Alice A.");
    await t.alice.client.setAvatarUrl("mxc://example.org/abc");
    const profile = await t.bob.client.getProfileInfo(t.alice.userId);
    equal([profile.displayname, profile.avatar_url], ["Alice A.", "mxc://example.org/abc"], "profile");
    await refused(404, null,
        t.bob.client.getProfileInfo(t.alice.userId.replace("@", "@nobody")), "an unknown profile");
});

t.step("a room with a preset, a name and a topic", async () => {
    const { room_id: room } = await t.alice.client.createRoom({
        name: "workshop", topic: "glue", preset: "public_chat", room_version: "12",
        initial_state: [{
            type: "m.room.history_visibility", state_key: "", content: { history_visibility: "shared" },
        }],
    });
    t.room = room;
    await until("Alice sees the room", () => t.alice.client.getRoom(room)?.name === "workshop");
    const state = await t.alice.client.roomState(room);
    const one = (type) => state.find((e) => e.type === type)?.content;
    equal(one("m.room.join_rules").join_rule, "public", "join rule");
    equal(one("m.room.topic").topic, "glue", "topic");
    equal(one("m.room.create").room_version, "12", "room version");
    await t.bob.client.joinRoom(room);
    await t.alice.awaitMember(room, t.bob.userId, "join");
    equal((await t.bob.client.getJoinedRooms()).joined_rooms.includes(room), true, "joined rooms");
    equal(Object.keys((await t.alice.client.getJoinedRoomMembers(room)).joined).length, 2, "members");
});

t.step("messages, context, one event, transaction ids", async () => {
    const ids = [];
    for (let i = 1; i <= 25; i++) {
        ids.push((await t.alice.client.sendTextMessage(t.room, `line ${i}`)).event_id);
    }
    t.ids = ids;
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(t.room)}`;
    const twice = [];
    for (let i = 0; i < 2; i++) {
        twice.push((await request(t.alice, "PUT", `${path}/send/m.room.message/once`,
            { msgtype: "m.text", body: "once" })).body.event_id);
    }
    equal(twice[0], twice[1], "the same transaction");
    const page = await t.bob.client.createMessagesRequest(t.room, null, 10, sdk.Direction.Backward);
    equal(page.chunk.map((e) => e.content.body), ["once", ...Array.from({ length: 9 }, (_, i) => `line ${25 - i}`)],
        "a page backwards");
    const next = await t.bob.client.createMessagesRequest(t.room, page.end, 5, sdk.Direction.Backward);
    equal(next.chunk[0].content.body, "line 16", "the next page");
    const { body: context } = await request(t.bob, "GET", `${path}/context/${ids[9]}?limit=4`);
    equal([context.events_before.length, context.event.event_id, context.events_after.length],
        [2, ids[9], 2], "context");
    equal((await t.bob.client.fetchRoomEvent(t.room, ids[3])).content.body, "line 4", "one event");
    await refused(404, "M_NOT_FOUND", t.bob.client.fetchRoomEvent(t.room, `$${"A".repeat(43)}`),
        "an unknown event");
});

t.step("edits, reactions, redactions", async () => {
    const target = t.ids[20];
    await t.bob.client.sendEvent(t.room, "m.reaction", {
        "m.relates_to": { rel_type: "m.annotation", event_id: target, key: "👍" },
    });
    await t.alice.client.sendMessage(t.room, {
        msgtype: "m.text", body: "* changed", "m.new_content": { msgtype: "m.text", body: "changed" },
        "m.relates_to": { rel_type: "m.replace", event_id: target },
    });
    const reactions = await t.alice.client.relations(t.room, target, "m.annotation", "m.reaction");
    equal(reactions.events.map((e) => e.getRelation()?.key), ["👍"], "reactions");
    const edited = await t.bob.client.fetchRoomEvent(t.room, target);
    equal(edited.unsigned?.["m.relations"]?.["m.replace"]?.content?.["m.new_content"]?.body, "changed",
        "the edit comes with the event");
    await t.alice.client.redactEvent(t.room, t.ids[21], undefined, { reason: "typo" });
    const redacted = await t.bob.client.fetchRoomEvent(t.room, t.ids[21]);
    equal(redacted.content, {}, "redacted content");
    equal(redacted.unsigned.redacted_because.content.reason, "typo", "the reason");
    await until("Bob sees it redacted", () =>
        t.bob.events(t.room).find((e) => e.getId() === t.ids[21])?.isRedacted() ?? true);
    await refused(403, "M_FORBIDDEN", t.bob.client.redactEvent(t.room, t.ids[1]), "another's event");
});

t.step("read markers, typing, presence", async () => {
    const seen = (await t.alice.client.sendTextMessage(t.room, "seen?")).event_id;
    await t.bob.client.setRoomReadMarkersHttpRequest(t.room, seen, seen);
    await until("Alice sees Bob's receipt", () =>
        t.alice.client.getRoom(t.room).getEventReadUpTo(t.bob.userId) === seen);
    await until("Bob has his marker", () =>
        t.bob.client.getRoom(t.room).getAccountData("m.fully_read")?.getContent().event_id === seen);
    await t.bob.client.sendTyping(t.room, true, 20000);
    await until("Alice sees Bob typing", () => t.alice.client.getRoom(t.room).getMember(t.bob.userId).typing);
    await t.bob.client.setPresence({ presence: "online", status_msg: "glueing" });
    await until("Alice sees Bob's status", () =>
        t.alice.client.getUser(t.bob.userId)?.presenceStatusMsg === "glueing");
});

t.step("account data and tags", async () => {
    await t.alice.client.setAccountData("org.example.colours", { red: 1 });
    await until("it syncs", () =>
        t.alice.client.getAccountData("org.example.colours")?.getContent().red === 1);
    await t.alice.client.setRoomTag(t.room, "m.favourite", { order: 0.5 });
    await until("the tag syncs", () => t.alice.client.getRoom(t.room).tags["m.favourite"]?.order === 0.5);
    await refused(404, "M_NOT_FOUND", t.alice.client.http.authedRequest("GET",
        `/user/${encodeURIComponent(t.alice.userId)}/account_data/none`), "no such account data");
});

t.step("push rules and unread counts", async () => {
    const rules = await t.bob.client.getPushRules();
    equal(rules.global.override[0].rule_id, ".m.rule.master", "the first rule");
    assert(rules.global.override.some((r) => r.rule_id === ".m.rule.is_user_mention"), "no mention rule");
    await t.bob.client.addPushRule("global", "content", "cake",
        { pattern: "cake", actions: ["notify", { set_tweak: "highlight" }] });
    equal((await t.bob.client.getPushRules()).global.content[0].pattern, "cake", "Bob's own rule");
    const read = (await t.alice.client.sendTextMessage(t.room, "read this")).event_id;
    await until("Bob has it", () => t.bob.events(t.room).some((e) => e.getId() === read));
    await t.bob.client.setRoomReadMarkersHttpRequest(t.room, read, read);
    await until("all is read", () =>
        t.bob.client.getRoom(t.room).getRoomUnreadNotificationCount("total") === 0);
    await t.alice.client.sendTextMessage(t.room, "there is cake");
    await t.alice.client.sendMessage(t.room,
        { msgtype: "m.text", body: "look", "m.mentions": { user_ids: [t.bob.userId] } });
    await until("two are unread and highlighted", async () => {
        const room = t.bob.client.getRoom(t.room);
        return room.getRoomUnreadNotificationCount("total") === 2 &&
            room.getRoomUnreadNotificationCount("highlight") === 2;
    });
    await t.bob.client.deletePushRule("global", "content", "cake");
});

t.step("moderation: kick, ban, unban, power levels", async () => {
    await refused(403, "M_FORBIDDEN", t.bob.client.setRoomName(t.room, "mine"), "a name by Bob");
    await refused(403, "M_FORBIDDEN", t.bob.client.kick(t.room, t.alice.userId), "a kick by Bob");
    await t.alice.client.kick(t.room, t.bob.userId, "out");
    await until("Bob is out", () => t.bob.client.getRoom(t.room).getMyMembership() === "leave");
    await refused(403, "M_FORBIDDEN", t.bob.client.sendTextMessage(t.room, "hm"), "a message from outside");
    await t.alice.client.ban(t.room, t.bob.userId, "really");
    await refused(403, null, t.bob.client.joinRoom(t.room), "a join of the banned");
    await t.alice.client.unban(t.room, t.bob.userId);
    await t.bob.client.joinRoom(t.room);
    await until("Bob is back", () => t.bob.client.getRoom(t.room).getMyMembership() === "join");
    await t.alice.client.setPowerLevel(t.room, t.bob.userId, 50);
    await until("Bob's power", () =>
        t.bob.client.getRoom(t.room).getMember(t.bob.userId)?.powerLevel === 50);
    await t.bob.client.setRoomTopic(t.room, "paste");
    await until("the new topic", () => t.alice.client.getRoom(t.room)
        .currentState.getStateEvents("m.room.topic", "")?.getContent().topic === "paste");
});

t.step("invites and their rejection, leaving and forgetting", async () => {
    const { room_id: room } = await t.alice.client.createRoom({ preset: "private_chat", room_version: "11" });
    await refused(403, "M_FORBIDDEN", t.bob.client.joinRoom(room), "a private room");
    await t.alice.client.invite(room, t.bob.userId);
    await t.bob.awaitInvite(room);
    await t.bob.client.leave(room);
    await t.alice.awaitMember(room, t.bob.userId, "leave");
    await t.alice.client.invite(room, t.bob.userId);
    await until("he is invited again", () => t.bob.client.getRoom(room)?.getMyMembership() === "invite");
    await t.bob.client.joinRoom(room);
    await t.alice.awaitMember(room, t.bob.userId, "join");
    await t.bob.client.leave(room);
    await until("he has left", () => t.bob.client.getRoom(room).getMyMembership() === "leave");
    await t.bob.client.forget(room);
    const { body } = await request(t.bob, "GET", "/_matrix/client/v3/joined_rooms");
    assert(!body.joined_rooms.includes(room), "the room is still joined");
});

t.step("a room is upgraded", async () => {
    const { room_id: old } = await t.alice.client.createRoom({ name: "old", room_version: "11" });
    const { replacement_room: fresh } = await t.alice.client.upgradeRoom(old, "12");
    await until("the new room", () => t.alice.client.getRoom(fresh)?.name === "old");
    const create = await t.alice.client.getStateEvent(fresh, "m.room.create", "");
    equal([create.room_version, create.predecessor.room_id], ["12", old], "where it came from");
    equal((await t.alice.client.getStateEvent(old, "m.room.tombstone", "")).replacement_room, fresh,
        "where it went");
});

t.step("media: upload, download, thumbnail", async () => {
    // a red square of 2 by 2
    const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJRU5ErkJggg==",
        "base64");
    const { content_uri: uri } = await t.alice.client.uploadContent(new Blob([png]),
        { type: "image/png", name: "red.png" });
    const get = (path) => fetch(`${t.urls[0]}${path}`,
        { headers: { Authorization: `Bearer ${t.bob.accessToken}` } });
    const id = uri.slice("mxc://".length);
    const whole = await get(`/_matrix/client/v1/media/download/${id}`);
    equal([whole.status, whole.headers.get("content-type")], [200, "image/png"], "download");
    equal(Buffer.compare(Buffer.from(await whole.arrayBuffer()), png), 0, "the bytes");
    const small = await get(`/_matrix/client/v1/media/thumbnail/${id}?width=32&height=32&method=scale`);
    equal(small.status, 200, "thumbnail");
    assert((small.headers.get("content-type") ?? "").startsWith("image/"), "a thumbnail that is no image");
    const gone = await get(`/_matrix/client/v1/media/download/${id}x`);
    equal(gone.status, 404, "unknown media");
    const open = await fetch(`${t.urls[0]}/_matrix/client/v1/media/download/${id}`);
    equal(open.status, 401, "media without a token");
});

t.step("keys are backed up and come back on a new device", async () => {
    const room = await t.alice.createEncryptedRoom("secrets", t.bob.userId);
    await t.bob.awaitInvite(room);
    await t.bob.client.joinRoom(room);
    await t.alice.awaitMember(room, t.bob.userId, "join");
    await t.alice.send(room, "hidden");
    await t.bob.read(room, "hidden", t.alice.userId);
    await t.alice.crypto.resetKeyBackup();
    const info = await t.alice.crypto.getKeyBackupInfo();
    const key = await t.alice.crypto.getSessionBackupPrivateKey();
    await until("the session is in the backup", async () =>
        (await request(t.alice, "GET", "/_matrix/client/v3/room_keys/version")).body.count >= 1);
    t.phone = await Friend.login(t.urls[0], t.alice, "phone");
    t.friends.push(t.phone);
    await t.phone.start({ crossSigning: false });
    await t.phone.crypto.storeSessionBackupPrivateKey(key, info.version);
    const restored = await t.phone.crypto.restoreKeyBackup();
    assert(restored.imported >= 1, `restored ${JSON.stringify(restored)}`);
    await t.phone.read(room, "hidden", t.alice.userId);
});

t.nodeStep("the node ends cleanly", async () => {
    for (const friend of t.friends) friend.stop();
    await t.nodes[0].stop();
});

process.exit(await t.run(process.argv.slice(2)));
