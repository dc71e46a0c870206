/**
 * Deadlines: many on one timer; each of a transport's, with its phase, its text, and what is left.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  systemDialer,
  Transport,
  type TransportOptions,
} from "../../mod.ts";
import { ScriptedConn, scriptedDialer } from "../../testing/mod.ts";
import { Deadlines } from "../../transport/deadlines.ts";
import { type Gate, HALF, OK, withGate } from "../support/gated_server.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { withRawServer } from "../support/raw_server.ts";
import { until } from "../support/waiting.ts";
import { assertQuiet, heldDialer, WatchedSignal } from "../support/watched_signal.ts";

test("deadlines: ten thousand on one timer, each once, none early, in order", () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  const fired: number[] = [];
  for (let n = 0; n < 10_000; n++) {
    const dueMs = clock.now() + 100 + n % 1_000;
    deadlines.set(100 + n % 1_000, () => {
      assert.ok(clock.now() >= dueMs, `${clock.now()} is before ${dueMs}`);
      assert.ok(clock.now() < dueMs + 5, `${clock.now()} is long after ${dueMs}`);
      fired.push(dueMs);
    });
    assert.equal(clock.runningCount, 1);
  }
  assert.equal(clock.startedCount, 1);
  assert.equal(deadlines.size, 10_000);
  clock.advance(99);
  assert.equal(fired.length, 0);
  for (let n = 0; n < 2_000; n++) clock.advance(1);
  assert.equal(fired.length, 10_000);
  // Those of one slot fire in the order in which they were set.
  const slots = fired.map((dueMs) => Math.ceil(dueMs / 5));
  assert.deepEqual(slots, slots.toSorted((a, b) => a - b));
  assert.equal(clock.runningCount, 0);
  assert.ok(clock.startedCount <= 202, `${clock.startedCount} timers`);
});

test("deadlines: an earlier one is not late because of a later one", () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  const fired: string[] = [];
  deadlines.set(1_000, () => fired.push("late"));
  deadlines.set(10, () => fired.push("early"));
  assert.equal(clock.runningCount, 1);
  clock.advance(10);
  assert.deepEqual(fired, ["early"]);
  clock.advance(990);
  assert.deepEqual(fired, ["early", "late"]);
});

test("deadlines: cleared ones do not fire, also while others do; the last one stops the timer", () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  const never = (): void => assert.fail("was cleared");
  const many = Array.from({ length: 1_000 }, () => deadlines.set(50, never));
  for (const deadline of many) {
    assert.equal(deadline.isSet, true);
    deadlines.clear(deadline);
    deadlines.clear(deadline);
    assert.equal(deadline.isSet, false);
  }
  assert.deepEqual([deadlines.size, clock.runningCount], [0, 0]);

  let count = 0;
  deadlines.set(50, () => {
    count++;
    deadlines.clear(second);
    deadlines.set(50, () => void count++);
  });
  const second = deadlines.set(50, never);
  clock.advance(50);
  assert.deepEqual([count, deadlines.size, clock.runningCount], [1, 1, 1]);
  clock.advance(50);
  assert.deepEqual([count, deadlines.size, clock.runningCount], [2, 0, 0]);
});

test("deadlines: stopped, nothing fires; what was set before can still be cleared", () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  const before = deadlines.set(50, () => assert.fail("was stopped"));
  deadlines.stop();
  assert.deepEqual([deadlines.size, clock.runningCount], [0, 0]);
  let fired = 0;
  deadlines.set(50, () => void fired++);
  deadlines.clear(before);
  assert.equal(deadlines.size, 1);
  clock.advance(50);
  assert.equal(fired, 1);

  deadlines.set(10, () => deadlines.stop());
  deadlines.set(10, () => assert.fail("was stopped"));
  deadlines.set(20, () => assert.fail("was stopped"));
  clock.advance(50);
  assert.deepEqual([deadlines.size, clock.runningCount], [0, 0]);
});

test("deadlines: beyond 2^31 ms they do not fire at once, but when they are due", () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  let fired = 0;
  deadlines.set(2 ** 40, () => void fired++);
  clock.advance(2 ** 40 - 1);
  assert.equal(fired, 0);
  clock.advance(6);
  assert.equal(fired, 1);
  deadlines.set(Infinity, () => void fired++);
  clock.advance(2 ** 33);
  assert.equal(fired, 1);
  deadlines.stop();
  assert.equal(clock.runningCount, 0);
});

test("deadlines: one that throws does not keep the others from firing", () => {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  const fired: number[] = [];
  deadlines.set(10, () => {
    throw new Error("mine");
  });
  deadlines.set(10, () => void fired.push(10));
  deadlines.set(20, () => void fired.push(20));
  assert.throws(() => clock.advance(30), { message: "mine" });
  clock.advance(30);
  assert.deepEqual(fired, [10, 20]);
  assert.equal(clock.runningCount, 0);
});

/** Deadlines that look first, and the looks that they have asked for. */
function lookingDeadlines(): {
  clock: ManualClock;
  deadlines: Deadlines;
  looks: PromiseWithResolvers<void>[];
  fired: string[];
} {
  const clock = new ManualClock();
  const looks: PromiseWithResolvers<void>[] = [];
  const deadlines = new Deadlines(clock, () => {
    looks.push(Promise.withResolvers<void>());
    return looks.at(-1)!.promise;
  });
  return { clock, deadlines, looks, fired: [] };
}

