/**
 * What stands in the request line as the target, where it is not the path of the URL.
 *
 * @module
 */
import { HttpError } from "../../conn/http_error.ts";
import type { RequestOrigin } from "./request_url.ts";

/** Visible ASCII but for `#`: what stands behind it is never sent. */
const SENDABLE = /^[\x21\x22\x24-\x7e]+$/;

const ABSOLUTE_FORM = /^([A-Za-z][A-Za-z0-9+.-]*:)\/\/([^/?]*)(?:[/?].*)?$/;

/**
 * A target that may be sent to the server of a URL: `*` with OPTIONS, a path with or without a query
 * that is sent as it is, or absolute-form with the scheme and the authority of the URL.
 *
 * Pure.
 *
 * @param origin Of the URL, by which the server is found.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: anything else. The target is not shown, it may hold
 * secrets.
 * @see RFC 9112 section 3.2
 */
export function checkedTarget(target: string, method: string, origin: RequestOrigin): string {
  if (!SENDABLE.test(target)) {
    throw invalid("it is empty, or has a character that may not be sent");
  }
  if (method === "CONNECT") throw invalid("that of CONNECT is the option host");
  if (target === "*") {
    if (method !== "OPTIONS") throw invalid("* is for OPTIONS only");
    return target;
  }
  if (target.startsWith("/")) return target;
  const absolute = ABSOLUTE_FORM.exec(target);
  if (absolute === null) throw invalid("neither *, nor a path, nor absolute-form");
  const [, scheme, authority] = absolute;
  // A Unix socket is where the connection leads, not what is spoken on it.
  const expected = origin.scheme === "http+unix:" ? "http:" : origin.scheme;
  if (scheme.toLowerCase() !== expected || !isAuthorityOf(origin, authority.toLowerCase())) {
    throw invalid(`its origin is not that of the URL, ${expected}//${origin.authority}`);
  }
  return target;
}

/**
 * The target as a proxy is given it that passes the request itself on.
 *
 * Pure.
 *
 * @param target That of the URL, or one that was checked.
 * @see RFC 9112 section 3.2.2, RFC 9112 section 3.2.4
 */
export function absoluteTarget(target: string, scheme: string, authority: string): string {
  if (target === "*") return `${scheme}//${authority}`;
  return target.startsWith("/") ? `${scheme}//${authority}${target}` : target;
}

/** As texts: what two parsers could read in two ways is none. */
function isAuthorityOf({ authority, port }: RequestOrigin, given: string): boolean {
  return given === authority || (!/:[0-9]+$/.test(authority) && given === `${authority}:${port}`);
}

function invalid(what: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", `Cannot use this request target: ${what}`, {
    phase: "request",
  });
}
