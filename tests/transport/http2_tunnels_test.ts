/**
 * HTTP/2 through the transport: CONNECT, also with a protocol, whose stream is a connection.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Conn, HttpRequest, Transport } from "../../mod.ts";
import { pipe } from "../../conn/pipe.ts";
import { failure, type FrameNetwork, withFrameNetwork } from "../support/frame_network.ts";
import { codeOf, type FrameServer } from "../support/frame_peer.ts";
import { test } from "../support/harness.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/waiting.ts";
import { WatchedSignal } from "../support/watched_signal.ts";

const MAX_CONCURRENT_STREAMS = 3;
const ENABLE_CONNECT_PROTOCOL = 8;
const CONNECT_ERROR = 10;
const TAKES_PROTOCOLS = [[ENABLE_CONNECT_PROTOCOL, 1]] as const;
const WEBSOCKET = { method: "CONNECT", protocol: "websocket" };

/** A tunnel, and the server at its other end. */
async function tunnel(
  network: FrameNetwork,
  streamId: number,
): Promise<{ conn: Conn; server: FrameServer }> {
  const going = network.get("/", { method: "CONNECT", host: "b.test:7" });
  const server = await network.server();
  await server.sent("HEADERS", streamId);
  server.headers(streamId, [[":status", "200"]]);
  return { conn: (await going).upgrade(), server };
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytes = (given: string): Uint8Array => new TextEncoder().encode(given);

test("H101 CONNECT: the stream is a connection, both its ends are its own, the others go on", async () => {
  await withFrameNetwork({}, async (network) => {
    await network.served();
    const { conn, server } = await tunnel(network, 3);
    assert.deepEqual([...server.requestOn(3)].slice(0, 2), [
      [":method", "CONNECT"],
      [":authority", "b.test:7"],
    ]);
    assert.equal(server.requestOn(3).has(":path"), false);
    await conn.write(bytes("to"));
    assert.equal(text((await server.sent("DATA", 3)).payload), "to");
    server.data(3, "from");
    const p = new Uint8Array(10);
    assert.equal(await conn.read(p), 4);
    await network.answered(network.get("/beside"), server, 5);
    // Either end by itself.
    await conn.closeWrite();
    const end = await server.sent("DATA", 3);
    assert.deepEqual([end.payload.length, end.flags & 1], [0, 1]);
    server.data(3, "rest", true);
    assert.equal(await conn.read(p), 4);
    assert.equal(await conn.read(p), null);
    await until("its place is free", () => network.transport.stats().idle === 1);
    conn.close();
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("H101 a tunnel is closed, or reset by the server: the others go on", async () => {
  await withFrameNetwork({}, async (network) => {
    await network.served();
    const closed = await tunnel(network, 3);
    const read = failure(closed.conn.read(new Uint8Array(1)));
    closed.conn.close();
    assert.equal((await read).code, "ERR_CLOSED");
    assert.equal(codeOf((await closed.server.sent("RST_STREAM", 3)).payload), "CANCEL");
    const { conn, server } = await tunnel(network, 5);
    server.data(5, "came");
    server.reset(5, CONNECT_ERROR);
    await server.settled();
    const p = new Uint8Array(10);
    assert.equal(await conn.read(p), 4);
    const error = await failure(conn.read(p));
    assert.deepEqual([error.code, error.http2!.code], ["ERR_CONNECTION_LOST", "CONNECT_ERROR"]);
    assert.equal((await failure(conn.write(p))).code, "ERR_CONNECTION_LOST");
    conn.close();
    await network.answered(network.get("/beside"), server, 7);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("H101 CONNECT that is refused is an answer like others", async () => {
  await withFrameNetwork({}, async (network) => {
    const server = await network.served();
    const going = network.get("/", { method: "CONNECT" });
    await server.sent("HEADERS", 3);
    server.headers(3, [[":status", "403"]]);
    server.data(3, "no", true);
    const response = await going;
    assert.equal(response.status, 403);
    assert.equal(await response.text(), "no");
    await until("its place is free", () => network.transport.stats().idle === 1);
  });
});

test("H86 H101 close() leaves tunnels to their owners, as connections of HTTP/1.1; destroy() ends them", async () => {
  await withFrameNetwork({ clock: new ManualClock() }, async (network) => {
    await network.served();
    const { conn, server } = await tunnel(network, 3);
    await network.transport.close();
    assert.equal((await failure(network.get())).code, "ERR_CLOSED");
    await conn.write(bytes("still"));
    assert.equal(text((await server.sent("DATA", 3)).payload), "still");
    server.data(3, "here", true);
    assert.equal(await conn.read(new Uint8Array(10)), 4);
    await conn.closeWrite();
    // The last one ends the connection.
    await server.sent("GOAWAY");
    await server.reading;
    assert.equal(network.transport.stats().total, 0);
  });
  await withFrameNetwork({ clock: new ManualClock() }, async (network) => {
    await network.served();
    const { conn, server } = await tunnel(network, 3);
    const read = failure(conn.read(new Uint8Array(1)));
    network.transport.destroy();
    assert.equal((await read).code, "ERR_CLOSED");
    await server.reading;
  });
});

test("H98 CONNECT with a protocol waits until the server has said what it takes", async () => {
  await withFrameNetwork({ settings: null }, async (network) => {
    const going = network.get("/chat", WEBSOCKET);
    const plain = network.get("/plain");
    const server = await network.server();
    await server.sent("HEADERS", 1);
    assert.equal(server.requestOn(1).get(":path"), "/plain");
    assert.equal(server.saw("HEADERS", 3), false);
    server.greet(TAKES_PROTOCOLS);
    await server.sent("HEADERS", 3);
    assert.deepEqual([...server.requestOn(3)].slice(0, 5), [
      [":method", "CONNECT"],
      [":scheme", "http"],
      [":authority", "a.test"],
      [":path", "/chat"],
      [":protocol", "websocket"],
    ]);
    server.headers(3, [[":status", "200"]]);
    const conn = (await going).upgrade();
    server.data(3, "hi", true);
    assert.equal(await conn.read(new Uint8Array(10)), 2);
    conn.close();
    server.answer(1, "plain");
    assert.equal(await (await plain).text(), "plain");
    assert.equal(network.dialCount, 1);
  });
});

test("H98 the server does not take protocols: nothing is sent", async () => {
  for (const late of [true, false]) {
    await withFrameNetwork({ settings: late ? null : [] }, async (network) => {
      if (!late) await network.served();
      const going = failure(network.get("/chat", WEBSOCKET));
      const server = await network.server();
      if (late) server.greet();
      const error = await going;
      assert.equal(error.code, "ERR_INVALID_REQUEST");
      assert.equal(error.attempt!.verdict, "never-sent");
      assert.match(error.message, /does not take CONNECT with a protocol/);
      assert.equal(server.saw("HEADERS", late ? 1 : 3), false);
      await until("its place is free", () => network.transport.stats().idle === 1);
    });
  }
});

test("H98 aborted, timed out or destroyed while it waits for the settings", async () => {
  for (const how of ["abort", "timeout", "destroy", "close"]) {
    const clock = new ManualClock();
    await withFrameNetwork({ clock, settings: null }, async (network) => {
      const watched = new WatchedSignal();
      const init = { ...WEBSOCKET, signal: watched.signal, timeoutMs: 5_000 };
      const going = network.get("/chat", init);
      const server = await network.server();
      await until("it has its place", () => network.transport.stats().active === 1);
      if (how === "abort") watched.abort();
      else if (how === "timeout") clock.advance(5_010);
      else if (how === "destroy") network.transport.destroy();
      else {
        const closing = network.transport.close();
        server.greet(TAKES_PROTOCOLS);
        await server.sent("HEADERS", 1);
        server.headers(1, [[":status", "403"]], true);
        assert.equal((await going).status, 403);
        await closing;
        return;
      }
      const error = await failure(going);
      if (how === "abort") assert.equal(error as Error, watched.reason);
      else assert.equal(error.code, how === "destroy" ? "ERR_CLOSED" : "ERR_TIMEOUT");
      assert.equal(watched.listenerCount, 0);
      assert.deepEqual(network.counts, how === "destroy" ? [0, 0, 0, 0] : [1, 0, 0, 0]);
      if (how === "destroy") return;
      server.greet(TAKES_PROTOCOLS);
      await server.settled();
      assert.equal(server.saw("HEADERS"), false);
    });
  }
});

test("H98 the connection ends before the server has said anything: a lost connection, not a refusal", async () => {
  for (const how of ["end", "break"]) {
    await withFrameNetwork({ settings: null }, async (network) => {
      const going = failure(network.get("/chat", WEBSOCKET));
      const server = await network.server();
      await until("it has its place", () => network.transport.stats().active === 1);
      if (how === "end") await server.end();
      else server.break();
      // Nothing of it was written: it goes once more, elsewhere.
      const second = await network.server(2);
      await until("it has its place", () => network.transport.stats().active === 1);
      if (how === "end") await second.end();
      else second.break();
      const error = await going;
      assert.equal(error.code, "ERR_CONNECTION_LOST");
      assert.deepEqual(error.attempts.map(({ verdict }) => verdict), ["never-sent", "never-sent"]);
      assert.deepEqual(network.counts, [0, 0, 0, 0]);
    });
  }
});

test("H98 the connection takes no more while it waits: it goes to another", async () => {
  await withFrameNetwork({ settings: null }, async (network) => {
    const going = network.get("/chat", WEBSOCKET);
    const last = network.get("/last", { close: true });
    const first = await network.server();
    await first.sent("HEADERS", 1);
    first.greet(TAKES_PROTOCOLS);
    const second = await network.server(2);
    second.greet(TAKES_PROTOCOLS);
    await second.sent("HEADERS", 1);
    second.headers(1, [[":status", "403"]], true);
    assert.equal((await going).status, 403);
    first.answer(1, "last");
    assert.equal(await (await last).text(), "last");
    await until("one is left", () => network.transport.stats().total === 1);
    assert.deepEqual(network.counts, [1, 0, 0, 0]);
  });
});

test("H98 H11 the server takes fewer at once than have a place: it waits for room", async () => {
  await withFrameNetwork({ settings: null }, async (network) => {
    const going = network.get("/chat", WEBSOCKET);
    const plain = network.get("/plain");
    const server = await network.server();
    await server.sent("HEADERS", 1);
    server.greet([...TAKES_PROTOCOLS, [MAX_CONCURRENT_STREAMS, 1]]);
    await server.settled();
    assert.equal(server.saw("HEADERS", 3), false);
    server.answer(1, "plain");
    assert.equal(await (await plain).text(), "plain");
    await server.sent("HEADERS", 3);
    server.headers(3, [[":status", "403"]], true);
    assert.equal((await going).status, 403);
    assert.equal(network.dialCount, 1);
  });
});

test("H98 a server without HTTP/2: nothing is sent", async () => {
  const [near, far] = pipe();
  const transport = new Transport({
    http2: true,
    dialer: {
      dial: () => Promise.resolve(near),
      startTls: (conn) => Promise.resolve(conn),
    },
  });
  const request = new HttpRequest("https://a.test/chat", WEBSOCKET);
  const error = await failure(transport.roundTrip(request));
  assert.equal(error.code, "ERR_INVALID_REQUEST");
  assert.match(error.message, /does not speak HTTP\/2/);
  assert.equal(error.attempt!.verdict, "never-sent");
  assert.equal(transport.stats().idle, 1);
  await transport.close();
  assert.equal(far.bytesRead, 0);
  far.close();
});
