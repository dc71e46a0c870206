/**
 * Vectors: heads of responses, and the field lines in them.
 *
 * @module
 */
import type { Deviation } from "../../http/deviation.ts";
import type { Vector } from "./vector.ts";

/** What is read of a head. */
export interface ExpectedHead {
  readonly statusCode: number;
  readonly reasonPhrase: string;
  readonly minorVersion: 0 | 1;
  readonly fields: readonly (readonly [string, string])[];
  readonly deviations: readonly Deviation[];
}

function head(
  statusCode: number,
  reasonPhrase: string,
  fields: readonly (readonly [string, string])[] = [],
  ...deviations: Deviation[]
): ExpectedHead {
  return { statusCode, reasonPhrase, minorVersion: 1, fields, deviations };
}

const OK = "HTTP/1.1 200 OK\r\n";
const REFUSED = { error: "ERR_MALFORMED_RESPONSE" } as const;
const ENDED = { error: "ERR_CONNECTION_LOST" } as const;

/** Read by a strict reader. */
export const responseHeads: readonly Vector<string, ExpectedHead>[] = [
  { name: "least", input: OK + "\r\n", expected: head(200, "OK"), rfc: "9112 4" },
  {
    name: "empty reason phrase",
    input: "HTTP/1.1 200 \r\n\r\n",
    expected: head(200, ""),
    rfc: "9112 4",
  },
  {
    name: "no reason phrase, no space",
    input: "HTTP/1.1 404\r\n\r\n",
    expected: head(404, ""),
    rfc: "9112 4",
  },
  {
    name: "reason phrase of several words",
    input: "HTTP/1.1 418 I'm a \t teapot \r\n\r\n",
    expected: head(418, "I'm a \t teapot "),
    rfc: "9112 4",
  },
  {
    name: "reason phrase with bytes above U+007F",
    input: "HTTP/1.1 200 \xe9t\xe9\r\nX-A: b\r\n\r\n",
    expected: head(200, "\xe9t\xe9", [["X-A", "b"]]),
    rfc: "9112 4",
  },
  {
    name: "HTTP/1.0",
    input: "HTTP/1.0 200 OK\r\n\r\n",
    expected: { ...head(200, "OK"), minorVersion: 0 },
    rfc: "9112 2.3",
  },
  {
    name: "lowest status code",
    input: "HTTP/1.1 100 \r\n\r\n",
    expected: head(100, ""),
    rfc: "9110 15",
  },
  {
    name: "highest status code",
    input: "HTTP/1.1 999 ?\r\n\r\n",
    expected: head(999, "?"),
    rfc: "9110 15",
    why: "invalid, but treated as 5xx by its first digit; seen from LinkedIn",
  },
  {
    name: "fields keep order, case and repeats",
    input: OK + "B: 1\r\na: 2\r\nB: 3\r\n\r\n",
    expected: head(200, "OK", [["B", "1"], ["a", "2"], ["B", "3"]]),
    rfc: "9110 5.3",
  },
  {
    name: "white space around a value is cut, inside it is kept",
    input: OK + "A:  \t x \t y \t \r\nB:z\r\n\r\n",
    expected: head(200, "OK", [["A", "x \t y"], ["B", "z"]]),
    rfc: "9112 5",
  },
  {
    name: "empty values",
    input: OK + "A:\r\nB: \t\r\n\r\n",
    expected: head(200, "OK", [["A", ""], ["B", ""]]),
    rfc: "9110 5.5",
  },
  {
    name: "every character of a token in a name",
    input: OK + "!#$%&'*+-.^_`|~09azAZ: v\r\n\r\n",
    expected: head(200, "OK", [["!#$%&'*+-.^_`|~09azAZ", "v"]]),
    rfc: "9110 5.6.2",
  },
  {
    name: "colons in a value",
    input: OK + "A: b: c:\r\nD::\r\n\r\n",
    expected: head(200, "OK", [["A", "b: c:"], ["D", ":"]]),
    rfc: "9112 5",
  },
  {
    name: "bytes above U+007F in a value are kept one by one",
    input: OK + "A: \xc3\xa9 \xff\x80\r\n\r\n",
    expected: head(200, "OK", [["A", "\xc3\xa9 \xff\x80"]]),
    rfc: "9110 5.5",
    why: "obs-text is opaque: no decoding",
  },
  {
    name: "a byte order mark is three bytes like others",
    input: OK + "A: \xef\xbb\xbfx\r\n\r\n",
    expected: head(200, "OK", [["A", "\xef\xbb\xbfx"]]),
    rfc: "9110 5.5",
  },
  {
    name: "T43 a field named __proto__",
    input: OK + "__proto__: x\r\nconstructor: y\r\n\r\n",
    expected: head(200, "OK", [["__proto__", "x"], ["constructor", "y"]]),
    rfc: "9110 5.1",
  },
  {
    name: "names of framing fields with other bytes of the same length",
    input: OK + "Content\rLength: 5\r\n\r\n",
    ...REFUSED,
    rfc: "9110 5.1",
    why: "CR differs from - by 0x20 only, as capitals from small letters",
  },
  {
    name: "obs-fold joins with one space",
    input: OK + "A: 1 \r\n \t 2\r\n\t3 \r\nB: 4\r\n\r\n",
    expected: head(200, "OK", [["A", "1 2 3"], ["B", "4"]], "obs-fold"),
    rfc: "9112 5.2",
  },
  {
    name: "obs-fold of an empty value, and with an empty line",
    input: OK + "A:\r\n 1\r\nB: 2\r\n \t\r\nC: 3\r\n\r\n",
    expected: head(200, "OK", [["A", "1"], ["B", "2"], ["C", "3"]], "obs-fold"),
    rfc: "9112 5.2",
  },
  {
    name: "obs-fold with LF alone and no room to spare",
    input: OK + "A:1\n 2\n 3\r\n\r\n",
    expected: head(200, "OK", [["A", "1 2 3"]], "bare-lf", "obs-fold"),
    rfc: "9112 5.2",
  },
  {
    name: "obs-fold before any field",
    input: OK + " A: 1\r\n\r\n",
    ...REFUSED,
    rfc: "9112 2.2",
    why: "white space between the start line and the first field",
  },
  {
    name: "LF alone",
    input: "HTTP/1.1 200 OK\nA: 1\r\nB: 2\n\n",
    expected: head(200, "OK", [["A", "1"], ["B", "2"]], "bare-lf"),
    rfc: "9112 2.2",
  },
  {
    name: "one empty line first",
    input: "\r\n" + OK + "A: 1\r\n\r\n",
    expected: head(200, "OK", [["A", "1"]], "leading-crlf"),
    rfc: "9112 2.2",
  },
  {
    name: "LF alone first",
    input: "\n" + OK + "\r\n",
    expected: head(200, "OK", [], "bare-lf", "leading-crlf"),
    rfc: "9112 2.2",
  },
  { name: "two empty lines first", input: "\r\n\r\n" + OK + "\r\n", ...REFUSED, rfc: "9112 2.2" },
  { name: "CR alone first", input: "\r" + OK + "\r\n", ...REFUSED, rfc: "9112 2.2" },
  { name: "two CR end a line", input: OK + "A: 1\r\r\n\r\n", ...REFUSED, rfc: "9112 2.2" },
  { name: "two CR before the end", input: OK + "\r\r\n", ...REFUSED, rfc: "9112 2.2" },
  {
    name: "CR alone in the status line",
    input: "HTTP/1.1 200 O\rK\r\n\r\n",
    ...REFUSED,
    rfc: "9112 4",
  },
  {
    name: "NUL in the reason phrase",
    input: "HTTP/1.1 200 O\0K\r\n\r\n",
    ...REFUSED,
    rfc: "9112 4",
  },
  {
    name: "DEL in the reason phrase",
    input: "HTTP/1.1 200 \x7f\r\n\r\n",
    ...REFUSED,
    rfc: "9112 4",
  },
  { name: "status of two digits", input: "HTTP/1.1 20\r\n\r\n", ...REFUSED, rfc: "9112 4" },
  { name: "status of four digits", input: "HTTP/1.1 2000 OK\r\n\r\n", ...REFUSED, rfc: "9112 4" },
  { name: "status with a letter", input: "HTTP/1.1 2x0 OK\r\n\r\n", ...REFUSED, rfc: "9112 4" },
  { name: "status with a sign", input: "HTTP/1.1 +20 OK\r\n\r\n", ...REFUSED, rfc: "9112 4" },
  { name: "status 000", input: "HTTP/1.1 000 OK\r\n\r\n", ...REFUSED, rfc: "9112 4" },
  {
    name: "status runs into the reason",
    input: "HTTP/1.1 200OK\r\n\r\n",
    ...REFUSED,
    rfc: "9112 4",
  },
  {
    name: "two spaces before the status",
    input: "HTTP/1.1  200 OK\r\n\r\n",
    ...REFUSED,
    rfc: "9112 4",
  },
  { name: "tab before the status", input: "HTTP/1.1\t200 OK\r\n\r\n", ...REFUSED, rfc: "9112 4" },
  { name: "no status", input: "HTTP/1.1\r\n\r\n", ...REFUSED, rfc: "9112 4" },
  { name: "no status, LF alone", input: "HTTP/1.1 \n\n", ...REFUSED, rfc: "9112 4" },
  { name: "name in small letters", input: "http/1.1 200 OK\r\n\r\n", ...REFUSED, rfc: "9112 2.3" },
  { name: "another protocol", input: "SSH-2.0-OpenSSH_9.6\r\n", ...REFUSED, rfc: "9112 4" },
  { name: "ICY", input: "ICY 200 OK\r\n\r\n", ...REFUSED, rfc: "9112 4", why: "SHOUTcast" },
  { name: "TLS alert", input: "\x15\x03\x01\x00\x02\x02\x46", ...REFUSED, rfc: "9112 4" },
  { name: "a request", input: "GET / HTTP/1.1\r\n\r\n", ...REFUSED, rfc: "9112 4" },
  { name: "HTTP/0.9", input: "HTTP/0.9 200 OK\r\n\r\n", ...REFUSED, rfc: "9112 2.3" },
  { name: "HTTP/1.10", input: "HTTP/1.10 200 OK\r\n\r\n", ...REFUSED, rfc: "9112 2.3" },
  { name: "HTTP/11", input: "HTTP/11 200 OK\r\n\r\n", ...REFUSED, rfc: "9112 2.3" },
  { name: "HTTP/1,1", input: "HTTP/1,1 200 OK\r\n\r\n", ...REFUSED, rfc: "9112 2.3" },
  { name: "HTTP/1.", input: "HTTP/1.\r\n\r\n", ...REFUSED, rfc: "9112 2.3" },
  { name: "T5 space before a colon", input: OK + "A : 1\r\n\r\n", ...REFUSED, rfc: "9112 5.1" },
  { name: "space inside a name", input: OK + "A B: 1\r\n\r\n", ...REFUSED, rfc: "9110 5.1" },
  { name: "empty name", input: OK + ": 1\r\n\r\n", ...REFUSED, rfc: "9110 5.1" },
  { name: "line without colon", input: OK + "nonsense\r\n\r\n", ...REFUSED, rfc: "9112 5" },
  { name: "name above U+007F", input: OK + "\xe9: 1\r\n\r\n", ...REFUSED, rfc: "9110 5.1" },
  { name: "quotes in a name", input: OK + '"A": 1\r\n\r\n', ...REFUSED, rfc: "9110 5.1" },
  { name: "NUL in a name", input: OK + "A\0: 1\r\n\r\n", ...REFUSED, rfc: "9110 5.1" },
  { name: "vertical tab in a value", input: OK + "A: 1\x0b2\r\n\r\n", ...REFUSED, rfc: "9110 5.5" },
  {
    name: "form feed at the end of a value",
    input: OK + "A: 1\x0c\r\n\r\n",
    ...REFUSED,
    rfc: "9110 5.5",
  },
  { name: "DEL in a value", input: OK + "A: 1\x7f\r\n\r\n", ...REFUSED, rfc: "9110 5.5" },
  { name: "escape in a value", input: OK + "A: \x1b[31m\r\n\r\n", ...REFUSED, rfc: "9110 5.5" },
  {
    name: "control character in a fold",
    input: OK + "A: 1\r\n 2\0\r\n\r\n",
    ...REFUSED,
    rfc: "9110 5.5",
  },
  { name: "nothing", input: "", ...ENDED, rfc: "9112 8" },
  { name: "end inside the status line", input: "HTTP/1.1 20", ...ENDED, rfc: "9112 8" },
  { name: "end inside the fields", input: OK + "A: 1\r\n", ...ENDED, rfc: "9112 8" },
];

