/**
 * Connections that become the caller's: 101 after an upgrade that was asked for, 2xx to CONNECT.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type Conn,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  Transport,
} from "../../mod.ts";
import { test } from "../support/harness.ts";
import {
  bytesOf,
  latin1,
  type RawHandler,
  type RawServer,
  withRawServer,
} from "../support/raw_server.ts";
import { until } from "../support/waiting.ts";

const UPGRADE: HttpRequestInit = { headers: { "Connection": "Upgrade", "Upgrade": "echo" } };
const CONNECT: HttpRequestInit = { method: "CONNECT", host: "example.com:443" };
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
const ESTABLISHED = "HTTP/1.1 200 Established\r\nContent-Length: 5\r\n\r\n";

/** Sends back what comes, in capitals. */
function echoing(answer: string): RawHandler {
  return async (connection) => {
    await connection.readHead();
    await connection.send(answer);
    for (;;) await connection.send((await connection.readBytes(1)).toUpperCase());
  };
}

async function withUpgrade(
  handler: RawHandler,
  init: HttpRequestInit,
  run: (
    response: HttpResponse,
    context: { server: RawServer; transport: Transport },
  ) => Promise<void>,
): Promise<void> {
  await withRawServer(handler, async (server) => {
    const transport = new Transport();
    await run(await transport.roundTrip(new HttpRequest(server.origin, init)), {
      server,
      transport,
    });
    transport.destroy();
    await server.allClosed();
  });
}

async function readText(conn: Conn, count: number): Promise<string> {
  let text = "";
  while (text.length < count) {
    const p = new Uint8Array(count - text.length);
    const n = await conn.read(p);
    if (n === null) break;
    text += latin1(p.subarray(0, n));
  }
  return text;
}

for (
  const [name, init, answer, status] of [
    ["101", UPGRADE, SWITCH, 101],
    ["CONNECT", CONNECT, ESTABLISHED, 200],
  ] as const
) {
  test(`upgrade, ${name}: unread bytes come first, then the connection is the caller's`, async () => {
    await withUpgrade(echoing(answer + "hello "), init, async (response, { transport }) => {
      assert.equal(response.status, status);
      assert.equal(transport.stats().total, 0);
      assert.equal((await response.trailers).size, 0);
      const conn = response.upgrade();
      assert.equal(await readText(conn, 3), "hel");
      await conn.write(bytesOf("echo"));
      assert.equal(await readText(conn, 7), "lo ECHO");
      await conn.closeWrite();
      assert.equal(await conn.read(new Uint8Array(1)), null);
      conn.close();
    });
  });

  test(`upgrade, ${name}: the connection can be taken once`, async () => {
    await withUpgrade(echoing(answer), init, (response) => {
      response.upgrade().close();
      assert.throws(() => response.upgrade(), { code: "ERR_INVALID_REQUEST" });
      return Promise.resolve();
    });
  });

  test(`upgrade, ${name}: not taken, the body is empty, and closing it closes the connection`, async () => {
    await withUpgrade(echoing(answer), init, async (response, { server }) => {
      await response.body.close();
      await server.connections[0].closed;
      assert.throws(() => response.upgrade(), { code: "ERR_INVALID_REQUEST" });
    });
    await withUpgrade(echoing(answer), init, async (response, { server }) => {
      assert.equal(await response.text(), "");
      await response[Symbol.asyncDispose]();
      response.upgrade().close();
      await server.connections[0].closed;
    });
  });

  test(`upgrade, ${name}: the signal and the transport have no hold on it any more`, async () => {
    const controller = new AbortController();
    await withUpgrade(
      echoing(answer),
      { ...init, signal: controller.signal },
      async (response, context) => {
        const conn = response.upgrade();
        controller.abort();
        context.transport.destroy();
        await context.transport.close();
        await conn.write(bytesOf("still"));
        assert.equal(await readText(conn, 5), "STILL");
        conn.close();
      },
    );
  });
}

test("upgrade: another answer is an answer like any other", async () => {
  const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  const refused = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno";
  for (const [init, answer] of [[UPGRADE, ok], [CONNECT, refused]] as const) {
    await withUpgrade(
      async (connection) => {
        for (;;) {
          await connection.readHead();
          await connection.send(answer);
        }
      },
      init,
      async (response, { transport }) => {
        assert.equal(await response.text(), answer.slice(-2));
        assert.throws(() => response.upgrade(), { code: "ERR_INVALID_REQUEST" });
        await until("the connection is free", () => transport.stats().idle === 1);
      },
    );
  }
});

test("upgrade: informational responses may come before 101, and count", async () => {
  const early = "HTTP/1.1 103 Early Hints\r\n\r\n";
  await withUpgrade(echoing(early + SWITCH), UPGRADE, async (response) => {
    const conn = response.upgrade();
    await conn.write(bytesOf("x"));
    assert.equal(await readText(conn, 1), "X");
    conn.close();
  });
});
