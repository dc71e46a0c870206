/**
 * Vectors: how the body of a message ends, every branch of RFC 9112 section 6.3; and whether a connection
 * outlives it.
 *
 * @module
 */
import type { Deviation } from "../../http/deviation.ts";
import type { Framing } from "../../http/incoming_content.ts";
import type { Vector } from "./vector.ts";

/** A response head, and the method that it answers. */
export interface FramingInput {
  readonly method: string;
  /** Head without its closing empty line. */
  readonly head: string;
}

/** The framing and what was forgiven for it. */
export interface ExpectedFraming {
  readonly framing: Framing;
  readonly deviations: readonly Deviation[];
}

function answer(status: string, fields: string, method = "GET"): FramingInput {
  return { method, head: `HTTP/1.1 ${status}\r\n${fields}` };
}

function is(framing: Framing, ...deviations: Deviation[]): { expected: ExpectedFraming } {
  return { expected: { framing, deviations } };
}

const NONE = { kind: "none" } as const;
const CHUNKED = { kind: "chunked" } as const;
const CLOSE = { kind: "closeDelimited" } as const;
const TUNNEL = { kind: "tunnel" } as const;
const REFUSED = { error: "ERR_MALFORMED_RESPONSE" } as const;
const CL = "Content-Length: 5\r\n";
const TE = "Transfer-Encoding: chunked\r\n";

