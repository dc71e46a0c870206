/**
 * Field lines as they may be shown: in a log, on a terminal.
 *
 * @module
 */

/** What stands in the place of a secret. */
const MASK = "***";

/** Words of names whose values are secrets, as in `X-Auth-Token` or `apikey`. */
const SECRET_WORDS: ReadonlySet<string> = new Set([
  "apikey",
  "auth",
  "authorization",
  "cookie",
  "cookie2",
  "credential",
  "credentials",
  "csrf",
  "jwt",
  "key",
  "passwd",
  "password",
  "secret",
  "session",
  "sessionid",
  "signature",
  "token",
  "xsrf",
]);

/** Digests of credentials. */
const SECRET_NAMES: ReadonlySet<string> = new Set([
  "authentication-info",
  "proxy-authentication-info",
]);

/** Keys to nothing. */
const OPEN_NAMES: ReadonlySet<string> = new Set([
  "idempotency-key",
  "x-idempotency-key",
  "sec-websocket-key",
  "surrogate-key",
]);

/**
 * The line as it may be shown: its value masked where the name says that it is a secret.
 *
 * Pure.
 *
 * @see RFC 9110 section 17.16.1
 */
export function shownField(name: string, value: string): [string, string] {
  const key = name.toLowerCase();
  const isSecret = SECRET_NAMES.has(key) ||
    (!OPEN_NAMES.has(key) && key.split(/[-_.]/).some((word) => SECRET_WORDS.has(word)));
  return [name, isSecret && value !== "" ? MASK : value];
}
