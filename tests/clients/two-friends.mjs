// two-friends: Alice on one node, Bob on another, an encrypted room between them.
//
// usage: two-friends.mjs KITH [MESSAGES]      starts two nodes of that program in new directories
//        two-friends.mjs --at URL URL         servers that run already; what restarts them is left out
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Friend, randomBytes, say, sleep, until, verify } from "./friend.mjs";
import { Node, freePort } from "./nodes.mjs";

const steps = [];
function step(name, fn, needsNodes = false) {
    steps.push({ name, fn, needsNodes });
}

const t = { nodes: [], messages: 500 };

step("two nodes start on empty directories", async () => {
    t.dir = await mkdtemp(join(tmpdir(), "kith-friends-"));
    for (const name of ["A", "B"]) {
        const node = new Node(t.kith, name, join(t.dir, name), await freePort(), await freePort());
        t.nodes.push(node);
        await node.start();
    }
    t.urls = t.nodes.map((n) => n.baseUrl);
}, true);

step("Alice and Bob register", async () => {
    const tag = t.nodes.length ? "" : Date.now().toString(36);
    t.alice = await Friend.register(t.urls[0], `alice${tag}`);
    t.bob = await Friend.register(t.urls[1], `bob${tag}`);
});

step("Bob joins Alice's invite and learns whom to write to", async () => {
    const invite = (await t.nodes[0].command("invite")).split("\n")[0].trim();
    const joined = await t.nodes[1].command("join", invite);
    if (!joined.includes(t.alice.userId)) throw new Error(`join says: ${joined}`);
    await until("A lists Bob as a peer", async () =>
        (await t.nodes[0].command("peers")).includes(t.bob.userId));
}, true);

step("both set up cross-signing and sync", async () => {
    await t.alice.start();
    await t.bob.start();
});

step("the user directory finds the friend", async () => {
    await until("Bob finds Alice", async () => {
        const { results } = await t.bob.client.searchUserDirectory({ term: "alice" });
        return results.some((r) => r.user_id === t.alice.userId);
    });
}, true);

step("Alice makes an encrypted room and invites Bob", async () => {
    t.room = await t.alice.createEncryptedRoom("two friends", t.bob.userId);
    await t.bob.awaitInvite(t.room);
});

step("Bob joins", async () => {
    await t.bob.client.joinRoom(t.room);
    await t.alice.awaitMember(t.room, t.bob.userId, "join");
    await t.bob.awaitMember(t.room, t.alice.userId, "join");
    await until("Bob knows that it is encrypted", () =>
        t.bob.client.getRoom(t.room)?.hasEncryptionStateEvent());
});

async function talk(label) {
    await t.alice.send(t.room, `${label}: hello Bob`);
    await t.bob.read(t.room, `${label}: hello Bob`, t.alice.userId);
    await t.bob.send(t.room, `${label}: hello Alice`);
    await t.alice.read(t.room, `${label}: hello Alice`, t.bob.userId);
}

step("messages both ways are decrypted", () => talk("first"));

step("they verify each other by emoji", async () => {
    t.emoji = await verify(t.alice, t.bob, t.room);
    for (const [me, other] of [[t.alice, t.bob], [t.bob, t.alice]]) {
        await until(`${me.name} trusts ${other.name}`, async () =>
            (await me.crypto.getUserVerificationStatus(other.userId)).isCrossSigningVerified());
    }
    return t.emoji;
});

step("an encrypted attachment arrives whole", async () => {
    const bytes = randomBytes(700000);
    await t.alice.sendFile(t.room, "photo.jpg", bytes);
    const got = await t.bob.readFile(t.room, "photo.jpg");
    if (Buffer.compare(Buffer.from(got), Buffer.from(bytes))) throw new Error("the bytes differ");
});

step("typing and receipts reach the friend", async () => {
    await t.alice.client.sendTyping(t.room, true, 20000);
    await until("Bob sees Alice typing", () =>
        t.bob.client.getRoom(t.room)?.getMember(t.alice.userId)?.typing);
    await t.alice.client.sendTyping(t.room, false, 0);
    const last = await t.bob.read(t.room, "first: hello Bob", t.alice.userId);
    await t.bob.client.sendReadReceipt(last);
    await until("Alice sees that Bob read it", () =>
        t.alice.client.getRoom(t.room)?.hasUserReadEvent(t.bob.userId, last.getId()));
});

step("both nodes restart and the talk goes on", async () => {
    await t.alice.send(t.room, "before the restart");
    for (const node of t.nodes) await node.stop();
    for (const node of t.nodes) await node.start();
    await t.alice.online();
    await t.bob.online();
    await t.bob.read(t.room, "before the restart", t.alice.userId);
    await talk("after the restart");
}, true);

step("Bob's node is off while Alice writes many messages", async () => {
    await t.nodes[1].stop();
    t.bodies = [];
    for (let i = 1; i <= t.messages; i++) t.bodies.push(`while you were away, ${i}`);
    const start = Date.now();
    for (const body of t.bodies) await t.alice.send(t.room, body);
    return `${t.messages} in ${((Date.now() - start) / 1000).toFixed(1)} s`;
}, true);

step("Bob comes back and reads all of them", async () => {
    await t.nodes[1].start();
    const start = Date.now();
    await t.bob.online();
    await t.bob.readAll(t.room, t.bodies, 120000);
    const took = ((Date.now() - start) / 1000).toFixed(1);
    await talk("caught up");
    return `caught up in ${took} s`;
}, true);

step("both nodes end cleanly", async () => {
    t.alice.stop();
    t.bob.stop();
    for (const node of t.nodes) await node.stop();
}, true);

function showLogs() {
    for (const node of t.nodes) {
        say(`--- last lines of node ${node.name}`);
        say(node.log.slice(-40).join("\n"));
    }
}

async function main(argv) {
    if (argv[0] === "--at") t.urls = argv.slice(1, 3);
    else t.kith = argv[0];
    if (!t.kith && t.urls?.length !== 2) {
        say("usage: two-friends.mjs KITH [MESSAGES] | --at URL URL");
        return 2;
    }
    if (t.kith && argv[1]) t.messages = Number(argv[1]);
    let passed = 0;
    let failed = 0;
    for (const { name, fn, needsNodes } of steps) {
        if (needsNodes && !t.kith) continue;
        const start = Date.now();
        try {
            const note = await fn();
            passed++;
            say(`ok   ${name} (${Date.now() - start} ms)${note ? `: ${note}` : ""}`);
        } catch (error) {
            failed++;
            say(`FAIL ${name}: ${error.stack ?? error}`);
            showLogs();
            break; // each step stands on the ones before it
        }
    }
    for (const friend of [t.alice, t.bob]) friend?.stop();
    for (const node of t.nodes) node.process?.kill("SIGKILL");
    await sleep(100);
    if (t.dir && !failed) await rm(t.dir, { recursive: true, force: true });
    else if (t.dir) say(`data directories: ${t.dir}`);
    say(`${passed} passed, ${failed} failed`);
    return failed ? 1 : 0;
}

process.exit(await main(process.argv.slice(2)));
