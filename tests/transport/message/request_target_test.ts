/**
 * A request target of the caller's own: what is sent, on which way, and what is refused.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  Client,
  createFetch,
  exchangeOf,
  HttpError,
  HttpRequest,
  MemoryCookieJar,
  RetryingTransport,
} from "../../../mod.ts";
import { ScriptedConn, scriptedDialer } from "../../../testing/mod.ts";
import { test } from "../../support/harness.ts";
import { withRawServer } from "../../support/raw_server.ts";
import { assertSent, NO_CONTENT, plain, plainHead } from "../../support/sent_bytes.ts";
import { steadyTransport } from "../../support/steady_transport.ts";

test("M14 a path, * and absolute-form are sent as they are given", async () => {
  const rows: [string, string, string][] = [
    ["GET", "http://example.com/a?b#c", "/x/../y/./%2e%2E/%2F//z"],
    ["GET", "http://example.com/", "/"],
    ["GET", "http://example.com/", "//evil.test/x"],
    ["GET", "http://example.com/", '/?a=/../{}|\\^`"<>&%zz'],
    ["OPTIONS", "http://example.com/a?b", "*"],
    ["OPTIONS", "http://example.com/", "/*"],
    ["GET", "http://example.com/", "http://example.com/x/../y"],
    ["GET", "http://example.com/", "http://example.com"],
    ["GET", "http://example.com/", "http://example.com?q"],
    ["GET", "http://example.com/", "HTTP://EXAMPLE.com:80/x"],
    ["GET", "http://example.com/", "http://example.com//evil.test/"],
  ];
  for (const [method, url, target] of rows) {
    const init = { method, target, headers: plain.headers };
    await assertSent({ options: plain.options, url, init, sent: plainHead(`${method} ${target}`) });
    const request = new HttpRequest(url, init);
    assert.equal(request.target, target);
    assert.equal(request.url.pathname + request.url.search, request.requestTarget);
  }
  assert.equal(new HttpRequest("http://example.com/a").target, null);
});

test("M14 absolute-form for a server with a port, by IPv6, and behind a socket", () => {
  for (
    const [url, target] of [
      ["http://example.com:8080/", "http://example.com:8080/x"],
      ["http://[::1]:81/", "http://[::1]:81/x"],
      ["http://[::1]/", "http://[::1]:80/x"],
      ["https://example.com/", "https://example.com:443/x"],
      ["http+unix://%2Fa.sock/", "http://localhost/x"],
    ]
  ) {
    assert.equal(new HttpRequest(url, { target }).target, target);
  }
});

test("M14 through a proxy that is given the request itself", async () => {
  const rows: [string, string, string][] = [
    ["OPTIONS", "*", "http://example.com"],
    ["GET", "/x/../y%2F", "http://example.com/x/../y%2F"],
    ["GET", "http://example.com:80/x", "http://example.com:80/x"],
    ["GET", "//evil.test", "http://example.com//evil.test"],
  ];
  for (const [method, target, sent] of rows) {
    await assertSent({
      options: { ...plain.options, proxy: "http://proxy.test:3128" },
      init: { method, target, headers: plain.headers },
      sent: plainHead(`${method} ${sent}`),
    });
  }
  await assertSent({
    options: { ...plain.options, proxy: "http://proxy.test:3128" },
    url: "http://example.com:8080/a",
    init: { method: "OPTIONS", target: "*", headers: plain.headers },
    sent: "OPTIONS http://example.com:8080 HTTP/1.1\r\nHost: example.com:8080\r\n\r\n",
  });
});

test("M14 through a tunnel the server is given what was stated", async () => {
  const conn = new ScriptedConn()
    .expect(
      "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n" +
        "User-Agent: roundtrip/0.1.0\r\n\r\n",
    ).send("HTTP/1.1 200 OK\r\n\r\n")
    .expect(plainHead("OPTIONS *")).send(NO_CONTENT);
  const dialer = scriptedDialer(conn);
  const transport = steadyTransport({ dialer, ...plain.options, proxy: "http://proxy.test:3128" });
  const init = { method: "OPTIONS", target: "*", headers: plain.headers };
  await transport.roundTrip(new HttpRequest("https://example.com/", init));
  dialer.assertConsumed();
  transport.destroy();
});

/** Refused when it is made, by a message that shows nothing of it. */
function assertRefused(target: string, init: { method?: string; url?: string } = {}): void {
  const { method = "GET", url = "http://example.com/" } = init;
  assert.throws(
    () => new HttpRequest(url, { method, target }),
    (error) => {
      assert.ok(error instanceof HttpError, String(error));
      assert.equal(error.code, "ERR_INVALID_REQUEST");
      assert.match(error.message, /^Cannot use this request target: [\x20-\x7e]+$/);
      assert.doesNotMatch(error.message, /canary/);
      return true;
    },
    JSON.stringify(target),
  );
}

test("M14 T15 what ends or splits a request line is refused", () => {
  const bad = [
    ...["\r\n", "\r", "\n", "\0", "\t", " ", "\x0b", "\x7f", "\x80", "\xa0", "\xe9", "#"],
    ...["\u010a", "\u010d", "\u0100", "\u2028", "\ud83d\ude00", "\ud800"],
  ];
  for (const c of bad) {
    for (
      const target of [`/canary${c}`, `${c}/canary`, `/a${c}HTTP/1.1`, `http://example.com/${c}`]
    ) {
      assertRefused(target);
    }
    assertRefused(`*${c}`, { method: "OPTIONS" });
  }
  assertRefused("/ HTTP/1.1\r\nX-Injected: canary\r\n\r\nGET /");
});