async function microtasks(): Promise<void> {
  for (let n = 0; n < 100; n++) await null;
}

test("M24 deadlines that look first: one look for all that are due, then in order", async () => {
  const { clock, deadlines, looks, fired } = lookingDeadlines();
  deadlines.set(10, () => fired.push("a"), true);
  deadlines.set(10, () => fired.push("strict"));
  deadlines.set(20, (lateMs) => fired.push(`b, late by ${lateMs}`), true);
  deadlines.set(500, () => fired.push("later"), true);
  assert.equal(looks.length, 0);
  clock.jump(30);
  clock.advance(0);
  assert.deepEqual([fired, looks.length, deadlines.size], [["strict"], 1, 3]);
  looks[0].resolve();
  await microtasks();
  assert.deepEqual(fired, ["strict", "a", "b, late by 10"]);
  assert.deepEqual([deadlines.size, clock.runningCount], [1, 1]);
  deadlines.stop();
});

test("M24 deadlines that look first: what the look brings clears them", async () => {
  const { clock, deadlines, looks, fired } = lookingDeadlines();
  const cleared = deadlines.set(10, () => fired.push("cleared"), true);
  deadlines.set(10, () => fired.push("due"), true);
  clock.advance(10);
  assert.equal(cleared.isSet, true);
  looks[0].resolve();
  // A read, and promises up to whoever waits for it.
  for (let n = 0; n < 30; n++) await null;
  deadlines.clear(cleared);
  assert.equal(cleared.isSet, false);
  await microtasks();
  assert.deepEqual(fired, ["due"]);
  // The last one that is cleared leaves no timer.
  const alone = deadlines.set(10, () => fired.push("alone"), true);
  clock.advance(10);
  deadlines.clear(alone);
  assert.deepEqual([deadlines.size, clock.runningCount], [0, 0]);
  looks[1].resolve();
  await microtasks();
  assert.deepEqual(fired, ["due"]);
});

test("M24 deadlines that look first: a look that hangs, rejects or throws", async () => {
  const { clock, deadlines, looks, fired } = lookingDeadlines();
  deadlines.set(10, () => fired.push("hung"), true);
  clock.advance(10);
  clock.advance(499);
  assert.equal(fired.length, 0);
  clock.advance(1);
  assert.deepEqual(fired, ["hung"]);
  looks[0].resolve();
  deadlines.set(10, () => fired.push("rejected"), true);
  clock.advance(10);
  looks[1].reject(new Error("mine"));
  await microtasks();
  assert.deepEqual([fired, clock.runningCount], [["hung", "rejected"], 0]);

  const throws = (): null => {
    throw new Error("mine");
  };
  for (const poll of [() => null, throws]) {
    const direct = new Deadlines(clock, poll);
    const order: string[] = [];
    direct.set(10, () => order.push("first"), true);
    direct.set(10, () => order.push("second"));
    clock.advance(15);
    assert.deepEqual(order, ["first", "second"]);
  }
});

test("M24 deadlines that look first: stopped while they look, and while they fire", async () => {
  const { clock, deadlines, looks } = lookingDeadlines();
  const never = (): void => assert.fail("was stopped");
  const deadline = deadlines.set(10, never, true);
  clock.advance(10);
  deadlines.stop();
  assert.deepEqual([deadlines.size, clock.runningCount], [0, 0]);
  looks[0].resolve();
  await microtasks();
  deadlines.clear(deadline);

  deadlines.set(10, () => deadlines.stop(), true);
  deadlines.set(10, never, true);
  clock.advance(10);
  looks[1].resolve();
  await microtasks();
  assert.deepEqual([deadlines.size, clock.runningCount], [0, 0]);
});

