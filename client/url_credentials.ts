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
  const user = decoded(url.username);
  const password = decoded(url.password);
  url.username = "";
  url.password = "";
  if (user.includes(":") || CONTROL.test(user) || CONTROL.test(password)) {
    throw new HttpError(
      "ERR_INVALID_REQUEST",
      "Cannot use the credentials of this URL: a colon in the user name, or a control character",
      { phase: "client" },
    );
  }
  return `Basic ${btoa(`${user}:${password}`)}`;
}

/** The bytes that the text stands for, one character each. */
function decoded(text: string): string {
  return Array.from(percentDecoded(text), (byte) => String.fromCharCode(byte)).join("");
}
