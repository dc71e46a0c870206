/**
 * What a caller of `fetch` asks for: `input` and `init` turned into a request of ours.
 *
 * @see https://fetch.spec.whatwg.org/#request-class
 * @module
 */
import { printable } from "../../conn/http_error.ts";
import { isToken } from "../../http/grammar.ts";
import { HttpHeaders } from "../../http/http_headers.ts";
import type { BodySource } from "../../transport/message/request_body.ts";
import type { DefaultHeaders } from "../default_headers.ts";
import { fetchBody, isStream } from "./fetch_body.ts";
import { blobOf } from "./fetch_local.ts";
import type { Referring } from "../fetched_request.ts";
import { trimmed } from "../http_white_space.ts";
import { readAhead } from "./read_ahead.ts";
import { refererFor, REFERRER_POLICIES, type ReferrerPolicy } from "../referrer_policy.ts";

/** What `fetch` is asked to do, checked. */
export interface FetchCall {
  /** Absolute and serialised; its fragment may be there. */
  readonly href: string;
  readonly method: string;
  readonly headers: HttpHeaders;
  readonly body: BodySource | null;
  readonly redirect: "follow" | "error" | "manual";
  readonly signal: AbortSignal | null;
  /** Subresource integrity metadata; empty: none is asked for. */
  readonly integrity: string;
  /** Whether cookies are kept out, both ways. */
  readonly withoutCookies: boolean;
  readonly referring: Referring;
  /** What a `blob:` URL stood for when `fetch` was called. */
  readonly blob: ReturnType<typeof blobOf>;
}

/** What the platform's types do not all know. */
type Init = RequestInit & Partial<Record<string, unknown>>;

/** Sent with each request of a caller who gives no headers. */
const ACCEPT_ANYTHING: HttpHeaders = new HttpHeaders([["Accept", "*/*"]]).freeze();

/** What most say of where they come from: nothing. */
const NO_REFERRER: Referring = { policy: "", byReferrer: false };

/** Methods whose case does not matter. */
const NORMALISED: ReadonlySet<string> = new Set([
  "DELETE",
  "GET",
  "HEAD",
  "OPTIONS",
  "POST",
  "PUT",
]);

const FORBIDDEN_METHODS: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK"]);

/** The members of `init` that take a word, and the words. */
const WORDS: Record<string, readonly string[]> = {
  redirect: ["follow", "error", "manual"],
  mode: ["same-origin", "no-cors", "cors"],
  credentials: ["omit", "same-origin", "include"],
  cache: ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"],
  referrerPolicy: REFERRER_POLICIES,
  duplex: ["half"],
  priority: ["high", "low", "auto"],
};

/**
 * Runtimes' own members, which change where a request goes or whom it trusts. To ignore them would
 * send it elsewhere than the caller thinks.
 */
const ROUTES: readonly string[] = ["client", "dispatcher", "agent", "proxy", "tls", "unix"];

/** Absolute http URLs in which the URL parser finds no credentials and nothing to strip. */
// deno-lint-ignore no-control-regex
const PLAIN_URL = /^https?:\/\/[^\x00-\x20\x7f@\\]+$/;

/**
 * The call for a URL and nothing else, or null: it is not that simple. Costs next to nothing.
 */
export function plainCall(input: unknown, init: unknown): FetchCall | null {
  if (typeof input !== "string" || init !== undefined || !PLAIN_URL.test(input)) return null;
  return {
    href: input,
    method: "GET",
    headers: ACCEPT_ANYTHING,
    body: null,
    redirect: "follow",
    signal: null,
    integrity: "",
    withoutCookies: false,
    referring: NO_REFERRER,
    blob: undefined,
  };
}

/**
 * The call for what the platform's `fetch` takes. All of it is looked at before anything is waited
 * for: the caller may change it, or revoke it, at once.
 *
 * @param baseUrl What relative URLs are relative to, or undefined.
 * @param defaults Header lines for calls that do not give a line of the name.
 * @throws {TypeError} Anything that the Fetch Standard refuses, and routes of the runtime's own.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: header fields that may not be sent.
 */
