// friend: one person with one matrix-js-sdk client and its Rust crypto, in memory.
import { webcrypto } from "node:crypto";
import * as sdk from "matrix-js-sdk";
import {
    CryptoEvent, VerificationPhase, VerifierEvent,
} from "matrix-js-sdk/lib/crypto-api/index.js";
import { Attachment, EncryptedAttachment } from "@matrix-org/matrix-sdk-crypto-wasm";

/** The SDK also logs to the console by itself: only what the scenario says is shown. */
export const say = console.log.bind(console);
const silent = {
    trace() {}, debug() {}, info() {}, log() {}, warn() {}, error() {}, getChild() { return silent; },
};
if (!process.env.KITH_CLIENT_LOG) Object.assign(console, silent);
const logger = process.env.KITH_CLIENT_LOG ? undefined : silent;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until look() is truthy and returns that; says what it waited for when it never is. */
export async function until(what, look, ms = 60000) {
    for (const deadline = Date.now() + ms;;) {
        const seen = await look();
        if (seen) return seen;
        if (Date.now() > deadline) throw new Error(`timed out after ${ms} ms: ${what}`);
        await sleep(30);
    }
}

export class Friend {
    /** Registers an account (m.login.dummy) and starts syncing. */
    static async register(baseUrl, name) {
        const password = `correct horse ${name}`;
        const anonymous = sdk.createClient({ baseUrl, logger });
        const account = await anonymous.registerRequest({
            username: name, password, auth: { type: "m.login.dummy" },
            initial_device_display_name: `${name}'s laptop`,
        });
        return new Friend(baseUrl, name, password, account);
    }

    /** Another device of a friend's. */
    static async login(baseUrl, friend, deviceName) {
        const anonymous = sdk.createClient({ baseUrl, logger });
        const account = await anonymous.loginRequest({
            type: "m.login.password", password: friend.password,
            identifier: { type: "m.id.user", user: friend.userId },
            initial_device_display_name: deviceName,
        });
        return new Friend(baseUrl, `${friend.name}'s ${deviceName}`, friend.password, account);
    }

    constructor(baseUrl, name, password, account) {
        Object.assign(this, { baseUrl, name, password, accessToken: account.access_token, requests: [] });
        this.client = sdk.createClient({
            baseUrl, logger,
            userId: account.user_id, deviceId: account.device_id, accessToken: account.access_token,
            verificationMethods: ["m.sas.v1"], localTimeoutMs: 60000,
        });
    }

    get userId() {
        return this.client.getUserId();
    }

    get crypto() {
        return this.client.getCrypto();
    }

    async start({ crossSigning = true } = {}) {
        await this.client.initRustCrypto({ useIndexedDB: false });
        if (crossSigning) await this.signUp();
        this.client.on(CryptoEvent.VerificationRequestReceived, (r) => this.requests.push(r));
        await this.client.startClient({ initialSyncLimit: 50, lazyLoadMembers: true });
        await until(`${this.name} syncs`, () => this.client.isInitialSyncComplete());
    }

    /** Makes and uploads cross-signing keys. */
    signUp() {
        return this.crypto.bootstrapCrossSigning({
            authUploadDeviceSigningKeys: (request) => request({
                type: "m.login.password",
                identifier: { type: "m.id.user", user: this.userId },
                password: this.password,
            }).catch(async (error) => {
                // A server may ask for its session id in the second try.
                if (!error.data?.session) throw error;
                return request({
                    type: "m.login.password", session: error.data.session,
                    identifier: { type: "m.id.user", user: this.userId },
                    password: this.password,
                });
            }),
        });
    }

    stop() {
        this.client.stopClient();
    }

    /** Its node was away: do not wait for the next retry. */
    async online() {
        await until(`${this.name} is online again`, () => {
            this.client.retryImmediately();
            return this.client.getSyncState() === sdk.SyncState.Syncing;
        });
    }

    async createEncryptedRoom(name, invited) {
        const { room_id: roomId } = await this.client.createRoom({
            name, preset: "private_chat", is_direct: true, invite: [invited],
            initial_state: [{
                type: "m.room.encryption", state_key: "",
                content: { algorithm: "m.megolm.v1.aes-sha2" },
            }],
        });
        await until(`${this.name} sees the room`, () => this.client.getRoom(roomId));
        return roomId;
    }

    async awaitInvite(roomId) {
        return until(`${this.name} is invited`, () =>
            this.client.getRoom(roomId)?.getMyMembership() === "invite" && this.client.getRoom(roomId));
    }

    async awaitMember(roomId, userId, membership) {
        return until(`${this.name} sees ${userId} ${membership}`, async () => {
            const room = this.client.getRoom(roomId);
            await room?.loadMembersIfNeeded();
            return room?.getMember(userId)?.membership === membership;
        });
    }

    send(roomId, body) {
        return this.client.sendTextMessage(roomId, body);
    }