test("M14 T16 a target is turned into a string once", () => {
  let count = 0;
  const turning = { toString: () => count++ === 0 ? "/fine" : "/bad\r\nX: y" };
  const request = new HttpRequest("http://example.com/", { target: turning as unknown as string });
  assert.deepEqual([request.target, count], ["/fine", 1]);
});

test("M14 T18 another origin, and what is no target, is refused", () => {
  const bad = [
    "",
    "x",
    "x/y",
    "?q",
    "..",
    "\\\\evil.test",
    "\\/x",
    "**",
    "example.com:80",
    "example.com",
    "http:",
    "http:/example.com/",
    "http://",
    "http:///x",
    "http://evil.test/",
    "http://example.com.evil.test/",
    "http://example.com./",
    "http://example.com:81/",
    "http://example.com:080/",
    "http://example.com:/",
    "http://example.com:80:80/",
    "http://user:canary@example.com/",
    "http://canary@example.com/",
    "http://example.com@evil.test/",
    "http://example.com\\@evil.test/",
    "http://example.com\\.evil.test/",
    "http://ex%61mple.com/",
    "http://[example.com]/",
    "https://example.com/",
    "ftp://example.com/",
    "urn:example:canary",
    "javascript://example.com/",
  ];
  for (const target of bad) assertRefused(target);
  assertRefused("https://example.com:443/", { url: "http://example.com:443/" });
  assertRefused("http://example.com:81:81/", { url: "http://example.com:81/" });
  assertRefused("http://%2Fa.sock/", { url: "http+unix://%2Fa.sock/" });
  assertRefused("http+unix://%2Fa.sock/", { url: "http+unix://%2Fa.sock/" });
  for (const method of ["GET", "HEAD", "POST", "options", "TRACE"]) assertRefused("*", { method });
  for (const target of ["*", "/", "example.com:443", "http://example.com/"]) {
    assertRefused(target, { method: "CONNECT" });
  }
});

test("M14 with() checks again, and another URL drops it", () => {
  const request = new HttpRequest("http://example.com/a", { method: "OPTIONS", target: "*" });
  assert.equal(request.with({}).target, "*");
  assert.equal(request.with({ timeoutMs: 5 }).target, "*");
  assert.equal(request.with({ target: undefined }).target, null);
  assert.equal(request.with({}, "http://example.com/b").target, null);
  assert.equal(request.with({ target: "/x" }, "http://example.com/b").target, "/x");
  assert.throws(() => request.with({ method: "GET" }), { code: "ERR_INVALID_REQUEST" });
});

test("M14 cookies go by the URL, and a redirect drops the target", async () => {
  const seen: string[] = [];
  await withRawServer(async (connection) => {
    for (;;) {
      const head = await connection.readHead();
      seen.push(`${head.split("\r\n")[0]} ${/^cookie: (.*)\r$/im.exec(head)?.[1]}`);
      await connection.send(
        seen.length === 1
          ? "HTTP/1.1 307 X\r\nLocation: ../next\r\nSet-Cookie: s=1\r\nContent-Length: 0\r\n\r\n"
          : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
      );
    }
  }, async (server) => {
    const transport = steadyTransport();
    const jar = new MemoryCookieJar();
    const client = new Client({ transport, jar });
    await jar.setCookie(new URL(server.origin + "/deep/url"), "u=1; Path=/deep");
    await jar.setCookie(new URL(server.origin + "/other"), "t=1; Path=/other");
    const response = await client.get(server.origin + "/deep/url", { target: "/other/../x" });
    assert.equal(response.url, server.origin + "/next");
    assert.equal(response.request.target, null);
    assert.equal(response.request.redirectedFrom?.target, "/other/../x");
    assert.deepEqual(seen, ["GET /other/../x HTTP/1.1 u=1", "GET /next HTTP/1.1 undefined"]);
    // Another target needs no other connection.
    assert.equal(server.connections.length, 1);
    await transport.close();
  });
});

test("M14 a retry asks for the same again", async () => {
  const sent = plainHead("OPTIONS *");
  const conn = new ScriptedConn()
    .expect(sent).send("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")
    .expect(sent).send(NO_CONTENT);
  const dialer = scriptedDialer(conn);
  const transport = steadyTransport({ dialer, ...plain.options });
  const retrying = new RetryingTransport(transport, { baseDelayMs: 0 });
  const init = { method: "OPTIONS", target: "*", headers: plain.headers };
  const response = await retrying.roundTrip(new HttpRequest("http://example.com/", init));
  assert.equal(response.status, 204);
  dialer.assertConsumed();
  transport.destroy();
});

test("M14 T54 the egress policy looks at the URL", async () => {
  const transport = steadyTransport({ egress: { deny: ["loopback"] } });
  const request = new HttpRequest("http://127.0.0.1:9/", { target: "http://127.0.0.1:9/x" });
  await assert.rejects(transport.roundTrip(request), { code: "ERR_BLOCKED" });
  await transport.close();
});

test("M14 fetch has no such option", async () => {
  await withRawServer(async (connection) => {
    const head = await connection.readHead();
    const line = head.split("\r\n")[0];
    await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${line.length}\r\n\r\n${line}`);
  }, async (server) => {
    const transport = steadyTransport();
    const fetch = createFetch({ transport });
    const response = await fetch(server.origin + "/a/../b", { target: "/x" } as RequestInit);
    assert.equal(await response.text(), "GET /b HTTP/1.1");
    assert.equal(exchangeOf(response)?.request.target, null);
    await transport.close();
  });
});
