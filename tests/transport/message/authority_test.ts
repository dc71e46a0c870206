/**
 * Which host a request is for: one reading of the URL, the WHATWG parser's, for everything that follows from it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Dialer, HttpError, HttpRequest, Transport } from "../../../mod.ts";
import { test } from "../../support/harness.ts";

function isRefusal(error: unknown): boolean {
  return error instanceof HttpError && error.code === "ERR_INVALID_REQUEST";
}

test("T18 a path never changes the authority", () => {
  const rows: [string, string][] = [
    ["http://example.com//evil.test/", "//evil.test/"],
    ["http://example.com/http://evil.test/", "/http://evil.test/"],
    ["http://example.com\\@evil.test", "/@evil.test"],
    ["http://example.com/\\evil.test", "//evil.test"],
    ["http://example.com?@evil.test", "/?@evil.test"],
    ["http://example.com#@evil.test", "/"],
    ["http://example.com/..//evil.test", "//evil.test"],
  ];
  for (const [url, target] of rows) {
    const request = new HttpRequest(url);
    assert.deepEqual([request.authority, request.requestTarget], ["example.com", target]);
  }
});

test("T19 authorities mean what the WHATWG URL parser says", () => {
  const hosts = [
    "example.com",
    "EXAMPLE.com",
    "example.com.",
    "ex%61mple.com",
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "2130706433",
    "0177.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:0:0:1]",
    "[::1%25eth0]",
    "a_b.test",
    "a..b",
    "xn--mnchen-3ya.de",
    "m\u00fcnchen.de",
    "\uff45xample.com",
    "exa\u00admple.com",
    "\u0131.test",
    "faß.de",
    "%",
    "%zz",
    "a%2fb",
    "a%3a80",
    "a%40b",
    "-a-",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "[::g]",
    "[1.2.3.4]",
    "a|b",
    "a^b",
    "*",
    "~",
    "\u2100.test",
    "a\u3002b",
  ];
  for (const host of hosts) {
    for (const port of ["", ":80", ":443", ":8080", ":00080", ":65535", ":65536", ":"]) {
      for (const scheme of ["http", "https", "HTTP"]) {
        const text = `${scheme}://${host}${port}/`;
        let expected: URL | null = null;
        try {
          expected = new URL(text);
        } catch {
          // Refused there, refused here.
        }
        if (expected === null) {
          assert.throws(() => new HttpRequest(text), isRefusal, text);
          continue;
        }
        const request = new HttpRequest(text);
        assert.equal(request.authority, expected.host, text);
        assert.equal(request.hostname, expected.hostname.replace(/^\[|\]$/g, ""), text);
        assert.equal(
          request.port,
          Number(expected.port) || (expected.protocol === "https:" ? 443 : 80),
          text,
        );
        assert.equal(request.href, expected.href, text);
      }
    }
  }
});

test("T20 one canonical host for the dial, SNI, the pool and the Host field", async () => {
  for (
    const spelling of ["EXAMPLE.com", "ex%41mple.com", "\uff45xample.com", "exam\u00adple.com"]
  ) {
    const seen: string[] = [];
    const dialer: Dialer = {
      dial: (address) => {
        seen.push(address.transport === "tcp" ? address.hostname : "");
        return Promise.resolve({
          read: () => new Promise<never>(() => {}),
          write: (p) => {
            seen.push(/^Host: (.*)\r$/m.exec(new TextDecoder().decode(p))![1]);
            return Promise.reject(new Error("seen"));
          },
          closeWrite: () => Promise.resolve(),
          close: () => {},
          ref: () => {},
          unref: () => {},
          bytesRead: 0,
          bytesWritten: 0,
          localAddr: address,
          remoteAddr: address,
          tls: null,
        });
      },
      startTls: (conn, options) => {
        seen.push(options.serverName!);
        return Promise.resolve(conn);
      },
    };
    const transport = new Transport({ dialer });
    const going = transport.roundTrip(new HttpRequest(`https://${spelling}/`));
    going.catch(() => {});
    while (seen.length < 3) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(Object.keys(transport.stats().perHost), ["https://example.com:443"]);
    transport.destroy(new Error("seen"));
    await assert.rejects(going, /seen/);
    assert.deepEqual(seen, ["example.com", "example.com", "example.com"]);
  }
});
