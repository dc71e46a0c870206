/**
 * Connections that are made before they are needed: `preconnect()` and `warmConns`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Dialer, HttpRequest, systemDialer, Transport } from "../../../mod.ts";
import { withFrameNetwork } from "../../support/frame_network.ts";
import { withGate } from "../../support/gated_server.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { memoryServer } from "../../support/memory_server.ts";
import { steadyTransport } from "../../support/steady_transport.ts";
import { until } from "../../support/waiting.ts";
import { heldDialer, WatchedSignal } from "../../support/watched_signal.ts";

function counts(transport: Transport): string {
  const { idle, active, dialing, waiting } = transport.stats();
  return [idle, active, dialing, waiting].join();
}

test("preconnect: a later request finds the connection, and a second call makes no other", async () => {
  await withGate(async (gate) => {
    const hooks: string[] = [];
    const transport = steadyTransport({
      trace: {
        connectDone: () => void hooks.push("connected"),
        gotConn: ({ reused, wasIdle }) => void hooks.push(`got ${reused} ${wasIdle}`),
      },
    });
    await transport.preconnect(`${gate.server.origin}/whatever`);
    assert.equal(counts(transport), "1,0,0,0");
    await transport.preconnect(new URL(gate.server.origin));
    assert.equal(await gate.exchange(transport, "/"), "ok");
    assert.deepEqual(gate.served, [0]);
    assert.equal(gate.server.connections.length, 1);
    assert.deepEqual(hooks, ["connected", "got false true"]);
    await transport.close();
    await gate.server.allClosed();
  });
});

test("preconnect: over HTTP/2 one connection is enough, also beside requests", async () => {
  await withFrameNetwork({}, async (network) => {
    await network.transport.preconnect("http://a.test/");
    const going = network.get("/");
    const server = await network.server();
    await server.sent("HEADERS", 1);
    await network.transport.preconnect("http://a.test/");
    server.answer(1, "ok");
    assert.equal(await (await going).text(), "ok");
    assert.equal(network.dialCount, 1);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("preconnect: what goes wrong is told, and nothing is left", async () => {
  const transport = new Transport({ maxConns: 1 });
  await assert.rejects(transport.preconnect("http://127.0.0.1:1/"), {
    code: "ERR_DIAL",
    phase: "dial",
  });
  await assert.rejects(transport.preconnect("ftp://127.0.0.1/"), {
    code: "ERR_UNSUPPORTED_SCHEME",
  });
  await assert.rejects(transport.preconnect("nonsense"), { code: "ERR_INVALID_REQUEST" });
  assert.equal(counts(transport), "0,0,0,0");
  transport.destroy();
  await assert.rejects(transport.preconnect("http://127.0.0.1:1/"), { code: "ERR_CLOSED" });

  const { dialer } = heldDialer();
  const held = new Transport({ dialer });
  const { signal, abort, reason, listenerCount } = watched();
  const going = held.preconnect("http://a.test/", { signal });
  const rejected = assert.rejects(going, (error) => error === reason);
  abort();
  await rejected;
  assert.equal(listenerCount(), 0);
  assert.equal(counts(held), "0,0,1,0");
  const second = assert.rejects(held.preconnect("http://b.test/"), { code: "ERR_CLOSED" });
  held.destroy();
  await second;
  await until("nothing is left", () => counts(held) === "0,0,0,0");
});

function watched() {
  const signal = new WatchedSignal();
  return {
    signal: signal.signal,
    reason: signal.reason,
    abort: () => signal.abort(),
    listenerCount: () => signal.listenerCount,
  };
}

/** A clock that moves by hand, and a server in memory whose dials are counted, and refused on demand. */
function warmed(count: number, others: { refuse?: boolean; maxConns?: number } = {}) {
  const clock = new ManualClock();
  const server = memoryServer();
  const state = { dials: 0, refuse: others.refuse ?? false };
  const dialer: Dialer = {
    ...server.dialer,
    dial: (address) => {
      state.dials++;
      return state.refuse ? Promise.reject(new Error("refused")) : server.dialer.dial(address);
    },
  };
  const transport = new Transport({
    dialer,
    clock,
    maxConns: others.maxConns,
    warmConns: { "http://a.test/": count },
  });
  /** Lets time pass, and what it sets off. */
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    for (let turn = 0; turn < 50; turn++) await null;
  };
  return { clock, server, state, transport, pass };
}

