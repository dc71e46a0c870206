/**
 * The parser matrix of `docs/wire.md`, row by row: what a server sends in answer to a GET, what becomes of
 * it in `"strict"`, and what `"lenient"` makes of it.
 *
 * @module
 */
import type { HttpErrorCode } from "../../conn/http_error.ts";
import type { Deviation } from "../../http/deviation.ts";

/** What becomes of a response: its content and what was forgiven, or an error. */
export type MatrixOutcome =
  | {
    readonly content: string;
    readonly deviations: readonly Deviation[];
    readonly reusable: boolean;
  }
  | { readonly error: HttpErrorCode };

/** One row. */
export interface MatrixRow {
  readonly name: string;
  readonly input: string;
  readonly strict: MatrixOutcome;
  /** Default: as strict. */
  readonly lenient?: MatrixOutcome;
  readonly rfc: string;
  readonly why?: string;
}

const REFUSED: MatrixOutcome = { error: "ERR_MALFORMED_RESPONSE" };
const INCOMPLETE: MatrixOutcome = { error: "ERR_INCOMPLETE_BODY" };

function forgiven(content: string, ...deviations: Deviation[]): MatrixOutcome {
  return { content, deviations, reusable: false };
}

/** Accepted, flagged, and harmless to the framing. */
function flagged(content: string, ...deviations: Deviation[]): MatrixOutcome {
  return { content, deviations, reusable: true };
}

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n";

/** A response with two octets of content whose length is said so. */
function length(value: string): string {
  return `${OK}Content-Length: ${value}\r\n\r\nok`;
}

/** A response with two octets in one chunk, whose coding is said so. */
function coding(value: string): string {
  return `${OK}Transfer-Encoding: ${value}\r\n\r\n2\r\nok\r\n0\r\n\r\n`;
}

