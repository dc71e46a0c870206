/**
 * Credentials that stand in a URL, taken off it and turned into the value of `Authorization`.
 *
 * @module
 */
import { HttpError } from "../conn/http_error.ts";
import { percentDecoded } from "./percent_decoded.ts";

/** User names and passwords that Basic cannot carry. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f]/;

/**
 * Removes the credentials from a URL.
 *
 * @param url Changed.
 * @returns The value of `Authorization`, or null if there were none.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: credentials that Basic cannot carry, which are a colon
 * in the user name and control characters.
 * @see RFC 7617 section 2
 */
export function takeCredentials(url: URL): string | null {
  if (url.username === "" && url.password === "") return null;
  const user = percentDecoded(url.username);
  const password = percentDecoded(url.password);
  url.username = "";
  url.password = "";
  return basicOf(byteString(user), byteString(password));
}

/**
 * The value of `Authorization` that shows name and password, as UTF-8.
 *
 * Pure.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: as {@linkcode takeCredentials}.
 * @see RFC 7617 section 2
 */
export function basicCredentials(username: string, password: string): string {
  const encoder = new TextEncoder();
  return basicOf(byteString(encoder.encode(username)), byteString(encoder.encode(password)));
}

function basicOf(user: string, password: string): string {
  if (user.includes(":") || CONTROL.test(user) || CONTROL.test(password)) {
    throw new HttpError(
      "ERR_INVALID_REQUEST",
      "Cannot use these credentials: a colon in the user name, or a control character",
      { phase: "client" },
    );
  }
  return `Basic ${btoa(`${user}:${password}`)}`;
}

/** One character for each byte. */
function byteString(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}