/** Framing of responses, by a strict reader. */
export const responseFramings: readonly Vector<FramingInput, ExpectedFraming>[] = [
  { name: "HEAD with length", input: answer("200", CL, "HEAD"), ...is(NONE), rfc: "6.3 rule 1" },
  { name: "HEAD chunked", input: answer("200", TE, "HEAD"), ...is(NONE), rfc: "6.3 rule 1" },
  { name: "HEAD without both", input: answer("200", "", "HEAD"), ...is(NONE), rfc: "6.3 rule 1" },
  {
    name: "HEAD with a length that is none",
    input: answer("200", "Content-Length: x\r\n", "HEAD"),
    ...REFUSED,
    rfc: "6.3 rule 5",
  },
  {
    name: "head is not HEAD",
    input: answer("200", CL, "head"),
    ...is({ kind: "length", bytes: 5 }),
    rfc: "9110 9.1",
  },
  { name: "204", input: answer("204", ""), ...is(NONE), rfc: "6.3 rule 1" },
  {
    name: "204 with length 0",
    input: answer("204", "Content-Length: 0\r\n"),
    ...is(NONE),
    rfc: "6.3 rule 1",
  },
  {
    name: "204 with length",
    input: answer("204", CL),
    ...is(NONE, "content-length-on-204"),
    rfc: "6.3 rule 1",
  },
  {
    name: "204 chunked",
    input: answer("204", TE),
    ...is(NONE, "content-length-on-204"),
    rfc: "6.3 rule 1",
  },
  { name: "304", input: answer("304", ""), ...is(NONE), rfc: "6.3 rule 1" },
  {
    name: "304 with length",
    input: answer("304", CL),
    ...is(NONE),
    rfc: "6.3 rule 1",
    why: "length of what a 200 would bring",
  },
  { name: "304 chunked", input: answer("304", TE), ...is(NONE), rfc: "6.3 rule 1" },
  {
    name: "205 has framing like others",
    input: answer("205", CL),
    ...is({ kind: "length", bytes: 5 }),
    rfc: "9110 15.3.6",
  },
  { name: "CONNECT 200", input: answer("200", "", "CONNECT"), ...is(TUNNEL), rfc: "6.3 rule 2" },
  {
    name: "CONNECT 200 with length",
    input: answer("200", CL, "CONNECT"),
    ...is(TUNNEL),
    rfc: "6.3 rule 2",
  },
  {
    name: "CONNECT 299 chunked",
    input: answer("299", TE, "CONNECT"),
    ...is(TUNNEL),
    rfc: "6.3 rule 2",
  },
  { name: "CONNECT 204", input: answer("204", "", "CONNECT"), ...is(TUNNEL), rfc: "6.3 rule 2" },
  {
    name: "CONNECT 300",
    input: answer("300", CL, "CONNECT"),
    ...is({ kind: "length", bytes: 5 }),
    rfc: "6.3 rule 6",
  },
  {
    name: "CONNECT 407 without both",
    input: answer("407", "", "CONNECT"),
    ...is(CLOSE),
    rfc: "6.3 rule 8",
  },
  ...[
    ["HEAD", "200"],
    ["GET", "204"],
    ["GET", "304"],
    ["HEAD", "304"],
  ].flatMap(([method, status]): Vector<FramingInput, ExpectedFraming>[] =>
    [
      ["lengths that differ", CL + "Content-Length: 6\r\n", "6.3 rule 5"],
      ["lengths that differ in a list", "Content-Length: 5, 6\r\n", "6.3 rule 5"],
      ["equal lengths in other digits", "Content-Length: 030, 30\r\n", "6.3 rule 5"],
      ["a length that is none behind one", CL + "Content-Length: x\r\n", "6.3 rule 5"],
      ["a length with a sign", "Content-Length: +5\r\n", "9110 8.6"],
      ["an empty length", "Content-Length:\r\n", "9110 8.6"],
      ["a length above 2^53-1", "Content-Length: 9007199254740992\r\n", "9110 8.6"],
      ["an unknown coding", "Transfer-Encoding: xchunked\r\n", "6.3 rule 4"],
      ["a coding behind chunked", "Transfer-Encoding: chunked, gzip\r\n", "6.3 rule 4"],
      ["an empty coding", "Transfer-Encoding:\r\n", "6.3 rule 4"],
      ["chunked twice", TE + TE, "6.1"],
      ["both length and coding", CL + TE, "6.3 rule 3"],
    ].map(([what, fields, rfc]) => ({
      name: `M13 ${method} ${status} with ${what}`,
      input: answer(status, fields, method),
      ...REFUSED,
      rfc,
    }))
  ),
  {
    name: "M13 HEAD with equal lengths",
    input: answer("200", "Content-Length: 5, 5\r\n", "HEAD"),
    ...is(NONE, "duplicate-content-length"),
    rfc: "6.3 rule 5",
  },
  {
    name: "M13 304 with equal lengths on two lines",
    input: answer("304", CL + CL),
    ...is(NONE, "duplicate-content-length"),
    rfc: "6.3 rule 5",
  },
  {
    name: "M13 204 with equal lengths",
    input: answer("204", CL + CL),
    ...is(NONE, "duplicate-content-length", "content-length-on-204"),
    rfc: "6.3 rule 5",
  },
  {
    name: "M13 204 with length 0 twice",
    input: answer("204", "Content-Length: 0, 0\r\n"),
    ...is(NONE, "duplicate-content-length"),
    rfc: "6.3 rule 5",
  },
  {
    name: "M13 204 with a length of zeros",
    input: answer("204", "Content-Length: 00\r\n"),
    ...is(NONE),
    rfc: "6.3 rule 1",
  },
  {
    name: "M13 HEAD chunked in HTTP/1.0",
    input: { method: "HEAD", head: "HTTP/1.0 200\r\n" + TE },
    ...REFUSED,
    rfc: "6.1",
  },
  {
    name: "M13 equal lengths in other digits",
    input: answer("200", "Content-Length: 030, 30\r\n"),
    ...REFUSED,
    rfc: "9110 8.6",
    why: "texts are compared, not numbers",
  },
  {
    name: "M13 equal lengths in other digits on two lines",
    input: answer("200", "Content-Length: 5\r\nContent-Length: 05\r\n"),
    ...REFUSED,
    rfc: "9110 8.6",
  },
  {
    name: "M13 equal lengths with the same zeros in front",
    input: answer("200", "Content-Length: 05,05\r\n"),
    ...is({ kind: "length", bytes: 5 }, "duplicate-content-length"),
    rfc: "9110 8.6",
  },
  {
    name: "M13 CONNECT 200 looks at neither",
    input: answer("200", "Content-Length: x\r\nTransfer-Encoding: y\r\n", "CONNECT"),
    ...is(TUNNEL),
    rfc: "9110 9.3.6",
  },
  { name: "T6 both", input: answer("200", CL + TE), ...REFUSED, rfc: "6.3 rule 3" },
  {
    name: "T6 both, length 0",
    input: answer("200", TE + "Content-Length: 0\r\n"),
    ...REFUSED,
    rfc: "6.3 rule 3",
  },
  { name: "chunked", input: answer("200", TE), ...is(CHUNKED), rfc: "6.3 rule 4" },
  {
    name: "Chunked in capitals",
    input: answer("200", "TRANSFER-ENCODING: CHUNKED\r\n"),
    ...is(CHUNKED),
    rfc: "6.3 rule 4",
  },
  {
    name: "chunked with empty members",
    input: answer("200", "Transfer-Encoding: , chunked,\r\n"),
    ...is(CHUNKED),
    rfc: "9110 5.6.1",
  },
  {
    name: "T4 chunked is not the last",
    input: answer("200", "Transfer-Encoding: chunked, gzip\r\n"),
    ...REFUSED,
    rfc: "6.3 rule 4",
  },
  {
    name: "T4 only commas",
    input: answer("200", "Transfer-Encoding: ,,\r\n"),
    ...REFUSED,
    rfc: "6.3 rule 4",
  },
  {
    name: "T11 chunked in HTTP/1.0",
    input: { method: "GET", head: "HTTP/1.0 200\r\n" + TE },
    ...REFUSED,
    rfc: "6.1",
  },
  {
    name: "lengths differ",
    input: answer("200", CL + "Content-Length: 6\r\n"),
    ...REFUSED,
    rfc: "6.3 rule 5",
  },
  {
    name: "lengths differ in a list",
    input: answer("200", "Content-Length: 5, 6\r\n"),
    ...REFUSED,
    rfc: "6.3 rule 5",
  },
  {
    name: "lengths agree in lists and lines",
    input: answer("200", "Content-Length: 5, 5\r\n" + CL),
    ...is({ kind: "length", bytes: 5 }, "duplicate-content-length"),
    rfc: "6.3 rule 5",
  },
  {
    name: "length",
    input: answer("200", CL),
    ...is({ kind: "length", bytes: 5 }),
    rfc: "6.3 rule 6",
  },
  {
    name: "length 0",
    input: answer("200", "Content-Length: 0\r\n"),
    ...is(NONE),
    rfc: "6.3 rule 6",
  },
  {
    name: "length with zeros in front",
    input: answer("200", "Content-Length: 0005\r\n"),
    ...is({ kind: "length", bytes: 5 }),
    rfc: "9110 8.6",
  },
  {
    name: "length in HTTP/1.0",
    input: { method: "GET", head: "HTTP/1.0 200\r\n" + CL },
    ...is({ kind: "length", bytes: 5 }),
    rfc: "6.3 rule 6",
  },
  {
    name: "error status with length",
    input: answer("500", CL),
    ...is({ kind: "length", bytes: 5 }),
    rfc: "6.3 rule 6",
  },
  { name: "without both", input: answer("200", ""), ...is(CLOSE), rfc: "6.3 rule 8" },
  {
    name: "without both, keep-alive",
    input: answer("200", "Connection: keep-alive\r\n"),
    ...is(CLOSE),
    rfc: "6.3 rule 8",
  },
];

