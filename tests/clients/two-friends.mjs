// two-friends: Alice on one node, Bob on another, an encrypted room between them.
//
// usage: two-friends.mjs KITH [MESSAGES]      starts two nodes of that program in new directories
//        two-friends.mjs --at URL URL         servers that run already; what restarts them is left out
import { Friend, randomBytes, until, verify } from "./friend.mjs";
import { Scenario } from "./steps.mjs";

const t = new Scenario();

t.nodeStep("two nodes start on empty directories", () => t.startNodes(["A", "B"]));

t.step("Alice and Bob register", async () => {
    const tag = t.nodes.length ? "" : Date.now().toString(36);
    t.alice = await Friend.register(t.urls[0], `alice${tag}`);
    t.bob = await Friend.register(t.urls[1], `bob${tag}`);
    t.friends.push(t.alice, t.bob);
});

t.nodeStep("Bob joins Alice's invite and learns whom to write to", async () => {
    const invite = (await t.nodes[0].command("invite")).split("\n")[0].trim();
    const joined = await t.nodes[1].command("join", invite);
    if (!joined.includes(t.alice.userId)) throw new Error(`join says: ${joined}`);
    await until("A lists Bob as a peer", async () =>
        (await t.nodes[0].command("peers")).includes(t.bob.userId));
});

t.step("both set up cross-signing and sync", async () => {
    await t.alice.start();
    await t.bob.start();
});

t.nodeStep("the user directory finds the friend", async () => {
    await until("Bob finds Alice", async () => {
        const { results } = await t.bob.client.searchUserDirectory({ term: "alice" });
        return results.some((r) => r.user_id === t.alice.userId);
    });
});

t.step("Alice makes an encrypted room and invites Bob", async () => {
    t.room = await t.alice.createEncryptedRoom("two friends", t.bob.userId);
    await t.bob.awaitInvite(t.room);
});

t.step("Bob joins", async () => {
    await t.bob.client.joinRoom(t.room);
    await t.alice.awaitMember(t.room, t.bob.userId, "join");
    await t.bob.awaitMember(t.room, t.alice.userId, "join");
    await until("Bob knows that it is encrypted", () =>
        t.bob.client.getRoom(t.room)?.hasEncryptionStateEvent());
});

function equalName(profile, name) {
    if (profile.displayname !== name) throw new Error(`the profile says ${JSON.stringify(profile)}`);
}

async function talk(label) {
    await t.alice.send(t.room, `${label}: hello Bob`);
    await t.bob.read(t.room, `${label}: hello Bob`, t.alice.userId);
    await t.bob.send(t.room, `${label}: hello Alice`);
    await t.alice.read(t.room, `${label}: hello Alice`, t.bob.userId);
}

t.step("messages both ways are decrypted", () => talk("first"));

t.step("they verify each other by emoji", async () => {
    t.emoji = await verify(t.alice, t.bob, t.room);
    for (const [me, other] of [[t.alice, t.bob], [t.bob, t.alice]]) {
        await until(`${me.name} trusts ${other.name}`, async () =>
            (await me.crypto.getUserVerificationStatus(other.userId)).isCrossSigningVerified());
    }
    return t.emoji;
});

t.step("an encrypted attachment arrives whole", async () => {
    const bytes = randomBytes(700000);
    await t.alice.sendFile(t.room, "photo.jpg", bytes);
    const got = await t.bob.readFile(t.room, "photo.jpg");
    if (Buffer.compare(Buffer.from(got), Buffer.from(bytes))) throw new Error("the bytes differ");
});

t.step("typing and receipts reach the friend", async () => {
    await t.alice.client.sendTyping(t.room, true, 20000);
    await until("Bob sees Alice typing", () =>
        t.bob.client.getRoom(t.room)?.getMember(t.alice.userId)?.typing);
    await t.alice.client.sendTyping(t.room, false, 0);
    const last = await t.bob.read(t.room, "first: hello Bob", t.alice.userId);
    await t.bob.client.sendReadReceipt(last);
    await until("Alice sees that Bob read it", () =>
        t.alice.client.getRoom(t.room)?.hasUserReadEvent(t.bob.userId, last.getId()));
});