test("M24 a response that comes after the look is too late", async () => {
  await withGate(async (gate) => {
    const looked = Promise.withResolvers<void>();
    const system = systemDialer();
    const clock = new ManualClock();
    const dialer = {
      dial: system.dial.bind(system),
      startTls: system.startTls.bind(system),
      pollBarrier: () => looked.promise,
    };
    const transport = new Transport({ clock, dialer, responseHeaderTimeoutMs: 100 });
    const going = gate.get(transport, "/").catch((error: unknown) => error);
    const request = await gate.next();
    await until("it waits for the response", () => clock.runningCount === 1);
    clock.advance(105);
    looked.resolve();
    const error = await going;
    assert.ok(error instanceof HttpError && error.code === "ERR_TIMEOUT", String(error));
    assert.equal(error.phase, "response-header");
    await request.answer().catch(() => {});
    assertQuiet(transport);
    assert.equal(clock.runningCount, 0);
    await transport.close();
  });
});

/** Expects a call to fail by its deadline once `ms` have passed, not before. */
async function assertTimesOut(
  clock: ManualClock,
  going: Promise<unknown>,
  ms: number,
  expected: { phase: string; message: RegExp; verdict: string },
): Promise<void> {
  let settled = false;
  const outcome = going.then(() => assert.fail("resolved"), (reason: unknown) => {
    settled = true;
    return reason;
  });
  clock.advance(ms - 1);
  for (let n = 0; n < 20; n++) await Promise.resolve();
  assert.equal(settled, false, "early");
  clock.advance(6);
  const error = await outcome;
  assert.ok(error instanceof HttpError, String(error));
  assert.equal(error.code, "ERR_TIMEOUT");
  assert.equal(error.phase, expected.phase);
  assert.match(error.message, expected.message);
  assert.equal(error.attempt?.verdict, expected.verdict);
}

/** Nothing is left of a transport, at both ends. */
async function assertGone(transport: Transport, gate: Gate, clock: ManualClock): Promise<void> {
  assertQuiet(transport);
  assert.equal(transport.stats().total, 0);
  await gate.server.allClosed();
  assert.equal(clock.runningCount, 0);
  await transport.close();
}

test("poolWaitTimeoutMs: the request leaves the queue, others keep their place", async () => {
  await withGate(async (gate) => {
    const clock = new ManualClock();
    const transport = new Transport({
      clock,
      maxConnsPerHost: 1,
      poolWaitTimeoutMs: 100,
      idleConnTimeoutMs: 0,
    });
    const watched = new WatchedSignal();
    const first = gate.get(transport, "/1");
    const one = await gate.next();
    const second = gate.get(transport, "/2", { signal: watched.signal });
    assert.equal(transport.stats().waiting, 1);
    clock.advance(50);
    const third = gate.get(transport, "/3");
    await assertTimesOut(clock, second, 50, {
      phase: "queue",
      message: /Waiting for a connection took more than 100 ms \(queue 10\d ms\)/,
      verdict: "never-sent",
    });
    assert.equal(watched.listenerCount, 0);
    assert.equal(transport.stats().waiting, 1);
    await one.answer();
    await first;
    await (await gate.next()).answer();
    assert.equal(await third, "ok");
    assert.deepEqual(gate.paths, ["/1", "/3"]);
    // The deadline of a request that got its connection is gone.
    assert.equal(clock.runningCount, 0);
    transport.closeIdleConnections();
    await assertGone(transport, gate, clock);
  });
});

test("poolWaitTimeoutMs: a dial of its own has its own time", async () => {
  const clock = new ManualClock();
  const { dialer } = heldDialer();
  const transport = new Transport({ clock, dialer, poolWaitTimeoutMs: 10, dialTimeoutMs: 100 });
  const going = transport.roundTrip(new HttpRequest("http://example.com/"));
  await assertTimesOut(clock, going, 100, {
    phase: "dial",
    message: /Connecting took more than 100 ms \(queue 0 ms, dial 10\d ms\)/,
    verdict: "never-sent",
  });
  assertQuiet(transport);
  assert.deepEqual(transport.inspect().dials, []);
  assert.equal(clock.runningCount, 0);
  await transport.close();
});

