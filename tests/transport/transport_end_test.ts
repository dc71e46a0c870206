/**
 * How a transport ends: gracefully, at once, and what happens to what is under way.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpError, HttpRequest, Transport } from "../../mod.ts";
import { test } from "../support/harness.ts";
import { type RawHandler, withRawServer } from "../support/raw_server.ts";
import { isPending, until } from "../support/waiting.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const HALF = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok";

function answering(answer: string): RawHandler {
  return async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send(answer);
    }
  };
}

function isClosed(error: unknown): boolean {
  return error instanceof HttpError && error.code === "ERR_CLOSED" && error.phase === "client";
}

test("close(): unused, idle, and again", async () => {
  const unused = new Transport();
  await Promise.all([unused.close(), unused.close()]);
  await unused.close();
  await assert.rejects(unused.roundTrip(new HttpRequest("http://127.0.0.1:1/")), isClosed);

  await withRawServer(answering(OK), async (server) => {
    const transport = new Transport();
    await (await transport.roundTrip(new HttpRequest(server.origin))).bytes();
    await transport.close();
    assert.equal(transport.stats().total, 0);
    await server.allClosed();
  });
});

test("close(): waits for exchanges and their bodies, refuses new ones", async () => {
  await withRawServer(answering(HALF), async (server) => {
    const transport = new Transport();
    const response = await transport.roundTrip(new HttpRequest(server.origin));
    const closings = [transport.close(), transport[Symbol.asyncDispose]()];
    assert.equal(await isPending(Promise.race(closings)), true);
    await assert.rejects(transport.roundTrip(new HttpRequest(server.origin)), isClosed);
    await server.connections[0].send("ay");
    assert.equal(await response.text(), "okay");
    await Promise.all(closings);
    assert.equal(transport.stats().total, 0);
    await server.allClosed();
  });
});

test("close(): waits for a request that is still dialling or waiting", async () => {
  await withRawServer(answering(OK), async (server) => {
    const transport = new Transport();
    const going = transport.roundTrip(new HttpRequest(server.origin));
    const closing = transport.close();
    assert.equal(await (await going).text(), "ok");
    await closing;
    await server.allClosed();
  });
});

test("close(): a body that is given up counts as ended", async () => {
  await withRawServer(answering(HALF), async (server) => {
    const transport = new Transport();
    const response = await transport.roundTrip(new HttpRequest(server.origin));
    const closing = transport.close();
    await response.body.close();
    await closing;
    assert.equal(transport.stats().total, 0);
    await server.allClosed();
  });
});

test("destroy(): ends requests, bodies, dials and idle connections with the reason", async () => {
  const handler: RawHandler = async (connection) => {
    const head = await connection.readHead();
    if (head.startsWith("GET /idle")) await connection.send(OK);
    if (head.startsWith("GET /half")) await connection.send(HALF);
  };
  for (const reason of [new Error("mine"), "text", undefined]) {
    await withRawServer(handler, async (server) => {
      const transport = new Transport();
      const get = (path: string) => transport.roundTrip(new HttpRequest(server.origin + path));
      const half = await get("/half");
      const reading = half.text();
      reading.catch(() => {});
      const unread = await get("/half");
      await (await get("/idle")).bytes();
      const waiting = [get("/silent"), get("/silent")];
      for (const going of waiting) going.catch(() => {});
      await until(
        "all were sent",
        () => server.connections.filter(({ receivedBytes }) => receivedBytes > 0).length === 4,
      );
      const dialling = get("/late");
      dialling.catch(() => {});
      transport.destroy(reason);
      const expected = (error: unknown): boolean =>
        reason === undefined
          ? error instanceof HttpError && error.code === "ERR_CLOSED"
          : error === reason;
      for (const going of [...waiting, dialling, reading]) await assert.rejects(going, expected);
      await assert.rejects(unread.body.read(new Uint8Array(1)), expected);
      await assert.rejects(half.trailers, expected);
      await assert.rejects(get("/new"), expected);
      await until("nothing dials", () => transport.stats().dialing === 0);
      const { idle, active, waiting: left, total } = transport.stats();
      assert.deepEqual([idle, active, left, total], [0, 0, 0, 0]);
      await server.allClosed();
      transport.destroy(new Error("again"));
      await transport.close();
    });
  }
});

test("destroy(): ends a close() that waits", async () => {
  await withRawServer(answering(HALF), async (server) => {
    const transport = new Transport();
    const response = await transport.roundTrip(new HttpRequest(server.origin));
    const closing = transport.close();
    transport.destroy(new Error("mine"));
    await closing;
    await assert.rejects(response.text(), /mine/);
    await server.allClosed();
  });
});

test("closeIdleConnections(): closes what is idle and nothing else", async () => {
  await withRawServer(async (connection) => {
    const head = await connection.readHead();
    await connection.send(head.startsWith("GET /half") ? HALF : OK);
    if (head.startsWith("GET /half")) {
      await connection.readUntil("never").catch(() => {});
    }
  }, async (server) => {
    const transport = new Transport();
    const half = await transport.roundTrip(new HttpRequest(server.origin + "/half"));
    await (await transport.roundTrip(new HttpRequest(server.origin))).bytes();
    assert.deepEqual([transport.stats().idle, transport.stats().active], [1, 1]);
    transport.closeIdleConnections();
    assert.deepEqual([transport.stats().idle, transport.stats().active], [0, 1]);
    await server.connections[1].closed;
    await server.connections[0].send("ay");
    assert.equal(await half.text(), "okay");
    assert.equal(transport.stats().idle, 1);
    transport.destroy();
  });
});
