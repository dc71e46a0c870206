/**
 * Bodies that come, or go, too slowly: `minBytesPerSecond` and `writeIdleTimeoutMs`, on HTTP/1.1 and
 * HTTP/2; what does not count, and what is left behind.
 *
 * @module
 */
import assert from "node:assert/strict";
import { pipe, type PipeConn } from "../../conn/pipe.ts";
import { type Dialer, type HttpError, HttpRequest, Transport } from "../../mod.ts";
import { withFrameNetwork } from "../support/frame_network.ts";
import { withGate } from "../support/gated_server.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { bytesOf, latin1 } from "../support/raw_server.ts";
import { until } from "../support/waiting.ts";
import { assertQuiet } from "../support/watched_signal.ts";

/** What runs before the next timer. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await null;
}

/** A server end of which nothing is read unless the test does. */
function network(bufferBytes: number): { dialer: Dialer; ends: PipeConn[] } {
  const ends: PipeConn[] = [];
  return {
    ends,
    dialer: {
      dial: () => {
        const [near, far] = pipe({ bufferBytes });
        ends.push(far);
        return Promise.resolve(near);
      },
      startTls: () => assert.fail("nothing here is secured"),
    },
  };
}

async function reason(promise: Promise<unknown>): Promise<HttpError> {
  return await promise.then(
    () => assert.fail("not rejected"),
    (error: unknown) => error as HttpError,
  );
}

test("minBytesPerSecond: a body that comes too slowly ends, on the transport's clock", async () => {
  const clock = new ManualClock();
  const { dialer, ends } = network(1 << 20);
  const transport = new Transport({ dialer, clock, minBytesPerSecond: 10 });
  const going = transport.roundTrip(new HttpRequest("http://a.test/"));
  await until("it is dialled", () => ends.length === 1);
  await ends[0].write(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"));
  const { body } = await going;
  const p = new Uint8Array(1_000);
  // Fast enough over one window, and then not.
  const first = body.read(p);
  clock.advance(9_000);
  await ends[0].write(bytesOf("a".repeat(100)));
  assert.equal(await first, 100);
  const failing = reason(body.read(p));
  clock.advance(1_010);
  await turns();
  clock.advance(9_900);
  await turns();
  assert.equal(transport.stats().active, 1);
  clock.advance(200);
  const error = await failing;
  assert.equal(error.code, "ERR_TIMEOUT");
  assert.equal(error.phase, "body");
  assert.match(error.message, /The body came at 0 and not 10 bytes a second/);
  assertQuiet(transport);
  assert.equal(transport.stats().total, 0);
  assert.equal(clock.runningCount, 0);
  transport.destroy();
  ends[0].close();
});

test("minBytesPerSecond: time in which nobody reads does not count, nor a busy program", async () => {
  const clock = new ManualClock();
  const { dialer, ends } = network(1 << 20);
  const transport = new Transport({ dialer, clock, minBytesPerSecond: 1_000_000 });
  const going = transport.roundTrip(new HttpRequest("http://a.test/"));
  await until("it is dialled", () => ends.length === 1);
  await ends[0].write(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"));
  const { body } = await going;
  const p = new Uint8Array(10);
  for (let n = 0; n < 3; n++) {
    clock.advance(60_000);
    await ends[0].write(bytesOf("a".repeat(10)));
    // Suspended for long, and told of both at once.
    const reading = body.read(p);
    clock.jump(30_000);
    assert.equal(await reading, 10);
    const next = body.read(p);
    clock.advance(100);
    await turns();
    await ends[0].write(bytesOf("a".repeat(10)));
    assert.equal(await next, 10);
  }
  assert.equal(await body.read(p), null);
  assert.equal(transport.stats().idle, 1);
  transport.destroy();
  ends[0].close();
  assert.equal(clock.runningCount, 0);
});

test("minBytesPerSecond: over HTTP/2 the stream is ended, and the connection goes on", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock, minBytesPerSecond: 10 }, async (frames) => {
    const going = frames.get("/slow");
    const other = frames.get("/other");
    const server = await frames.server();
    await server.sent("HEADERS", 3);
    server.headers(1, [[":status", "200"]]);
    const failing = reason((await going).bytes());
    await turns();
    clock.advance(10_100);
    const error = await failing;
    assert.deepEqual([error.code, error.phase], ["ERR_TIMEOUT", "body"]);
    await server.sent("RST_STREAM", 1);
    server.answer(3, "other");
    assert.equal(await (await other).text(), "other");
    assert.deepEqual(frames.counts, [1, 0, 0, 0]);
  });
});