test("tlsHandshakeTimeoutMs: a server that says nothing", async () => {
  await withRawServer(async (connection) => void await connection.readToEnd(), async (server) => {
    const clock = new ManualClock();
    const transport = new Transport({ clock, tlsHandshakeTimeoutMs: 100, dialTimeoutMs: 0 });
    const url = server.origin.replace("http:", "https:");
    const going = transport.roundTrip(new HttpRequest(url));
    await until("the handshake has begun", () => server.connections[0]?.receivedBytes > 0);
    assert.equal(transport.inspect().dials[0].phase, "tls");
    await assertTimesOut(clock, going, 100, {
      phase: "tls",
      message: /The TLS handshake took more than 100 ms \(queue 0 ms, dial 0 ms, TLS 10\d ms\)/,
      verdict: "never-sent",
    });
    assertQuiet(transport);
    assert.equal(clock.runningCount, 0);
    await transport.close();
    server.connections[0].close();
  });
});

test("expectContinueTimeoutMs: the body goes without having been asked for", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    assert.equal(await connection.readBytes(4), "body");
    await connection.send(OK);
  }, async (server) => {
    const clock = new ManualClock();
    let waits = false;
    const transport = new Transport({
      clock,
      expectContinueTimeoutMs: 100,
      idleConnTimeoutMs: 0,
      trace: { wait100Continue: () => void (waits = true) },
    });
    const going = transport.roundTrip(
      new HttpRequest(server.origin, {
        method: "POST",
        body: "body",
        headers: { "Expect": "100-continue" },
      }),
    );
    await until("the body waits", () => waits);
    const seen = () => server.connections[0].received.endsWith("\r\n\r\n");
    await until("the head was sent", seen);
    clock.advance(99);
    assert.ok(seen());
    clock.advance(6);
    assert.equal(await (await going).text(), "ok");
    assert.equal(clock.runningCount, 0);
    await transport.close();
  });
});

interface Slow {
  name: string;
  options: TransportOptions;
  init?: HttpRequestInit;
  /** What the server sends before it falls silent. */
  sends: string;
  phase: string;
  message: RegExp;
  verdict: string;
}

const SLOW: Slow[] = [
  {
    name: "responseHeaderTimeoutMs: no answer",
    options: { responseHeaderTimeoutMs: 100 },
    sends: "",
    phase: "response-header",
    message: /response took more than 100 ms \(queue 0 ms, dial 0 ms, request 0 ms, wait 10\d ms\)/,
    verdict: "sent-no-answer",
  },
  {
    name: "responseHeaderTimeoutMs: half a head",
    options: { responseHeaderTimeoutMs: 100 },
    sends: "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 2",
    phase: "response-header",
    message: /Waiting for the response took more than 100 ms/,
    verdict: "answered",
  },
  {
    name: "bodyIdleTimeoutMs: half a body",
    options: { bodyIdleTimeoutMs: 100 },
    sends: HALF,
    phase: "body",
    message: /Waiting for more of the body took more than 100 ms \(.*body 10\d ms\)/,
    verdict: "answered",
  },
  {
    name: "timeoutMs: no answer",
    options: {},
    init: { timeoutMs: 100 },
    sends: "",
    phase: "response-header",
    message: /The exchange took more than 100 ms \(.*wait 10\d ms\)/,
    verdict: "sent-no-answer",
  },
  {
    name: "timeoutMs: half a body",
    options: {},
    init: { timeoutMs: 100 },
    sends: HALF,
    phase: "body",
    message: /The exchange took more than 100 ms \(.*body 10\d ms\)/,
    verdict: "answered",
  },
];

for (const { name, options, init, sends, ...expected } of SLOW) {
  test(`T53 ${name}`, async () => {
    await withGate(async (gate) => {
      const clock = new ManualClock();
      let hints = 0;
      const trace = { got1xxResponse: () => void hints++ };
      const transport = new Transport({ clock, dialTimeoutMs: 0, trace, ...options });
      const watched = new WatchedSignal();
      const request = gate.request("/", { ...init, signal: watched.signal });
      let reads = 0;
      const going = transport.roundTrip(request).then(async (response) => {
        const p = new Uint8Array(16);
        for (;;) {
          reads++;
          if (await response.body.read(p) === null) return;
        }
      });
      await (await gate.next()).answer(sends);
      if (expected.phase === "body") await until("a read waits", () => reads === 2);
      else if (expected.verdict === "answered") await until("103 was seen", () => hints === 1);
      await assertTimesOut(clock, going, 100, expected);
      assert.equal(watched.listenerCount, 0);
      await assertGone(transport, gate, clock);
    });
  });
}