    events(roomId) {
        const room = this.client.getRoom(roomId);
        return room ? room.getUnfilteredTimelineSet().getTimelines().flatMap((t) => t.getEvents()) : [];
    }

    /** The event, once it is here and readable. */
    async awaitEvent(roomId, what, matches, ms) {
        const found = () => this.events(roomId).find((e) =>
            e.getType() === "m.room.message" && matches(e.getContent()));
        try {
            return await until(`${this.name} reads ${what}`, found, ms);
        } catch (error) {
            const failed = this.events(roomId).filter((e) => e.isDecryptionFailure());
            if (failed.length) error.message += ` (${failed.length} events can't be decrypted: ` +
                `${failed[failed.length - 1].decryptionFailureReason})`;
            throw error;
        }
    }

    async read(roomId, body, sender, ms) {
        const event = await this.awaitEvent(roomId, body, (content) => content.body === body, ms);
        if (event.getSender() !== sender) throw new Error(`${body} is from ${event.getSender()}`);
        if (!event.isEncrypted()) throw new Error(`${body} was not encrypted`);
        return event;
    }

    /** All bodies, paging back through gaps. */
    async readAll(roomId, bodies, ms) {
        const wanted = new Set(bodies);
        const missing = () => {
            const here = new Set(this.events(roomId)
                .filter((e) => e.getType() === "m.room.message")
                .map((e) => e.getContent().body));
            return [...wanted].filter((body) => !here.has(body));
        };
        const deadline = Date.now() + ms;
        for (let left = missing(); left.length; left = missing()) {
            if (Date.now() > deadline) {
                throw new Error(`${this.name} misses ${left.length} of ${wanted.size}: ${left.slice(0, 3)}...`);
            }
            const room = this.client.getRoom(roomId);
            // The last one is here, so what is missing is behind a gap.
            if (!left.includes(bodies[bodies.length - 1]) &&
                room.getLiveTimeline().getPaginationToken(sdk.EventTimeline.BACKWARDS)) {
                await this.client.scrollback(room, 100);
            } else {
                await sleep(50);
            }
        }
    }

    /** Encrypts, uploads and sends bytes as a file; the event's id. */
    async sendFile(roomId, name, bytes) {
        const encrypted = Attachment.encrypt(bytes);
        const info = JSON.parse(encrypted.mediaEncryptionInfo);
        const { content_uri: url } = await this.client.uploadContent(
            new Blob([encrypted.encryptedData]), { type: "application/octet-stream", includeFilename: false });
        const { event_id: eventId } = await this.client.sendMessage(roomId, {
            msgtype: "m.file", body: name, file: { ...info, url }, info: { size: bytes.length },
        });
        return eventId;
    }

    /** Downloads and decrypts the file of that name. */
    async readFile(roomId, name, ms) {
        const event = await this.awaitEvent(roomId, `the file ${name}`, (c) => c.body === name && c.file, ms);
        const { file } = event.getContent();
        const url = this.client.mxcUrlToHttp(file.url, undefined, undefined, undefined, false, true, true);
        const answer = await fetch(url, { headers: { Authorization: `Bearer ${this.accessToken}` } });
        if (!answer.ok) throw new Error(`download: ${answer.status} ${await answer.text()}`);
        const data = new Uint8Array(await answer.arrayBuffer());
        return Attachment.decrypt(new EncryptedAttachment(data, JSON.stringify(file)));
    }
}

/** Both compare emoji in the room and confirm; the emoji that both saw. */
export async function verify(asker, answerer, roomId) {
    const asked = await asker.crypto.requestVerificationDM(answerer.userId, roomId);
    const got = await until(`${answerer.name} is asked to verify`, () =>
        answerer.requests.find((r) => r.otherUserId === asker.userId && r.roomId === roomId));
    await got.accept();
    await until("both are ready", () => asked.phase === VerificationPhase.Ready);
    const emoji = {};
    const confirm = (friend, verifier) => {
        verifier.on(VerifierEvent.ShowSas, (sas) => {
            emoji[friend.name] = sas.sas.emoji.map(([symbol]) => symbol).join(" ");
            sas.confirm();
        });
        return verifier.verify();
    };
    const started = await asked.startVerification("m.sas.v1");
    const first = confirm(asker, started);
    await until(`${answerer.name} sees the start`, () =>
        got.phase === VerificationPhase.Started && got.verifier);
    await Promise.all([first, confirm(answerer, got.verifier)]);
    await until("both are done", () =>
        asked.phase === VerificationPhase.Done && got.phase === VerificationPhase.Done);
    if (emoji[asker.name] !== emoji[answerer.name]) {
        throw new Error(`emoji differ: ${emoji[asker.name]} and ${emoji[answerer.name]}`);
    }
    return emoji[asker.name];
}

export function randomBytes(n) {
    const bytes = new Uint8Array(n);
    for (let i = 0; i < n; i += 65536) webcrypto.getRandomValues(bytes.subarray(i, Math.min(n, i + 65536)));
    return bytes;
}
