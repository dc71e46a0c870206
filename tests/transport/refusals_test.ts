/**
 * What is refused before a byte is sent, or a connection is asked for: every place where a caller's text or numbers
 * reach the wire.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type BodySource,
  Client,
  type Dialer,
  HttpError,
  HttpHeaders,
  HttpRequest,
  type HttpRequestInit,
  Transport,
  type TransportOptions,
} from "../../mod.ts";
import { test } from "../support/harness.ts";

const neverDialled: Dialer = {
  dial: () => assert.fail("dialled"),
  startTls: () => assert.fail("secured"),
};

function isRefusal(error: unknown): boolean {
  return error instanceof HttpError && error.code === "ERR_INVALID_REQUEST";
}

/** Expects a request to be refused when it is made, or at the latest before anything is dialled. */
async function assertRefused(url: string, init: HttpRequestInit = {}, why?: RegExp): Promise<void> {
  const transport = new Transport({ dialer: neverDialled });
  const error = await (async () => await transport.roundTrip(new HttpRequest(url, init)))()
    .then(() => assert.fail("accepted"), (reason: unknown) => reason);
  assert.ok(isRefusal(error), `${url} ${JSON.stringify(init)}: ${error}`);
  if (why !== undefined) assert.match((error as HttpError).message, why);
  assert.match((error as HttpError).message, /^[\x20-\x7e…]{1,1000}$/);
  assert.equal(transport.stats().waiting, 0);
  // Nothing is left that close() would wait for.
  await transport.close();
}

const URL_A = "http://example.com/";

/** Characters that end or split what we write, or become such when they lose their upper bits. */
const BREAKING = ["\r\n", "\r", "\n", "\0", "\u010a", "\u010d", "\u0100", "\x7f", "\x0b", "\u2028"];

test("T15 method", async () => {
  const bad = [
    "",
    "GET ",
    " GET",
    "G ET",
    "GET\t",
    "GET / HTTP/1.1\r\nX: y",
    "G\u00c9T",
    "(",
    "a:b",
  ];
  for (const method of [...bad, ...BREAKING.map((c) => `GE${c}T`)]) {
    await assertRefused(URL_A, { method });
  }
});

test("T15 header names", async () => {
  const bad = ["", " ", "X Y", "X:", ":", "X\u00e9", "X-\u212a", "(", '"X"', "X/Y", "X\t"];
  for (const name of [...bad, ...BREAKING.map((c) => `X${c}Y`)]) {
    await assertRefused(URL_A, { headers: { [name]: "value" } });
    await assertRefused(URL_A, { headers: [[name, "value"]] });
    await assertRefused(URL_A, { method: "POST", body: "x", trailers: [[name, "value"]] });
    assert.throws(() => new HttpHeaders().set(name, "value"), isRefusal);
    assert.throws(() => new HttpHeaders().append(name, "value"), isRefusal);
  }
});

test("T15 header values", async () => {
  for (const c of [...BREAKING, "\x01", "\x1f", "\ud83d\ude00"]) {
    const value = `a${c}X-Injected: b`;
    await assertRefused(URL_A, { headers: { "X": value } });
    await assertRefused(URL_A, { headers: { "X": ["fine", value] } });
    await assertRefused(URL_A, { headers: [["X", value]] });
    await assertRefused(URL_A, { headers: { "Host": `example.com${c}` } });
    await assertRefused(URL_A, { headers: { "User-Agent": value } });
    await assertRefused(URL_A, { headers: { "Content-Type": value }, body: "x", method: "POST" });
    await assertRefused(URL_A, { method: "POST", body: "x", trailers: [["X", value]] });
    assert.throws(() => new HttpHeaders().set("X", value), isRefusal);
    assert.throws(() => new Client({ headers: { "X": value } }), isRefusal);
  }
});