test("bodyIdleTimeoutMs: each read has its own; a slow reader is not an idle body", async () => {
  await withGate(async (gate) => {
    const clock = new ManualClock();
    const transport = new Transport({ clock, bodyIdleTimeoutMs: 100, idleConnTimeoutMs: 0 });
    const going = transport.roundTrip(gate.request("/"));
    const request = await gate.next();
    await request.connection.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
    const { body } = await going;
    const p = new Uint8Array(1);
    for (let n = 0; n < 3; n++) {
      clock.advance(1_000);
      const reading = body.read(p);
      clock.advance(90);
      await request.connection.send("x");
      assert.equal(await reading, 1);
    }
    assert.equal(await body.read(p), null);
    assert.equal(transport.stats().idle, 1);
    assert.equal(clock.runningCount, 0);
    await transport.close();
  });
});

test("deadlines of 0 are off, and a request that sets none creates no timer", async () => {
  await withGate(async (gate) => {
    const clock = new ManualClock();
    const transport = new Transport({
      clock,
      dialTimeoutMs: 0,
      tlsHandshakeTimeoutMs: 0,
      expectContinueTimeoutMs: 0,
      poolWaitTimeoutMs: 0,
      responseHeaderTimeoutMs: 0,
      bodyIdleTimeoutMs: 0,
      idleConnTimeoutMs: 0,
    });
    for (let n = 0; n < 5; n++) {
      const going = gate.get(transport, "/", { timeoutMs: 0 });
      const request = await gate.next();
      clock.advance(2 ** 40);
      await request.answer();
      assert.equal(await going, "ok");
    }
    assert.equal(clock.startedCount, 0);
    assert.equal(gate.server.connections.length, 1);
    await transport.close();
  });
});

test("no timer is created by a request on an idle connection, with the options as they are", async () => {
  await withGate(async (gate) => {
    const clock = new ManualClock();
    const transport = new Transport({ clock });
    await gate.exchange(transport, "/");
    // Of the dial, which is stopped, and of the idle connection.
    const { startedCount } = clock;
    assert.equal(clock.runningCount, 1);
    for (let n = 0; n < 20; n++) {
      await gate.exchange(transport, "/");
      clock.jump(1);
    }
    assert.equal(clock.startedCount, startedCount);
    await transport.close();
    assert.equal(clock.runningCount, 0);
  });
});

test("a thousand requests under way with every deadline set have one timer", async () => {
  const clock = new ManualClock();
  const dialer = {
    dial: () => Promise.resolve(new ScriptedConn().hang()),
    startTls: () => Promise.reject(new Error("no TLS here")),
  };
  const transport = new Transport({ clock, dialer, responseHeaderTimeoutMs: 500 });
  const failing = Array.from({ length: 1_000 }, async (_, n) => {
    const request = new HttpRequest("http://example.com/", { timeoutMs: 1_000 + n });
    await assert.rejects(transport.roundTrip(request), { code: "ERR_TIMEOUT" });
  });
  await until("all are connected", () => transport.stats().active === 1_000);
  assert.equal(clock.runningCount, 1);
  assert.ok(clock.startedCount < 20, `${clock.startedCount} timers`);
  clock.advance(2_010);
  await Promise.all(failing);
  assert.equal(transport.stats().total, 0);
  assert.equal(clock.runningCount, 0);
  await transport.close();
});

test("ten thousand requests on one signal leave no listener", async () => {
  const watched = new WatchedSignal();
  const conn = new ScriptedConn();
  for (let n = 0; n < 10_000; n++) {
    conn.expect("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").send(OK);
  }
  const transport = new Transport({ dialer: scriptedDialer(conn), disableCompression: true });
  for (let n = 0; n < 10_000; n++) {
    const request = new HttpRequest("http://example.com/", {
      headers: { "User-Agent": "" },
      signal: watched.signal,
    });
    const response = await transport.roundTrip(request);
    assert.equal((await response.bytes()).length, 2);
  }
  assert.equal(watched.listenerCount, 0);
  watched.abort();
  assert.equal(transport.stats().idle, 1);
  conn.assertConsumed();
  await transport.close();
});
