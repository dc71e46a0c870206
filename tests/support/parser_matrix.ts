/**
 * What servers send and should not, and what becomes of it: the parser matrix of docs/wire.md as data.
 *
 * @module
 */
import type { HttpErrorCode } from "../../mod.ts";

/** How one exchange ends. */
export type Outcome =
  | {
    /** No response, or no body. */
    readonly error: HttpErrorCode;
    /** Whether the response was there and reading its body failed. @default {"head"} */
    readonly at?: "head" | "body";
  }
  | {
    /** @default {200} */
    readonly status?: number;
    readonly body: string;
    /** @default {[]} */
    readonly deviations?: readonly string[];
    /** Whether the next request goes over the same connection. */
    readonly reused: boolean;
  };

/** What a server sends to a GET. */
export interface MatrixRow {
  readonly name: string;
  readonly sends: string;
  /** Whether the server ends the connection then. @default {false} */
  readonly ends?: boolean;
  readonly strict: Outcome;
  /** Default: as strict, but a response that deviates is not reused. */
  readonly lenient?: Outcome;
}

const MALFORMED: Outcome = { error: "ERR_MALFORMED_RESPONSE" };
const MALFORMED_BODY: Outcome = { error: "ERR_MALFORMED_RESPONSE", at: "body" };
const INCOMPLETE: Outcome = { error: "ERR_INCOMPLETE_BODY", at: "body" };

function ok(...lines: string[]): string {
  return ["HTTP/1.1 200 OK", ...lines, "", ""].join("\r\n");
}

function forgiven(deviation: string, body = "ok"): Outcome {
  return { body, deviations: [deviation], reused: false };
}

const LENGTH_2 = "Content-Length: 2";
const CHUNKED = "Transfer-Encoding: chunked";
const CHUNKS = "2\r\nok\r\n0\r\n\r\n";
const GOOD = ok(LENGTH_2) + "ok";

