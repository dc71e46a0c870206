/**
 * What a transport says of itself and of a request: explain, inspect, stats, trace, timings.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ClientTrace, HttpRequest, type HttpResponse, Transport } from "../../mod.ts";
import { type Gate, HALF, withGate } from "../support/gated_server.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type RawConnection, testAuthority } from "../support/raw_server.ts";
import { until } from "../support/waiting.ts";
import { heldDialer, WatchedSignal } from "../support/watched_signal.ts";

test("explain: in each situation what would happen", async () => {
  await withGate(async (gate) => {
    const clock = new ManualClock();
    const transport = new Transport({ clock, maxConnsPerHost: 2, maxWaitersPerHost: 2 });
    const explain = (): string => transport.explain(gate.request("/x"));
    assert.equal(explain(), "would dial: no idle connection");
    await gate.exchange(transport, "/");
    clock.jump(2_100);
    assert.equal(explain(), "would reuse #1, idle 2.1 s");
    const going = [gate.get(transport, "/1")];
    await gate.next();
    assert.equal(explain(), "would dial: no idle connection");
    going.push(gate.get(transport, "/2"));
    assert.equal(explain(), "would wait: 2 of 2 busy, 0 ahead");
    await gate.next();
    going.push(gate.get(transport, "/3"));
    assert.equal(explain(), "would wait: 2 of 2 busy, 1 ahead");
    going.push(gate.get(transport, "/4"));
    assert.equal(explain(), "would be refused: 2 of 2 are waiting");
    await assert.rejects(gate.get(transport, "/5"), { code: "ERR_QUEUE_FULL" });
    for (const request of gate.requests.slice(1, 3)) await request.answer();
    for (let n = 0; n < 2; n++) await (await gate.next()).answer();
    await Promise.all(going);
    assert.match(explain(), /^would reuse #[12], idle 0\.0 s$/);
    clock.jump(90_000);
    assert.equal(explain().startsWith("would reuse"), false);
    // It has no effect: nothing was taken, dialled or closed by asking.
    assert.equal(transport.stats().idle, 2);
    await transport.close();
    assert.equal(explain(), "would be refused: the transport is closed");
  });
});

test("explain: counts those that wait, not those whose dials are under way for nobody", async () => {
  const { dialer } = heldDialer();
  const transport = new Transport({
    dialer,
    maxConnsPerHost: 1,
    maxWaitersPerHost: 1,
  });
  const request = (signal?: AbortSignal): HttpRequest =>
    new HttpRequest("http://example.com/", { signal });
  const watched = new WatchedSignal();
  const cancelled = transport.roundTrip(request(watched.signal));
  watched.abort();
  await assert.rejects(cancelled, watched.reason);
  const waiting = transport.roundTrip(request());
  assert.equal(transport.explain(request()), "would be refused: 1 of 1 are waiting");
  await assert.rejects(transport.roundTrip(request()), { code: "ERR_QUEUE_FULL" });
  transport.destroy(watched.reason);
  await assert.rejects(waiting, watched.reason);
  await transport.close();

  const { dialer: other } = heldDialer();
  const limited = new Transport({ dialer: other, maxDialsPerHost: 1 });
  const going = limited.roundTrip(request());
  assert.equal(limited.explain(request()), "would wait: 1 dials are under way, 0 ahead");
  limited.destroy(watched.reason);
  await assert.rejects(going, watched.reason);
  await limited.close();
});

test("inspect and stats: connections, waiting requests and dials, as plain data", async () => {
  await withGate(async (gate) => {
    const clock = new ManualClock();
    const transport = new Transport({ clock, maxConnsPerHost: 1 });
    const empty = { connections: [], waiters: [], dials: [], leakedCount: 0 };
    assert.deepEqual(transport.inspect(), empty);
    const key = `http://127.0.0.1:${gate.server.port}`;
    const first = gate.get(transport, "/1");
    clock.jump(5);
    assert.deepEqual(transport.inspect(), {
      ...empty,
      waiters: [{ key, method: "GET", waitedMs: 5 }],
      dials: [{ key, phase: "dial", elapsedMs: 5 }],
    });
    const one = await gate.next();
    const second = gate.get(transport, "/2", { method: "DELETE" });
    clock.jump(10);
    const { localAddr, ...busy } = transport.inspect().connections[0];
    assert.deepEqual(busy, {
      id: 1,
      key,
      protocol: "http/1.1",
      state: "exchanging",
      streams: null,
      ageMs: 10,
      idleMs: null,
      requests: 1,
      remoteAddr: { transport: "tcp", hostname: "127.0.0.1", port: gate.server.port },
    });
    assert.equal(localAddr.transport, "tcp");
    assert.deepEqual(transport.inspect().waiters, [{ key, method: "DELETE", waitedMs: 10 }]);
    const counts = { idle: 0, active: 1, dialing: 0, waiting: 1 };
    assert.deepEqual(transport.stats(), { ...counts, total: 1, perHost: { [key]: counts } });
    await one.answer();
    await first;
    await (await gate.next()).answer();
    await second;
    clock.jump(7);
    const [idle] = transport.inspect().connections;
    assert.deepEqual([idle.state, idle.idleMs, idle.ageMs, idle.requests], ["idle", 7, 17, 2]);
    const text = JSON.stringify(transport.inspect());
    assert.deepEqual(JSON.parse(text), transport.inspect());
    await transport.close();
    assert.deepEqual(transport.inspect(), empty);
    assert.deepEqual(transport.stats().perHost, {});
  });
});

/** Every hook, as a list of names. */
function recorder(events: string[]): ClientTrace {
  const note = (name: string) => (): void => void events.push(name);
  return {
    getConn: note("getConn"),
    gotConn: ({ id, reused, idleMs }) =>
      void events.push(`gotConn #${id}${reused ? ` reused after ${idleMs} ms` : ""}`),
    putIdleConn: ({ id, error }) =>
      void events.push(`putIdleConn #${id}${error === undefined ? "" : ` ${error.code}`}`),
    connectStart: note("connectStart"),
    connectDone: ({ error }) => void events.push(`connectDone${error === undefined ? "" : " !"}`),
    tlsHandshakeStart: note("tlsHandshakeStart"),
    tlsHandshakeDone: ({ tls }) => void events.push(`tlsHandshakeDone${tls ? "" : " !"}`),
    wroteHeaders: note("wroteHeaders"),
    wait100Continue: note("wait100Continue"),
    got100Continue: note("got100Continue"),
    got1xxResponse: (status) => void events.push(`got1xx ${status}`),
    wroteRequest: ({ error }) => void events.push(`wroteRequest${error === undefined ? "" : " !"}`),
    gotFirstResponseByte: note("gotFirstResponseByte"),
    retry: ({ attempt, error }) => void events.push(`retry ${attempt} ${error.code}`),
    bodyDone: ({ bytes }) => void events.push(`bodyDone ${bytes}`),
    bodyLeaked: note("bodyLeaked"),
  };
}

