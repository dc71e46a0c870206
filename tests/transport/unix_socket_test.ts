/**
 * HTTP over Unix sockets, by a dialer that goes to one path.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpError, HttpRequest, unixDialer } from "../../mod.ts";
import { test } from "../support/harness.ts";
import type { RawConnection } from "../support/raw_server.ts";
import { steadyTransport } from "../support/steady_transport.ts";
import { withUnixServer } from "../support/unix_socket.ts";

/** Answers with the target and the host of each request. */
async function answering(connection: RawConnection): Promise<void> {
  for (;;) {
    const head = await connection.readHead();
    const text = `${head.split(" ")[1]} ${/^Host: (.*)\r$/m.exec(head)![1]}`;
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
  }
}

test("unix socket: requests go over one connection, whatever host they are for", async () => {
  await withUnixServer(answering, async (path, server) => {
    const transport = steadyTransport({ dialer: unixDialer(path) });
    for (const [n, url] of ["http://docker/a", "http://docker/b?c"].entries()) {
      const response = await transport.roundTrip(new HttpRequest(url));
      assert.equal(response.connection.reused, n > 0);
      assert.deepEqual(response.connection.remoteAddr, { transport: "unix", path });
      assert.equal(await response.text(), `${url.slice("http://docker".length)} docker`);
    }
    const other = await transport.roundTrip(new HttpRequest("http://other:81/", { host: "mine" }));
    assert.equal(await other.text(), "/ mine");
    assert.equal(server.connections.length, 2);
    await transport.close();
  });
});

test("unix socket: a body goes up, an abort closes the connection", async () => {
  const controller = new AbortController();
  const reason = new Error("no more");
  await withUnixServer(async (connection) => {
    await connection.readHead();
    assert.equal(await connection.readBytes(100_000), "x".repeat(100_000));
    controller.abort(reason);
  }, async (path, server) => {
    const transport = steadyTransport({ dialer: unixDialer(path) });
    const { signal } = controller;
    const init = { method: "POST", body: "x".repeat(100_000), signal };
    await assert.rejects(
      transport.roundTrip(new HttpRequest("http://a/", init)),
      (error) => error === reason,
    );
    await server.allClosed();
    assert.equal(transport.stats().total, 0);
    await transport.close();
  });
});

test("unix socket: one that is not there is ERR_DIAL, and the request was never sent", async () => {
  await withUnixServer(answering, async (path) => {
    for (const missing of [`${path}.missing`, `${path}/below`, path + "x".repeat(200)]) {
      const transport = steadyTransport({ dialer: unixDialer(missing) });
      await assert.rejects(transport.roundTrip(new HttpRequest("http://a/")), (error) => {
        assert.ok(error instanceof HttpError);
        assert.deepEqual([error.code, error.attempt?.verdict], ["ERR_DIAL", "never-sent"]);
        return true;
      });
      await transport.close();
    }
  });
});
