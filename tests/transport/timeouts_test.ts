/**
 * Times that run out, in every phase: the error says which one, and nothing stays behind.
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
} from "../../mod.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type RawHandler, withRawServer } from "../support/raw_server.ts";
import { NO_CONTENT } from "../support/sent_bytes.ts";
import { pause, until } from "../support/waiting.ts";
import { assertQuiet, heldDialer, WatchedSignal } from "../support/watched_signal.ts";

const silent: RawHandler = async (connection) => void await connection.readHead();
const half: RawHandler = async (connection) => {
  await connection.readHead();
  await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
};

function isTimeout(phase: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof HttpError && error.code === "ERR_TIMEOUT" && error.phase === phase &&
    error.attempt !== null;
}

test("timeoutMs: in each phase the error says which", async () => {
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
  }, { highWaterMark: 0 });
  const rows: [string, HttpRequestInit, RawHandler, string][] = [
    ["request", { method: "POST", body: endless }, (c) => c.pause(), "never-or-partly"],
    ["response-header", {}, silent, "sent-no-answer"],
    ["body", {}, half, "answered"],
  ];
  for (const [phase, init, handler, verdict] of rows) {
    await withRawServer(handler, async (server) => {
      const watched = new WatchedSignal();
      const clock = new ManualClock();
      const transport = new Transport({ clock });
      const reached: string[] = [];
      const request = new HttpRequest(server.origin, {
        ...init,
        timeoutMs: 30,
        signal: watched.signal,
        trace: {
          wroteHeaders: () => void reached.push("request"),
          wroteRequest: () => void reached.push("response-header"),
        },
      });
      const going = transport.roundTrip(request).then((response) => {
        reached.push("body");
        return response.bytes();
      }).then(() => assert.fail("resolved"), (reason: unknown) => reason);
      await until(`it is in phase ${phase}`, () => reached.includes(phase));
      clock.advance(40);
      const error = await going;
      assert.ok(isTimeout(phase)(error), String((error as HttpError).phase));
      assert.match(verdict, new RegExp((error as HttpError).attempt!.verdict.split("-")[0]));
      assertQuiet(transport);
      assert.equal(watched.listenerCount, 0);
      for (const connection of server.connections) connection.resume();
      if (phase === "request") server.connections[0].close();
      await server.allClosed();
      transport.destroy();
    });
  }
});

test("timeoutMs: while dialling and in the handshake", async () => {
  const { dialer, aborted } = heldDialer();
  const transport = new Transport({ dialer });
  await assert.rejects(
    transport.roundTrip(new HttpRequest("http://example.com/", { timeoutMs: 5 })),
    isTimeout("dial"),
  );
  assert.equal(aborted(), false);
  transport.destroy();
  assert.equal(aborted(), true);
  await until("nothing dials", () => transport.stats().dialing === 0);

  await withRawServer(async (connection) => void await connection.readToEnd(), async (server) => {
    const clock = new ManualClock();
    const secure = new Transport({ clock });
    const url = server.origin.replace("http:", "https:");
    const shaking = Promise.withResolvers<void>();
    const trace = { tlsHandshakeStart: () => shaking.resolve() };
    const going = secure.roundTrip(new HttpRequest(url, { timeoutMs: 50, trace }));
    going.catch(() => {});
    await shaking.promise;
    clock.advance(50);
    await assert.rejects(going, isTimeout("tls"));
    secure.destroy();
    server.connections[0].close();
    await until("nothing dials", () => secure.stats().dialing === 0);
  });
});

test("dialTimeoutMs and tlsHandshakeTimeoutMs end what they name", async () => {
  const { dialer, aborted } = heldDialer();
  const transport = new Transport({ dialer, dialTimeoutMs: 5 });
  await assert.rejects(
    transport.roundTrip(new HttpRequest("http://example.com/")),
    isTimeout("dial"),
  );
  assert.equal(aborted(), true);
  assertQuiet(transport);

  await withRawServer(async (connection) => void await connection.readToEnd(), async (server) => {
    const secure = new Transport({ tlsHandshakeTimeoutMs: 30 });
    const url = server.origin.replace("http:", "https:");
    await assert.rejects(secure.roundTrip(new HttpRequest(url)), isTimeout("tls"));
    assertQuiet(secure);
    server.connections[0].close();
  });
});

test("timeouts of 0 and above 2^31 ms do not fire", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await pause(30);
    await connection.send(NO_CONTENT);
  }, async (server) => {
    const transport = new Transport({ dialTimeoutMs: 2 ** 40, tlsHandshakeTimeoutMs: 0 });
    for (const timeoutMs of [0, 2 ** 31, 2 ** 40, Infinity]) {
      const response = await transport.roundTrip(new HttpRequest(server.origin, { timeoutMs }));
      assert.equal(response.status, 204);
      transport.closeIdleConnections();
    }
  });
});

test("timeoutMs: a body read in time leaves no timer", async () => {
  await withRawServer(async (connection) => {
    await connection.readHead();
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  }, async (server) => {
    const transport = new Transport({ dialer: systemDialer() });
    const response = await transport.roundTrip(
      new HttpRequest(server.origin, { timeoutMs: 54_321 }),
    );
    assert.equal(await response.text(), "ok");
    await transport.close();
  });
});
