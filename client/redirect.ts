/**
 * What to request after a redirect: a pure function of the request and its answer.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";
import { HttpHeaders } from "../http1/http_headers.ts";
import { HttpRequest } from "../transport/http_request.ts";
import { isReplayable } from "../transport/request_body.ts";

const REDIRECT_STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Header fields that no other origin may see. */
const SECRETS: readonly string[] = [
  "authorization",
  "proxy-authorization",
  "cookie",
  "www-authenticate",
];

/** Header fields that describe a body, and go with it, besides `Content-*`. */
const ABOUT_BODY: readonly string[] = ["transfer-encoding", "expect", "trailer"];

/** The part of an answer that decides. */
export interface Redirect {
  status: number;
  /** The values of the `Location` lines. */
  locations: readonly string[];
}

/** Whether an answer sends the client elsewhere. */
export function isRedirect(redirect: Redirect): boolean {
  return redirect.locations.length > 0 && REDIRECT_STATUSES.has(redirect.status);
}

/**
 * The request that follows a redirect.
 *
 * The method becomes GET after 303 (HEAD stays) and, for POST, after 301 and 302; the body goes
 * with it. Secrets are dropped where scheme, host or port change; as each request is made from the
 * one before, they never come back. A `Host` of the caller's is dropped.
 *
 * Pure.
 *
 * @param sensitiveHeaders More names, in lower case, to drop like `Authorization`.
 * @param timeoutMs What is left of the time.
 * @throws {HttpError} `ERR_REDIRECT`: not to http or https, not a URL, or a body that cannot be
 * sent again.
 * @see RFC 9110 section 15.4
 */
export function redirectedRequest(
  request: HttpRequest,
  redirect: Redirect,
  rules: { sensitiveHeaders: readonly string[]; timeoutMs: number },
): HttpRequest {
  const { locations } = redirect;
  if (locations.some((location) => location !== locations[0])) {
    throw refused("its targets contradict each other");
  }
  const url = target(request, locations[0]);
  const toGet = redirect.status === 303 ? request.method !== "HEAD" : redirect.status <= 302 &&
    request.method === "POST";
  const headers = new HttpHeaders(request.headers);
  headers.delete("host");
  if (toGet) { for (const name of aboutBody(request.headers)) headers.delete(name); }
  if (url.origin !== new URL(request.href).origin) {
    for (const name of [...SECRETS, ...rules.sensitiveHeaders]) headers.delete(name);
  }
  if (!toGet && !isReplayable(request.body)) {
    throw refused(`its body is a stream that cannot be sent again (status ${redirect.status})`);
  }
  return new HttpRequest(url, {
    method: toGet ? "GET" : request.method,
    headers,
    body: toGet ? null : request.body,
    contentLength: toGet ? undefined : request.contentLength ?? undefined,
    trailers: toGet ? undefined : request.trailers ?? undefined,
    close: request.close,
    decompress: request.decompress ?? undefined,
    signal: request.signal ?? undefined,
    timeoutMs: rules.timeoutMs,
    trace: request.trace ?? undefined,
    onUploadProgress: request.onUploadProgress ?? undefined,
    onDownloadProgress: request.onDownloadProgress ?? undefined,
    digest: request.digest ?? undefined,
    integrity: request.integrity ?? undefined,
    redirectedFrom: request,
  });
}

function aboutBody(headers: HttpHeaders): string[] {
  const names = [...headers].map(([name]) => name.toLowerCase());
  return [...ABOUT_BODY, ...names.filter((name) => name.startsWith("content-"))];
}

function target(request: HttpRequest, location: string): URL {
  let url: URL;
  try {
    url = new URL(location, request.href);
  } catch (cause) {
    throw refused(`its target is not a URL: "${printable(location)}"`, cause);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw refused(`its target is a ${printable(url.protocol)} URL`);
  }
  if (url.port === "0") throw refused("its target has port 0");
  if (url.username !== "" || url.password !== "") throw refused("its target has credentials");
  return url;
}

function refused(why: string, cause?: unknown): HttpError {
  return new HttpError("ERR_REDIRECT", `Cannot follow the redirect: ${why}`, {
    phase: "redirect",
    cause,
  });
}