test("T15 a value is not shown, it may be a secret", async () => {
  await assertRefused(URL_A, { headers: { "Authorization": "canary\n" + "canary" } });
  try {
    new HttpRequest(URL_A, { headers: { "Authorization": "canary\ncanary" } });
  } catch (error) {
    assert.doesNotMatch(String(error), /canary/);
  }
  for (
    const url of ["http://user:canary@example.com/", "http://canary:canary@:x/", "http:canary@ "]
  ) {
    try {
      new HttpRequest(url);
      assert.fail("accepted");
    } catch (error) {
      assert.ok(isRefusal(error), String(error));
      assert.doesNotMatch(String(error), /canary/);
    }
  }
});

test("T15 URL", async () => {
  for (const c of ["\r\n", "\r", "\n", "\t", "\0", "\x7f", "\x01"]) {
    await assertRefused(`http://example.com/a${c}b`);
    await assertRefused(`http://exa${c}mple.com/`);
    await assertRefused(`http://example.com/?a${c}b`);
    await assertRefused(`http://example.com/#a${c}b`);
    await assertRefused(`htt${c}p://example.com/`);
    await assertRefused(`${c}http://example.com/`);
    const client = new Client({
      transport: new Transport({ dialer: neverDialled }),
      baseUrl: "http://example.com/",
    });
    await assert.rejects(client.get(`/a${c}b`), isRefusal);
  }
  const bad = [
    "",
    "/path",
    "//host/path",
    "example.com",
    "http://",
    "http:///",
    "http://a b/",
    "http://[::1/",
    "http://a:99999/",
    "http://a:b/",
    "http://a:0/",
    "http://%0d%0a/",
    "http://a%00b/",
    "http://a<b/",
  ];
  for (const url of bad) await assertRefused(url);
  // What the URL parser escapes is sent escaped: see "head: OPTIONS and paths".
  assert.equal(new HttpRequest("http://example.com/\u010a\u010d").requestTarget, "/%C4%8A%C4%8D");
});

test("T15 host option, Host field and CONNECT target", async () => {
  const bad = [
    "",
    " ",
    "a b",
    "a/b",
    "a:b",
    "a:",
    ":80",
    "a:123456",
    "[::1",
    "::1",
    "[::1]x",
    "[x]",
    "a@b",
    "a?b",
    "a#b",
    "a\\b",
    "http://a",
    "\u00e9.test",
    "a,b c",
  ];
  for (const host of [...bad, ...BREAKING.map((c) => `a${c}b`)]) {
    await assertRefused(URL_A, { host });
    await assertRefused(URL_A, { method: "CONNECT", host });
    if (host.trim() === "" || /^[\x21-\xff ]+$/.test(host)) {
      await assertRefused(URL_A, { headers: { "Host": host } });
    }
  }
});

test("T15 trailers of a function are checked when they come", () => {
  // Only then: by now the request is on its way, see upload_test.ts.
  assert.throws(
    () => new HttpRequest(URL_A, { method: "POST", body: "x", trailers: [["X", "a\nb"]] }),
    isRefusal,
  );
});

test("T16 what is converted to text is converted once", () => {
  for (const later of ["a\r\nX: y", "ok\0"]) {
    let calls = 0;
    const sneaky = {
      toString: () => ++calls === 1 ? "once" : later,
    } as unknown as string;
    const fresh = (): string => {
      calls = 0;
      return sneaky;
    };
    assert.equal(new HttpRequest(URL_A, { method: fresh() }).method, "once");
    assert.equal(new HttpRequest(URL_A, { host: fresh() }).host, "once");
    assert.deepEqual([...new HttpRequest(URL_A, { headers: [["X", fresh()]] }).headers], [[
      "X",
      "once",
    ]]);
    assert.deepEqual([...new HttpRequest(URL_A, { headers: { "X": fresh() } }).headers], [[
      "X",
      "once",
    ]]);
    assert.deepEqual([...new HttpRequest(URL_A, { headers: [[fresh(), "v"]] }).headers], [[
      "once",
      "v",
    ]]);
    const trailers: [string, string][] = [["X", fresh()]];
    const request = new HttpRequest(URL_A, { method: "POST", body: "x", trailers });
    assert.deepEqual(request.trailers, [["X", "once"]]);
    const url = { toString: () => ++calls === 1 ? "http://once.test/" : "http://twice.test/" };
    calls = 0;
    assert.equal(new HttpRequest(url as unknown as string).hostname, "once.test");
  }
});