t.step("Bob pages back to what was said before he came", async () => {
    const { room_id: room } = await t.alice.client.createRoom({
        preset: "private_chat", name: "history",
        initial_state: [{
            type: "m.room.history_visibility", state_key: "", content: { history_visibility: "shared" },
        }],
    });
    t.history = room;
    const bodies = [];
    for (let i = 1; i <= 80; i++) bodies.push(`page ${i}`);
    for (const body of bodies) await t.alice.send(room, body);
    await t.alice.client.invite(room, t.bob.userId);
    await t.bob.awaitInvite(room);
    await t.bob.client.joinRoom(room);
    await t.bob.awaitMember(room, t.bob.userId, "join");
    const seen = () => new Set(t.bob.events(room).map((e) => e.getContent().body));
    await until("Bob has all pages", async () => {
        await t.bob.client.scrollback(t.bob.client.getRoom(room), 30);
        return bodies.every((body) => seen().has(body));
    });
});

t.step("edits, reactions, redactions and state reach the friend", async () => {
    const { event_id: first } = await t.alice.send(t.history, "tpyo");
    const { event_id: second } = await t.alice.send(t.history, "a secret");
    const here = (id) => t.bob.events(t.history).find((e) => e.getId() === id);
    await until("Bob has both", () => here(first) && here(second));
    await t.bob.client.sendEvent(t.history, "m.reaction", {
        "m.relates_to": { rel_type: "m.annotation", event_id: first, key: "👀" },
    });
    await t.alice.client.sendMessage(t.history, {
        msgtype: "m.text", body: "* typo", "m.new_content": { msgtype: "m.text", body: "typo" },
        "m.relates_to": { rel_type: "m.replace", event_id: first },
    });
    await t.alice.client.redactEvent(t.history, second);
    await until("Bob sees the edit", () => here(first).getContent().body === "typo");
    await until("Bob sees the redaction", () => here(second).isRedacted());
    await until("Alice sees the reaction", async () => (await t.alice.client.relations(
        t.history, first, "m.annotation", "m.reaction")).events.length === 1);
    await t.alice.client.setRoomName(t.history, "our history");
    await until("Bob sees the name", () => t.bob.client.getRoom(t.history).name === "our history");
    await t.alice.client.setDisplayName("Alice of A");
    await until("Bob sees Alice's new name", () =>
        t.bob.client.getRoom(t.history).getMember(t.alice.userId).name === "Alice of A");
    equalName(await t.bob.client.getProfileInfo(t.alice.userId), "Alice of A");
});

t.step("Bob leaves, and may not come back uninvited", async () => {
    await t.bob.client.leave(t.history);
    await t.alice.awaitMember(t.history, t.bob.userId, "leave");
    const error = await t.bob.client.joinRoom(t.history, { viaServers: [t.alice.userId.split(":")[1]] })
        .then(() => null, (e) => e);
    if (error?.httpStatus !== 403) throw new Error(`the join gave ${error ?? "no error"}`);
});

t.nodeStep("both nodes restart and the talk goes on", async () => {
    await t.alice.send(t.room, "before the restart");
    for (const node of t.nodes) await node.stop();
    for (const node of t.nodes) await node.start();
    await t.alice.online();
    await t.bob.online();
    await t.bob.read(t.room, "before the restart", t.alice.userId);
    await talk("after the restart");
});

t.nodeStep("Bob's node is off while Alice writes many messages", async () => {
    await t.nodes[1].stop();
    const messages = Number(t.option ?? 500);
    t.bodies = [];
    for (let i = 1; i <= messages; i++) t.bodies.push(`while you were away, ${i}`);
    const start = Date.now();
    for (const body of t.bodies) await t.alice.send(t.room, body);
    return `${messages} in ${((Date.now() - start) / 1000).toFixed(1)} s`;
});

t.nodeStep("Bob comes back and reads all of them", async () => {
    await t.nodes[1].start();
    const start = Date.now();
    await t.bob.online();
    await t.bob.readAll(t.room, t.bodies, 120000);
    const took = ((Date.now() - start) / 1000).toFixed(1);
    await talk("caught up");
    return `caught up in ${took} s`;
});

t.nodeStep("both nodes end cleanly", async () => {
    t.alice.stop();
    t.bob.stop();
    for (const node of t.nodes) await node.stop();
});

process.exit(await t.run(process.argv.slice(2)));