/** The rows. */
export const parserMatrix: readonly MatrixRow[] = [
  {
    name: "T6 Content-Length beside Transfer-Encoding",
    input: OK + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    lenient: forgiven("ok", "content-length-with-transfer-encoding"),
    rfc: "9112 6.3 rule 3",
  },
  {
    name: "T6 Transfer-Encoding before Content-Length",
    input: OK + "transfer-encoding: Chunked\r\ncontent-length: 9\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    lenient: forgiven("ok", "content-length-with-transfer-encoding"),
    rfc: "9112 6.3 rule 3",
  },
  {
    name: "two equal Content-Length lines",
    input: OK + "Content-Length: 2\r\ncontent-length: 2\r\n\r\nok",
    strict: forgiven("ok", "duplicate-content-length"),
    rfc: "9112 6.3 rule 5",
    why: "accepted if identical; what stands behind it is not trusted",
  },
  {
    name: "two different Content-Length lines",
    input: OK + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    strict: REFUSED,
    rfc: "9112 6.3 rule 5",
  },
  {
    name: "Content-Length lists two equal values",
    input: length("2, 2"),
    strict: forgiven("ok", "duplicate-content-length"),
    rfc: "9110 8.6",
  },
  {
    name: "Content-Length lists two different values",
    input: length("2, 3"),
    strict: REFUSED,
    rfc: "9110 8.6",
  },
  {
    name: "M13 Content-Length lists two equal values in other digits",
    input: length("02, 2"),
    strict: REFUSED,
    rfc: "9110 8.6",
  },
  { name: "T8 Content-Length +2", input: length("+2"), strict: REFUSED, rfc: "9110 8.6" },
  { name: "T8 Content-Length -0", input: length("-0"), strict: REFUSED, rfc: "9110 8.6" },
  { name: "T8 Content-Length 0x2", input: length("0x2"), strict: REFUSED, rfc: "9110 8.6" },
  { name: "T8 Content-Length 2e0", input: length("2e0"), strict: REFUSED, rfc: "9110 8.6" },
  { name: "T8 Content-Length 2.0", input: length("2.0"), strict: REFUSED, rfc: "9110 8.6" },
  { name: "T8 Content-Length 2 2", input: length(" 2 2"), strict: REFUSED, rfc: "9110 8.6" },
  { name: "T8 Content-Length empty", input: length(""), strict: REFUSED, rfc: "9110 8.6" },
  {
    name: "T8 Content-Length 2 and a comma",
    input: length("2,"),
    strict: REFUSED,
    rfc: "9110 8.6",
  },
  {
    name: "T8 Content-Length of a full-width digit",
    input: length("\xef\xbc\x92"),
    strict: REFUSED,
    rfc: "9110 8.6",
  },
  {
    name: "T8 Content-Length 2^53",
    input: length("9007199254740992"),
    strict: REFUSED,
    rfc: "9110 8.6",
    why: "numbers above 2^53-1 are not exact in JavaScript",
  },
  {
    name: "T8 Content-Length 2^53-1 is a length",
    input: length("9007199254740991"),
    strict: INCOMPLETE,
    rfc: "9110 8.6",
  },
  {
    name: "T8 Content-Length 2^64",
    input: length("18446744073709551616"),
    strict: REFUSED,
    rfc: "9110 8.6",
  },
  {
    name: "T8 Content-Length 2^64+2",
    input: length("18446744073709551618"),
    strict: REFUSED,
    rfc: "9110 8.6",
    why: "wraps to 2 in 64 bits",
  },
  {
    name: "T4 Transfer-Encoding xchunked",
    input: coding("xchunked"),
    strict: REFUSED,
    rfc: "9112 6.1",
  },
  {
    name: "T4 Transfer-Encoding chunked with a vertical tab",
    input: coding("chunked\x0b"),
    strict: REFUSED,
    rfc: "9112 6.1",
  },
  {
    name: "T4 Transfer-Encoding gzip, chunked",
    input: coding("gzip, chunked"),
    strict: REFUSED,
    rfc: "9112 6.1",
    why: "no other transfer coding was asked for by TE",
  },
  {
    name: "T4 Transfer-Encoding chunked, identity",
    input: coding("chunked, identity"),
    strict: REFUSED,
    rfc: "9112 6.3 rule 4",
  },
  {
    name: "T4 Transfer-Encoding identity",
    input: coding("identity"),
    strict: REFUSED,
    rfc: "9112 6.1",
  },
  { name: "T4 Transfer-Encoding empty", input: coding(""), strict: REFUSED, rfc: "9112 6.1" },
  {
    name: "T4 Transfer-Encoding quoted",
    input: coding('"chunked"'),
    strict: REFUSED,
    rfc: "9112 6.1",
  },
  {
    name: "T4 Transfer-Encoding chunked with a parameter",
    input: coding("chunked;q=1"),
    strict: REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "T4 Transfer-Encoding chunked twice in one line",
    input: coding("chunked, chunked"),
    strict: REFUSED,
    lenient: forgiven("ok", "chunked-twice"),
    rfc: "9112 6.1",
  },
  {
    name: "T4 Transfer-Encoding chunked in two lines",
    input: OK +
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    lenient: forgiven("ok", "chunked-twice"),
    rfc: "9112 6.1",
  },
  {
    name: "T4 a second Transfer-Encoding line that is not chunked",
    input: OK +
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    rfc: "9112 6.1",
  },
  {
    name: "T11 chunked in HTTP/1.0",
    input: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    lenient: forgiven("ok", "chunked-in-http-1.0"),
    rfc: "9112 6.1",
  },
  {
    name: "T11 chunked in HTTP/1.0 that is kept alive",
    input: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" +
      "2\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    lenient: forgiven("ok", "chunked-in-http-1.0"),
    rfc: "9112 6.1",
  },
  {
    name: "T2 LF alone ends the chunk-size line",
    input: CHUNKED + "2\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    lenient: forgiven("ok", "bare-lf-in-chunk"),
    rfc: "9112 7.1",
  },
  {
    name: "T2 LF alone ends the last-chunk line",
    input: CHUNKED + "2\r\nok\r\n0\n\r\n",
    strict: REFUSED,
    lenient: forgiven("ok", "bare-lf-in-chunk"),
    rfc: "9112 7.1",
  },
  {
    name: "T2 LF inside a chunk extension",
    input: CHUNKED + "2;a\nb\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    rfc: "9112 7.1.1",
    why: "lenient takes the LF for the line's end, and then has no CRLF where data ends",
  },
  {
    name: "M12 white space behind a chunk size",
    input: CHUNKED + "2 \t\r\nok\r\n0  \r\n\r\n",
    strict: flagged("ok", "space-after-chunk-size"),
    lenient: forgiven("ok", "space-after-chunk-size"),
    rfc: "9112 7.1.1",
  },
  {
    name: "M12 other bytes behind a chunk size",
    input: CHUNKED + "2 6x\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    rfc: "9112 7.1.1",
  },
  {
    name: "M12 a chunk extension with a value, in quotes and without",
    input: CHUNKED + '2;a=b ; c = "d e"\r\nok\r\n0\r\n\r\n',
    strict: flagged("ok"),
    rfc: "9112 7.1.1",
  },
  {
    name: "M12 a quoted chunk extension that is not closed",
    input: CHUNKED + '2;a="\r\nok\r\n0\r\n\r\n',
    strict: REFUSED,
    rfc: "9112 7.1.1",
  },
  {
    name: "chunk size 0x2",
    input: CHUNKED + "0x2\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "T9 chunk size of 17 digits",
    input: CHUNKED + "00000000000000002\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "T9 chunk size 2^64+2",
    input: CHUNKED + "10000000000000002\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "T9 chunk size 2^53",
    input: CHUNKED + "20000000000000\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "T9 chunk size 2^53-1 is a size",
    input: CHUNKED + "1fffffffffffff\r\nok\r\n0\r\n\r\n",
    strict: INCOMPLETE,
    rfc: "9112 7.1",
  },
  {
    name: "T10 bytes other than CRLF after chunk data",
    input: CHUNKED + "2\r\nokXX0\r\n\r\n",
    strict: REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "T10 nothing after chunk data",
    input: CHUNKED + "2\r\nok0\r\n\r\n",
    strict: REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "T13 end inside the trailer section",
    input: CHUNKED + "2\r\nok\r\n0\r\nX-Sum: 1\r\n",
    strict: INCOMPLETE,
    rfc: "9112 8",
  },
  {
    name: "T13 end before the trailer section's empty line",
    input: CHUNKED + "2\r\nok\r\n0\r\n",
    strict: INCOMPLETE,
    rfc: "9112 8",
  },
  {
    name: "body shorter than Content-Length",
    input: OK + "Content-Length: 3\r\n\r\nok",
    strict: INCOMPLETE,
    rfc: "9112 8",
  },
  {
    name: "LF alone ends header lines",
    input: "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    strict: flagged("ok", "bare-lf"),
    lenient: forgiven("ok", "bare-lf"),
    rfc: "9112 2.2",
  },
  {
    name: "T5 space before the colon of Content-Length",
    input: OK + "Content-Length : 2\r\n\r\nok",
    strict: REFUSED,
    lenient: forgiven("ok", "space-before-colon"),
    rfc: "9112 5.1",
    why: "forgiven only as the field that it names, never as another one",
  },
  {
    name: "T5 tab before the colon of Transfer-Encoding",
    input: OK + "Transfer-Encoding\t: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    strict: REFUSED,
    lenient: forgiven("ok", "space-before-colon"),
    rfc: "9112 5.1",
  },
  {
    name: "obs-fold",
    input: OK + "X-Long: a\r\n  b\r\n\tc\r\nContent-Length: 2\r\n\r\nok",
    strict: flagged("ok", "obs-fold"),
    lenient: forgiven("ok", "obs-fold"),
    rfc: "9112 5.2",
  },
  {
    name: "NUL in a field value",
    input: OK + "X-Nul: a\0b\r\nContent-Length: 2\r\n\r\nok",
    strict: REFUSED,
    rfc: "9110 5.5",
  },
  {
    name: "M30 a control character in a field value",
    input: OK + "X-Vt: a\x0bb\r\nContent-Length: 2\r\n\r\nok",
    strict: REFUSED,
    lenient: forgiven("ok", "field-dropped"),
    rfc: "9110 5.5",
  },
  {
    name: "M30 a control character in a field that decides something",
    input: OK + "Set-Cookie: a\x0bb\r\nContent-Length: 2\r\n\r\nok",
    strict: REFUSED,
    rfc: "9110 5.5",
  },
  {
    name: "CR alone in a field value",
    input: OK + "X-Cr: a\rb\r\nContent-Length: 2\r\n\r\nok",
    strict: REFUSED,
    lenient: forgiven("ok", "bare-cr"),
    rfc: "9112 2.2",
  },
  {
    name: "empty field name",
    input: OK + ": v\r\nContent-Length: 2\r\n\r\nok",
    strict: REFUSED,
    lenient: forgiven("ok", "empty-field-name"),
    rfc: "9110 5.1",
  },
  {
    name: "status 099",
    input: "HTTP/1.1 099 Low\r\nContent-Length: 2\r\n\r\nok",
    strict: REFUSED,
    rfc: "9110 15",
  },
  {
    name: "HTTP/1.2",
    input: "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok",
    strict: REFUSED,
    lenient: forgiven("ok", "http-version"),
    rfc: "9112 2.3",
  },
  {
    name: "HTTP/2.0 on a plain connection",
    input: "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    strict: REFUSED,
    lenient: forgiven("ok", "http-version"),
    rfc: "9112 2.3",
  },
  {
    name: "no reason phrase, no space",
    input: "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    strict: flagged("ok"),
    rfc: "9112 4",
    why: "reason-phrase is optional; so many leave the space out that it is not flagged",
  },
  {
    name: "CRLF before the status line",
    input: "\r\n" + OK + "Content-Length: 2\r\n\r\nok",
    strict: forgiven("ok", "leading-crlf"),
    rfc: "9112 2.2",
  },
  {
    name: "two CRLF before the status line",
    input: "\r\n\r\n" + OK + "Content-Length: 2\r\n\r\nok",
    strict: REFUSED,
    rfc: "9112 2.2",
  },
  {
    name: "HTTP/0.9 body",
    input: "<html>hello</html>",
    strict: REFUSED,
    rfc: "9112 4",
  },
  {
    name: "HTTP/0.9 body of one byte",
    input: "<",
    strict: REFUSED,
    rfc: "9112 4",
    why: "told at once, not at the end of the stream",
  },
];