/** Read by a lenient reader, where it differs. */
export const lenientHeads: readonly Vector<string, ExpectedHead>[] = [
  {
    name: "space before the colon belongs to neither",
    input: OK + "A \t: 1\r\n\r\n",
    expected: head(200, "OK", [["A", "1"]], "space-before-colon"),
    rfc: "9112 5.1",
  },
  {
    name: "CR alone becomes a space",
    input: OK + "A: 1\r2\r\n\r\n",
    expected: head(200, "OK", [["A", "1 2"]], "bare-cr"),
    rfc: "9112 2.2",
  },
  {
    name: "a line without a name is dropped",
    input: OK + "A: 1\r\n: 2\xff\x0b\r\nB: 3\r\n\r\n",
    expected: head(200, "OK", [["A", "1"], ["B", "3"]], "empty-field-name"),
    rfc: "9110 5.1",
  },
  {
    name: "what continues a dropped line is dropped with it",
    input: OK + "A: 1\r\n: 2\r\n 3\r\nB: 4\r\n\r\n",
    expected: head(200, "OK", [["A", "1"], ["B", "4"]], "empty-field-name", "obs-fold"),
    rfc: "9112 5.2",
    why: "it is not a part of the field before",
  },
  {
    name: "HTTP/1.9 is read as HTTP/1.1",
    input: "HTTP/1.9 200 OK\r\n\r\n",
    expected: head(200, "OK", [], "http-version"),
    rfc: "9112 2.3",
  },
  {
    name: "HTTP/0.9 is not forgiven",
    input: "HTTP/0.9 200 OK\r\n\r\n",
    ...REFUSED,
    rfc: "9112 2.3",
  },
  {
    name: "M30 a value with a control character is left out with its field",
    input: OK + "A: 1\r\nX-Foo: a\x0bb\r\nX-Bar: \x7f\r\nB: \xe9\r\n\r\n",
    expected: head(200, "OK", [["A", "1"], ["B", "\xe9"]], "field-dropped"),
    rfc: "9110 5.5",
  },
  {
    name: "M30 a name with a character of no token is left out with its field",
    input: OK + '"A": 1\r\nX\xe9(: 2\x01\r\nB: 3\r\n\r\n',
    expected: head(200, "OK", [["B", "3"]], "field-dropped"),
    rfc: "9110 5.1",
  },
  {
    name: "M30 what continues a field that is left out is left out with it",
    input: OK + "A: 1\r\nX: \x01\r\n 2\xff\x02\r\nB: 3\r\n 4\r\n\r\n",
    expected: head(200, "OK", [["A", "1"], ["B", "3 4"]], "field-dropped", "obs-fold"),
    rfc: "9112 5.2",
  },
  {
    name: "M30 a field is left out for what continues it",
    input: OK + "A: 1\r\nX: 2\r\n 3\x01\r\n 4\r\nB: 5\r\n\r\n",
    expected: head(200, "OK", [["A", "1"], ["B", "5"]], "obs-fold", "field-dropped"),
    rfc: "9112 5.2",
  },
  {
    name: "M30 the first field is left out, and nothing is left for it to be joined to",
    input: OK + "X: 1\r\n 2\x01\r\n 3\r\nContent-Length: 4\r\n\r\n",
    expected: head(200, "OK", [["Content-Length", "4"]], "obs-fold", "field-dropped"),
    rfc: "9112 5.2",
  },
  ...[
    ["NUL and another control character", "X: \x01\0"],
    ["CR and another control character", "X: \x01\rb"],
    ["CR before another control character", "X: a\rb\x01"],
    ["NUL behind a name of no token", '"X": \0'],
    ["CR in a name", "X\rY: 1"],
    ["NUL in a name", "X\0: 1"],
    ["NUL behind no name", ": 1\0"],
    ["CR behind no name", ": 1\r2"],
    ["NUL in what continues a field that is left out", "X: \x01\r\n \0"],
    ["CR in what continues a field that is left out", "X: \x01\r\n a\rb"],
    ["NUL in what continues a line without a name", ": 1\r\n \0"],
    ["CR in a field that its continuation would leave out", "X: a\rb\r\n c\x01"],
    ["white space before the colon of a bad value", "X : \x01"],
    ["white space before the colon of a bad continuation", "X : 1\r\n \x01"],
    ["white space in a name", "X Y: 1"],
    ["a control character in a name", "X\x01: 1"],
    ["a name of which nothing is a token", "(): 1"],
    ["a framing field that only other characters tell apart", "Content-Length\xa0: 1"],
    ["a framing field in quotes", '"Transfer-Encoding": chunked'],
    ["a bad continuation of a framing field", "Content-Length: 1\r\n \x01"],
  ].map(([what, lines]) => ({
    name: `M30 ${what}: not forgiven`,
    input: `${OK}A: 1\r\n${lines}\r\nB: 2\r\n\r\n`,
    ...REFUSED,
    rfc: "9110 5.5",
  })),
  ...[
    "Content-Length",
    "transfer-encoding",
    "TE",
    "Trailer",
    "Content-Encoding",
    "Content-Range",
    "Content-Type",
    "Content-Digest",
    "Repr-Digest",
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Upgrade",
    "HTTP2-Settings",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    "Location",
    "Refresh",
    "Set-Cookie",
    "Set-Cookie2",
    "Cookie",
    "WWW-Authenticate",
    "Proxy-Authenticate",
    "Optional-WWW-Authenticate",
    "Authentication-Info",
    "Proxy-Authentication-Info",
    "Authentication-Control",
    "Authorization",
    "Proxy-Authorization",
  ].map((name) => ({
    name: `M30 ${name} decides something: not forgiven`,
    input: `${OK}A: 1\r\n${name}: \x01\r\n\r\n`,
    ...REFUSED,
    rfc: "9110 5.5",
  })),
  { name: "NUL is not forgiven", input: OK + "A: 1\0\r\n\r\n", ...REFUSED, rfc: "9110 5.5" },
  {
    name: "a line without colon is not forgiven",
    input: OK + "nope\r\n\r\n",
    ...REFUSED,
    rfc: "9112 5",
  },
];
