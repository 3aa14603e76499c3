// steps: a scenario is a list of steps, each of which stands on the ones before it.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { say } from "./friend.mjs";
import { Node, freePort } from "./nodes.mjs";

export class Scenario {
    constructor() {
        this.steps = [];
        this.nodes = [];
        this.friends = [];
    }

    /** fn may return a note that is printed behind the step's name. */
    step(name, fn) {
        this.steps.push({ name, fn });
    }

    /** A step that starts or stops nodes or asks them: left out with --at. */
    nodeStep(name, fn) {
        this.steps.push({ name, fn, needsNodes: true });
    }

    async startNodes(names) {
        this.dir = await mkdtemp(join(tmpdir(), "kith-clients-"));
        for (const name of names) {
            const node = new Node(this.kith, name, join(this.dir, name), await freePort(), await freePort());
            this.nodes.push(node);
            await node.start();
        }
        this.urls = this.nodes.map((node) => node.baseUrl);
    }

    showLogs() {
        for (const node of this.nodes) {
            say(`--- log of node ${node.name}`);
            // A sanitizer's report is long; its head says most.
            const report = node.log.findIndex((line) => /ERROR: \w*Sanitizer|runtime error/.test(line));
            const lines = report < 0 ? node.log.slice(-40) : node.log.slice(Math.max(0, report - 10), report + 30);
            say(lines.join("\n"));
        }
    }

    /** argv: KITH [OPTION] or --at URL...; the exit code. */
    async run(argv) {
        if (argv[0] === "--at") this.urls = argv.slice(1);
        else this.kith = argv[0];
        if (!this.kith && !this.urls?.length) {
            say("usage: SCENARIO KITH [OPTION] | --at URL...");
            return 2;
        }
        this.option = this.kith ? argv[1] : undefined;
        let passed = 0;
        let failed = 0;
        for (const { name, fn, needsNodes } of this.steps) {
            if (needsNodes && !this.kith) continue;
            const start = Date.now();
            try {
                const note = await fn();
                passed++;
                say(`ok   ${name} (${Date.now() - start} ms)${note ? `: ${note}` : ""}`);
            } catch (error) {
                failed++;
                say(`FAIL ${name}: ${error.stack ?? error}`);
                this.showLogs();
                break;
            }
        }
        for (const friend of this.friends) friend.stop();
        for (const node of this.nodes) node.process?.kill("SIGKILL");
        if (this.dir && !failed) await rm(this.dir, { recursive: true, force: true });
        else if (this.dir) say(`data directories: ${this.dir}`);
        say(`${passed} passed, ${failed} failed`);
        return failed ? 1 : 0;
    }
}
