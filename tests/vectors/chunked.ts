/**
 * Vectors: bodies in the chunked transfer coding, with their trailer sections.
 *
 * @module
 */
import type { Deviation } from "../../http/deviation.ts";
import type { Vector } from "./vector.ts";

/** What is read of a body. */
export interface ExpectedBody {
  readonly content: string;
  readonly trailers: readonly (readonly [string, string])[] | null;
  readonly deviations: readonly Deviation[];
}

function body(
  content: string,
  trailers: readonly (readonly [string, string])[] | null = null,
  ...deviations: Deviation[]
): { expected: ExpectedBody } {
  return { expected: { content, trailers, deviations } };
}

const REFUSED = { error: "ERR_MALFORMED_RESPONSE" } as const;
const INCOMPLETE = { error: "ERR_INCOMPLETE_BODY" } as const;

/** Read by a strict reader. */
export const chunkedBodies: readonly Vector<string, ExpectedBody>[] = [
  { name: "empty", input: "0\r\n\r\n", ...body(""), rfc: "9112 7.1" },
  { name: "one chunk", input: "5\r\nhello\r\n0\r\n\r\n", ...body("hello"), rfc: "9112 7.1" },
  {
    name: "chunks of one octet",
    input: "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n",
    ...body("abc"),
    rfc: "9112 7.1",
  },
  {
    name: "data that looks like framing",
    input: "c\r\n\r\n0\r\n\r\n1\r\nx\r\r\n0\r\n\r\n",
    ...body("\r\n0\r\n\r\n1\r\nx\r"),
    rfc: "9112 7.1",
  },
  {
    name: "data that ends like a body, more to come",
    input: "5\r\n0\r\n\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ...body("0\r\n\r\nx"),
    rfc: "9112 7.1",
  },
  {
    name: "zeros before a size",
    input: "005\r\nhello\r\n000\r\n\r\n",
    ...body("hello"),
    rfc: "9112 7.1",
  },
  {
    name: "size of 16 digits",
    input: "0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n",
    ...body("hello"),
    rfc: "9112 7.1",
  },
  {
    name: "small and capital digits",
    input: "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
    ...body("01234567890123456789"),
    rfc: "9112 7.1",
  },
  {
    name: "extension",
    input: "5;a\r\nhello\r\n0;last\r\n\r\n",
    ...body("hello"),
    rfc: "9112 7.1.1",
  },
  {
    name: "extension with value",
    input: '5;a=b;c="d e"\r\nhello\r\n0\r\n\r\n',
    ...body("hello"),
    rfc: "9112 7.1.1",
  },
  {
    name: "white space before an extension",
    input: "5 \t;a=b\r\nhello\r\n0\r\n\r\n",
    ...body("hello"),
    rfc: "9112 7.1.1",
  },
  {
    name: "M12 white space behind a size",
    input: "5  \r\nhello\r\n0 \t\r\n\r\n",
    ...body("hello", null, "space-after-chunk-size"),
    rfc: "9112 7.1.1",
    why: "old servers pad so; Go and curl take it",
  },
  {
    name: "M12 white space around every part of an extension",
    input: '5 \t; \ta\t = \t"b" ;c\t;d= e;f\r\nhello\r\n0 ; g\r\n\r\n',
    ...body("hello"),
    rfc: "9112 7.1.1",
  },
  {
    name: "M12 every character of a token in names and values",
    input: "5;!#$%&'*+-.^_`|~09azAZ=!#$%&'*+-.^_`|~09azAZ\r\nhello\r\n0\r\n\r\n",
    ...body("hello"),
    rfc: "9112 7.1.1",
  },
  {
    name: "M12 what quotes hide ends nothing",
    input: '5;a="; =\\"\\\\\t\xe9\\;0";b=""\r\nhello\r\n0\r\n\r\n',
    ...body("hello"),
    rfc: "9110 5.6.4",
  },
  {
    name: "M12 a name that looks like a size",
    input: "5;6=7\r\nhello\r\n0\r\n\r\n",
    ...body("hello"),
    rfc: "9112 7.1.1",
  },
  ...[
    ["another number behind a size", "3 6x"],
    ["a word behind a size", "3 garbage"],
    ["a digit behind padding", "3 6"],
    ["a second size behind a tab", "3\t3"],
    ["an extension of no name", "3;"],
    ["an extension of white space", "3; "],
    ["an extension of no name before another", "3;;a"],
    ["an extension of no name behind another", "3;a;"],
    ["NUL where a name is due", "3;\0"],
    ["NUL in a name", "3;a\0"],
    ["NUL behind a size", "3\0"],
    ["NUL behind padding", "3 \0"],
    ["a vertical tab in a name", "3;a\x0bb"],
    ["a form feed behind a size", "3\x0c"],
    ["DEL in a name", "3;a\x7f"],
    ["NUL in quotes", '3;a="\0"'],
    ["escape in quotes", '3;a="\x1b"'],
    ["DEL in quotes", '3;a="\x7f"'],
    ["NUL behind a backslash", '3;a="\\\0"'],
    ["a byte above U+007F in a name", "3;\xe9"],
    ["a byte above U+007F in a value", "3;a=\xe9"],
    ["an unclosed quote", '3;a="b'],
    ["a quote that only an escape follows", '3;a="b\\"'],
    ["a value of no name", "3;=x"],
    ["no value behind its sign", "3;a="],
    ["white space for a value", "3;a= "],
    ["two signs", "3;a==b"],
    ["two values", "3;a=b=c"],
    ["a word behind a name", "3;a b"],
    ["a word behind a value", "3;a=b c"],
    ["a word behind quotes", '3;a="b"c'],
    ["a sign behind quotes", '3;a="b"=c'],
    ["quotes for a name", '3;"a"'],
    ["quotes in a value", '3;a=b"c"'],
    ["white space behind a name", "3;a "],
    ["white space behind a value", "3;a=b\t"],
    ["white space behind quotes", '3;a="b" '],
    ["a separator in a name", "3;a/b"],
    ["a comma for a semicolon", "3,a"],
    ["a sign behind a size", "3=a"],
    ["quotes behind a size", '3"a"'],
  ].map(([what, line]) => ({
    name: `M12 ${what}`,
    input: `${line}\r\nabc\r\n0\r\n\r\n`,
    ...REFUSED,
    rfc: "9112 7.1.1",
  })),
  {
    name: "M12 the last chunk's line is one like others",
    input: "3\r\nabc\r\n0 x\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "trailers",
    input: "0\r\nA: 1\r\nb: 2\r\n\r\n",
    ...body("", [["A", "1"], ["b", "2"]]),
    rfc: "9112 7.1.2",
  },
  {
    name: "trailers behind data",
    input: "1\r\nx\r\n0\r\nA:  1 \r\nA: 2\r\n\r\n",
    ...body("x", [["A", "1"], ["A", "2"]]),
    rfc: "9112 7.1.2",
  },
  {
    name: "trailers with framing fields stay trailers",
    input: "1\r\nx\r\n0\r\nContent-Length: 9\r\n\r\n",
    ...body("x", [["Content-Length", "9"]]),
    rfc: "9110 6.5.1",
  },
  {
    name: "trailer above U+007F",
    input: "0\r\nA: \xff\r\n\r\n",
    ...body("", [["A", "\xff"]]),
    rfc: "9110 5.5",
  },
  {
    name: "trailers with LF alone",
    input: "0\r\nA: 1\n\n",
    ...body("", [["A", "1"]], "bare-lf"),
    rfc: "9112 2.2",
  },
  {
    name: "LF alone for the empty line",
    input: "0\r\n\n",
    ...body("", null, "bare-lf"),
    rfc: "9112 2.2",
  },
  {
    name: "folded trailer",
    input: "0\r\nA: 1\r\n 2\r\n\r\n",
    ...body("", [["A", "1 2"]], "obs-fold"),
    rfc: "9112 5.2",
  },
  {
    name: "T43 trailer named __proto__",
    input: "0\r\n__proto__: 1\r\n\r\n",
    ...body("", [["__proto__", "1"]]),
    rfc: "9110 5.1",
  },
  { name: "trailer without colon", input: "0\r\nnonsense\r\n\r\n", ...REFUSED, rfc: "9112 5" },
  {
    name: "T5 space before a trailer's colon",
    input: "0\r\nA : 1\r\n\r\n",
    ...REFUSED,
    rfc: "9112 5.1",
  },
  { name: "trailer without name", input: "0\r\n: 1\r\n\r\n", ...REFUSED, rfc: "9110 5.1" },
  { name: "NUL in a trailer", input: "0\r\nA: \0\r\n\r\n", ...REFUSED, rfc: "9110 5.5" },
  { name: "CR alone in a trailer", input: "0\r\nA: \rB\r\n\r\n", ...REFUSED, rfc: "9112 2.2" },
  {
    name: "trailer section begins with a fold",
    input: "0\r\n A: 1\r\n\r\n",
    ...REFUSED,
    rfc: "9112 5.2",
  },
  {
    name: "a response where trailers belong",
    input: "0\r\nHTTP/1.1 200 OK\r\n\r\n",
    ...REFUSED,
    rfc: "9112 5",
  },
  // T2: every way to get CR and LF wrong.
  {
    name: "T2 LF for CRLF behind a size",
    input: "2\nok\r\n0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "T2 CR for CRLF behind a size",
    input: "2\rok\r\n0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1",
  },
  { name: "T2 CRCRLF behind a size", input: "2\r\r\nok\r\n0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "T2 LFCR behind a size", input: "2\n\rok\r\n0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "T2 nothing behind a size", input: "2ok\r\n0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  {
    name: "T2 LF for CRLF behind an extension",
    input: "2;a\nok\r\n0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1.1",
  },
  {
    name: "T2 CR inside an extension",
    input: "2;a\rb\r\nok\r\n0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1.1",
  },
  {
    name: "T2 CRCRLF behind an extension",
    input: "2;a\r\r\nok\r\n0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1.1",
  },
  {
    name: "T2 LF in a quoted extension",
    input: '2;a="\n"\r\nok\r\n0\r\n\r\n',
    ...REFUSED,
    rfc: "9112 7.1.1",
  },
  {
    name: "T2 CRLF in a quoted extension",
    input: '2;a="\r\n"\r\nok\r\n0\r\n\r\n',
    ...REFUSED,
    rfc: "9112 7.1.1",
    why: "the line ends there, whatever is quoted",
  },
  { name: "T2 LF for CRLF behind data", input: "2\r\nok\n0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "T2 CR for CRLF behind data", input: "2\r\nok\r0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "T2 CRCRLF behind data", input: "2\r\nok\r\r\n0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  {
    name: "T2 CRLF twice behind data",
    input: "2\r\nok\r\n\r\n0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1",
  },
  { name: "T2 LFCR behind data", input: "2\r\nok\n\r0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "T2 LF for CRLF behind the last size", input: "0\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "T2 CR for CRLF behind the last size", input: "0\r\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "T2 CR before the end", input: "0\r\n\r\r\n", ...REFUSED, rfc: "9112 7.1.2" },
  { name: "T10 other bytes behind data", input: "2\r\nokXX0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  {
    name: "T10 CR and another byte behind data",
    input: "2\r\nok\rX0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "T10 another byte and LF behind data",
    input: "2\r\nokX\n0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "data longer than its size",
    input: "2\r\nokay\r\n0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "data shorter than its size",
    input: "5\r\nok\r\n0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1",
  },
  { name: "empty size", input: "\r\nok\r\n0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "extension without size", input: ";a\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "space before a size", input: " 2\r\nok\r\n0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "sign before a size", input: "+2\r\nok\r\n0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "negative size", input: "-1\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "size with 0x", input: "0x2\r\nok\r\n0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "size with an underscore", input: "1_0\r\nok\r\n0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "g is no digit", input: "g\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "characters beside the digits", input: "@\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  {
    name: "a control character that folds to a digit",
    input: "\x11\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1",
    why: "0x11 | 0x20 is 1",
  },
  {
    name: "T9 17 digits",
    input: "00000000000000005\r\nhello\r\n0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1",
  },
  { name: "T9 2^53", input: "20000000000000\r\n", ...REFUSED, rfc: "9112 7.1" },
  { name: "T9 2^64 - 1", input: "ffffffffffffffff\r\n", ...REFUSED, rfc: "9112 7.1" },
  {
    name: "T9 2^53 - 1 is a size",
    input: "1fffffffffffff\r\nhello",
    ...INCOMPLETE,
    rfc: "9112 7.1",
  },
  { name: "T13 nothing", input: "", ...INCOMPLETE, rfc: "9112 8" },
  { name: "T13 end inside a size", input: "5", ...INCOMPLETE, rfc: "9112 8" },
  { name: "T13 end inside data", input: "5\r\nhel", ...INCOMPLETE, rfc: "9112 8" },
  { name: "T13 end behind data", input: "5\r\nhello", ...INCOMPLETE, rfc: "9112 8" },
  { name: "T13 end before the last chunk", input: "5\r\nhello\r\n", ...INCOMPLETE, rfc: "9112 8" },
  {
    name: "T13 end behind the last chunk",
    input: "5\r\nhello\r\n0\r\n",
    ...INCOMPLETE,
    rfc: "9112 8",
  },
  {
    name: "T13 end inside trailers",
    input: "5\r\nhello\r\n0\r\nA: 1\r\n",
    ...INCOMPLETE,
    rfc: "9112 8",
  },
];

/** Read by a lenient reader, where it differs. */
export const lenientChunkedBodies: readonly Vector<string, ExpectedBody>[] = [
  {
    name: "T2 LF behind sizes is forgiven",
    input: "2\nok\r\n0\n\r\n",
    ...body("ok", null, "bare-lf-in-chunk"),
    rfc: "9112 7.1",
  },
  {
    name: "T2 LF behind an extension is forgiven",
    input: "2;a\nok\r\n0;b\n\r\n",
    ...body("ok", null, "bare-lf-in-chunk"),
    rfc: "9112 7.1",
  },
  {
    name: "M12 LF behind padding is forgiven",
    input: "2 \nok\r\n0\n\r\n",
    ...body("ok", null, "space-after-chunk-size", "bare-lf-in-chunk"),
    rfc: "9112 7.1",
  },
  {
    name: "M12 words behind a size are not",
    input: "2 ok\r\nok\r\n0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1.1",
  },
  {
    name: "M12 an unclosed quote is not",
    input: '2;a="\r\nok\r\n0\r\n\r\n',
    ...REFUSED,
    rfc: "9112 7.1.1",
  },
  {
    name: "M30 a trailer with a control character is left out",
    input: "0\r\nA: 1\r\nX: a\x0bb\r\n c\r\nB: \xe9\r\n\r\n",
    ...body("", [["A", "1"], ["B", "\xe9"]], "field-dropped", "obs-fold"),
    rfc: "9110 5.5",
  },
  {
    name: "M30 a trailer that decides something is not left out",
    input: "0\r\nSet-Cookie: a\x0bb\r\n\r\n",
    ...REFUSED,
    rfc: "9110 5.5",
  },
  { name: "T2 LF behind data is not", input: "2\r\nok\n0\r\n\r\n", ...REFUSED, rfc: "9112 7.1" },
  {
    name: "T10 other bytes behind data are not",
    input: "2\r\nokXX0\r\n\r\n",
    ...REFUSED,
    rfc: "9112 7.1",
  },
  {
    name: "space before a trailer's colon is forgiven",
    input: "0\r\nA : 1\r\n\r\n",
    ...body("", [["A", "1"]], "space-before-colon"),
    rfc: "9112 5.1",
  },
];