const EXCHANGE = [
  "wroteHeaders",
  "wroteRequest",
  "gotFirstResponseByte",
  "putIdleConn #1",
  "bodyDone 2",
];

async function withTrace(
  tls: boolean,
  run: (gate: Gate, transport: Transport, events: string[], clock: ManualClock) => Promise<void>,
): Promise<void> {
  await withGate(async (gate) => {
    const events: string[] = [];
    const clock = new ManualClock();
    const transport = new Transport({
      clock,
      trace: recorder(events),
      tls: { caCerts: [testAuthority] },
    });
    await run(gate, transport, events, clock);
    await transport.close();
  }, { tls });
}

test("trace: the order of events, of a dial and of a connection that is used again", async () => {
  await withTrace(false, async (gate, transport, events, clock) => {
    await gate.exchange(transport, "/1");
    const dialled = ["getConn", "connectStart", "connectDone", "gotConn #1"];
    assert.deepEqual(events.splice(0), [...dialled, ...EXCHANGE]);
    clock.jump(40);
    await gate.exchange(transport, "/2");
    assert.deepEqual(events.splice(0), ["getConn", "gotConn #1 reused after 40 ms", ...EXCHANGE]);

    const going = gate.get(transport, "/3");
    (await gate.next()).connection.reset();
    await (await gate.next()).answer();
    assert.equal(await going, "ok");
    assert.deepEqual(events.filter((event) => event.startsWith("retry")), [
      "retry 2 ERR_CONNECTION_LOST",
    ]);
    assert.ok(events.includes("putIdleConn #1 ERR_CONNECTION_LOST"));
  });
});

test("trace: a body that is aborted, times out or is lost has ended too, with what was read", async () => {
  await withGate(async (gate) => {
    const ended: [number, unknown][] = [];
    const clock = new ManualClock();
    const transport = new Transport({
      clock,
      trace: { bodyDone: ({ bytes, error }) => void ended.push([bytes, error]) },
    });
    const watched = new WatchedSignal();
    const inits = [{ signal: watched.signal }, { timeoutMs: 100 }, {}, {}];
    const endings: ((connection: RawConnection, response: HttpResponse) => unknown)[] = [
      () => watched.abort(),
      () => clock.advance(200),
      (connection) => connection.reset(),
      async (_, response) => {
        const closing = response.body.close();
        clock.advance(200);
        await closing;
      },
    ];
    const codes = [undefined, "ERR_TIMEOUT", "ERR_CONNECTION_LOST", "ERR_BODY_CLOSED"];
    for (const [n, init] of inits.entries()) {
      const going = transport.roundTrip(gate.request(`/${n}`, init));
      const { answer, connection } = await gate.next();
      await answer(HALF);
      const response = await going;
      assert.equal(await response.body.read(new Uint8Array(9)), 2);
      const rest = n === 3 ? Promise.resolve(null) : response.body.read(new Uint8Array(9));
      const failed = rest.catch((error: unknown) => error);
      await endings[n](connection, response);
      const error = await failed;
      await until("its end is told", () => ended.length === n + 1);
      assert.equal(ended[n][0], 2);
      if (n < 3) assert.equal(ended[n][1], error);
      if (n === 0) assert.equal(error, watched.reason);
      else assert.equal((ended[n][1] as { code: string }).code, codes[n]);
    }
    await transport.close();
    assert.equal(ended.length, 4);
  });
});

