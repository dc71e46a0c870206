/**
 * How long a connection is kept: idle limits, age, hints of the server, stale ones, early closes.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Transport } from "../../../mod.ts";
import { OK, withGate } from "../../support/gated_server.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { until } from "../../support/waiting.ts";
import { assertQuiet } from "../../support/watched_signal.ts";

/** The counts that matter, short. */
function counts(transport: Transport): [idle: number, active: number, dial: number, wait: number] {
  const { idle, active, dialing, waiting } = transport.stats();
  return [idle, active, dialing, waiting];
}

test("maxIdleConns: the connection used least recently goes, whatever its host", async () => {
  await withGate(async (one) => {
    await withGate(async (two) => {
      const transport = new Transport({ maxIdleConns: 2 });
      await one.exchange(transport, "/1");
      await two.exchange(transport, "/2");
      // Used again: two's is the oldest now.
      await one.exchange(transport, "/3");
      await withGate(async (three) => {
        await three.exchange(transport, "/4");
        await two.server.allClosed();
        assert.deepEqual([one.server.openCount, three.server.openCount], [1, 1]);
        assert.deepEqual(counts(transport), [2, 0, 0, 0]);
        transport.closeIdleConnections();
      });
      await transport.close();
    });
  });
});

test("maxIdleConnsPerHost: what is above it is closed; the last one used is taken first", async () => {
  await withGate(async (gate) => {
    const transport = new Transport({ maxIdleConnsPerHost: 2 });
    const going = ["/1", "/2", "/3"].map((path) => gate.get(transport, path));
    for (let n = 0; n < 3; n++) {
      await (await gate.next()).answer();
    }
    await Promise.all(going);
    await until("one is gone", () => gate.server.openCount === 2);
    assert.deepEqual(counts(transport), [2, 0, 0, 0]);
    const kept = gate.server.connections.filter(({ isClosed }) => !isClosed);
    // Which came first over three sockets is the kernel's choice: the newest lease is asked.
    const newest = transport.explain(gate.request("/"));
    assert.match(newest, /^would reuse #\d/);
    await gate.exchange(transport, "/4");
    assert.ok(kept.includes(gate.requests[3].connection));
    assert.equal(transport.explain(gate.request("/")), newest);
    await transport.close();
  });
});

test("maxRequestsPerConn: closed after so many", async () => {
  await withGate(async (gate) => {
    const transport = new Transport({ maxRequestsPerConn: 2 });
    for (let n = 0; n < 5; n++) await gate.exchange(transport, `/${n}`);
    assert.deepEqual(gate.served, [0, 0, 1, 1, 2]);
    await until("one is open", () => gate.server.openCount === 1);
    await transport.close();
  });
});

test("maxConnAgeMs: not used again from then on, a tenth earlier at most", async () => {
  await withGate(async (gate) => {
    const clock = new ManualClock();
    const transport = new Transport({ clock, maxConnAgeMs: 10_000, idleConnTimeoutMs: 0 });
    for (let n = 0; n < 3; n++) {
      await gate.exchange(transport, "/");
      clock.advance(2_900);
    }
    assert.deepEqual(gate.served, [0, 0, 0]);
    clock.advance(1_400);
    // By the timer, without a request.
    await gate.server.connections[0].closed;
    assert.deepEqual(counts(transport), [0, 0, 0, 0]);
    const going = gate.get(transport, "/");
    const request = await gate.next();
    clock.advance(10_001);
    await request.answer();
    assert.equal(await going, "ok");
    // Too old when it was given back.
    await gate.server.allClosed();
    assert.deepEqual(gate.served, [0, 0, 0, 1]);
    await transport.close();
    assert.equal(clock.runningCount, 0);
  });
});

test("idleConnTimeoutMs: by timer, and by the clock where the timer is late", async () => {
  await withGate(async (gate) => {
    const clock = new ManualClock();
    const transport = new Transport({ clock, idleConnTimeoutMs: 1_000 });
    await gate.exchange(transport, "/");
    clock.advance(999);
    await gate.exchange(transport, "/");
    clock.advance(999);
    assert.deepEqual(counts(transport), [1, 0, 0, 0]);
    clock.advance(1);
    await gate.server.allClosed();
    assert.deepEqual(counts(transport), [0, 0, 0, 0]);
    await gate.exchange(transport, "/");
    // A suspended machine: no timer has fired.
    clock.jump(1_000);
    await gate.exchange(transport, "/");
    assert.deepEqual(gate.served, [0, 0, 1, 2]);
    await gate.server.connections[1].closed;
    await transport.close();
    assert.equal(clock.runningCount, 0);
  });
});

test("Keep-Alive: timeout and max shorten the life of a connection", async () => {
  await withGate(async (gate) => {
    const clock = new ManualClock();
    const transport = new Transport({ clock });
    const hint = (text: string) => OK.replace("\r\n\r\n", `\r\nKeep-Alive: ${text}\r\n\r\n`);
    await gate.exchange(transport, "/", hint("timeout=5, max=100"));
    // A second earlier than the server says.
    clock.advance(3_999);
    await gate.exchange(transport, "/", hint("timeout=5"));
    clock.advance(4_000);
    await gate.server.allClosed();
    await gate.exchange(transport, "/", hint("max=1"));
    await gate.exchange(transport, "/", hint("max=0"));
    await gate.server.allClosed();
    // What cannot be understood is ignored, and what is not kept at all is not.
    await gate.exchange(transport, "/", hint("timeout, max=x, other=0"));
    await gate.exchange(transport, "/", hint("timeout=1"));
    await gate.server.allClosed();
    assert.deepEqual(gate.served, [0, 0, 1, 1, 2, 2]);
    assert.deepEqual(counts(transport), [0, 0, 0, 0]);
    await transport.close();
  });
});

test("disableKeepAlives: one request for each connection, and it says so", async () => {
  await withGate(async (gate) => {
    const transport = new Transport({ disableKeepAlives: true });
    await gate.exchange(transport, "/1");
    await gate.exchange(transport, "/2");
    assert.deepEqual(gate.served, [0, 1]);
    for (const connection of gate.server.connections) {
      assert.match(connection.received, /\r\nConnection: close\r\n/);
    }
    await gate.server.allClosed();
    assertQuiet(transport);
    await transport.close();
  });
});

test("a connection that ended while idle: GET is sent elsewhere, POST never twice", async () => {
  await withGate(async (gate) => {
    const transport = new Transport();
    await gate.exchange(transport, "/1");
    gate.server.connections[0].end();
    await until("it is gone", () => transport.stats().total === 0);
    assert.equal(await gate.exchange(transport, "/2"), "ok");

    // It breaks as the request comes.
    const going = gate.get(transport, "/3");
    (await gate.next()).connection.reset();
    await (await gate.next()).answer();
    assert.equal(await going, "ok");
    const post = gate.get(transport, "/4", { method: "POST", body: "body" });
    (await gate.next()).connection.reset();
    await assert.rejects(post, { code: "ERR_CONNECTION_LOST" });
    assert.deepEqual(gate.paths, ["/1", "/2", "/3", "/3", "/4"]);
    assert.deepEqual(counts(transport), [0, 0, 0, 0]);
    await transport.close();
  });
});

test("early close: a short rest is read and the connection kept, a long one closes it", async () => {
  await withGate(async (gate) => {
    const transport = new Transport();
    for (const [length, reused] of [[100_000, true], [10_000_000, false]] as const) {
      const going = transport.roundTrip(gate.request("/"));
      const request = await gate.next();
      await request.answer(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`);
      const response = await going;
      const closing = response.body.close();
      if (reused) await request.connection.send(new Uint8Array(length));
      await closing;
      await until("it is decided", () => transport.stats().active === 0);
      // A loaded machine may need more than the time that draining has.
      if (reused) assert.ok(transport.stats().idle <= 1);
      else assert.deepEqual(counts(transport), [0, 0, 0, 0]);
    }
    await transport.close();
  });
});