test("T17 lengths and codings that contradict each other", async () => {
  const post = (init: HttpRequestInit): Promise<void> =>
    assertRefused(URL_A, { method: "POST", body: "body", ...init });
  await post({ headers: [["Content-Length", "4"], ["content-length", "4"]] });
  await post({ headers: [["Content-Length", "1"], ["content-length", "2"]] });
  await post({ headers: { "Content-Length": ["4", "4"] } });
  await post({ headers: { "Content-Length": "5" } });
  await post({ contentLength: 5 });
  await post({ contentLength: 4, headers: { "Content-Length": "5" } });
  for (const value of ["", "+4", "-4", "4 ", "0x4", "4.0", "4e0", "4, 4", "\u0664", "NaN"]) {
    if (value.trim() === "4" || value > "\u00ff") continue;
    await post({ headers: { "Content-Length": value } });
  }
  await post({ headers: { "Content-Length": "4", "Transfer-Encoding": "chunked" } });
  await post({ headers: [["Transfer-Encoding", "chunked"], ["transfer-encoding", "chunked"]] });
  for (const coding of ["gzip", "gzip, chunked", "identity", "", "chunked, chunked", "xchunked"]) {
    await post({ headers: { "Transfer-Encoding": coding } });
  }
  await post({ contentLength: 4, trailers: [["X", "1"]] });
  await post({ headers: { "Content-Length": "4" }, trailers: [["X", "1"]] });
  for (const contentLength of [-1, 1.5, NaN, Infinity, 2 ** 53, "4" as unknown as number]) {
    await post({ body: new Blob(["body"]).stream(), contentLength });
  }
  await assertRefused(URL_A, { headers: { "Content-Length": "4" } });
  await assertRefused(URL_A, { headers: { "Transfer-Encoding": "chunked" } });
  await assertRefused(URL_A, { contentLength: 4 });
  await assertRefused(URL_A, { headers: { "Expect": "100-continue" } });
  await assertRefused(URL_A, { trailers: [["X", "1"]] });
  await assertRefused(URL_A, { trailers: () => [] });
});

test("T17 fields that may stand once", async () => {
  await assertRefused(URL_A, { headers: [["Host", "a"], ["host", "b"]] });
  await assertRefused(URL_A, { headers: { "Host": "a" }, host: "a" });
});

test("refused: bodies where there may be none, and what is no body", async () => {
  await assertRefused(URL_A, { method: "TRACE", body: "x" });
  await assertRefused(URL_A, { method: "CONNECT", body: "x" });
  const bad: unknown[] = [
    1,
    true,
    {},
    [],
    Symbol("s"),
    { read: 1 },
    new Date(),
    () => 1,
    () => null,
  ];
  for (const body of bad) await assertRefused(URL_A, { method: "POST", body: body as BodySource });
});

test("refused: a stream that is in use", async () => {
  const body = new Blob(["x"]).stream();
  const reader = body.getReader();
  await assertRefused(URL_A, { method: "POST", body });
  await reader.cancel();
});

test("refused: trailer fields that a recipient must not meet there", async () => {
  const names = [
    "Transfer-Encoding",
    "content-length",
    "Host",
    "TRAILER",
    "Connection",
    "Authorization",
    "Set-Cookie",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Expect",
    "TE",
    "Upgrade",
  ];
  for (const name of names) {
    await assertRefused(URL_A, { method: "POST", body: "x", trailers: [[name, "x"]] });
  }
});

