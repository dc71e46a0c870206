/**
 * Characters and lists of HTTP: what a token, a field value and a list are. Pure.
 *
 * @module
 */

/**
 * For each byte, 1 if it may stand in a token.
 *
 * @see RFC 9110 section 5.6.2
 */
export const TOKEN_BYTES: Uint8Array = byteTable(
  "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
);

/**
 * For each byte, 1 if it may stand in a field value: HTAB, SP, VCHAR, obs-text.
 *
 * @see RFC 9110 section 5.5
 */
export const FIELD_VALUE_BYTES: Uint8Array = fieldValueTable();

function byteTable(members: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < members.length; i++) table[members.charCodeAt(i)] = 1;
  return table;
}

function fieldValueTable(): Uint8Array {
  const table = new Uint8Array(256).fill(1, 0x20);
  table[0x09] = 1;
  table[0x7f] = 0;
  return table;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FIELD_VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/**
 * Whether `text` is a token: a method, a field name, a connection option.
 *
 * Pure.
 *
 * @see RFC 9110 section 5.6.2
 */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/**
 * Whether `text` may be sent as a field value: no control characters but HTAB, nothing above
 * U+00FF, no white space at either end.
 *
 * Pure.
 *
 * @see RFC 9110 section 5.5
 */
export function isFieldValue(text: string): boolean {
  return FIELD_VALUE.test(text);
}

/**
 * The number that 1*DIGIT stands for.
 *
 * Pure.
 *
 * @returns An integer 0..2^53-1, or null: not digits only, or larger.
 * @see RFC 9110 section 8.6
 */
export function parseDigits(text: string): number | null {
  let value = text === "" ? null : 0;
  for (let i = 0; i < text.length && value !== null; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    value = digit >= 0 && digit <= 9 ? value * 10 + digit : null;
    // Beyond, the next digit would be added to a rounded value.
    if (value !== null && value > Number.MAX_SAFE_INTEGER) value = null;
  }
  return value;
}

/**
 * The members of a list-valued field, over all its lines, without empty ones. Commas inside quoted
 * strings do not split.
 *
 * Pure.
 *
 * @param values The field's values, one per line.
 * @see RFC 9110 section 5.6.1
 */
export function listMembers(values: Iterable<string>): string[] {
  const members: string[] = [];
  for (const value of values) {
    let start = 0;
    let quoted = false;
    for (let i = 0; i <= value.length; i++) {
      const c = i < value.length ? value.charCodeAt(i) : 0x2c;
      if (quoted && i < value.length) {
        if (c === 0x5c && i + 1 < value.length) i++;
        else if (c === 0x22) quoted = false;
      } else if (c === 0x22) {
        quoted = true;
      } else if (c === 0x2c) {
        const member = trimOws(value.slice(start, i));
        if (member !== "") members.push(member);
        start = i + 1;
      }
    }
  }
  return members;
}

/**
 * `text` without spaces and tabs at its ends.
 *
 * Pure.
 *
 * @see RFC 9110 section 5.6.3
 */
export function trimOws(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isOws(text.charCodeAt(start))) start++;
  while (end > start && isOws(text.charCodeAt(end - 1))) end--;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

/**
 * Whether a byte is SP or HTAB.
 *
 * Pure.
 *
 * @see RFC 9110 section 5.6.3
 */
export function isOws(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}
