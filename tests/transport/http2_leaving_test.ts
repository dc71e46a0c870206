/**
 * HTTP/2 through the transport: requests that wait while it closes, servers that fall silent more
 * than once, and what is said of it beforehand.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpRequest, type HttpRequestInit } from "../../mod.ts";
import { failure, withFrameNetwork } from "../support/frame_network.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";

const MAX_CONCURRENT_STREAMS = 3;
const HTTP_1_1_REQUIRED = 13;
const ACK = 1;
const PING = 6;

test("H86 close(): who waits for a place has the next one that comes free, beside a long answer", async () => {
  const settings = [[MAX_CONCURRENT_STREAMS, 2]] as const;
  for (const limits of [{ http2: { whenFull: "wait" } }, { maxConnsPerHost: 1 }] as const) {
    await withFrameNetwork({ settings, ...limits }, async (network) => {
      const server = await network.served();
      const long = network.get("/long");
      const short = network.get("/short");
      await server.sent("HEADERS", 5);
      const waiting = network.get("/waiting");
      assert.deepEqual(network.counts, [0, 1, 0, 1]);
      const closed = network.transport.close();
      server.answer(5, "short");
      assert.equal(await (await short).text(), "short");
      await network.answered(waiting, server, 7);
      server.answer(3, "long");
      assert.equal(await (await long).text(), "long");
      await closed;
      await server.sent("GOAWAY");
      assert.deepEqual([network.dialCount, network.counts], [1, [0, 0, 0, 0]]);
    });
  }
});

test("H95 each request that ends without a word has the server asked, however soon after an answer", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock }, async (network) => {
    const server = await network.served();
    clock.advance(10);
    const first = failure(network.get("/first", { timeoutMs: 100 }));
    await server.sent("HEADERS", 3);
    clock.advance(110);
    assert.equal((await first).code, "ERR_TIMEOUT");
    for (const { payload } of [await server.sent("PING"), await server.sent("PING")]) {
      server.frame(PING, ACK, 0, payload);
    }
    await server.settled();
    const second = failure(network.get("/second", { timeoutMs: 100 }));
    await server.sent("HEADERS", 5);
    clock.advance(110);
    assert.equal((await second).code, "ERR_TIMEOUT");
    await server.sent("PING");
    // It is gone: whoever comes next is not to wait for it.
    clock.advance(2_010);
    assert.deepEqual(network.counts, [0, 0, 0, 0]);
    await network.answered(network.get("/third"), await network.server(2), 1);
  });
});

test("H95 a server that is being asked with more patience has two seconds once a request ends without a word", async () => {
  const clock = new ManualClock();
  const http2 = { pingIntervalMs: 1_000, pingTimeoutMs: 60_000 };
  await withFrameNetwork({ clock, http2 }, async (network) => {
    const server = await network.served();
    clock.advance(10);
    const lost = failure(network.get("/lost", { method: "POST" }));
    await server.sent("HEADERS", 3);
    clock.advance(1_010);
    await server.sent("PING");
    const controller = new AbortController();
    const aborted = failure(network.get("/aborted", { signal: controller.signal }));
    await server.sent("HEADERS", 5);
    clock.advance(10);
    controller.abort(new Error("enough"));
    assert.equal((await aborted as Error).message, "enough");
    clock.advance(1_900);
    assert.deepEqual(network.counts, [0, 1, 0, 0]);
    clock.advance(200);
    const error = await lost;
    assert.deepEqual([error.code, error.attempts.length], ["ERR_CONNECTION_LOST", 1]);
  });
});

test("explain: what HTTP/1.1 alone can carry does not share a connection of HTTP/2", async () => {
  await withFrameNetwork({ clock: new ManualClock() }, async (network) => {
    const server = await network.served();
    const explain = (init: HttpRequestInit): string =>
      network.transport.explain(new HttpRequest("http://a.test/", init));
    const upgrade = { headers: { Connection: "upgrade", Upgrade: "other" } };
    assert.equal(explain({}), "would reuse #1, idle 0.0 s");
    for (const init of [{ http2: false }, upgrade]) {
      assert.equal(explain(init), "would dial: no idle connection");
    }
    const going = network.get("/", { method: "POST" });
    await server.sent("HEADERS", 3);
    assert.equal(explain({}), "would share #1: 1 of 100 streams are open");
    assert.equal(explain({ http2: false }), "would dial: no idle connection");
    server.reset(3, HTTP_1_1_REQUIRED);
    network.speakHttp1([]);
    await (await going).bytes();
    assert.equal(explain({}), "would reuse #2, idle 0.0 s");
  });
});

test("H104 whenFull wait: no more than maxWaitersPerHost wait for a place", async () => {
  const settings = [[MAX_CONCURRENT_STREAMS, 1]] as const;
  const options = { settings, http2: { whenFull: "wait" }, maxWaitersPerHost: 2 } as const;
  await withFrameNetwork(options, async (network) => {
    const server = await network.served();
    const held = network.get("/held");
    await server.sent("HEADERS", 3);
    const waiting = [network.get("/1"), network.get("/2")];
    assert.match(network.transport.explain(new HttpRequest("http://a.test")), /^would be refused/);
    const error = await failure(network.get("/3"));
    assert.deepEqual([error.code, error.phase], ["ERR_QUEUE_FULL", "queue"]);
    assert.deepEqual(network.counts, [0, 1, 0, 2]);
    server.answer(3, "held");
    await (await held).bytes();
    await network.answered(waiting[0], server, 5);
    await network.answered(waiting[1], server, 7);
    assert.deepEqual([network.dialCount, network.counts], [1, [1, 0, 0, 0]]);
  });
});
