/**
 * What can be wrong with a field line, in words; and which fields a lenient reader must not leave out
 * for it. Pure.
 *
 * @module
 */
import { isToken, trimOws } from "../http/grammar.ts";

/**
 * Fields that decide how this message, this connection or the next request is read or made, in lower
 * case: to leave one out would be to decide otherwise than its sender did.
 */
const DECISIVE: ReadonlySet<string> = new Set([
  // Framing and content coding, and what the content is checked against.
  "content-length",
  "transfer-encoding",
  "te",
  "trailer",
  "content-encoding",
  "content-range",
  "content-type",
  "content-digest",
  "repr-digest",
  // The connection, and the protocol that is spoken on it next.
  "connection",
  "keep-alive",
  "proxy-connection",
  "upgrade",
  "http2-settings",
  "sec-websocket-accept",
  "sec-websocket-extensions",
  "sec-websocket-protocol",
  "sec-websocket-version",
  // Redirects.
  "location",
  "refresh",
  // Cookies.
  "set-cookie",
  "set-cookie2",
  "cookie",
  // Authentication.
  "www-authenticate",
  "proxy-authenticate",
  "optional-www-authenticate",
  "authentication-info",
  "proxy-authentication-info",
  "authentication-control",
  "authorization",
  "proxy-authorization",
]);

// deno-lint-ignore no-control-regex
const WHITE_SPACE_OR_CONTROL = /[\x00-\x20\x7f]/;

const NOT_IN_TOKENS = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]+/g;

/**
 * Whether a lenient reader may leave a field of this name out. No: one that decides something, also
 * where only characters that no name has tell the two names apart, and one whose name cannot be told.
 *
 * @param name What stands before the colon; each character is one byte.
 * @see RFC 9110 section 5.1
 */
export function mayBeLeftOut(name: string): boolean {
  if (WHITE_SPACE_OR_CONTROL.test(name)) return false;
  const told = name.replace(NOT_IN_TOKENS, "").toLowerCase();
  return told !== "" && !DECISIVE.has(told);
}

/**
 * What is wrong with a name that is none.
 *
 * @param name What stands before the colon; each character is one byte.
 * @see RFC 9112 section 5.1
 */
export function nameFault(name: string): string {
  if (name === "") return "no name";
  const trimmed = trimOws(name);
  if (trimmed !== name && isToken(trimmed)) return "white space before its colon";
  return /[ \t]/.test(name)
    ? "white space in its name"
    : "a character in its name that none may have";
}

/**
 * What is wrong with a value.
 *
 * @param byte The first in it that may not be there.
 * @see RFC 9110 section 5.5
 */
export function valueFault(byte: number): string {
  const named = byte === 0x00
    ? "NUL"
    : byte === 0x0d
    ? "CR"
    : `control character 0x${byte.toString(16).padStart(2, "0")}`;
  return `${named} in its value`;
}