test("refused: upgrade without its option, and the other way round", async () => {
  await assertRefused(URL_A, { headers: { "Upgrade": "websocket" } });
  await assertRefused(URL_A, { headers: { "Connection": "upgrade" } });
});

test("refused: options that nobody knows, and values that they cannot have", async () => {
  const requests: object[] = [
    { Method: "GET" },
    { header: {} },
    { timeout: 1 },
    { redirect: "follow" },
    { signal: {} },
    { signal: "x" },
    { timeoutMs: -1 },
    { timeoutMs: NaN },
    { timeoutMs: "1" },
    { headers: "X: y" },
    { headers: [["X"]] },
    { headers: ["X: y"] },
    { headers: [["X", "y", "z"]] },
    { body: "x", method: "POST", trailers: [["X"]] },
    { body: "x", method: "POST", trailers: "X" },
    { close: "no" },
    { decompress: 1 },
  ];
  for (const init of requests) await assertRefused(URL_A, init as HttpRequestInit);
  const transports: object[] = [
    { maxSockets: 1 },
    { Parser: "strict" },
    { parser: "loose" },
    { maxIdleConns: -1 },
    { maxIdleConns: 1.5 },
    { maxIdleConns: "1" },
    { dialTimeoutMs: Infinity },
    { dialer: 1 },
    { tls: "x" },
    { disableKeepAlives: 1 },
    { trace: 1 },
    { localAddress: 1 },
    { readBufferBytes: 0 },
    { writeBufferBytes: 0 },
  ];
  for (const options of transports) {
    assert.throws(
      () => new Transport(options as TransportOptions),
      isRefusal,
      JSON.stringify(options),
    );
  }
  const clients: object[] = [
    { redirects: 1 },
    { maxRedirects: -1 },
    { maxRedirects: 1.5 },
    { headers: { "X": "\n" } },
    { timeoutMs: -1 },
    { timeoutMs: "x" },
    { baseUrl: "nowhere" },
    { sensitiveHeaders: "x" },
  ];
  for (const options of clients) {
    assert.throws(() => new Client(options), isRefusal, JSON.stringify(options));
  }
});

test("T33 refused: unknown TLS options, when the transport is made", () => {
  const unknown = { rejectUnauthorized: false } as object;
  for (const options of [{ tls: unknown }, { proxyTls: unknown }]) {
    assert.throws(() => new Transport(options), (error) => {
      assert.ok(error instanceof HttpError, String(error));
      assert.equal(error.code, "ERR_INVALID_REQUEST");
      assert.match(error.message, /rejectUnauthorized/);
      return true;
    });
  }
});

test("refused: schemes without a protocol", async () => {
  const transport = new Transport({ dialer: neverDialled });
  for (
    const url of [
      "ftp://example.com/",
      "file:///etc/passwd",
      "data:,x",
      "ws://example.com/",
      "unix:/run/x",
    ]
  ) {
    await assert.rejects(
      transport.roundTrip(new HttpRequest(url)),
      (error) => error instanceof HttpError && error.code === "ERR_UNSUPPORTED_SCHEME",
    );
  }
  await transport.close();
});

test("registerProtocol(): other schemes go elsewhere, http and https never", async () => {
  const transport = new Transport({ dialer: neverDialled });
  const seen: string[] = [];
  transport.registerProtocol("Echo", {
    roundTrip: (request) => {
      seen.push(request.href);
      return Promise.reject(new Error("echoed"));
    },
  });
  await assert.rejects(transport.roundTrip(new HttpRequest("echo:hello")), /echoed/);
  assert.deepEqual(seen, ["echo:hello"]);
  for (const scheme of ["http", "HTTPS", "echo", "", "a b", "1a", "a:"]) {
    assert.throws(
      () => transport.registerProtocol(scheme, { roundTrip: () => assert.fail("called") }),
      isRefusal,
    );
  }
  await transport.close();
});