test("writeIdleTimeoutMs: a request of which no byte is accepted ends, one that is slow does not", async () => {
  const clock = new ManualClock();
  const { dialer, ends } = network(1_000);
  const transport = new Transport({ dialer, clock, writeIdleTimeoutMs: 1_000 });
  const request = new HttpRequest("http://a.test/", {
    method: "POST",
    body: new Uint8Array(9_000),
  });
  const failing = reason(transport.roundTrip(request));
  await until("it is dialled", () => ends.length === 1);
  const room = new Uint8Array(1_000);
  for (let n = 0; n < 6; n++) {
    await turns();
    clock.advance(900);
    await ends[0].read(room);
  }
  await turns();
  assert.equal(transport.stats().active, 1);
  for (let n = 0; n < 5; n++) {
    clock.advance(250);
    await turns();
  }
  const error = await failing;
  assert.deepEqual([error.code, error.phase], ["ERR_TIMEOUT", "request"]);
  assert.equal(error.attempt?.verdict, "partly-sent");
  assert.match(error.message, /Sending stood still for more than 1000 ms/);
  assert.deepEqual(transport.stats().total, 0);
  assert.equal(clock.runningCount, 0);
  transport.destroy();
  ends[0].close();
});

test("writeIdleTimeoutMs: waiting for the caller's source, or for 100 Continue, does not count", async () => {
  const clock = new ManualClock();
  const { dialer, ends } = network(1 << 20);
  const transport = new Transport({
    dialer,
    clock,
    writeIdleTimeoutMs: 1_000,
    expectContinueTimeoutMs: 0,
  });
  const gate = Promise.withResolvers<void>();
  const late = Promise.withResolvers<void>();
  async function* body() {
    await gate.promise;
    yield bytesOf("late");
  }
  const trailers = async (): Promise<[string, string][]> => {
    await late.promise;
    return [["X-Last", "1"]];
  };
  const going = transport.roundTrip(
    new HttpRequest("http://a.test/", {
      method: "POST",
      body,
      trailers,
      headers: { Expect: "100-continue" },
    }),
  );
  await until("it is dialled", () => ends.length === 1);
  const idle = async (): Promise<void> => {
    for (let n = 0; n < 20; n++) {
      await turns();
      clock.advance(250);
    }
    await turns();
    assert.equal(transport.stats().active, 1);
  };
  await idle();
  await ends[0].write(bytesOf("HTTP/1.1 100 Continue\r\n\r\n"));
  await idle();
  gate.resolve();
  await idle();
  late.resolve();
  const p = new Uint8Array(10_000);
  let sent = "";
  while (!sent.endsWith("X-Last: 1\r\n\r\n")) {
    sent += latin1(p.subarray(0, (await ends[0].read(p))!));
  }
  // All was accepted: the rest is up to other limits.
  await turns();
  assert.equal(clock.runningCount, 0);
  await idle();
  await ends[0].write(bytesOf("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  assert.equal((await going).status, 200);
  assert.equal(transport.stats().idle, 1);
  transport.destroy();
  ends[0].close();
});

test("writeIdleTimeoutMs: over HTTP/2 a window that stays closed ends the stream alone", async () => {
  const clock = new ManualClock();
  await withFrameNetwork({ clock, writeIdleTimeoutMs: 1_000 }, async (frames) => {
    const failing = reason(frames.get("/", { method: "POST", body: new Uint8Array(100_000) }));
    const server = await frames.server();
    await server.sent("DATA", 1);
    for (let n = 0; n < 6; n++) {
      await server.settled();
      clock.advance(250);
    }
    const error = await failing;
    assert.deepEqual([error.code, error.phase], ["ERR_TIMEOUT", "request"]);
    assert.equal(error.attempt?.verdict, "partly-sent");
    await server.sent("RST_STREAM", 1);
    // The window of the connection is used up, which does not stop a request without content.
    await frames.answered(frames.get("/next"), server, 3);
    assert.deepEqual(frames.counts, [1, 0, 0, 0]);
    assert.equal(frames.dialCount, 1);
  });
});

test("writeIdleTimeoutMs, minBytesPerSecond: over sockets, with time to spare, nothing ends", async () => {
  await withGate(async (gate) => {
    const transport = new Transport({ writeIdleTimeoutMs: 600_000, minBytesPerSecond: 1 });
    for (const body of ["text", new Uint8Array(100_000)]) {
      const going = gate.get(transport, "/", { method: "POST", body });
      const { connection, answer } = await gate.next();
      await connection.readBytes(body.length);
      await answer();
      assert.equal(await going, "ok");
    }
    await transport.close();
  });
});

test("writeIdleTimeoutMs, minBytesPerSecond: what is no count is refused", () => {
  for (const name of ["writeIdleTimeoutMs", "minBytesPerSecond"]) {
    for (const value of [-1, 0.5, NaN, "1"]) {
      assert.throws(() => new Transport({ [name]: value }), { code: "ERR_INVALID_REQUEST" });
    }
  }
});
