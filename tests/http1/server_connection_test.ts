/**
 * A connection in the server's role over a pipe: what it reads, what it writes, when it is over. Its answers
 * are read as bytes here; `http1_property_test.ts` joins it to the client's role.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Reader } from "../../conn/conn.ts";
import { pipe, type PipeConn } from "../../conn/pipe.ts";
import { ServerConnection, type ServerResponse } from "../../http1/server_connection.ts";
import { rejectsWith, settled } from "../support/exchange_record.ts";
import { bytesOf, textOf } from "../support/feed.ts";
import { test } from "../support/harness.ts";

interface Ends {
  readonly server: ServerConnection;
  readonly client: PipeConn;
}

async function serve(input: string, ended = false): Promise<Ends> {
  const [client, conn] = pipe({ bufferBytes: 1024 * 1024 });
  await client.write(bytesOf(input));
  if (ended) await client.closeWrite();
  return { server: new ServerConnection(conn), client };
}

function close({ server, client }: Ends): void {
  server.close();
  client.close();
}

async function contentOf(content: Reader): Promise<string> {
  let text = "";
  const p = new Uint8Array(7);
  for (let n = await content.read(p); n !== null; n = await content.read(p)) {
    text += textOf(p.subarray(0, n));
  }
  return text;
}

/** What the client has received so far, without waiting for more. */
async function received({ client }: Ends): Promise<string> {
  await settled();
  let text = "";
  const p = new Uint8Array(64 * 1024);
  for (;;) {
    const reading = client.read(p);
    // A pipe answers at once if it has something: a read that is still pending is left to close().
    const n = await Promise.race([reading, settled().then(() => "nothing" as const)]);
    if (n === "nothing") {
      reading.catch(() => {});
      return text;
    }
    if (n === null) return text + "<end>";
    text += textOf(p.subarray(0, n));
  }
}

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield bytesOf(text);
}

test("ServerConnection: keep-alive, one request after the other, until the client closes", async () => {
  const ends = await serve(GET + GET.replace("/", "/2"), true);
  for (const target of ["/", "/2"]) {
    const request = await ends.server.readRequest();
    assert.equal(request?.head.requestTarget, target);
    assert.equal(request.head.headers.get("host"), "a");
    assert.equal(await contentOf(request.content), "");
    await ends.server.respond({ statusCode: 200, reasonPhrase: "OK", content: target });
  }
  assert.equal(ends.server.persistent, true);
  assert.equal(await ends.server.readRequest(), null);
  assert.equal(
    await received(ends),
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n/HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/2",
  );
  close(ends);
});

test("ServerConnection: content of the request that was not read is skipped", async () => {
  const ends = await serve(
    "POST /1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" +
      "POST /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: 1\r\n\r\n" + GET,
  );
  const targets: string[] = [];
  for (let i = 0; i < 3; i++) {
    targets.push((await ends.server.readRequest())!.head.requestTarget);
    await ends.server.respond({ statusCode: 204 });
  }
  assert.deepEqual(targets, ["/1", "/2", "/"]);
  assert.equal(await received(ends), "HTTP/1.1 204 \r\n\r\n".repeat(3));
  close(ends);
});

test("ServerConnection: chunked with trailers both ways", async () => {
  const ends = await serve(
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n",
  );
  const request = (await ends.server.readRequest())!;
  assert.equal(request.trailers, null);
  assert.equal(await contentOf(request.content), "hello!");
  assert.deepEqual([...request.trailers!], [["X-Sum", "1"]]);
  await ends.server.respond({
    statusCode: 200,
    headers: [["X-A", "1"]],
    content: pieces("one", "", "two"),
    trailers: [["X-B", "2"]],
  });
  assert.equal(
    await received(ends),
    "HTTP/1.1 200 \r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n" +
      "3\r\none\r\n3\r\ntwo\r\n0\r\nX-B: 2\r\n\r\n",
  );
  close(ends);
});

test("ServerConnection: Expect: 100-continue is answered when the content is first read", async () => {
  const head = "POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n";
  const ends = await serve(head);
  const request = (await ends.server.readRequest())!;
  assert.equal(await received(ends), "");
  close(ends);

  const asked = await serve(head);
  const content = contentOf((await asked.server.readRequest())!.content);
  await settled();
  await asked.client.write(bytesOf("hello"));
  assert.equal(await content, "hello");
  await asked.server.respond({ statusCode: 204 });
  assert.equal(await received(asked), "HTTP/1.1 100 \r\n\r\nHTTP/1.1 204 \r\n\r\n");
  assert.equal(asked.server.persistent, true);
  close(asked);
  assert.equal(request.head.method, "POST");
});

test("T24 ServerConnection: a final answer without 100 ends the connection", async () => {
  const head = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
  // A client that goes on with a request where content would be must not have it taken for content.
  const ends = await serve(head + GET);
  await ends.server.readRequest();
  await ends.server.respond({ statusCode: 417 });
  assert.equal(ends.server.persistent, false);
  assert.equal(await ends.server.readRequest(), null);
  assert.equal(
    await received(ends),
    "HTTP/1.1 417 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n<end>",
  );
  close(ends);
});

test("ServerConnection: HTTP/1.0 gets close-delimited content instead of chunks", async () => {
  const ends = await serve("GET / HTTP/1.0\r\n\r\n");
  const request = (await ends.server.readRequest())!;
  assert.equal(request.head.minorVersion, 0);
  await ends.server.respond({ statusCode: 200, content: pieces("one", "two") });
  assert.equal(await received(ends), "HTTP/1.1 200 \r\nConnection: close\r\n\r\nonetwo<end>");
  assert.equal(await ends.server.readRequest(), null);
  close(ends);
});

