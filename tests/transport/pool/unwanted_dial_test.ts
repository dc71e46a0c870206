/**
 * Dials that nobody waits for: they go on for others, without keeping the process alive for long, and
 * are needed again as soon as somebody waits.
 *
 * @module
 */
import assert from "node:assert/strict";
import { pipe } from "../../../conn/pipe.ts";
import {
  type Conn,
  type Dialer,
  HttpRequest,
  Transport,
  type TransportOptions,
} from "../../../mod.ts";
import { connWith } from "../../support/conn_with.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { memoryServer } from "../../support/memory_server.ts";
import { isPending, until } from "../../support/waiting.ts";
import { heldDialer, WatchedSignal } from "../../support/watched_signal.ts";

/** A request that is given up, and the signal by which it is. */
function giveUp(transport: Transport, url = "http://a.test/"): WatchedSignal {
  const watching = new WatchedSignal();
  transport.roundTrip(new HttpRequest(url, { signal: watching.signal })).catch(() => {});
  return watching;
}

/** A transport on a dialer, and a clock of its own. */
function onClock(
  dialer: Dialer,
  options: TransportOptions = {},
): { transport: Transport; clock: ManualClock } {
  const clock = new ManualClock();
  return { clock, transport: new Transport({ dialer, clock, dialTimeoutMs: 0, ...options }) };
}

test("M8 dial: one that nobody waits for is ended after a second", async () => {
  const held = heldDialer();
  const { transport, clock } = onClock(held.dialer);
  giveUp(transport).abort();
  clock.advance(990);
  assert.equal(held.aborted(), false);
  assert.equal(transport.stats().dialing, 1);
  clock.advance(20);
  assert.equal(held.aborted(), true);
  await until("it has ended", () => transport.stats().dialing === 0);
  assert.equal(clock.runningCount, 0);
  await transport.close();
});

test("M8 dial: one that somebody waits for goes on, with all the time that it may take", async () => {
  const held = heldDialer();
  const { transport, clock } = onClock(held.dialer, { maxConnsPerHost: 1 });
  const first = giveUp(transport);
  const second = giveUp(transport);
  first.abort();
  // The second has no dial of its own: it waits for that of the first.
  clock.advance(60_000);
  assert.equal(held.aborted(), false);
  second.abort();
  clock.advance(900);
  const going = transport.roundTrip(new HttpRequest("http://a.test/"));
  clock.advance(60_000);
  assert.equal(held.aborted(), false);
  assert.equal(clock.runningCount, 0);
  const { dialer } = memoryServer();
  held.release(await dialer.dial({ transport: "unix", path: "x" }));
  assert.equal(await (await going).text(), "ok");
  assert.equal(transport.stats().idle, 1);
  await transport.close();
});

test("M8 dial: the second begins again each time that the last one gives up", async () => {
  const held = heldDialer();
  const { transport, clock } = onClock(held.dialer, { maxConnsPerHost: 1 });
  for (let n = 0; n < 3; n++) {
    giveUp(transport).abort();
    clock.advance(900);
  }
  assert.equal(held.aborted(), false);
  clock.advance(110);
  assert.equal(held.aborted(), true);
  await until("it has ended", () => transport.stats().dialing === 0);
  await transport.close();
});

test("M8 dial: one whose request another connection has served is ended like it", async () => {
  const { dialer } = memoryServer();
  const held = heldDialer();
  let dials = 0;
  const { transport, clock } = onClock({
    dial: (...all) => dials++ === 0 ? dialer.dial(...all) : held.dialer.dial(...all),
    startTls: dialer.startTls,
  });
  const first = await transport.roundTrip(new HttpRequest("http://a.test/pieces"));
  const going = transport.roundTrip(new HttpRequest("http://a.test/"));
  assert.equal(transport.stats().dialing, 1);
  assert.equal(await first.text(), "ok");
  assert.equal(await (await going).text(), "ok");
  clock.advance(1_010);
  assert.equal(held.aborted(), true);
  await until("it has ended", () => transport.stats().dialing === 0);
  assert.equal(transport.stats().idle, 1);
  await transport.close();
});

test("M8 dial: one that was given up is what the next request gets", async () => {
  const held = heldDialer();
  const { transport, clock } = onClock(held.dialer);
  giveUp(transport).abort();
  clock.advance(500);
  const { dialer } = memoryServer();
  held.release(await dialer.dial({ transport: "unix", path: "x" }));
  await until("it is idle", () => transport.stats().idle === 1);
  assert.equal(clock.runningCount, 1, "of the idle time-out alone");
  const response = await transport.roundTrip(new HttpRequest("http://a.test/"));
  assert.equal(response.connection.id, 1);
  assert.equal(await response.text(), "ok");
  await transport.close();
});

