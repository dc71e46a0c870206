/**
 * Hooks that throw: nothing hangs, nothing is left behind.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { ClientTrace } from "../../mod.ts";
import { runProgram } from "../fixtures/cli_run.ts";
import { test } from "../support/harness.ts";
import { withRawServer } from "../support/raw_server.ts";

const HOOKS: readonly (keyof ClientTrace)[] = [
  "getConn",
  "gotConn",
  "putIdleConn",
  "connectStart",
  "connectDone",
  "wroteHeaders",
  "wroteRequest",
  "gotFirstResponseByte",
  "bodyDone",
];

for (const hook of HOOKS) {
  test(`M6 trace: a ${hook} hook that throws ends no request and no process, and is told`, async () => {
    await withRawServer(async (connection) => {
      for (let n = 0; n < 2; n++) {
        await connection.readHead();
        await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      }
    }, async (server) => {
      const program = "tests/fixtures/throwing_hook.ts";
      const { code, stdout, stderr } = await runProgram(program, [hook, server.origin]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), {
        texts: ["ok", "ok"],
        idle: 1,
        total: 0,
        only: true,
      });
    });
  });
}
