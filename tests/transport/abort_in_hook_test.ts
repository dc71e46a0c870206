/**
 * A signal that is aborted from within a hook of the trace: the request ends there, whatever the transport was doing.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ClientTrace, Transport } from "../../mod.ts";
import { withGate } from "../support/gated_server.ts";
import { test } from "../support/harness.ts";
import { pause, until } from "../support/waiting.ts";
import { assertQuiet, WatchedSignal } from "../support/watched_signal.ts";

/** The hooks of a request that is answered, and whether the request was written by then. */
const HOOKS: readonly [keyof ClientTrace, boolean][] = [
  ["getConn", false],
  ["connectStart", false],
  ["connectDone", false],
  ["gotConn", false],
  ["wroteHeaders", true],
  ["wroteRequest", true],
  ["gotFirstResponseByte", true],
];

for (const [hook, written] of HOOKS) {
  test(`a signal aborted in ${hook} ends the request there`, async () => {
    for (const isWarm of [false, true]) {
      if (isWarm && hook.startsWith("connect")) continue;
      await withGate(async (gate) => {
        const transport = new Transport({ responseHeaderTimeoutMs: 60_000 });
        if (isWarm) await gate.exchange(transport, "/warm");
        const watched = new WatchedSignal();
        let calls = 0;
        const trace: ClientTrace = {
          [hook]: () => {
            calls++;
            watched.abort();
          },
        };
        const going = gate.get(transport, "/", { signal: watched.signal, trace });
        going.catch(() => {});
        if (written) {
          // In one piece with another response, which must not be looked at any more.
          if (hook === "gotFirstResponseByte") await (await gate.next()).answer();
        }
        await assert.rejects(going, watched.reason);
        await pause(20);
        assert.equal(calls, 1);
        assert.equal(watched.listenerCount, 0);
        if (!written) assert.deepEqual(gate.paths, isWarm ? ["/warm"] : []);
        // A dial that nobody waits for may go on for a while.
        await until("no dial goes on", () => transport.stats().dialing === 0);
        assertQuiet(transport);
        await transport.close();
      });
    }
  });
}

test("a signal aborted in wroteRequest, where the answer stops the sending", async () => {
  for (const expect of [false, true]) {
    await withGate(async (gate) => {
      const transport = new Transport({ expectContinueTimeoutMs: 60_000 });
      const watched = new WatchedSignal();
      const going = gate.get(transport, "/", {
        method: "POST",
        headers: expect ? { Expect: "100-continue" } : {},
        body: new ReadableStream({ pull: () => new Promise(() => {}) }),
        signal: watched.signal,
        trace: { wroteRequest: () => watched.abort() },
      });
      going.catch(() => {});
      await (await gate.next()).answer("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
      await assert.rejects(going, watched.reason);
      assertQuiet(transport);
      await transport.close();
    });
  }
});

test("a signal aborted in the retry hook keeps the request from being sent again", async () => {
  await withGate(async (gate) => {
    const transport = new Transport();
    await gate.exchange(transport, "/warm");
    const watched = new WatchedSignal();
    const going = gate.get(transport, "/", {
      signal: watched.signal,
      trace: { retry: () => watched.abort() },
    });
    going.catch(() => {});
    await gate.next().then(({ connection }) => connection.reset());
    await assert.rejects(going, watched.reason);
    await pause(20);
    assert.deepEqual(gate.paths, ["/warm", "/"]);
    assertQuiet(transport);
    await transport.close();
  });
});