/** Notes what is let go of and held again. */
function noted(conn: Conn, calls: string[]): Conn {
  return connWith(conn, {
    ref: { value: () => calls.push("ref") },
    unref: { value: () => calls.push("unref") },
  });
}

test("M8 dial: what can be let go of is, and goes on", async () => {
  // The proxy does not answer.
  const [here, there] = pipe();
  const calls: string[] = [];
  const { transport, clock } = onClock({
    dial: () => Promise.resolve(noted(here, calls)),
    startTls: (conn) => Promise.resolve(conn),
  }, { proxy: "http://p.test", maxConnsPerHost: 1 });
  const url = "https://a.test/";
  const first = giveUp(transport, url);
  await until("the proxy is asked", () => transport.inspect().dials[0].phase === "proxy");
  assert.deepEqual(calls, []);
  first.abort();
  assert.deepEqual(calls.splice(0), ["unref"]);
  clock.advance(60_000);
  assert.equal(transport.stats().dialing, 1);
  // Somebody waits for it again, and it ends well.
  const going = transport.roundTrip(new HttpRequest(url));
  assert.deepEqual(calls.splice(0), ["ref"]);
  const p = new Uint8Array(4096);
  await there.read(p);
  await there.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
  await there.read(p);
  assert.deepEqual(calls.splice(0), []);
  await there.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  assert.equal(await (await going).text(), "ok");
  await transport.close();
  there.close();
});

test("M8 dial: what was let go of is held again by whoever goes on with it", async () => {
  const [here, there] = pipe();
  const calls: string[] = [];
  const { transport, clock } = onClock({
    dial: () => Promise.resolve(noted(here, calls)),
    startTls: (conn) => Promise.resolve(conn),
  }, { proxy: "http://p.test" });
  const first = giveUp(transport, "https://a.test/");
  await until("the proxy is asked", () => transport.inspect().dials[0].phase === "proxy");
  first.abort();
  await there.read(new Uint8Array(4096));
  await there.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
  await until("it is idle", () => transport.stats().idle === 1);
  // For the handshake, and let go of as every idle one is.
  assert.deepEqual(calls, ["unref", "ref", "unref"]);
  assert.equal(clock.runningCount, 1, "of the idle time-out alone");
  await transport.close();
  there.close();
});

test("M8 dial: a handshake that a dialer can let go of is, another is ended", async () => {
  for (const canLetGo of [true, false]) {
    const calls: string[] = [];
    const held = heldDialer();
    const { transport, clock } = onClock({
      securesDials: true,
      dial: (address, options) => {
        options!.onConnect!(
          canLetGo
            ? { ref: () => void calls.push("ref"), unref: () => void calls.push("unref") }
            : undefined,
        );
        return held.dialer.dial(address, options);
      },
      startTls: held.dialer.startTls,
    }, { tlsHandshakeTimeoutMs: 0 });
    const first = giveUp(transport, "https://a.test/");
    await until("it is connected", () => transport.inspect().dials[0].phase === "tls");
    first.abort();
    assert.deepEqual(calls, canLetGo ? ["unref"] : []);
    clock.advance(60_000);
    assert.equal(held.aborted(), !canLetGo);
    transport.destroy();
    await transport.close();
    assert.equal(transport.stats().dialing, 0);
  }
});

test("M8 dial: what a dialer says it can let go of may be anything", async () => {
  const holders = [5, {}, { ref: 1, unref: 1 }, {
    ref: () => {
      throw new Error("no");
    },
    unref: () => {
      throw new Error("no");
    },
  }];
  for (const holder of holders) {
    const held = heldDialer();
    const { transport } = onClock({
      securesDials: true,
      dial: (address, options) => {
        options!.onConnect!(holder as never);
        return held.dialer.dial(address, options);
      },
      startTls: held.dialer.startTls,
    });
    const told: unknown[] = [];
    const { error } = console;
    console.error = (...values: unknown[]) => void told.push(values);
    try {
      const first = giveUp(transport, "https://a.test/");
      await until("it is connected", () => transport.inspect().dials[0].phase === "tls");
      first.abort();
      transport.destroy();
      await transport.close();
      assert.equal(await isPending(Promise.resolve()), false);
    } finally {
      console.error = error;
    }
    assert.equal(told.length > 0, holder === holders[3]);
    assert.equal(transport.stats().dialing, 0);
  }
});

test("M8 dial: of a lease that was given up, as of a request", async () => {
  const held = heldDialer();
  const { transport, clock } = onClock(held.dialer);
  const watching = new WatchedSignal();
  const leasing = transport.connect("http://a.test/", { signal: watching.signal });
  watching.abort();
  await assert.rejects(leasing, watching.reason);
  clock.advance(1_010);
  assert.equal(held.aborted(), true);
  await until("it has ended", () => transport.stats().dialing === 0);
  await transport.close();
});