export async function fetchCall(
  input: unknown,
  init: unknown,
  baseUrl: string | undefined,
  defaults: DefaultHeaders,
): Promise<FetchCall> {
  if (init !== undefined && init !== null && typeof init !== "object") {
    throw new TypeError("fetch: init is not an object");
  }
  const given = (init ?? {}) as Init;
  const request = input instanceof Request ? input : null;
  checkMembers(given);
  const href = target(request === null ? `${input}` : request.url, baseUrl);
  const method = methodOf(given.method ?? request?.method ?? "GET");
  const headers = headersOf(given.headers === undefined ? request?.headers : given.headers);
  const referring = addReferer(headers, given, request, href);
  addCacheControl(headers, given, request);
  for (const [name, value] of defaults.missingIn(headers, new URL(href))) {
    headers.append(name, value);
  }
  if (!headers.has("accept")) headers.append("Accept", "*/*");
  // As the standard: part of what is coded is of no use, and to say nothing allows any coding.
  if (headers.has("range") && !headers.has("accept-encoding")) {
    headers.append("Accept-Encoding", "identity");
  }
  const signal = given.signal === undefined ? request?.signal : given.signal as AbortSignal | null;
  if (signal !== undefined && signal !== null && !(signal instanceof AbortSignal)) {
    throw new TypeError("fetch: signal is not an AbortSignal");
  }
  const redirect = given.redirect ?? request?.redirect ?? "follow";
  const integrity = `${given.integrity ?? request?.integrity ?? ""}`;
  const withoutCookies = (given.credentials ?? request?.credentials) === "omit";
  const blob = href.startsWith("blob:") ? blobOf(href) : undefined;
  const source = bodyOf(given, request);
  if (source !== null && (method === "GET" || method === "HEAD")) {
    throw new TypeError(`fetch: a ${method} request has no body`);
  }
  // Last: it is the only one that takes its time.
  const body = source !== null && source === request?.body
    ? await readAhead(request.body, signal)
    : source;
  return {
    href,
    method,
    headers,
    redirect,
    signal: signal ?? null,
    integrity,
    withoutCookies,
    referring,
    blob,
    body,
  };
}

function checkMembers(init: Init): void {
  for (const [name, words] of Object.entries(WORDS)) {
    const value = init[name];
    if (value !== undefined && !words.includes(`${value}`)) {
      throw new TypeError(`fetch: ${name} cannot be "${value}"`);
    }
  }
  for (const name of ROUTES) {
    if (init[name] !== undefined && init[name] !== null) {
      throw new TypeError(`fetch: ${name} is not supported; give createFetch() the transport`);
    }
  }
  if (init.window !== undefined && init.window !== null) {
    throw new TypeError("fetch: window can only be null");
  }
}

function target(text: string, baseUrl: string | undefined): string {
  if (PLAIN_URL.test(text)) return text;
  const url = new URL(text, baseUrl);
  if (url.username !== "" || url.password !== "") {
    throw new TypeError("fetch: a URL with credentials; send an Authorization header");
  }
  return url.href;
}

function methodOf(method: string): string {
  const text = `${method}`;
  if (!isToken(text)) throw new TypeError(`fetch: "${printable(text)}" is not a method`);
  const upper = text.toUpperCase();
  if (FORBIDDEN_METHODS.has(upper)) throw new TypeError(`fetch: the method ${upper} is forbidden`);
  return NORMALISED.has(upper) ? upper : text;
}

function headersOf(init: RequestInit["headers"]): HttpHeaders {
  const headers = new HttpHeaders();
  if (init === undefined) return headers;
  if (typeof init !== "object" || init === null) {
    throw new TypeError("fetch: headers is neither a list nor a record");
  }
  const pairs = Symbol.iterator in init ? init : Object.entries(init);
  for (const pair of pairs as Iterable<readonly [string, string]>) {
    if (typeof pair !== "object" || pair === null || pair.length !== 2) {
      throw new TypeError("fetch: each of the headers must be a pair of name and value");
    }
    headers.append(pair[0], trimmed(`${pair[1]}`));
  }
  return headers;
}

function bodyOf(init: Init, request: Request | null): BodySource | null {
  if (init.body !== undefined && init.body !== null) {
    const body = fetchBody(init.body);
    if (isStream(body) && init.duplex === undefined) {
      throw new TypeError('fetch: a stream as the body needs duplex: "half"');
    }
    return body;
  }
  if (request === null) return null;
  if (request.bodyUsed) throw new TypeError("fetch: the body of this Request is used already");
  return request.body;
}

function addReferer(
  headers: HttpHeaders,
  init: Init,
  request: Request | null,
  href: string,
): Referring {
  const policy = (init.referrerPolicy ?? request?.referrerPolicy ?? "") as ReferrerPolicy;
  const referrer = `${init.referrer ?? request?.referrer ?? ""}`;
  if (referrer === "" || headers.has("referer")) return { policy, byReferrer: false };
  const referer = refererFor(referrer, policy, href);
  if (referer === null) return { policy, byReferrer: false };
  headers.append("Referer", referer);
  return { policy, byReferrer: true };
}

/** There is no cache here, but there may be some on the way. */
function addCacheControl(headers: HttpHeaders, init: Init, request: Request | null): void {
  const cache = init.cache ?? request?.cache ?? "default";
  if (cache === "only-if-cached") throw new TypeError("fetch: nothing is cached");
  if (cache === "no-cache" && !headers.has("cache-control")) {
    headers.append("Cache-Control", "max-age=0");
  } else if (cache === "no-store" || cache === "reload") {
    if (!headers.has("pragma")) headers.append("Pragma", "no-cache");
    if (!headers.has("cache-control")) headers.append("Cache-Control", "no-cache");
  }
}
