/**
 * HTTP/2 through the transport: how long each phase took, as in HTTP/1.1.
 *
 * @module
 */
import assert from "node:assert/strict";
import { withFrameNetwork } from "../support/frame_network.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";

test("M23 the times of a response behind informational ones are those of its own head", async () => {
  for (const expects of [true, false]) {
    const clock = new ManualClock();
    await withFrameNetwork({ clock, expectContinueTimeoutMs: 0 }, async (network) => {
      const server = await network.served();
      const headers: Record<string, string> = expects ? { Expect: "100-continue" } : {};
      const going = network.get("/", { method: "POST", body: "content", headers });
      await server.sent("HEADERS", 3);
      if (!expects) await server.sent("DATA", 3);
      await server.settled();
      clock.advance(20);
      server.headers(3, [[":status", expects ? "100" : "103"]]);
      if (expects) await server.sent("DATA", 3);
      await server.settled();
      clock.advance(300);
      server.headers(3, [[":status", "102"]]);
      await server.settled();
      clock.advance(4_000);
      server.headers(3, [[":status", "200"]]);
      const response = await going;
      clock.advance(50_000);
      server.data(3, "all", true);
      assert.equal(await response.text(), "all");
      assert.deepEqual(response.timings, {
        queueMs: 0,
        dialMs: null,
        proxyMs: null,
        tlsMs: null,
        requestMs: 0,
        continueMs: expects ? 20 : null,
        waitMs: expects ? 4_300 : 4_320,
        bodyMs: 50_000,
      });
    });
  }
});

test("M23 the times of a request that is refused by a final head without having been asked for", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock, expectContinueTimeoutMs: 0 }, async (network) => {
    const server = await network.served();
    const init = { method: "POST", body: "content", headers: { Expect: "100-continue" } };
    const going = network.get("/", init);
    await server.sent("HEADERS", 3);
    await server.settled();
    clock.advance(20);
    server.headers(3, [[":status", "103"]]);
    await server.settled();
    clock.advance(300);
    server.answer(3, "no", "403");
    const response = await going;
    assert.equal(await response.text(), "no");
    const { requestMs, continueMs, waitMs, bodyMs } = response.timings;
    assert.deepEqual([requestMs, continueMs, waitMs, bodyMs], [0, 320, 0, 0]);
  });
});
