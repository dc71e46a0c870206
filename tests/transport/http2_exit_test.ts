/**
 * A program ends by itself when it has its answers over HTTP/2, whatever state its connections are in,
 * and not before.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runProgram } from "../../scripts/run_program.ts";
import { runtime, test } from "../support/harness.ts";
import { type Http2Servers, withHttp2Servers } from "../support/http2_servers.ts";

const fixture = fileURLToPath(new URL("../fixtures/exiting_client.ts", import.meta.url));

/** Milliseconds. Far beyond what a program needs that is going to end, and below any time-out of ours. */
const KILL_MS = 15_000;

const runArgs: Record<typeof runtime, string[]> = {
  deno: ["run", "-A", "--no-check"],
  bun: ["run"],
  node: [],
};

/** Runs a case of the program, to its own end. */
async function assertEnds(url: string, what: string, output: string): Promise<void> {
  const args = [...runArgs[runtime], fixture, what, url, "http2"];
  const run = await runProgram(process.execPath, args, { timeoutMs: KILL_MS });
  // How many connections there are is a question of the machine, where a handshake takes long.
  const told = run.output.replace(/(h2 \w+) \d+/g, "$1");
  assert.deepEqual([run.code, told], [0, output], `${what} ${url}`);
}

const CASES: [name: string, run: (servers: Http2Servers) => Promise<void>][] = [
  ["with an idle connection", ({ secure }) => assertEnds(secure, "once", "h2 h2 false\nend\n")],
  [
    "with a connection that was proven",
    ({ secure }) => {
      const line = "h2 false h2 false h2 false\n";
      return assertEnds(secure, "twice", `${line}${line}end\n`);
    },
  ],
  [
    "not before a slow answer has come",
    async ({ secure }) => {
      await assertEnds(`${secure}/slow`, "slow", "head\nslow\nend\n");
      await assertEnds(`${secure}/slow`, "slow again", "slow\nend\n");
    },
  ],
  [
    "with a connection that takes no streams at the moment",
    ({ secure }) => assertEnds(`${secure}/barren`, "once", "h2 barren\nend\n"),
  ],
  [
    "after a request that was given up, or timed out while its server was silent",
    async ({ secure }) => {
      await assertEnds(secure, "abort", "AbortError\nend\n");
      await assertEnds(`${secure}/silent`, "time", "ERR_TIMEOUT\nend\n");
    },
  ],
  [
    "after a body that was closed",
    ({ secure }) => assertEnds(`${secure}/bytes/9000000`, "close body", "closed\nend\n"),
  ],
];

for (const [name, run] of CASES) {
  test(`H87 a program ends over HTTP/2: ${name}`, () => withHttp2Servers(run));
}