/** Names that share their length, and most bits, with the names of framing fields. */
export const neighbours: readonly Vector<FramingInput, ExpectedFraming>[] = [
  "Contentmlength: 5\r\n",
  "Content_Length: 5\r\n",
  "Content.Length: 5\r\n",
  "Content-Lengti: 5\r\n",
  "Transfer_Encoding: chunked\r\n",
  "Transfermencoding: chunked\r\n",
  "X-Content-Length: 5\r\n",
].map((field) => ({
  name: `${field.slice(0, field.indexOf(":"))} is another field`,
  input: answer("200", field),
  ...is(CLOSE),
  rfc: "9110 5.1",
}));

/** Framing of requests. `input` is a head without its closing empty line. */
export const requestFramings: readonly Vector<string, Framing>[] = [
  { name: "without both", input: "POST / HTTP/1.1\r\n", expected: NONE, rfc: "6.3 rule 7" },
  {
    name: "T7 GET with length",
    input: "GET / HTTP/1.1\r\n" + CL,
    expected: { kind: "length", bytes: 5 },
    rfc: "6.3 rule 6",
  },
  {
    name: "T7 GET chunked",
    input: "GET / HTTP/1.1\r\n" + TE,
    expected: CHUNKED,
    rfc: "6.3 rule 4",
  },
  {
    name: "length 0",
    input: "POST / HTTP/1.1\r\nContent-Length: 0\r\n",
    expected: NONE,
    rfc: "6.3 rule 6",
  },
  {
    name: "T6 both",
    input: "POST / HTTP/1.1\r\n" + CL + TE,
    error: "ERR_INVALID_REQUEST",
    rfc: "6.3 rule 3",
  },
  {
    name: "T4 xchunked",
    input: "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n",
    error: "ERR_INVALID_REQUEST",
    rfc: "6.3 rule 4",
  },
  {
    name: "T11 chunked in HTTP/1.0",
    input: "POST / HTTP/1.0\r\n" + TE,
    error: "ERR_INVALID_REQUEST",
    rfc: "6.1",
  },
  {
    name: "lengths differ",
    input: "POST / HTTP/1.1\r\nContent-Length: 5, 6\r\n",
    error: "ERR_INVALID_REQUEST",
    rfc: "6.3 rule 5",
  },
  {
    name: "M13 equal lengths in other digits",
    input: "POST / HTTP/1.1\r\nContent-Length: 5, 05\r\n",
    error: "ERR_INVALID_REQUEST",
    rfc: "9110 8.6",
  },
];