test("trace: a connection that is lost while idle had been given back once", async () => {
  await withGate(async (gate) => {
    const events: string[] = [];
    const transport = new Transport({ trace: recorder(events), maxIdleConnsPerHost: 1 });
    const going = [gate.get(transport, "/1"), gate.get(transport, "/2")];
    const requests = [await gate.next(), await gate.next()];
    for (const request of requests) await request.answer();
    await Promise.all(going);
    await until("one is surplus", () => transport.stats().total === 1);
    for (const { connection } of requests) connection.end();
    await until("both are gone", () => transport.stats().total === 0);
    const puts = events.filter((event) => event.startsWith("putIdleConn")).sort();
    assert.equal(puts.length, 2, puts.join());
    assert.deepEqual(puts.map((put) => put.replace(/#[12]/, "#")).sort(), [
      "putIdleConn #",
      "putIdleConn # ERR_CLOSED",
    ]);
    await transport.close();
  });
});

test("trace: TLS, informational responses, a request's own hooks behind the transport's", async () => {
  await withTrace(true, async (gate, transport, events) => {
    const own: string[] = [];
    const going = gate.get(transport, "/", {
      method: "POST",
      body: "body",
      headers: { "Expect": "100-continue" },
      trace: {
        gotConn: () => own.push(`gotConn after ${events.length}`),
        tlsHandshakeDone: () => own.push("tls"),
      },
    });
    const { connection, answer } = await gate.next();
    await connection.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    await connection.readBytes(4);
    await answer();
    assert.equal(await going, "ok");
    assert.deepEqual(events.slice(0, 6), [
      "getConn",
      "connectStart",
      "connectDone",
      "tlsHandshakeStart",
      "tlsHandshakeDone",
      "gotConn #1",
    ]);
    assert.deepEqual(events.slice(6, 8), ["wroteHeaders", "wait100Continue"]);
    assert.deepEqual(events.filter((event) => event.startsWith("got1")), [
      "got1xx 103",
      "got100Continue",
      "got1xx 100",
    ]);
    assert.equal(events.at(-1), "bodyDone 2");
    assert.deepEqual(own, ["tls", "gotConn after 6"]);
  });
});

test("timings: a number for each phase that happened, null for others", async () => {
  for (const tls of [false, true]) {
    await withTrace(tls, async (gate, transport, _events, clock) => {
      const going = transport.roundTrip(gate.request("/1"));
      const request = await gate.next();
      clock.jump(30);
      await request.answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
      const response = await going;
      const first = {
        queueMs: 0,
        dialMs: 0,
        proxyMs: null,
        tlsMs: tls ? 0 : null,
        requestMs: 0,
        continueMs: null,
        waitMs: 30,
      };
      assert.deepEqual(response.timings, { ...first, bodyMs: null });
      clock.jump(20);
      await request.connection.send("ok");
      await response.bytes();
      assert.deepEqual(response.timings, { ...first, bodyMs: 20 });

      const again = transport.roundTrip(gate.request("/2"));
      await (await gate.next()).answer();
      const second = await again;
      await second.bytes();
      const { queueMs, dialMs, tlsMs, requestMs, waitMs, bodyMs } = second.timings;
      assert.deepEqual([queueMs, dialMs, tlsMs, requestMs, waitMs, bodyMs], [
        0,
        null,
        null,
        0,
        0,
        0,
      ]);
    });
  }
  await withGate(async (gate) => {
    const clock = new ManualClock();
    const transport = new Transport({ clock, maxConnsPerHost: 1 });
    const first = gate.get(transport, "/1");
    const one = await gate.next();
    const second = transport.roundTrip(gate.request("/2"));
    await until("it waits", () => transport.stats().waiting === 1);
    clock.jump(50);
    await one.answer();
    await first;
    await (await gate.next()).answer();
    const { queueMs, dialMs } = (await second).timings;
    assert.deepEqual([queueMs, dialMs], [50, null]);
    await (await second).bytes();
    await transport.close();
  });
});