/** The matrix. */
export const MATRIX: readonly MatrixRow[] = [
  { name: "Content-Length", sends: GOOD, strict: { body: "ok", reused: true } },
  { name: "chunked", sends: ok(CHUNKED) + CHUNKS, strict: { body: "ok", reused: true } },
  {
    name: "no framing at all",
    sends: ok() + "ok",
    ends: true,
    strict: { body: "ok", reused: false },
  },
  {
    name: "Connection: close",
    sends: ok(LENGTH_2, "Connection: close") + "ok",
    strict: { body: "ok", reused: false },
  },
  {
    name: "Connection: x and a second line Close",
    sends: ok(LENGTH_2, "Connection: x", "connection: y, Close") + "ok",
    strict: { body: "ok", reused: false },
  },
  {
    name: "T6 Content-Length and Transfer-Encoding",
    sends: ok("Content-Length: 3", CHUNKED) + CHUNKS,
    strict: MALFORMED,
    lenient: forgiven("content-length-with-transfer-encoding"),
  },
  {
    name: "T8 two equal Content-Length",
    sends: ok(LENGTH_2, "content-length: 2") + "ok",
    strict: forgiven("duplicate-content-length"),
  },
  {
    name: "T8 two different Content-Length",
    sends: ok(LENGTH_2, "Content-Length: 3") + "okk",
    strict: MALFORMED,
  },
  { name: "T8 Content-Length: +2", sends: ok("Content-Length: +2") + "ok", strict: MALFORMED },
  { name: "T8 Content-Length: -0", sends: ok("Content-Length: -0"), strict: MALFORMED },
  { name: "T8 Content-Length: 0x2", sends: ok("Content-Length: 0x2") + "ok", strict: MALFORMED },
  { name: "T8 Content-Length: 2 2", sends: ok("Content-Length: 2 2") + "ok", strict: MALFORMED },
  { name: "T8 Content-Length: 2.0", sends: ok("Content-Length: 2.0") + "ok", strict: MALFORMED },
  { name: "T8 Content-Length: 2e0", sends: ok("Content-Length: 2e0") + "ok", strict: MALFORMED },
  {
    name: "T8 Content-Length in full-width digits",
    sends: ok("Content-Length: \xef\xbc\x92") + "ok",
    strict: MALFORMED,
  },
  { name: "T8 Content-Length: empty", sends: ok("Content-Length:") + "ok", strict: MALFORMED },
  {
    name: "T8 Content-Length: 2, 2",
    sends: ok("Content-Length: 2, 2") + "ok",
    strict: forgiven("duplicate-content-length"),
  },
  {
    name: "M13 Content-Length: 02, 2",
    sends: ok("Content-Length: 02, 2") + "ok",
    strict: MALFORMED,
  },
  { name: "T8 Content-Length: 2, 3", sends: ok("Content-Length: 2, 3") + "ok", strict: MALFORMED },
  { name: "T8 Content-Length: 2,", sends: ok("Content-Length: 2,") + "ok", strict: MALFORMED },
  {
    name: "T8 Content-Length: 2^53",
    sends: ok("Content-Length: 9007199254740992"),
    strict: MALFORMED,
  },
  {
    name: "T8 Content-Length: 2^64+2",
    sends: ok("Content-Length: 18446744073709551618") + "ok",
    strict: MALFORMED,
  },
  {
    name: "T8 Content-Length with zeros in front",
    sends: ok("Content-Length: 0002") + "ok",
    strict: { body: "ok", reused: true },
  },
  {
    name: "T4 Transfer-Encoding: xchunked",
    sends: ok("Transfer-Encoding: xchunked") + CHUNKS,
    strict: MALFORMED,
  },
  {
    name: "T4 Transfer-Encoding: chunked with a vertical tab",
    sends: ok("Transfer-Encoding: chunked\x0b") + CHUNKS,
    strict: MALFORMED,
  },
  {
    name: "T4 Transfer-Encoding: gzip, chunked",
    sends: ok("Transfer-Encoding: gzip, chunked") + CHUNKS,
    strict: MALFORMED,
  },
  {
    name: "T4 Transfer-Encoding: chunked, identity",
    sends: ok("Transfer-Encoding: chunked, identity") + CHUNKS,
    strict: MALFORMED,
  },
  {
    name: "T4 Transfer-Encoding: identity",
    sends: ok("Transfer-Encoding: identity") + "ok",
    strict: MALFORMED,
  },
  {
    name: "T4 Transfer-Encoding: empty",
    sends: ok("Transfer-Encoding:") + "ok",
    strict: MALFORMED,
  },
  {
    name: "T4 Transfer-Encoding: quoted",
    sends: ok('Transfer-Encoding: "chunked"') + CHUNKS,
    strict: MALFORMED,
  },
  {
    name: "T4 Transfer-Encoding: CHUNKED in capitals",
    sends: ok("transfer-encoding: CHUNKED") + CHUNKS,
    strict: { body: "ok", reused: true },
  },
  {
    name: "T4 Transfer-Encoding: chunked twice",
    sends: ok(CHUNKED, CHUNKED) + CHUNKS,
    strict: MALFORMED,
    lenient: forgiven("chunked-twice"),
  },
  {
    name: "T4 Transfer-Encoding: chunked, chunked",
    sends: ok("Transfer-Encoding: chunked, chunked") + CHUNKS,
    strict: MALFORMED,
    lenient: forgiven("chunked-twice"),
  },
  {
    name: "T11 chunked in HTTP/1.0",
    sends: `HTTP/1.0 200 OK\r\n${CHUNKED}\r\n\r\n${CHUNKS}`,
    strict: MALFORMED,
    lenient: forgiven("chunked-in-http-1.0"),
  },
  {
    name: "HTTP/1.0 with a length",
    sends: `HTTP/1.0 200 OK\r\n${LENGTH_2}\r\n\r\nok`,
    strict: { body: "ok", reused: false },
  },
  {
    name: "HTTP/1.0 with a length and keep-alive",
    sends: `HTTP/1.0 200 OK\r\n${LENGTH_2}\r\nConnection: Keep-Alive\r\n\r\nok`,
    strict: { body: "ok", reused: true },
  },
  {
    name: "T2 LF alone ends a chunk size",
    sends: ok(CHUNKED) + "2\nok\r\n0\r\n\r\n",
    strict: MALFORMED_BODY,
    lenient: forgiven("bare-lf-in-chunk"),
  },
  {
    name: "T2 CR alone ends a chunk size",
    sends: ok(CHUNKED) + "2\rok\r\n0\r\n\r\n",
    strict: MALFORMED_BODY,
  },
  {
    name: "T2 CR CR LF ends a chunk size",
    sends: ok(CHUNKED) + "2\r\r\nok\r\n0\r\n\r\n",
    strict: MALFORMED_BODY,
  },
  {
    name: "T2 LF alone behind chunk data",
    sends: ok(CHUNKED) + "2\r\nok\n0\r\n\r\n",
    strict: MALFORMED_BODY,
  },
  {
    name: "T2 CR alone behind chunk data",
    sends: ok(CHUNKED) + "2\r\nok\r0\r\n\r\n",
    strict: MALFORMED_BODY,
  },
  {
    name: "T2 LF inside a chunk extension",
    sends: ok(CHUNKED) + "2;a\nb\r\nok\r\n0\r\n\r\n",
    strict: MALFORMED_BODY,
  },
  {
    name: "T2 CR inside a chunk extension",
    sends: ok(CHUNKED) + "2;a\rb\r\nok\r\n0\r\n\r\n",
    strict: MALFORMED_BODY,
  },
  {
    name: "M12 chunk extensions",
    sends: ok(CHUNKED) + '2;a="b\tc" ;d\r\nok\r\n0;last\r\n\r\n',
    strict: { body: "ok", reused: true },
  },
  {
    name: "M12 white space behind chunk sizes",
    sends: ok(CHUNKED) + "2  \r\nok\r\n0 \r\n\r\n",
    strict: { body: "ok", deviations: ["space-after-chunk-size"], reused: true },
  },
  ...["2 6x", "2 garbage", "2;\0", '2;a="b', "2;=x", "2;"].map((line): MatrixRow => ({
    name: `M12 chunk line ${JSON.stringify(line)}`,
    sends: `${ok(CHUNKED)}${line}\r\nok\r\n0\r\n\r\n`,
    strict: MALFORMED_BODY,
  })),
  {
    name: "T9 chunk size 0x2",
    sends: ok(CHUNKED) + "0x2\r\nok\r\n0\r\n\r\n",
    strict: MALFORMED_BODY,
  },
  {
    name: "T9 chunk size 2^64+2",
    sends: ok(CHUNKED) + "10000000000000002\r\nok\r\n0\r\n\r\n",
    strict: MALFORMED_BODY,
  },
  {
    name: "T9 chunk size 2^53",
    sends: ok(CHUNKED) + "20000000000000\r\nok",
    strict: MALFORMED_BODY,
  },
  {
    name: "T9 chunk size -1",
    sends: ok(CHUNKED) + "-1\r\nok\r\n0\r\n\r\n",
    strict: MALFORMED_BODY,
  },
  {
    name: "T9 chunk size empty",
    sends: ok(CHUNKED) + "\r\nok\r\n0\r\n\r\n",
    strict: MALFORMED_BODY,
  },
  {
    name: "T9 white space before a chunk size",
    sends: ok(CHUNKED) + " 2\r\nok\r\n0\r\n\r\n",
    strict: MALFORMED_BODY,
  },
  {
    name: "T9 chunk size with zeros in front",
    sends: ok(CHUNKED) + "0000002\r\nok\r\n000\r\n\r\n",
    strict: { body: "ok", reused: true },
  },
  {
    name: "T10 two other bytes behind chunk data",
    sends: ok(CHUNKED) + "2\r\nokXX0\r\n\r\n",
    strict: MALFORMED_BODY,
  },
  {
    name: "T13 end inside the trailer section",
    sends: ok(CHUNKED) + "2\r\nok\r\n0\r\nX: 1\r\n",
    ends: true,
    strict: INCOMPLETE,
  },
  {
    name: "T13 end behind the last chunk",
    sends: ok(CHUNKED) + "2\r\nok\r\n0\r\n",
    ends: true,
    strict: INCOMPLETE,
  },
  {
    name: "T13 end inside a chunk",
    sends: ok(CHUNKED) + "3\r\nok",
    ends: true,
    strict: INCOMPLETE,
  },
  {
    name: "T13 body shorter than Content-Length",
    sends: ok("Content-Length: 3") + "ok",
    ends: true,
    strict: INCOMPLETE,
  },
  {
    name: "end inside the head",
    sends: "HTTP/1.1 200 OK\r\nContent-Le",
    ends: true,
    strict: { error: "ERR_CONNECTION_LOST" },
  },
  {
    name: "bytes behind the body",
    sends: GOOD + "HTTP/1.1 200 OK\r\n\r\n",
    strict: { body: "ok", reused: false },
  },
  {
    name: "lines that end in LF alone",
    sends: "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    strict: { body: "ok", deviations: ["bare-lf"], reused: true },
  },
  {
    name: "T5 white space before the colon",
    sends: ok("Content-Length : 2") + "ok",
    strict: MALFORMED,
    lenient: forgiven("space-before-colon"),
  },
  {
    name: "obs-fold",
    sends: ok(LENGTH_2, "X-Folded: a", " \t b") + "ok",
    strict: { body: "ok", deviations: ["obs-fold"], reused: true },
  },
  {
    name: "obs-fold before any field",
    sends: "HTTP/1.1 200 OK\r\n x: y\r\nContent-Length: 2\r\n\r\nok",
    strict: MALFORMED,
  },
  { name: "NUL in a field value", sends: ok(LENGTH_2, "X: a\0b") + "ok", strict: MALFORMED },
  {
    name: "M30 DEL in a field value",
    sends: ok(LENGTH_2, "X: a\x7fb") + "ok",
    strict: MALFORMED,
    lenient: forgiven("field-dropped"),
  },
  {
    name: "M30 DEL in a cookie",
    sends: ok(LENGTH_2, "Set-Cookie: a=\x7fb") + "ok",
    strict: MALFORMED,
  },
  {
    name: "CR alone in a field value",
    sends: ok(LENGTH_2, "X: a\rb") + "ok",
    strict: MALFORMED,
    lenient: forgiven("bare-cr"),
  },
  { name: "a line without a colon", sends: ok(LENGTH_2, "X") + "ok", strict: MALFORMED },
  { name: "a space in a field name", sends: ok(LENGTH_2, "X Y: z") + "ok", strict: MALFORMED },
  {
    name: "M30 a byte above U+007F in a field name",
    sends: ok(LENGTH_2, "X\xe9: z") + "ok",
    strict: MALFORMED,
    lenient: forgiven("field-dropped"),
  },
  {
    name: "an empty field name",
    sends: ok(LENGTH_2, ": v") + "ok",
    strict: MALFORMED,
    lenient: forgiven("empty-field-name"),
  },
  { name: "status 099", sends: GOOD.replace("200", "099"), strict: MALFORMED },
  { name: "status 20", sends: GOOD.replace("200", "20"), strict: MALFORMED },
  { name: "status 2000", sends: GOOD.replace("200", "2000"), strict: MALFORMED },
  { name: "status 2x0", sends: GOOD.replace("200", "2x0"), strict: MALFORMED },
  {
    name: "status 999",
    sends: GOOD.replace("200", "999"),
    strict: { status: 999, body: "ok", reused: true },
  },
  {
    name: "HTTP/1.2",
    sends: GOOD.replace("HTTP/1.1", "HTTP/1.2"),
    strict: MALFORMED,
    lenient: forgiven("http-version"),
  },
  {
    name: "HTTP/2.0",
    sends: GOOD.replace("HTTP/1.1", "HTTP/2.0"),
    strict: MALFORMED,
    lenient: forgiven("http-version"),
  },
  { name: "HTTP/1.10", sends: GOOD.replace("HTTP/1.1", "HTTP/1.10"), strict: MALFORMED },
  { name: "http/1.1 in small letters", sends: GOOD.replace("HTTP", "http"), strict: MALFORMED },
  { name: "two spaces before the status", sends: GOOD.replace(" 200", "  200"), strict: MALFORMED },
  {
    name: "no reason phrase, no space",
    sends: GOOD.replace("200 OK", "200"),
    strict: { body: "ok", reused: true },
  },
  {
    name: "no reason phrase",
    sends: GOOD.replace("200 OK", "200 "),
    strict: { body: "ok", reused: true },
  },
  {
    name: "NUL in the reason phrase",
    sends: GOOD.replace("200 OK", "200 O\0K"),
    strict: MALFORMED,
  },
  { name: "CRLF before the status line", sends: "\r\n" + GOOD, strict: forgiven("leading-crlf") },
  { name: "two CRLF before the status line", sends: "\r\n\r\n" + GOOD, strict: MALFORMED },
  { name: "HTTP/0.9", sends: "ok", ends: true, strict: MALFORMED },
  { name: "another protocol", sends: "SSH-2.0-OpenSSH_9.2\r\n", strict: MALFORMED },
  { name: "nothing at all", sends: "", ends: true, strict: { error: "ERR_CONNECTION_LOST" } },
  {
    name: "204 with Content-Length and bytes",
    sends: "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
    strict: { status: 204, body: "", deviations: ["content-length-on-204"], reused: false },
  },
  {
    name: "204",
    sends: "HTTP/1.1 204 No Content\r\n\r\n",
    strict: { status: 204, body: "", reused: true },
  },
  ...["204 No Content", "304 Not Modified"].flatMap((status): MatrixRow[] => [
    {
      name: `M13 ${status} with two different Content-Length`,
      sends: `HTTP/1.1 ${status}\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n`,
      strict: MALFORMED,
    },
    {
      name: `M13 ${status} with an unknown Transfer-Encoding`,
      sends: `HTTP/1.1 ${status}\r\nTransfer-Encoding: xchunked\r\n\r\n`,
      strict: MALFORMED,
    },
  ]),
  {
    name: "M13 304 with two equal Content-Length",
    sends: "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
    strict: { status: 304, body: "", deviations: ["duplicate-content-length"], reused: false },
  },
  {
    name: "304 with Content-Length",
    sends: "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
    strict: { status: 304, body: "", reused: true },
  },
  {
    name: "103 with Content-Length",
    sends: "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + GOOD,
    strict: { body: "ok", reused: true },
  },
  {
    name: "M28 500 times 103",
    sends: "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(500) + GOOD,
    strict: { body: "ok", reused: true },
  },
  {
    name: "T45 103 until the bytes are used up",
    sends: "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(40_000) + GOOD,
    strict: { error: "ERR_HEADERS_TOO_LARGE" },
  },
  {
    name: "100 that nobody waits for",
    sends: "HTTP/1.1 100 Continue\r\n\r\n" + GOOD,
    strict: { body: "ok", reused: true },
  },
  {
    name: "101 that nobody asked for",
    sends: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nok",
    strict: MALFORMED,
  },
  {
    name: "a malformed informational head",
    sends: "HTTP/1.1 103 Early Hints\r\nX : 1\r\n\r\n" + GOOD,
    strict: MALFORMED,
    lenient: forgiven("space-before-colon"),
  },
];
