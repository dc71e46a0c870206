/**
 * `data:` URLs through a transport: what the Fetch Standard's processor makes of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  dataProtocol,
  fileProtocol,
  HttpError,
  HttpRequest,
  type HttpRequestInit,
  type HttpResponse,
  Transport,
} from "../../../mod.ts";
import { test } from "../../support/harness.ts";
import { latin1, withRawServer } from "../../support/raw_server.ts";

async function request(url: string, init?: HttpRequestInit): Promise<HttpResponse> {
  const transport = new Transport();
  transport.registerProtocol("data", dataProtocol());
  try {
    return await transport.roundTrip(new HttpRequest(url, init));
  } finally {
    await transport.close();
  }
}

const PLAIN = "text/plain;charset=US-ASCII";

/** URL, type, content: one character for each byte. */
const rows: readonly (readonly [string, string, string])[] = [
  ["data:,", PLAIN, ""],
  ["data:,hello", PLAIN, "hello"],
  ["DATA:,hello", PLAIN, "hello"],
  ["data:,a,b", PLAIN, "a,b"],
  ["data:,a?b=c#d", PLAIN, "a?b=c"],
  ["data:,a%23b#", PLAIN, "a#b"],
  ["data://host/,x", PLAIN, "x"],
  // What is no escape stays as it is.
  ["data:,%41%zz%4%", PLAIN, "A%zz%4%"],
  ["data:,%00%ff%C3%a9", PLAIN, "\x00\xff\xc3\xa9"],
  ["data:,%25%34%31", PLAIN, "%41"],
  ["data:,\u00e9", PLAIN, "\xc3\xa9"],
  // Types.
  ["data:text/html,<b>", "text/html", "<b>"],
  ["data:TEXT/HTML;Charset=UTF-8,", "text/html;charset=UTF-8", ""],
  ["data: text/html ,", "text/html", ""],
  ["data:text/html;a=b;a=c;d=e,", "text/html;a=b;d=e", ""],
  ["data:;charset=utf-8,x", "text/plain;charset=utf-8", "x"],
  ["data:;a,x", "text/plain", "x"],
  ["data:;,x", "text/plain", "x"],
  ["data:text,x", PLAIN, "x"],
  ["data:text/,x", PLAIN, "x"],
  ["data:/plain,x", PLAIN, "x"],
  ["data:a/b/c,x", PLAIN, "x"],
  ["data:te xt/plain,x", PLAIN, "x"],
  ["data:%74ext/plain,x", "%74ext/plain", "x"],
  ["data:a/b;=c;d=;e f=g;h=\u00e9,x", "a/b;h=%C3%A9", "x"],
  ['data:a/b;c="d;e\\"f"x;g=h,x', 'a/b;c="d;e\\"f";g=h', "x"],
  ['data:a/b;c="d,x', "a/b;c=d", "x"],
  ['data:a/b;c="",x', 'a/b;c=""', "x"],
  ['data:a/b;c="d\\,x', 'a/b;c="d\\\\"', "x"],
  ["data:a/b;c=d e ;f=g,x", 'a/b;c="d e";f=g', "x"],
  // Base64.
  ["data:;base64,aGVsbG8=", PLAIN, "hello"],
  ["data:;base64,aGVsbG8", PLAIN, "hello"],
  ["data:;base64,aGVs bG8%20=", PLAIN, "hello"],
  ["data:;base64,%61GVsbG8%3D", PLAIN, "hello"],
  ["data:a/b;base64,/+8=", "a/b", "\xff\xef"],
  ["data:a/b;BASE64,YQ==", "a/b", "a"],
  ["data:a/b;  base64,YQ", "a/b", "a"],
  ["data:a/b;base64 ,YQ", "a/b", "a"],
  ["data:a/b;base64;,YQ", "a/b", "YQ"],
  ["data:a/b;base64=,YQ", "a/b", "YQ"],
  ["data:a/b;c=base64,YQ", "a/b;c=base64", "YQ"],
  ["data:a/b;xbase64,YQ", "a/b", "YQ"],
  ["data:base64,YQ", PLAIN, "YQ"],
  ["data:;base64,", PLAIN, ""],
];

test("data: type and content are those that the Fetch Standard gives", async () => {
  for (const [url, type, content] of rows) {
    const response = await request(url);
    assert.equal(response.status, 200, url);
    assert.equal(response.headers.get("content-type"), type, url);
    assert.equal(response.contentLength, content.length, url);
    assert.equal(latin1(await response.bytes()), content, url);
  }
});

test("data: a URL that means nothing is refused", async () => {
  const urls = [
    "data:",
    "data:text/plain",
    "data:text/plain#,x",
    "data:;base64,a",
    "data:;base64,YQ=",
    "data:;base64,YQ===",
    "data:;base64,Y=Q=",
    "data:;base64,_-8=",
    "data:;base64,\u00e9",
  ];
  for (const url of urls) {
    await assert.rejects(request(url), (error) => {
      assert.ok(error instanceof HttpError);
      assert.deepEqual([error.code, error.phase], ["ERR_INVALID_REQUEST", "request"], url);
      return true;
    }, url);
  }
});

