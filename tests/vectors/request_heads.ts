/**
 * Vectors: requests as a server reads them.
 *
 * @module
 */
import type { ReadRequest } from "../support/read_message.ts";
import type { Vector } from "./vector.ts";

function request(
  method: string,
  requestTarget: string,
  fields: [string, string][],
  rest: Partial<ReadRequest> = {},
): ReadRequest {
  return {
    method,
    requestTarget,
    minorVersion: 1,
    fields,
    framing: "none",
    content: "",
    trailers: null,
    ...rest,
  };
}

const REFUSED = { error: "ERR_INVALID_REQUEST" } as const;
const HOST: [string, string] = ["Host", "a"];

/** The rows. */
export const requests: readonly Vector<string, ReadRequest>[] = [
  {
    name: "origin-form",
    input: "GET /x?y=%20 HTTP/1.1\r\nHost: a\r\n\r\n",
    expected: request("GET", "/x?y=%20", [HOST]),
    rfc: "9112 3.2.1",
  },
  {
    name: "absolute-form",
    input: "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    expected: request("GET", "http://a/", [HOST]),
    rfc: "9112 3.2.2",
  },
  {
    name: "authority-form",
    input: "CONNECT [::1]:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    expected: request("CONNECT", "[::1]:443", [HOST]),
    rfc: "9112 3.2.3",
  },
  {
    name: "asterisk-form",
    input: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    expected: request("OPTIONS", "*", [HOST]),
    rfc: "9112 3.2.4",
  },
  {
    name: "method of any token",
    input: "p!#a HTTP/1.1\r\n\r\n",
    ...REFUSED,
    rfc: "9112 3",
    why: "there is no target",
  },
  {
    name: "method in small letters is another method",
    input: "get / HTTP/1.1\r\nHost: a\r\n\r\n",
    expected: request("get", "/", [HOST]),
    rfc: "9110 9.1",
  },
  {
    name: "HTTP/1.0",
    input: "GET / HTTP/1.0\r\n\r\n",
    expected: request("GET", "/", [], { minorVersion: 0 }),
    rfc: "9112 2.3",
  },
  {
    name: "content of a length",
    input: "PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok",
    expected: request("PUT", "/", [["Content-Length", "2"]], { framing: "length", content: "ok" }),
    rfc: "9112 6.3",
  },
  {
    name: "chunked content with trailers",
    input: "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: 1\r\n\r\n",
    expected: request("PUT", "/", [["Transfer-Encoding", "chunked"]], {
      framing: "chunked",
      content: "ok",
      trailers: [["A", "1"]],
    }),
    rfc: "9112 7.1",
  },
  {
    name: "one empty line first",
    input: "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    expected: request("GET", "/", [HOST]),
    rfc: "9112 2.2",
  },
  { name: "two spaces", input: "GET  / HTTP/1.1\r\n\r\n", ...REFUSED, rfc: "9112 3" },
  { name: "space in the target", input: "GET /a b HTTP/1.1\r\n\r\n", ...REFUSED, rfc: "9112 3.2" },
  { name: "tab for a space", input: "GET\t/ HTTP/1.1\r\n\r\n", ...REFUSED, rfc: "9112 3" },
  { name: "space at the end", input: "GET / HTTP/1.1 \r\n\r\n", ...REFUSED, rfc: "9112 3" },
  { name: "no version", input: "GET /\r\n\r\n", ...REFUSED, rfc: "9112 3" },
  { name: "HTTP/1.2", input: "GET / HTTP/1.2\r\n\r\n", ...REFUSED, rfc: "9112 2.3" },
  { name: "HTTP/2 preface", input: "PRI * HTTP/2.0\r\n\r\n", ...REFUSED, rfc: "9113 3.4" },
  { name: "method that is no token", input: "G(T / HTTP/1.1\r\n\r\n", ...REFUSED, rfc: "9110 9.1" },
  {
    name: "control character in the target",
    input: "GET /\x01 HTTP/1.1\r\n\r\n",
    ...REFUSED,
    rfc: "9112 3.2",
  },
  {
    name: "CR alone in the target",
    input: "GET /\rx HTTP/1.1\r\n\r\n",
    ...REFUSED,
    rfc: "9112 2.2",
  },
  { name: "target above U+007F", input: "GET /\xe9 HTTP/1.1\r\n\r\n", ...REFUSED, rfc: "9112 3.2" },
  {
    name: "CONNECT with a path",
    input: "CONNECT /x HTTP/1.1\r\n\r\n",
    ...REFUSED,
    rfc: "9112 3.2.3",
  },
  {
    name: "CONNECT without port",
    input: "CONNECT a HTTP/1.1\r\n\r\n",
    ...REFUSED,
    rfc: "9112 3.2.3",
  },
  {
    name: "T5 space before a colon",
    input: "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    ...REFUSED,
    rfc: "9112 5.1",
  },
  {
    name: "T6 both lengths",
    input: "PUT / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    ...REFUSED,
    rfc: "9112 6.3",
  },
  {
    name: "T2 LF in a chunk line",
    input: "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "content cut short",
    input: "PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nok",
    error: "ERR_INCOMPLETE_BODY",
    rfc: "9112 8",
  },
];
