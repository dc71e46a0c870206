/**
 * `transport.connect`: one connection under the caller's own control.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Transport } from "../../../mod.ts";
import { HALF, OK, withGate } from "../../support/gated_server.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { until } from "../../support/waiting.ts";
import { assertQuiet, heldDialer, WatchedSignal } from "../../support/watched_signal.ts";

test("lease: one connection for many requests, then the pool's", async () => {
  await withGate(async (gate) => {
    const transport = new Transport();
    const lease = await transport.connect(gate.server.origin + "/ignored");
    assert.equal(lease.id, 1);
    assert.equal(lease.isUsable, true);
    assert.equal(transport.stats().active, 1);
    for (let n = 0; n < 3; n++) {
      const going = lease.roundTrip(gate.request(`/${n}`));
      await (await gate.next()).answer();
      const response = await going;
      assert.equal(response.connection.id, lease.id);
      assert.equal(await response.text(), "ok");
      assert.equal(lease.isUsable, true);
      assert.equal(transport.stats().active, 1);
    }
    // Others do not get it.
    await gate.exchange(transport, "/other");
    assert.deepEqual(gate.served, [0, 0, 0, 1]);
    lease.release();
    lease.release();
    assert.equal(lease.isUsable, false);
    assert.deepEqual([transport.stats().idle, transport.stats().active], [2, 0]);
    await gate.exchange(transport, "/next");
    assert.equal(gate.served.at(-1), 0);
    await assert.rejects(lease.roundTrip(gate.request("/late")), { code: "ERR_CLOSED" });
    await transport.close();
  });
});

test("lease: released during an exchange, it is the pool's after it", async () => {
  await withGate(async (gate) => {
    const transport = new Transport();
    const lease = await transport.connect(gate.server.origin);
    const going = lease.roundTrip(gate.request("/1"));
    const request = await gate.next();
    await lease[Symbol.asyncDispose]();
    assert.equal(transport.stats().idle, 0);
    await request.answer();
    assert.equal(await (await going).text(), "ok");
    assert.equal(transport.stats().idle, 1);
    await transport.close();
  });
});

test("lease: takes an idle connection, and refuses another host and a second exchange", async () => {
  await withGate(async (gate) => {
    const transport = new Transport();
    await gate.exchange(transport, "/1");
    const lease = await transport.connect(gate.server.origin);
    assert.equal(gate.server.connections.length, 1);
    const refusal = { code: "ERR_INVALID_REQUEST", phase: "queue" };
    await withGate(async (other) => {
      await assert.rejects(lease.roundTrip(other.request("/")), refusal);
    });
    const going = lease.roundTrip(gate.request("/2"));
    assert.equal(lease.isUsable, false);
    await assert.rejects(lease.roundTrip(gate.request("/3")), refusal);
    await (await gate.next()).answer(HALF);
    const response = await going;
    await assert.rejects(lease.roundTrip(gate.request("/4")), refusal);
    lease.close();
    await assert.rejects(response.text(), { code: "ERR_CLOSED" });
    await assert.rejects(lease.roundTrip(gate.request("/5")), { code: "ERR_CLOSED" });
    assert.deepEqual(gate.paths, ["/1", "/2"]);
    assert.equal(transport.stats().total, 0);
    await gate.server.allClosed();
    await transport.close();
  });
});

test("lease: a request that is still being let through is not overtaken", async () => {
  await withGate(async (gate) => {
    const clock = new ManualClock();
    const transport = new Transport({ clock });
    const lease = await transport.connect(gate.server.origin);
    // Idle for so long that it must be proven to be alive first.
    clock.jump(1_000);
    const first = lease.roundTrip(gate.request("/1"));
    await assert.rejects(lease.roundTrip(gate.request("/2")), { code: "ERR_INVALID_REQUEST" });
    // Released meanwhile, it is not another's before its own request is done.
    lease.release();
    assert.equal(transport.stats().idle, 0);
    const other = gate.get(transport, "/3");
    const requests = [await gate.next(), await gate.next()];
    for (const request of requests) await request.answer();
    assert.equal(await (await first).text(), "ok");
    assert.equal(await other, "ok");
    assert.equal(gate.server.connections.length, 2);
    await until("both are idle", () => transport.stats().idle === 2);

    const again = await transport.connect(gate.server.origin);
    clock.jump(1_000);
    const watched = new WatchedSignal();
    const given = again.roundTrip(gate.request("/4", { signal: watched.signal }));
    again.release();
    watched.abort();
    await assert.rejects(given, watched.reason);
    assert.equal(transport.stats().idle, 2);
    await transport.close();
  });
});

test("lease: never sent a second time, on this connection or another", async () => {
  await withGate(async (gate) => {
    let retries = 0;
    const transport = new Transport({ trace: { retry: () => void retries++ } });
    const lease = await transport.connect(gate.server.origin);
    const first = lease.roundTrip(gate.request("/1"));
    await (await gate.next()).answer();
    await (await first).bytes();
    const second = lease.roundTrip(gate.request("/2"));
    (await gate.next()).connection.reset();
    await assert.rejects(second, { code: "ERR_CONNECTION_LOST" });
    assert.equal(lease.isUsable, false);
    await assert.rejects(lease.roundTrip(gate.request("/3")), { code: "ERR_CLOSED" });
    assert.deepEqual([gate.paths, retries], [["/1", "/2"], 0]);
    assert.equal(transport.stats().total, 0);

    const asking = await transport.connect(gate.server.origin);
    const going = asking.roundTrip(gate.request("/4", {
      method: "POST",
      body: "body",
      headers: { "Expect": "100-continue" },
    }));
    const refused = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
    await (await gate.next()).answer(refused);
    const response = await going;
    assert.equal(response.status, 417);
    await response.bytes();
    assert.equal(retries, 0);
    asking.release();
    await transport.close();
  });
});

test("lease: waits for its turn, can be cancelled there, and frees its slot", async () => {
  await withGate(async (gate) => {
    const transport = new Transport({ maxConnsPerHost: 1 });
    const { origin } = gate.server;
    const lease = await transport.connect(origin);
    const watched = new WatchedSignal();
    const cancelled = transport.connect(origin, { signal: watched.signal });
    const next = transport.connect(origin);
    assert.equal(transport.stats().waiting, 2);
    watched.abort();
    await assert.rejects(cancelled, watched.reason);
    assert.equal(watched.listenerCount, 0);
    await assert.rejects(transport.connect(origin, { signal: watched.signal }), watched.reason);
    lease.close();
    const second = await next;
    assert.equal(second.id, 2);
    const going = gate.get(transport, "/1");
    second.release();
    await (await gate.next()).answer(OK);
    assert.equal(await going, "ok");
    assertQuiet(transport);
    await transport.close();
  });
});

test("lease: an abort ends the exchange, not more than its connection", async () => {
  await withGate(async (gate) => {
    const transport = new Transport();
    const lease = await transport.connect(gate.server.origin);
    const watched = new WatchedSignal();
    const going = lease.roundTrip(gate.request("/", { signal: watched.signal }));
    await gate.next();
    watched.abort();
    await assert.rejects(going, watched.reason);
    assert.equal(lease.isUsable, false);
    lease.release();
    assert.equal(transport.stats().total, 0);
    await gate.server.allClosed();
    await transport.close();
  });
});

test("lease: a dial that fails, or is never done, and URLs that cannot be", async () => {
  const { dialer } = heldDialer();
  const transport = new Transport({ dialer, maxConnsPerHost: 1 });
  const leasing = transport.connect("http://example.com/");
  const queued = transport.connect("http://example.com/");
  const reason = new Error("mine");
  transport.destroy(reason);
  await assert.rejects(leasing, reason);
  await assert.rejects(queued, reason);
  await transport.close();
  assert.deepEqual(transport.stats().perHost, {});

  const other = new Transport();
  await assert.rejects(other.connect("http://127.0.0.1:1/"), { code: "ERR_DIAL", phase: "dial" });
  await assert.rejects(other.connect("foo://example.com:1/"), { code: "ERR_UNSUPPORTED_SCHEME" });
  await assert.rejects(other.connect("not a URL"), { code: "ERR_INVALID_REQUEST" });
  assert.deepEqual(other.stats().perHost, {});
  await other.close();
});
