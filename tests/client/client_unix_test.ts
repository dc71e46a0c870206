/**
 * A client and `fetch` at Unix sockets: what is told to whom, where no URL has an origin of its own.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Client, createFetch, MemoryCookieJar, Transport } from "../../mod.ts";
import { test } from "../support/harness.ts";
import { type RawHandler, withRawServer } from "../support/raw_server.ts";
import { withUnixServer } from "../support/unix_socket.ts";

/** Answers each request with the same lines, and keeps the heads. */
function answering(heads: string[], ...lines: string[]): RawHandler {
  return async (connection) => {
    for (;;) {
      heads.push(await connection.readHead());
      await connection.send([...lines, "Content-Length: 0", "", ""].join("\r\n"));
    }
  };
}

function urlOf(path: string, rest: string): string {
  return `http+unix://${encodeURIComponent(path)}${rest}`;
}

test("T21: default secrets go to the socket of baseUrl, and to no other", async () => {
  const here: string[] = [];
  const there: string[] = [];
  await withUnixServer(answering(here, "HTTP/1.1 200 OK"), async (own) => {
    await withUnixServer(answering(there, "HTTP/1.1 200 OK"), async (other) => {
      await using transport = new Transport();
      const options = {
        transport,
        baseUrl: urlOf(own, "/v1/"),
        headers: { "Authorization": "Bearer secret", "X-Key": "secret" },
        sensitiveHeaders: ["x-key"],
      };
      const client = new Client(options);
      const fetch = createFetch(options);
      await (await client.get("info")).bytes();
      await (await fetch("info")).arrayBuffer();
      for (
        const foreign of [urlOf(other, "/info"), urlOf(other, "/info").slice("http+unix:".length)]
      ) {
        await (await client.get(foreign)).bytes();
        await assert.rejects(fetch(foreign), { name: "TypeError" });
      }
    });
  });
  assert.deepEqual(here.map((head) => head.includes("Bearer secret")), [true, true]);
  assert.deepEqual(there.map((head) => head.includes("secret")), [false, false]);
});

test("T21: a redirect from a socket takes no secret along, and names no Referer", async () => {
  const there: string[] = [];
  await withRawServer(answering(there, "HTTP/1.1 200 OK"), async (server) => {
    const redirect = answering([], "HTTP/1.1 307 X", `Location: ${server.origin}/`);
    await withUnixServer(redirect, async (path) => {
      await using transport = new Transport();
      const client = new Client({ transport });
      const headers = { "Authorization": "Bearer secret" };
      await (await client.get(urlOf(path, "/a"), { headers })).bytes();
    });
  });
  assert.equal(there.length, 1);
  assert.doesNotMatch(there[0], /secret|referer/i);
});

test("a client with a cookie jar reaches a socket, without cookies", async () => {
  const heads: string[] = [];
  const handler = answering(heads, "HTTP/1.1 200 OK", "Set-Cookie: n=v");
  await withUnixServer(handler, async (path) => {
    await using transport = new Transport();
    const client = new Client({ transport, jar: new MemoryCookieJar() });
    for (let i = 0; i < 2; i++) await (await client.get(urlOf(path, "/"))).bytes();
  });
  assert.equal(heads.length, 2);
  assert.doesNotMatch(heads.join(""), /cookie/i);
});
