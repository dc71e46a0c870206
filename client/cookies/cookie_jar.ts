/**
 * What a client asks of a cookie jar, and how it merges the jar's cookies with the caller's own.
 *
 * @module
 */
import { HttpHeaders } from "../../http/http_headers.ts";

/**
 * Where cookies are kept between requests. Both methods may be asynchronous; what they throw fails
 * the request.
 *
 * @see RFC 6265
 */
export interface CookieJar {
  /**
   * Takes one `Set-Cookie` field of a response, or ignores it.
   *
   * @param url What was requested, never the caller's own `Host`.
   * @param setCookie The field's value; each character is one byte.
   */
  setCookie(url: URL, setCookie: string): void | Promise<void>;
  /** The value of `Cookie` for a request, empty if there is none to send. */
  getCookieHeader(url: URL): string | Promise<string>;
}

/** Count. `Set-Cookie` fields of one response that a jar is shown; the rest is ignored. */
const MAX_PER_RESPONSE = 50;

/** The `Set-Cookie` fields of a response that are looked at. */
export function setCookies(headers: HttpHeaders): string[] {
  return headers.getAll("set-cookie").slice(0, MAX_PER_RESPONSE);
}

/**
 * Headers with the jar's cookies behind the caller's own in one `Cookie` field. Where both have a
 * cookie of the same name, the caller's is sent.
 *
 * Pure.
 */
export function withCookies(headers: HttpHeaders, fromJar: string): HttpHeaders {
  const own = pairs(headers.getAll("cookie").join("; "));
  const names = new Set(own.map(nameOf));
  const added = pairs(fromJar).filter((pair) => !names.has(nameOf(pair)));
  if (added.length === 0) return headers;
  const merged = new HttpHeaders(headers);
  merged.set("Cookie", [...own, ...added].join("; "));
  return merged;
}

/**
 * Headers without those cookies of the caller's that a response has set anew: the jar has them now.
 *
 * Pure.
 */
export function withoutReplaced(headers: HttpHeaders, setCookies: readonly string[]): HttpHeaders {
  if (setCookies.length === 0 || !headers.has("cookie")) return headers;
  const names = new Set(setCookies.map(nameOf));
  const kept = pairs(headers.getAll("cookie").join("; ")).filter((pair) =>
    !names.has(nameOf(pair))
  );
  const left = new HttpHeaders(headers);
  if (kept.length === 0) left.delete("cookie");
  else left.set("Cookie", kept.join("; "));
  return left;
}

function pairs(cookie: string): string[] {
  return cookie.split(";").map((pair) => pair.trim()).filter((pair) => pair !== "");
}

/** The name of a pair, also of one with attributes behind it. */
function nameOf(pair: string): string {
  return pair.split(";", 1)[0].split("=", 1)[0].trim();
}