test("data: the answer is a response like any other", async () => {
  const traced: unknown[] = [];
  const init = { trace: { bodyDone: (event: unknown) => void traced.push(event) } };
  const response = await request("data:application/json,{%22a%22:1}#fragment", init);
  assert.equal(response.statusText, "OK");
  assert.equal(response.httpVersion, "1.1");
  assert.equal(response.url, "data:application/json,{%22a%22:1}");
  assert.deepEqual([response.redirected, response.uncompressed], [false, false]);
  assert.deepEqual(response.deviations, []);
  assert.deepEqual(response.connection, {
    id: 0,
    protocol: "http/1.1",
    streamId: null,
    reused: false,
    localAddr: { transport: "unix", path: "" },
    remoteAddr: { transport: "unix", path: "" },
    tls: null,
  });
  const { waitMs, bodyMs, ...others } = response.timings;
  assert.ok(waitMs! >= 0 && bodyMs! >= 0);
  assert.ok(Object.values(others).every((value) => value === null));
  assert.equal((await response.trailers).size, 0);
  assert.throws(() => response.upgrade(), { code: "ERR_INVALID_REQUEST" });
  assert.deepEqual(await response.json(), { a: 1 });
  assert.deepEqual(traced, [{ bytes: 7, error: undefined }]);
});

test("data: the body can be read, streamed, iterated, dropped, and taken as the platform's", async () => {
  const url = "data:,hello";
  const { body } = await request(url);
  const p = new Uint8Array(3);
  assert.equal(await body.read(new Uint8Array(0)), 0);
  assert.equal(await body.read(p), 3);
  assert.equal(latin1(p), "hel");
  assert.equal(await body.read(p), 2);
  assert.equal(await body.read(p), null);
  assert.equal(await new Response((await request(url)).body.stream).text(), "hello");
  let text = "";
  for await (const piece of (await request(url)).body) text += latin1(piece);
  assert.equal(text, "hello");
  assert.equal(await (await request(url)).toWeb().text(), "hello");
  const dropped = await request(url);
  await dropped.body.close();
  await dropped[Symbol.asyncDispose]();
});

test("data: HEAD has the fields without the content, other methods are not allowed", async () => {
  const head = await request("data:a/b,hello", { method: "HEAD" });
  assert.deepEqual([head.status, head.contentLength], [200, 5]);
  assert.equal(head.headers.get("content-type"), "a/b");
  assert.equal(await head.text(), "");
  const post = await request("data:,hello", { method: "POST", body: "x" });
  assert.deepEqual([post.status, post.headers.get("allow")], [405, "GET, HEAD"]);
  assert.equal(await post.text(), "");
  await assert.rejects(request("data:,hello", { body: "x" }), { code: "ERR_INVALID_REQUEST" });
});

test("data: an aborted signal ends it with its reason", async () => {
  const reason = new Error("no more");
  await assert.rejects(
    request("data:,hello", { signal: AbortSignal.abort(reason) }),
    (error) => error === reason,
  );
});

test("data: without registration, and in other schemes, it is an unsupported scheme", async () => {
  const transport = new Transport();
  for (const url of ["data:,x", "file:///x", "ftp://a.test/"]) {
    await assert.rejects(transport.roundTrip(new HttpRequest(url)), {
      code: "ERR_UNSUPPORTED_SCHEME",
    });
  }
  transport.registerProtocol("data", dataProtocol());
  assert.throws(() => transport.registerProtocol("data", dataProtocol()), {
    code: "ERR_INVALID_REQUEST",
  });
  await assert.rejects(transport.roundTrip(new HttpRequest("file:///x")), {
    code: "ERR_UNSUPPORTED_SCHEME",
  });
  await transport.close();
});

test("T26: no redirect leads to another scheme, registered or not", async () => {
  const locations = [
    "data:,x",
    "DATA:text/html,x",
    "file:///etc/passwd",
    "file:/etc/passwd",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
  ];
  await withRawServer(async (connection) => {
    for (const location of locations) {
      await connection.readHead();
      await connection.send(`HTTP/1.1 302 X\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
    }
  }, async (server) => {
    const transport = new Transport();
    const refuse = { roundTrip: () => assert.fail("the redirect was followed") };
    transport.registerProtocol("data", refuse);
    transport.registerProtocol("file", refuse);
    const client = new Client({ transport });
    for (const location of locations) {
      await assert.rejects(client.get(server.origin), { code: "ERR_REDIRECT" }, location);
    }
    await transport.close();
  });
});

test("T26: what a registered scheme answers leads nowhere either", async () => {
  const transport = new Transport();
  transport.registerProtocol("file", fileProtocol({ root: "." }));
  transport.registerProtocol("data", dataProtocol());
  const client = new Client({ transport });
  const response = await client.get("data:text/plain,Location: file:///etc/passwd");
  assert.deepEqual([response.status, response.redirected], [200, false]);
  assert.equal((await client.get("file:///no-such-file")).status, 404);
  await transport.close();
});
