/**
 * The heads that a transport writes, byte for byte.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpHeaders, HttpRequest, type HttpResponse, Transport } from "../../../mod.ts";
import { ScriptedConn, scriptedDialer } from "../../../testing/mod.ts";
import { test } from "../../support/harness.ts";
import { assertSent, NO_CONTENT, plain, plainHead } from "../../support/sent_bytes.ts";

test("head: what is ours by default", async () => {
  await assertSent({
    url: "http://example.com:8080/a/b?c=d#e",
    sent: "GET /a/b?c=d HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: roundtrip/0.1.0\r\n" +
      "Accept-Encoding: gzip\r\n\r\n",
    writes: 1,
  });
});

test("head: order, case and repeats of fields are the caller's", async () => {
  await assertSent({
    options: plain.options,
    init: {
      headers: [["User-Agent", ""], ["x-LOWER-up", "1"], ["Accept", "a"], ["X-Lower-Up", "2"], [
        "accept",
        "b",
      ]],
    },
    sent: plainHead("GET /", "x-LOWER-up: 1", "Accept: a", "X-Lower-Up: 2", "accept: b"),
  });
});

test("head: each kind of header list gives the same bytes", async () => {
  const record = { "User-Agent": "", "X-Name": ["a", "b"], "Y": "c" };
  const pairs: [string, string][] = [["User-Agent", ""], ["X-Name", "a"], ["X-Name", "b"], [
    "Y",
    "c",
  ]];
  const sent = plainHead("GET /", "X-Name: a", "X-Name: b", "Y: c");
  for (const headers of [record, pairs, new Set(pairs), new HttpHeaders(pairs), pairs.values()]) {
    await assertSent({ options: plain.options, init: { headers }, sent });
  }
  const web = new Headers({ "Y": "c", "User-Agent": "" });
  await assertSent({
    options: plain.options,
    init: { headers: web },
    sent: plainHead("GET /", "y: c"),
  });
});

test("head: Host stands first, or at the caller's place", async () => {
  await assertSent({
    options: plain.options,
    init: { headers: [["User-Agent", ""], ["X-A", "1"], ["hOST", "other.test:81"], ["X-B", "2"]] },
    sent: "GET / HTTP/1.1\r\nX-A: 1\r\nhOST: other.test:81\r\nX-B: 2\r\n\r\n",
  });
  await assertSent({
    options: plain.options,
    init: { headers: plain.headers, host: "other.test" },
    sent: "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n",
  });
});

test("head: User-Agent is ours, the caller's or none", async () => {
  const sent = (agent: string) => plainHead("GET /", ...(agent === "" ? [] : [agent]));
  await assertSent({ options: plain.options, sent: sent("User-Agent: roundtrip/0.1.0") });
  await assertSent({
    options: plain.options,
    init: { headers: { "user-agent": "mine" } },
    sent: sent("user-agent: mine"),
  });
  await assertSent({ options: plain.options, init: { headers: plain.headers }, sent: sent("") });
});

test("head: default ports are left out, others kept, IPv6 in brackets", async () => {
  const rows: [string, string][] = [
    ["http://example.com:80/", "example.com"],
    ["http://example.com:8080/", "example.com:8080"],
    ["http://example.com:443/", "example.com:443"],
    ["https://example.com:443/", "example.com"],
    ["https://example.com:80/", "example.com:80"],
    ["http://[::1]:81/", "[::1]:81"],
    ["http://[::1]/", "[::1]"],
    ["http://EXAMPLE.com./", "example.com."],
  ];
  for (const [url, host] of rows) {
    await assertSent({
      options: plain.options,
      url,
      init: { headers: plain.headers },
      sent: `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    });
  }
});

test("head: the method is sent as given", async () => {
  for (const method of ["get", "PROPFIND", "M-SEARCH", "x!#$%&'*+.^_`|~"]) {
    await assertSent({
      options: plain.options,
      init: { method, headers: plain.headers },
      sent: plainHead(`${method} /`),
    });
  }
});

test("head: POST, PUT and PATCH without a body say Content-Length: 0, others nothing", async () => {
  for (const method of ["POST", "PUT", "PATCH"]) {
    await assertSent({
      options: plain.options,
      init: { method, headers: plain.headers },
      sent: plainHead(`${method} /`, "Content-Length: 0"),
      writes: 1,
    });
  }
  for (const method of ["GET", "DELETE", "OPTIONS", "TRACE", "HEAD"]) {
    await assertSent({
      options: plain.options,
      init: { method, headers: plain.headers },
      sent: plainHead(`${method} /`),
    });
  }
  await assertSent({
    options: plain.options,
    init: { method: "DELETE", headers: [["content-length", "0"], ...plain.headers] },
    sent: plainHead("DELETE /", "content-length: 0"),
  });
});

test("head: Accept-Encoding is added only when nobody has said what to accept", async () => {
  const rows: [string, Parameters<typeof assertSent>[0]["init"], boolean][] = [
    ["GET", {}, true],
    ["POST", { body: null }, true],
    ["GET", { decompress: true }, true],
    ["GET", { decompress: false }, false],
    ["GET", { headers: { "Range": "bytes=0-1" } }, false],
    ["GET", { headers: { "accept-encoding": "br" } }, false],
    ["GET", { headers: { "Accept-Encoding": "" } }, false],
    ["HEAD", {}, false],
  ];
  for (const [method, init, asks] of rows) {
    const conn = new ScriptedConn().hang();
    const transport = new Transport({ dialer: scriptedDialer(conn) });
    const going = transport.roundTrip(new HttpRequest("http://example.com/", { method, ...init }));
    going.catch(() => {});
    while (conn.writes.length === 0) await Promise.resolve();
    assert.equal(/^Accept-Encoding: gzip\r$/m.test(conn.written), asks, conn.written);
    assert.equal(/^accept-encoding: gzip/im.test(conn.written), asks, conn.written);
    transport.destroy(new Error("seen"));
    await assert.rejects(going, /seen/);
  }
  await assertSent({
    options: { disableCompression: true },
    init: { headers: plain.headers },
    sent: plainHead("GET /"),
  });
});

test("head: close says so once, and the connection is closed", async () => {
  for (
    const [init, options, line] of [
      [{ close: true }, {}, "Connection: close"],
      [{}, { disableKeepAlives: true }, "Connection: close"],
      [{ close: true, headers: { "connection": "CLOSE" } }, {}, "connection: CLOSE"],
      [{ headers: { "Connection": "x, close" } }, {}, "Connection: x, close"],
    ] as const
  ) {
    const conn = new ScriptedConn()
      .expect(plainHead("GET /", "User-Agent: roundtrip/0.1.0", line))
      .send(NO_CONTENT).waitForClose();
    const dialer = scriptedDialer(conn);
    const transport = new Transport({ dialer, ...plain.options, ...options });
    const response = await transport.roundTrip(new HttpRequest("http://example.com/", init));
    assert.equal(response.status, 204);
    dialer.assertConsumed();
    assert.deepEqual(transport.stats(), {
      idle: 0,
      active: 0,
      dialing: 0,
      waiting: 0,
      total: 0,
      perHost: {},
    });
  }
});

test("head: OPTIONS and paths are sent in origin-form, escaped as the URL says", async () => {
  const rows: [string, string][] = [
    ["http://example.com", "/"],
    ["http://example.com?", "/?"],
    ["http://example.com/a b", "/a%20b"],
    ["http://example.com/ä?ö=ü#ß", "/%C3%A4?%C3%B6=%C3%BC"],
    ["http://example.com/a/../b/./c", "/b/c"],
    ["http://example.com/%2e%2e/x", "/x"],
    ["http://example.com/a%0d%0aX:%20y", "/a%0d%0aX:%20y"],
  ];
  for (const [url, target] of rows) {
    await assertSent({
      options: plain.options,
      url,
      init: { method: "OPTIONS", headers: plain.headers },
      sent: plainHead(`OPTIONS ${target}`),
    });
  }
});

test("head: CONNECT asks for host and port, not for a path", async () => {
  const rows: [string, string | undefined, string, string][] = [
    ["http://proxy.test:3128/ignored?x", undefined, "proxy.test:3128", "proxy.test:3128"],
    ["http://proxy.test/", undefined, "proxy.test:80", "proxy.test"],
    ["http://proxy.test:3128/", "example.com:443", "example.com:443", "example.com:443"],
    ["http://proxy.test:3128/", "[::1]:443", "[::1]:443", "[::1]:443"],
    ["http://[::1]:3128/", undefined, "[::1]:3128", "[::1]:3128"],
  ];
  for (const [url, host, target, field] of rows) {
    const conn = new ScriptedConn()
      .expect(`CONNECT ${target} HTTP/1.1\r\nHost: ${field}\r\nUser-Agent: roundtrip/0.1.0\r\n\r\n`)
      .send("HTTP/1.1 200 OK\r\n\r\n").waitForClose();
    const dialer = scriptedDialer(conn);
    const transport = new Transport({ dialer });
    const request = new HttpRequest(url, { method: "CONNECT", host });
    const response = await transport.roundTrip(request);
    response.upgrade().close();
    dialer.assertConsumed();
  }
});

test("head: field values keep their bytes above U+007F, and lose white space at their ends", async () => {
  await assertSent({
    options: plain.options,
    init: { headers: [...plain.headers, ["X-Name", " \t caf\xe9\tau lait \t"], ["X-Empty", " "]] },
    sent: plainHead("GET /", "X-Name: caf\xe9\tau lait", "X-Empty: "),
  });
});

test("head: a long head goes in one write too", async () => {
  const value = "v".repeat(20_000);
  await assertSent({
    options: plain.options,
    init: { headers: [...plain.headers, ["X-Long", value]] },
    sent: plainHead("GET /", `X-Long: ${value}`),
    writes: 1,
  });
});

test("head: the fields that say how to upgrade are the caller's", async () => {
  await assertSent({
    options: plain.options,
    init: {
      headers: [...plain.headers, ["Connection", "Upgrade, HTTP2-Settings"], ["Upgrade", "h2c"]],
    },
    sent: plainHead("GET /", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"),
  });
});

test("head: frozen headers that requests share are judged anew for each of them", async () => {
  const headers = new HttpHeaders([
    ["User-Agent", ""],
    ["Expect", "100-continue"],
    ["Content-Length", "0"],
  ]).freeze();
  const options = { ...plain.options, expectContinueTimeoutMs: 0 };
  const withBody = (body: Uint8Array | null): Promise<HttpResponse> =>
    assertSent({
      options,
      init: { method: "PUT", headers, body },
      sent: plainHead("PUT /", "Expect: 100-continue", "Content-Length: 0"),
    });
  await withBody(new Uint8Array(0));
  await assert.rejects(withBody(null), /Expect: 100-continue without a body/);
  await assert.rejects(withBody(new Uint8Array(1)), /stated as both/);
  await withBody(new Uint8Array(0));
  const named = new HttpHeaders([...plain.headers, ["Host", "a.test"], ["X-A", "1"]]).freeze();
  const sent = "GET / HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\n\r\n";
  await assertSent({ options: plain.options, init: { headers: named }, sent });
  const both = assertSent({ options: plain.options, init: { headers: named, host: "b" }, sent });
  await assert.rejects(both, /Both a Host field and the option host/);
  await assertSent({ options: plain.options, init: { headers: named }, sent });
});
