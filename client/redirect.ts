/**
 * What to request after a redirect: a pure function of the request and its answer.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";
import { HttpHeaders } from "../http/http_headers.ts";
import type { HttpRequest } from "../transport/http_request.ts";
import { isReplayable } from "../transport/request_body.ts";
import { socketPathOf } from "../transport/message/request_url.ts";
import { SECRETS } from "./default_headers.ts";
import { isSameOrigin } from "./origin.ts";

/** Statuses that lead elsewhere, where a `Location` says whither. */
export const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Header fields that describe a body, and go with it, besides `Content-*`. */
const ABOUT_BODY: readonly string[] = ["transfer-encoding", "expect", "trailer"];

/** The part of an answer that decides. */
export interface Redirect {
  status: number;
  /** The values of the `Location` lines. */
  locations: readonly string[];
}

/** What the client's options say about redirects. */
export interface RedirectRules {
  /** More names, in lower case, to drop like `Authorization`. */
  sensitiveHeaders: readonly string[];
  /** Whether to name where the redirect came from. */
  referer: boolean;
}

/** Whether an answer sends the client elsewhere. A tunnel cannot be led elsewhere. */
export function isRedirect(method: string, redirect: Redirect): boolean {
  return redirect.locations.length > 0 && REDIRECT_STATUSES.has(redirect.status) &&
    method !== "CONNECT";
}

/**
 * The request that follows a redirect.
 *
 * The method becomes GET after 303 (HEAD stays) and, for POST, after 301 and 302; the body goes
 * with it. Secrets are dropped where scheme, host, port or socket change; as each request is made
 * from the one before, they never come back. A `Host` of the caller's is dropped.
 *
 * Pure.
 *
 * @throws {HttpError} `ERR_REDIRECT`: not to http or https (nor, from a Unix socket, to the same
 * socket), not a URL, with credentials, to two places at once, or a body that cannot be sent again.
 * @see RFC 9110 section 15.4, RFC 9110 section 10.2.2
 */
export function redirectedRequest(
  request: HttpRequest,
  redirect: Redirect,
  rules: RedirectRules,
): HttpRequest {
  const { locations } = redirect;
  if (locations.some((location) => location !== locations[0])) {
    throw refused("its targets contradict each other");
  }
  const url = target(request, locations[0]);
  const toGet = redirect.status === 303 ? request.method !== "HEAD" : redirect.status <= 302 &&
    request.method === "POST";
  if (!toGet && !isReplayable(request.body)) {
    throw refused(`its body is a stream that cannot be sent again (status ${redirect.status})`);
  }
  const from = new URL(request.href);
  const headers = new HttpHeaders(request.headers);
  headers.delete("host");
  if (toGet) { for (const name of aboutBody(request.headers)) headers.delete(name); }
  const isSame = isSameOrigin(from, url);
  if (!isSame) {
    for (const name of [...SECRETS, ...rules.sensitiveHeaders]) headers.delete(name);
  }
  if (from.protocol === "https:" && url.protocol === "http:") headers.delete("referer");
  else if (rules.referer && request.socketPath === null && !callersReferer(request)) {
    // Another origin learns only where it came from: paths and queries hold secrets too.
    headers.set("Referer", isSame ? from.href : from.origin + "/");
  }
  const withoutBody = { method: "GET", body: null, contentLength: undefined, trailers: undefined };
  return request.with({
    ...(toGet ? withoutBody : {}),
    headers,
    host: undefined,
    redirectedFrom: request,
  }, url);
}

/** Whether the `Referer` is the caller's, and not one that an earlier redirect put there. */
function callersReferer(request: HttpRequest): boolean {
  let first = request;
  while (first.redirectedFrom !== null) first = first.redirectedFrom;
  return first.headers.has("referer");
}

function aboutBody(headers: HttpHeaders): string[] {
  const names = [...headers].map(([name]) => name.toLowerCase());
  return [...ABOUT_BODY, ...names.filter((name) => name.startsWith("content-"))];
}

function target(request: HttpRequest, location: string): URL {
  let url: URL;
  try {
    url = new URL(escapeBytes(location), request.href);
  } catch {
    throw refused(`its target is not a URL: "${printable(withoutCredentials(location))}"`);
  }
  const isWeb = url.protocol === "http:" || url.protocol === "https:";
  if (!isWeb && !isSameSocket(request, url)) {
    throw refused(`its target is a ${printable(url.protocol)} URL`);
  }
  if (url.port === "0") throw refused("its target has port 0");
  if (url.username !== "" || url.password !== "") throw refused("its target has credentials");
  if (!url.href.includes("#")) url.hash = request.fragment;
  return url;
}

/** A socket is a door to its machine: whoever is behind another one must not open it. */
function isSameSocket(request: HttpRequest, url: URL): boolean {
  if (url.protocol !== "http+unix:") return false;
  try {
    return socketPathOf(url) === request.socketPath;
  } catch {
    // It names no socket at all.
    return false;
  }
}

/** Header values hold one character for each byte; as characters they would be encoded twice. */
function escapeBytes(location: string): string {
  return location.replace(
    /[\x80-\xff]/g,
    (byte) => "%" + byte.charCodeAt(0).toString(16).toUpperCase(),
  );
}

function withoutCredentials(location: string): string {
  return location.replace(/\/\/[^/?#]*@/, "//");
}

function refused(why: string): HttpError {
  return new HttpError("ERR_REDIRECT", `Cannot follow the redirect: ${why}`, {
    phase: "redirect",
  });
}
