/**
 * `http+unix:` URLs: a socket's path in the place of the host.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpError, HttpRequest } from "../mod.ts";
import { test } from "./harness.ts";

test("an http+unix URL names a socket, and localhost is its host", () => {
  const request = new HttpRequest("http+unix://%2Fvar%2Frun%2Fdocker.sock/v1.43/info?a=%2F&b#c");
  assert.equal(request.scheme, "http+unix:");
  assert.equal(request.socketPath, "/var/run/docker.sock");
  assert.equal(request.authority, "localhost");
  assert.equal(request.hostname, "localhost");
  assert.equal(request.requestTarget, "/v1.43/info?a=%2F&b");
  assert.equal(request.href, "http+unix://%2Fvar%2Frun%2Fdocker.sock/v1.43/info?a=%2F&b");
  assert.equal(request.host, null);
});

test("the path of a socket is decoded once, as UTF-8, and keeps its case", () => {
  const rows: [string, string][] = [
    ["%2FA%2Fb.sock", "/A/b.sock"],
    ["%2fa%2525b", "/a%25b"],
    ["%2Ftmp%2Fa%20b%3A80", "/tmp/a b:80"],
    ["%2Ftmp%2F%C3%A9", "/tmp/\u00e9"],
    ["%2Ftmp%2F\u00e9", "/tmp/\u00e9"],
    ["%2Ftmp%2F..%2Fa", "/tmp/../a"],
    ["%2Ftmp%2Fa:", "/tmp/a"],
  ];
  for (const [host, path] of rows) {
    assert.equal(new HttpRequest(`http+unix://${host}/`).socketPath, path, host);
  }
});

test("an http+unix URL without a path asks for the root", () => {
  const rows: [string, string][] = [
    ["http+unix://%2Fa.sock", "/"],
    ["http+unix://%2Fa.sock?b", "/?b"],
    ["http+unix://%2Fa.sock?", "/?"],
    ["http+unix://%2Fa.sock/", "/"],
    ["http+unix://%2Fa.sock/b/../c", "/c"],
  ];
  for (const [url, target] of rows) {
    assert.equal(new HttpRequest(url).requestTarget, target, url);
  }
});

test("an http+unix URL that names no absolute path is refused", () => {
  const urls = [
    "http+unix:",
    "http+unix:/a.sock",
    "http+unix:a.sock",
    "http+unix:///a.sock",
    "http+unix://a.sock/",
    "http+unix://localhost/",
    "http+unix://127.0.0.1/",
    "http+unix://[::1]/",
    "http+unix://.%2Fa.sock/",
    "http+unix://~%2Fa.sock/",
    "http+unix://%00abstract/",
    "http+unix://%2Fa%00b/",
    "http+unix://%2Fa%FFb/",
    "http+unix://%2Fa%zz/",
    "http+unix://%2Fa.sock:80/",
    "http+unix://%2Fa.sock:0/",
    "http+unix://user:password@%2Fa.sock/",
    "http+unix://%2Fa.sock/\r\nX: y",
  ];
  for (const url of urls) {
    const isRefusal = (error: unknown) =>
      error instanceof HttpError && error.code === "ERR_INVALID_REQUEST" &&
      !error.message.includes("password");
    assert.throws(() => new HttpRequest(url), isRefusal, url);
  }
});

test("other URLs have no socket path", () => {
  for (const url of ["http://localhost/", "https://a.test/", "data:,a", "file:///a"]) {
    assert.equal(new HttpRequest(url).socketPath, null, url);
  }
});

test("a fragment is dropped from every URL, also an empty one", () => {
  const rows: [string, string][] = [
    ["http://a.test/b#c", "http://a.test/b"],
    ["http://a.test/b#", "http://a.test/b"],
    ["http://a.test/b?#", "http://a.test/b?"],
    ["data:text/plain,a%23b#c", "data:text/plain,a%23b"],
    ["data:,a?b#", "data:,a?b"],
    ["file:///a#b", "file:///a"],
  ];
  for (const [url, href] of rows) assert.equal(new HttpRequest(url).href, href);
  assert.equal(new HttpRequest("http://a.test/b?#").requestTarget, "/b?");
});
