// nodes: kith processes that a scenario starts, asks and stops.
import { execFile, spawn } from "node:child_process";
import { createServer } from "node:net";
import { promisify } from "node:util";

const run = promisify(execFile);

const given = new Set();

/** A port that was free a moment ago, and that was not given before. */
export async function freePort() {
    for (;;) {
        const port = await new Promise((resolve, reject) => {
            const server = createServer();
            server.once("error", reject);
            server.listen(0, "127.0.0.1", () => {
                const { port } = server.address();
                server.close(() => resolve(port));
            });
        });
        if (given.has(port)) continue;
        given.add(port);
        return port;
    }
}

export class Node {
    constructor(kith, name, dir, port, linkPort) {
        Object.assign(this, { kith, name, dir, port, linkPort });
        this.baseUrl = `http://127.0.0.1:${port}`;
        this.log = [];
        this.process = null;
    }

    async start() {
        const args = [
            "run", "--data-dir", this.dir, "--listen", `127.0.0.1:${this.port}`,
            "--registration", "open", "--rate-limits", "off", "--password-cost", "low",
            "--link-listen", `127.0.0.1:${this.linkPort}`,
        ];
        const child = spawn(this.kith, args, { stdio: ["ignore", "pipe", "pipe"] });
        this.process = child;
        this.exited = new Promise((resolve) => child.once("exit", (code, signal) => {
            if (this.process === child) this.process = null;
            this.log.push(`-- ended: ${code ?? signal}`);
            resolve({ code, signal });
        }));
        for (const stream of [child.stdout, child.stderr]) {
            stream.on("data", (data) => this.log.push(...data.toString().trimEnd().split("\n")));
        }
        for (const deadline = Date.now() + 60000; Date.now() < deadline;) {
            if (!this.process) break;
            try {
                const answer = await fetch(`${this.baseUrl}/_matrix/client/versions`);
                if (answer.ok) return;
            } catch {
                // not listening yet
            }
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
        throw new Error(`node ${this.name} does not answer:\n${this.log.slice(-20).join("\n")}`);
    }

    /** Ends it as a service manager would; it must end cleanly. */
    async stop() {
        const child = this.process;
        if (!child) return;
        const timer = setTimeout(() => child.kill("SIGKILL"), 60000);
        child.kill("SIGTERM");
        const { code, signal } = await this.exited;
        clearTimeout(timer);
        if (code !== 0) throw new Error(`node ${this.name} ended with ${code ?? signal}`);
    }

    /** A command that talks to the running node; its standard output. */
    async command(...args) {
        const { stdout } = await run(this.kith, [...args, "--data-dir", this.dir], { timeout: 60000 });
        return stdout;
    }
}