test("ServerConnection: HTTP/1.0 that asks for keep-alive", async () => {
  const head = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  const ends = await serve(head + head);
  await ends.server.readRequest();
  await ends.server.respond({ statusCode: 200, content: "ok" });
  assert.notEqual(await ends.server.readRequest(), null);
  close(ends);
});

for (
  const [name, method, response, expected] of [
    [
      "HEAD",
      "HEAD",
      { statusCode: 200, content: "hello" },
      "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n",
    ],
    [
      "HEAD of chunks",
      "HEAD",
      { statusCode: 200, content: [bytesOf("x")] },
      "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ["204", "GET", { statusCode: 204, content: "hello" }, "HTTP/1.1 204 \r\n\r\n"],
    ["204 of chunks", "GET", { statusCode: 204, content: [bytesOf("x")] }, "HTTP/1.1 204 \r\n\r\n"],
    ["304", "GET", { statusCode: 304 }, "HTTP/1.1 304 \r\n\r\n"],
    ["nothing", "GET", { statusCode: 200 }, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"],
    [
      "bytes with trailers",
      "GET",
      { statusCode: 200, content: "hello", trailers: [["A", "1"]] },
      "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: 1\r\n\r\n",
    ],
    [
      "text beyond ASCII",
      "GET",
      { statusCode: 200, content: "é" },
      "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n\xc3\xa9",
    ],
  ] as [string, string, ServerResponse, string][]
) {
  test(`ServerConnection: answers with ${name}`, async () => {
    const ends = await serve(GET.replace("GET", method) + GET);
    await ends.server.readRequest();
    await ends.server.respond(response);
    assert.equal(await received(ends), expected);
    assert.notEqual(await ends.server.readRequest(), null, "the connection persists");
    close(ends);
  });
}

test("ServerConnection: close, said by either side, ends the connection", async () => {
  const asked = await serve("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET);
  await asked.server.readRequest();
  await asked.server.respond({ statusCode: 200 });
  const closed = "HTTP/1.1 200 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n<end>";
  assert.equal(await received(asked), closed);
  assert.equal(await asked.server.readRequest(), null);
  close(asked);

  const said = await serve(GET + GET);
  await said.server.readRequest();
  await said.server.respond({ statusCode: 200, headers: { connection: "close" } });
  assert.equal(await received(said), closed.replace("Connection", "connection"));
  assert.equal(await said.server.readRequest(), null);
  close(said);
});

test("ServerConnection: an early answer that says close does not wait for the content", async () => {
  const ends = await serve("POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\nhel");
  await ends.server.readRequest();
  const responded = ends.server.respond({ statusCode: 413, headers: { connection: "close" } });
  assert.equal(
    await received(ends),
    "HTTP/1.1 413 \r\nconnection: close\r\nContent-Length: 0\r\n\r\n<end>",
  );
  ends.client.close();
  await responded;
  close(ends);
});

test("ServerConnection: informational responses and a switch of protocols", async () => {
  const ends = await serve("GET / HTTP/1.1\r\nUpgrade: x\r\n\r\nfirst");
  await ends.server.readRequest();
  await ends.server.inform(103, [["Link", "</a>"]]);
  const conn = await ends.server.switchProtocols("x");
  assert.equal(
    await received(ends),
    "HTTP/1.1 103 \r\nLink: </a>\r\n\r\nHTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
  );
  const p = new Uint8Array(10);
  assert.equal(await conn.read(p), 5);
  assert.equal(textOf(p.subarray(0, 5)), "first");
  assert.equal(await ends.server.readRequest(), null);
  close(ends);

  const tunnel = await serve("CONNECT a:1 HTTP/1.1\r\n\r\n");
  await tunnel.server.readRequest();
  await rejectsWith(tunnel.server.switchProtocols("x\r\nEvil: 1"), "ERR_INVALID_REQUEST");
  await tunnel.server.switchProtocols(null);
  assert.equal(await received(tunnel), "HTTP/1.1 200 \r\n\r\n");
  close(tunnel);
});

test("T15 ServerConnection: what may not be sent is refused", async () => {
  const ends = await serve(GET);
  await ends.server.readRequest();
  for (
    const response of [
      { statusCode: 200, headers: [["A", "b\r\nEvil: 1"]] },
      { statusCode: 200, headers: [["A\r\n", "b"]] },
      { statusCode: 200, reasonPhrase: "a\r\nEvil: 1" },
      { statusCode: 200, content: "x", trailers: [["A", "b\r\n"]] },
      { statusCode: 20 },
    ] as ServerResponse[]
  ) {
    await rejectsWith(ends.server.respond(response), "ERR_INVALID_REQUEST");
  }
  await rejectsWith(ends.server.inform(103, [["A", "\n"]]), "ERR_INVALID_REQUEST");
  assert.equal(await received(ends), "");
  close(ends);
});

test("ServerConnection: requests that are none, too large or cut short", async () => {
  for (
    const [input, code] of [
      ["nonsense\r\n\r\n", "ERR_INVALID_REQUEST"],
      ["GET / HTTP/1.1\r\nA : b\r\n\r\n", "ERR_INVALID_REQUEST"],
      ["GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "ERR_INVALID_REQUEST"],
      ["GET / HTTP/1.1\r\nA: " + "x".repeat(100_000), "ERR_HEADERS_TOO_LARGE"],
      ["GET / HTTP/1.1\r\n", "ERR_INCOMPLETE_BODY"],
    ]
  ) {
    const ends = await serve(input, true);
    await rejectsWith(ends.server.readRequest(), code);
    close(ends);
  }
  const short = await serve("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel", true);
  const request = (await short.server.readRequest())!;
  await rejectsWith(contentOf(request.content), "ERR_INCOMPLETE_BODY");
  close(short);
});
