/**
 * Vectors: tokens, field values, numbers and lists.
 *
 * @module
 */
import type { Vector } from "./vector.ts";

/** Whether text is a token. */
export const tokens: readonly Vector<string, boolean>[] = [
  { name: "letters", input: "GET", expected: true, rfc: "9110 5.6.2" },
  { name: "every character", input: "!#$%&'*+-.^_`|~09azAZ", expected: true, rfc: "9110 5.6.2" },
  { name: "empty", input: "", expected: false, rfc: "9110 5.6.2" },
  ...Array.from('"(),/:;<=>?@[\\]{} \t\r\n\0\x7f\xe9\u010a\u010d', (c) => ({
    name: `with U+${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
    input: `a${c}b`,
    expected: false,
    rfc: "9110 5.6.2",
  })),
  {
    name: "with LF at its end",
    input: "GET\n",
    expected: false,
    rfc: "9110 5.6.2",
    why: "$ must not match before a line end",
  },
];

/** Whether text may be sent as a field value. */
export const fieldValues: readonly Vector<string, boolean>[] = [
  { name: "empty", input: "", expected: true, rfc: "9110 5.5" },
  { name: "one character", input: "a", expected: true, rfc: "9110 5.5" },
  { name: "space and tab inside", input: "a \t b", expected: true, rfc: "9110 5.5" },
  { name: "obs-text", input: "\x80\xff", expected: true, rfc: "9110 5.5" },
  { name: "space first", input: " a", expected: false, rfc: "9110 5.5" },
  { name: "tab last", input: "a\t", expected: false, rfc: "9110 5.5" },
  { name: "only a space", input: " ", expected: false, rfc: "9110 5.5" },
  { name: "T15 CR", input: "a\rb", expected: false, rfc: "9110 5.5" },
  { name: "T15 LF", input: "a\nb", expected: false, rfc: "9110 5.5" },
  { name: "T15 LF last", input: "a\n", expected: false, rfc: "9110 5.5" },
  { name: "T15 NUL", input: "a\0b", expected: false, rfc: "9110 5.5" },
  { name: "T15 DEL", input: "a\x7f", expected: false, rfc: "9110 5.5" },
  { name: "T15 U+010A, whose low byte is LF", input: "a\u010ab", expected: false, rfc: "9110 5.5" },
  { name: "T15 U+010D, whose low byte is CR", input: "a\u010db", expected: false, rfc: "9110 5.5" },
  { name: "T15 U+2028", input: "a\u2028b", expected: false, rfc: "9110 5.5" },
];

/** The number that digits stand for. */
export const digits: readonly Vector<string, number | null>[] = [
  { name: "zero", input: "0", expected: 0, rfc: "9110 8.6" },
  { name: "zeros in front", input: "007", expected: 7, rfc: "9110 8.6" },
  { name: "2^53 - 1", input: "9007199254740991", expected: 9007199254740991, rfc: "9110 8.6" },
  { name: "2^53", input: "9007199254740992", expected: null, rfc: "9110 8.6" },
  { name: "2^53 + 1, which rounds", input: "9007199254740993", expected: null, rfc: "9110 8.6" },
  { name: "400 digits", input: "9".repeat(400), expected: null, rfc: "9110 8.6" },
  ...["", " 1", "1 ", "+1", "-1", "1.0", "1e1", "0x1", "1_0", "\uff12", "1\n", "Infinity"].map((
    input,
  ) => ({ name: `T8 ${JSON.stringify(input)}`, input, expected: null, rfc: "9110 8.6" })),
];

/** The members of a list, over lines. */
export const lists: readonly Vector<string[], string[]>[] = [
  { name: "no line", input: [], expected: [], rfc: "9110 5.6.1" },
  { name: "one member", input: ["a"], expected: ["a"], rfc: "9110 5.6.1" },
  { name: "two lines", input: ["a, b", "c"], expected: ["a", "b", "c"], rfc: "9110 5.3" },
  { name: "empty members", input: [",a , ,\t,b,", ""], expected: ["a", "b"], rfc: "9110 5.6.1.2" },
  { name: "white space", input: [" \ta\t "], expected: ["a"], rfc: "9110 5.6.3" },
  { name: "white space inside", input: ["a b ,c"], expected: ["a b", "c"], rfc: "9110 5.6.1" },
  { name: "quoted comma", input: ['a="x,y", b'], expected: ['a="x,y"', "b"], rfc: "9110 5.6.4" },
  { name: "escaped quote", input: ['"x\\",y",b'], expected: ['"x\\",y"', "b"], rfc: "9110 5.6.4" },
  {
    name: "escaped backslash",
    input: ['"x\\\\",b'],
    expected: ['"x\\\\"', "b"],
    rfc: "9110 5.6.4",
  },
  {
    name: "quote that is never closed",
    input: ['"a, b', "c"],
    expected: ['"a, b', "c"],
    rfc: "9110 5.6.4",
  },
  {
    name: "backslash at the end of an open quote",
    input: ['"a\\'],
    expected: ['"a\\'],
    rfc: "9110 5.6.4",
  },
  { name: "empty quotes", input: ['"",a'], expected: ['""', "a"], rfc: "9110 5.6.4" },
];
