/**
 * What to request after a redirect: a pure function of the request and its answer.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";
import { HttpHeaders } from "../http/http_headers.ts";
import type { HttpRequest } from "../transport/message/http_request.ts";
import { isReplayable } from "../transport/message/request_body.ts";
import { socketPathOf } from "../transport/message/request_url.ts";
import { SECRETS } from "./default_headers.ts";
import { FetchedRequest } from "./fetched_request.ts";
import { isSameOrigin } from "./origin.ts";
import { refererFor, type ReferrerPolicy, statedPolicy } from "./referrer_policy.ts";

/** Statuses that lead elsewhere, where a `Location` says whither. */
export const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What other origins learn of an URL that led to them: paths and queries hold secrets too. */
const OWN_POLICY: ReferrerPolicy = "strict-origin-when-cross-origin";

/** Header fields that describe a body, and go with it, besides `Content-*`. */
const ABOUT_BODY: readonly string[] = ["transfer-encoding", "expect", "trailer"];

/** The part of an answer that decides. */
export interface Redirect {
  status: number;
  /** The values of the `Location` lines. */
  locations: readonly string[];
  /** The values of the `Referrer-Policy` lines. */
  referrerPolicies: readonly string[];
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
 * with it, and the fields that describe one. A GET without a body stays as it is. Secrets are
 * dropped where scheme, host, port or socket change; as each request is made from the one before,
 * they never come back. A `Host` and a `target` of the caller's are dropped, and of where the
 * request comes from no more is told than the policy in force allows.
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
  const { method, body } = request;
  const isGet = method === "HEAD" || (method === "GET" && body === null);
  const toGet = redirect.status === 303 ? !isGet : redirect.status <= 302 && method === "POST";
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
  const policy = statedPolicy(redirect.referrerPolicies);
  changeReferer(headers, { request, url, policy, tellsOwn: rules.referer });
  const withoutBody = { method: "GET", body: null, contentLength: undefined, trailers: undefined };
  const next = request.with({
    ...(toGet ? withoutBody : {}),
    headers,
    host: undefined,
    target: undefined,
    redirectedFrom: request,
  }, url);
  return next instanceof FetchedRequest && policy !== null ? next.under(policy) : next;
}

/** What decides on the `Referer` of a request that follows a redirect. */
interface Leap {
  /** The one that was redirected. */
  readonly request: HttpRequest;
  /** Whither. */
  readonly url: URL;
  /** What the redirect says of it, or null. */
  readonly policy: ReferrerPolicy | null;
  /** Whether to tell the URL that was redirected, where the caller told nothing. */
  readonly tellsOwn: boolean;
}

/**
 * A `referrer` is told within the policy of each hop, and less can only become less. A field that
 * the caller wrote stays as it is. Nothing goes from https to http.
 *
 * @see https://fetch.spec.whatwg.org/#http-redirect-fetch
 */
function changeReferer(headers: HttpHeaders, { request, url, policy, tellsOwn }: Leap): void {
  if (request.scheme === "https:" && url.protocol === "http:") return headers.delete("referer");
  const first = firstOf(request);
  const asked = first instanceof FetchedRequest ? first.referring : null;
  let referer: string | null;
  if (first.headers.has("referer")) {
    if (!(request instanceof FetchedRequest) || !request.referring.byReferrer) return;
    referer = headers.get("referer");
    referer &&= refererFor(referer, policy ?? request.referring.policy, url.href);
  } else {
    if (!tellsOwn) return;
    // Whoever is redirected to may be told less than that, and never more.
    referer = request.socketPath === null ? request.href : null;
    for (const each of [OWN_POLICY, asked?.policy ?? OWN_POLICY, policy ?? OWN_POLICY]) {
      referer &&= refererFor(referer, each, url.href);
    }
  }
  if (referer === null) headers.delete("referer");
  else headers.set("Referer", referer);
}

/** The request that the caller made. */
function firstOf(request: HttpRequest): HttpRequest {
  let first = request;
  while (first.redirectedFrom !== null) first = first.redirectedFrom;
  return first;
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
