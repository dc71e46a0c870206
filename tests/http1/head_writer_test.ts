/**
 * The text of heads, what is refused in it, and the frames of the chunked coding.
 *
 * @module
 */
import assert from "node:assert/strict";
import { CHUNK_END, chunkStart, lastChunk } from "../../http1/chunked_writer.ts";
import { fieldLine, HEAD_END, requestLine, responseHead } from "../../http1/head_writer.ts";
import { HttpHeaders } from "../../http/http_headers.ts";
import { test } from "../support/harness.ts";

const INVALID = { name: "HttpError", code: "ERR_INVALID_REQUEST" };
const HOST: [string, string][] = [["Host", "a"]];

function requestHead(
  method: string,
  target: string,
  fields: Iterable<readonly [string, string]>,
): string {
  const lines = [...fields].map(([name, value]) => fieldLine(name, value));
  return requestLine(method, target) + lines.join("") + HEAD_END;
}

/** Characters that end or split what they stand in; the last three do so when their high bits are lost. */
const UNSENDABLE = ["\r", "\n", "\0", " ", "\t", "\x7f", "\u010a", "\u010d", "\u0120"];

test("requestLine(): every form of target", () => {
  for (
    const [method, target] of [
      ["GET", "/"],
      ["GET", "/a/b?c=d&e=%20"],
      ["GET", "http://example.com/"],
      ["OPTIONS", "*"],
      ["CONNECT", "example.com:443"],
      ["CONNECT", "127.0.0.1:1"],
      ["CONNECT", "[2001:db8::1]:65535"],
      ["M-SEARCH", "*"],
      ["get", "/"],
    ]
  ) {
    assert.equal(
      requestHead(method, target, [...HOST, ["x-A", ""]]),
      `${method} ${target} HTTP/1.1\r\nHost: a\r\nx-A: \r\n\r\n`,
    );
  }
});

test("requestLine(): fields keep order, case and repeats", () => {
  const headers = new HttpHeaders([["b", "1"], ["A", "2"], ["B", "\xe9"]]);
  assert.equal(
    requestHead("GET", "/", headers),
    "GET / HTTP/1.1\r\nb: 1\r\nA: 2\r\nB: \xe9\r\n\r\n",
  );
  assert.equal(requestHead("GET", "/", []), "GET / HTTP/1.1\r\n\r\n");
});

test("T15 requestLine(): a method that is no token is refused", () => {
  for (const c of UNSENDABLE) {
    for (const method of [`GET${c}`, `${c}GET`, `G${c}T`, c]) {
      assert.throws(() => requestHead(method, "/", HOST), INVALID, JSON.stringify(method));
    }
  }
  for (const method of ["", "GET / HTTP/1.1\r\nHost: evil\r\n\r\nGET", "G:T", "(GET)", "GÉT"]) {
    assert.throws(() => requestHead(method, "/", HOST), INVALID);
  }
});

test("T15 requestLine(): a target that could be read as anything else is refused", () => {
  for (const c of [...UNSENDABLE, "é", "\u2028"]) {
    for (const target of [`/${c}`, `${c}/`, `/a${c}b`]) {
      assert.throws(() => requestHead("GET", target, HOST), INVALID, JSON.stringify(target));
    }
  }
  assert.throws(() => requestHead("GET", "", HOST), INVALID);
  for (
    const target of [
      "",
      "/",
      "example.com",
      "example.com:",
      "example.com:443/",
      "user@example.com:443",
      "http://example.com:443",
      "::1:443",
      "[::1]",
      "[::1:443",
      "example.com:123456",
      "example.com:443\r\nEvil: 1",
      "exa mple.com:443",
      "example.com\0:443",
    ]
  ) {
    assert.throws(() => requestHead("CONNECT", target, HOST), INVALID, JSON.stringify(target));
  }
});

test("T57 requestLine(): errors are short and printable", () => {
  for (const text of ["\r\n".repeat(1000), "é".repeat(1000)]) {
    for (const make of [() => requestHead(text, "/", []), () => requestHead("GET", text, [])]) {
      assert.throws(
        make,
        ({ message }: Error) => message.length < 900 && /^[\x20-\x7e…]*$/.test(message),
      );
    }
  }
});

test("responseHead(): status codes and reason phrases", () => {
  assert.equal(responseHead(200, "OK", [["A", "b"]]), "HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
  assert.equal(responseHead(100, "", []), "HTTP/1.1 100 \r\n\r\n");
  assert.equal(responseHead(999, "a\tb é", []), "HTTP/1.1 999 a\tb é\r\n\r\n");
  for (const statusCode of [99, 1000, 0, -200, 200.5, NaN, Infinity, "200" as unknown as number]) {
    assert.throws(() => responseHead(statusCode, "", []), INVALID);
  }
  for (const reason of ["a\rb", "a\n", "\0", "\u010a", "😀"]) {
    assert.throws(() => responseHead(200, reason, []), INVALID);
  }
});

test("chunked writer: frames", () => {
  assert.equal(chunkStart(1), "1\r\n");
  assert.equal(chunkStart(0xabcdef), "abcdef\r\n");
  assert.equal(chunkStart(2 ** 53 - 1), "1fffffffffffff\r\n");
  assert.equal(CHUNK_END, "\r\n");
  assert.equal(lastChunk([]), "0\r\n\r\n");
  assert.equal(lastChunk([["A", "1"], ["a", ""]]), "0\r\nA: 1\r\na: \r\n\r\n");
});