test("warmConns: as many are made as are wanted, and again when some are lost", async () => {
  const { server, state, transport, pass, clock } = warmed(3);
  assert.equal(state.dials, 0);
  await pass(10);
  await until("they are there", () => counts(transport) === "3,0,0,0");
  // Those in use count.
  const leased = await transport.connect("http://a.test/");
  assert.equal(counts(transport), "2,1,0,0");
  await pass(5_000);
  leased.release();
  assert.equal(state.dials, 3);
  transport.closeIdleConnections();
  assert.equal(counts(transport), "0,0,0,0");
  await pass(10);
  await until("they are there again", () => counts(transport) === "3,0,0,0");
  assert.equal(state.dials, 6);
  // From here on they are let go of.
  await transport.close();
  assert.equal(counts(transport), "0,0,0,0");
  await pass(100_000);
  assert.equal(state.dials, 6);
  assert.equal(clock.runningCount, 0);
  await until("the server sees it", () => server.openCount === 0);
});

test("warmConns: after failures in a row the next dial waits longer, and not for ever", async () => {
  const { state, transport, pass, clock } = warmed(1, { refuse: true });
  const dialsAfter: number[] = [];
  for (const ms of [10, 10, 400, 150, 900, 150, 1_900, 150]) {
    await pass(ms);
    dialsAfter.push(state.dials);
  }
  assert.deepEqual(dialsAfter, [1, 2, 2, 3, 3, 4, 4, 5]);
  for (let n = 0; n < 20; n++) await pass(61_000);
  const before = state.dials;
  await pass(59_000);
  await pass(2_000);
  assert.ok(state.dials > before);
  state.refuse = false;
  await pass(61_000);
  assert.equal(counts(transport), "1,0,0,0");
  transport.destroy();
  assert.equal(clock.runningCount, 0);
});

test("warmConns: a limit on connections comes first", async () => {
  const { state, transport, pass } = warmed(2, { maxConns: 2 });
  const other = await transport.roundTrip(new HttpRequest("http://b.test/"));
  await other.text();
  await pass(10);
  assert.equal(counts(transport), "2,0,0,0");
  await pass(10_000);
  assert.equal(state.dials, 2);
  transport.destroy();
});

test("warmConns: a transport that is destroyed before, or while they are made, leaves nothing", async () => {
  const early = warmed(2);
  early.transport.destroy();
  await early.pass(1_000);
  assert.equal(early.state.dials, 0);
  assert.equal(early.clock.runningCount, 0);
  const { dialer, aborted } = heldDialer();
  const clock = new ManualClock();
  const transport = new Transport({ dialer, clock, warmConns: { "http://a.test": 1 } });
  clock.advance(10);
  await until("it dials", () => transport.stats().dialing === 1);
  transport.destroy();
  await until("nothing is left", () => counts(transport) === "0,0,0,0");
  assert.equal(aborted(), true);
  assert.equal(clock.runningCount, 0);
});

test("warmConns: over a socket they do not disturb requests, and are lost and made again", async () => {
  await withGate(async (gate) => {
    const transport = new Transport({
      dialer: systemDialer(),
      warmConns: { [gate.server.origin]: 2 },
    });
    await until("they are there", () => counts(transport) === "2,0,0,0");
    const [first] = gate.server.connections;
    first.reset();
    await until("another is there", () => gate.server.connections.length >= 3);
    await until("two are there", () => counts(transport) === "2,0,0,0");
    await transport.close();
    await gate.server.allClosed();
  });
});

test("warmConns: what cannot be kept is refused", () => {
  const rows: [Record<string, number>, Record<string, number>][] = [
    [{ "http://a.test": -1 }, {}],
    [{ "http://a.test": 1.5 }, {}],
    [{ "ftp://a.test": 1 }, {}],
    [{ nonsense: 1 }, {}],
    [{ "http://a.test": 3 }, { maxConns: 2 }],
    [{ "http://a.test": 3 }, { maxConnsPerHost: 2 }],
    [{ "http://a.test": 3 }, { maxIdleConnsPerHost: 2 }],
    [{ "http://a.test": 2, "http://b.test": 1 }, { maxIdleConns: 2 }],
    [{ "http://a.test": 101 }, {}],
  ];
  for (const [warmConns, others] of rows) {
    assert.throws(() => new Transport({ warmConns, ...others }), { code: "ERR_INVALID_REQUEST" });
  }
  new Transport({ warmConns: { "http://a.test": 0 } }).destroy();
});
