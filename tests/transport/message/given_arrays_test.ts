/**
 * Arrays that callers are given are theirs: what they do with one changes no other.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Client, createFetch, HttpRequest } from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { answered, withRawServer } from "../../support/raw_server.ts";
import { steadyTransport } from "../../support/steady_transport.ts";

/** As `postMessage` does it; throws if it was given away before. */
function giveAway(array: Uint8Array | ArrayBuffer): void {
  const buffer = (array instanceof ArrayBuffer ? array : array.buffer) as ArrayBuffer;
  structuredClone(buffer, { transfer: [buffer] });
}

const EMPTY: readonly [string, string, string][] = [
  ["204", "GET", "HTTP/1.1 204 No Content\r\n\r\n"],
  ["304", "GET", "HTTP/1.1 304 Not Modified\r\n\r\n"],
  ["HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"],
  ["a length of 0", "GET", answered("")],
  ["no chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
];

for (const [name, method, answer] of EMPTY) {
  test(`M7 an empty body that is given away breaks no other: ${name}`, async () => {
    await withRawServer(async (connection) => {
      for (;;) {
        await connection.readHead();
        await connection.send(answer);
      }
    }, async (server) => {
      await using transport = steadyTransport();
      const client = new Client({ transport });
      const send = createFetch({ transport });
      const request = new HttpRequest(server.origin, { method });
      for (let i = 0; i < 3; i++) {
        const bytes = await (await transport.roundTrip(request)).bytes();
        assert.equal(bytes.length, 0);
        giveAway(bytes);
        const response = await client.do(request);
        giveAway(await response.bytes());
        // What was given away cannot be read a second time, and says so as before.
        assert.equal(await response.body.read(new Uint8Array(1)), null);
        giveAway(await (await send(server.origin, { method })).arrayBuffer());
        giveAway(await (await send(server.origin, { method })).bytes());
        assert.equal(await (await send(server.origin, { method })).text(), "");
        assert.equal(await (await client.do(request)).text(), "");
      }
      assert.equal(server.connections.length, 1);
    });
  });
}

test("M7 a body that is given away is at its end still", async () => {
  await withRawServer(async (connection) => {
    for (;;) {
      await connection.readHead();
      await connection.send(answered("content"));
    }
  }, async (server) => {
    await using transport = steadyTransport();
    for (let i = 0; i < 3; i++) {
      const response = await transport.roundTrip(new HttpRequest(server.origin));
      const bytes = await response.bytes();
      assert.equal(bytes.length, 7);
      giveAway(bytes);
      assert.equal(await response.body.read(new Uint8Array(1)), null);
      await response.body.close();
    }
    assert.equal(server.connections.length, 1);
  });
});