/** Whether the connection persists. `input` is a response head without its closing empty line. */
export const persistences: readonly Vector<string, boolean>[] = [
  { name: "1.1", input: "HTTP/1.1 200\r\n", expected: true, rfc: "9112 9.3" },
  { name: "1.0", input: "HTTP/1.0 200\r\n", expected: false, rfc: "9112 9.3" },
  {
    name: "1.1 close",
    input: "HTTP/1.1 200\r\nConnection: close\r\n",
    expected: false,
    rfc: "9112 9.6",
  },
  {
    name: "1.1 Close",
    input: "HTTP/1.1 200\r\nCONNECTION: Close\r\n",
    expected: false,
    rfc: "9110 7.6.1",
  },
  {
    name: "1.0 keep-alive",
    input: "HTTP/1.0 200\r\nConnection: Keep-Alive\r\n",
    expected: true,
    rfc: "9112 9.3",
  },
  {
    name: "1.1 keep-alive",
    input: "HTTP/1.1 200\r\nConnection: keep-alive\r\n",
    expected: true,
    rfc: "9112 9.3",
  },
  {
    name: "close among others",
    input: "HTTP/1.1 200\r\nConnection: x, close ,y\r\n",
    expected: false,
    rfc: "9110 7.6.1",
  },
  {
    name: "close in a later line",
    input: "HTTP/1.1 200\r\nConnection: keep-alive\r\nconnection: close\r\n",
    expected: false,
    rfc: "9110 7.6.1",
  },
  {
    name: "close beside keep-alive",
    input: "HTTP/1.0 200\r\nConnection: keep-alive, close\r\n",
    expected: false,
    rfc: "9112 9.3",
  },
  {
    name: "closed is another option",
    input: "HTTP/1.1 200\r\nConnection: closed, not-close\r\n",
    expected: true,
    rfc: "9110 7.6.1",
  },
  {
    name: "1.0 with another option",
    input: "HTTP/1.0 200\r\nConnection: upgrade\r\n",
    expected: false,
    rfc: "9112 9.3",
  },
  {
    name: "Proxy-Connection says nothing",
    input: "HTTP/1.1 200\r\nProxy-Connection: close\r\n",
    expected: true,
    rfc: "9112 appendix C.2.2",
  },
  {
    name: "empty option list",
    input: "HTTP/1.1 200\r\nConnection: ,\r\n",
    expected: true,
    rfc: "9110 5.6.1",
  },
];
