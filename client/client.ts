/**
 * What most people will touch first: requests by URL, redirects followed, cookies kept.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";
import { HttpHeaders, type HttpHeadersInit } from "../http/http_headers.ts";
import { HttpRequest, type HttpRequestInit } from "../transport/http_request.ts";
import { parseUrlWithCredentials } from "../transport/message/request_url.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import { type BodySource, discardBody } from "../transport/request_body.ts";
import { type RoundTripper, Transport } from "../transport/transport.ts";
import { type CookieJar, setCookies, withCookies, withoutReplaced } from "./cookies/cookie_jar.ts";
import { DefaultHeaders } from "./default_headers.ts";
import { isRedirect, type Redirect, redirectedRequest } from "./redirect.ts";
import { TimeLeft } from "./time_left.ts";
import { takeCredentials } from "./url_credentials.ts";

/**
 * Asked before each redirect is followed.
 *
 * @param next What would be requested.
 * @param via What was requested so far, oldest first; never empty.
 * @returns `"stop"`: the redirect itself is the answer, with its body unread. Nothing: follow it.
 * Throwing refuses it: the request fails with `ERR_REDIRECT`, whose cause is what was thrown.
 */
export type CheckRedirect = (
  next: HttpRequest,
  via: HttpRequest[],
) => void | "stop" | Promise<void | "stop">;

/** Options of a {@linkcode Client}. */
export interface ClientOptions {
  /** What sends the requests. Default: a transport of its own. */
  transport?: RoundTripper;
  /** Where cookies are kept; null: nowhere. @default {null} */
  jar?: CookieJar | null;
  /** Milliseconds for everything, redirects and the body included; 0 is off. @default {0} */
  timeoutMs?: number;
  /** What relative URLs are relative to. Its credentials are those of the requests that it leads. */
  baseUrl?: string | URL;
  /**
   * Sent with every request that does not say otherwise. Secrets among them, like `Authorization`,
   * are sent only to the origin of `baseUrl`, where there is one.
   */
  headers?: HttpHeadersInit;
  /** Header names to drop, like `Authorization`, where a redirect leaves the origin. */
  sensitiveHeaders?: string[];
  /** How many redirects are followed; 0: none, the answer itself is returned. @default {10} */
  maxRedirects?: number;
  /** Asked before each redirect is followed; may stop there or refuse. */
  checkRedirect?: CheckRedirect;
  /**
   * Whether a followed redirect says in `Referer` where it came from: the URL to its own origin,
   * the origin to others, nothing from https to http. @default {true}
   */
  referer?: boolean;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof ClientOptions>([
  "transport",
  "jar",
  "timeoutMs",
  "baseUrl",
  "headers",
  "sensitiveHeaders",
  "maxRedirects",
  "checkRedirect",
  "referer",
]);

/** A form as its fields: a record, pairs, or what the platform has for it. */
export type FormSource =
  | FormData
  | URLSearchParams
  | Record<string, string | string[]>
  | Iterable<readonly [string, string]>;

/**
 * Sends requests, follows redirects and keeps cookies.
 *
 * Credentials in a URL, its own or the base URL's, become `Authorization: Basic`, unless the request
 * has an `Authorization` of its own; `response.url` does not show them. A redirect to another
 * scheme, host, port or socket loses them and every other secret, and never gets them back.
 *
 * @see RFC 9110 section 15.4
 *
 * @example
 * ```ts
 * import { Client } from "@roundtrip/http";
 *
 * const client = new Client({ headers: { "Accept": "text/plain" }, timeoutMs: 5_000 });
 * try {
 *   console.log(await (await client.get("http://127.0.0.1:1/")).text());
 * } catch (error) {
 *   console.log((error as Error).message);
 * }
 * ```
 */
export class Client {
  readonly #transport: RoundTripper;
  readonly #jar: CookieJar | null;
  readonly #timeoutMs: number;
  readonly #baseUrl: URL | undefined;
  readonly #headers: DefaultHeaders;
  readonly #sensitiveHeaders: readonly string[];
  readonly #maxRedirects: number;
  readonly #checkRedirect: CheckRedirect | undefined;
  readonly #referer: boolean;

  /**
   * Makes a client.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, or a value it cannot have.
   */
  constructor(options: ClientOptions = {}) {
    for (const name in options) {
      if (!OPTIONS.has(name)) throw invalid(`Unknown client option "${printable(name)}"`);
    }
    this.#transport = options.transport ?? new Transport();
    this.#jar = options.jar ?? null;
    if (this.#jar !== null && typeof this.#jar.getCookieHeader !== "function") {
      throw invalid("jar is not a cookie jar");
    }
    this.#timeoutMs = options.timeoutMs ?? 0;
    if (typeof this.#timeoutMs !== "number" || !(this.#timeoutMs >= 0)) {
      throw invalid(`timeoutMs is not a number of milliseconds: ${this.#timeoutMs}`);
    }
    this.#baseUrl = options.baseUrl === undefined
      ? undefined
      : parseUrlWithCredentials(options.baseUrl);
    const sensitiveHeaders = options.sensitiveHeaders ?? [];
    if (!Array.isArray(sensitiveHeaders)) throw invalid("sensitiveHeaders is not a list of names");
    this.#sensitiveHeaders = sensitiveHeaders.map((name) => `${name}`.toLowerCase());
    this.#headers = new DefaultHeaders(options.headers, this.#sensitiveHeaders, this.#baseUrl);
    this.#maxRedirects = options.maxRedirects ?? 10;
    if (!Number.isSafeInteger(this.#maxRedirects) || this.#maxRedirects < 0) {
      throw invalid(`maxRedirects is not a count: ${this.#maxRedirects}`);
    }
    this.#checkRedirect = options.checkRedirect;
    if (this.#checkRedirect !== undefined && typeof this.#checkRedirect !== "function") {
      throw invalid("checkRedirect is not a function");
    }
    this.#referer = options.referer ?? true;
    if (typeof this.#referer !== "boolean") throw invalid("referer is neither true nor false");
  }

  /**
   * GETs a URL.
   *
   * @throws {HttpError} As {@linkcode Client.do}.
   */
  get(url: string | URL, init?: HttpRequestInit): Promise<HttpResponse> {
    return this.#send("GET", url, init);
  }

  /**
   * Asks for the head of a response only.
   *
   * @throws {HttpError} As {@linkcode Client.do}.
   */
  head(url: string | URL, init?: HttpRequestInit): Promise<HttpResponse> {
    return this.#send("HEAD", url, init);
  }

  /**
   * POSTs a body.
   *
   * @throws {HttpError} As {@linkcode Client.do}.
   */
  post(
    url: string | URL,
    body?: BodySource | null,
    init?: HttpRequestInit,
  ): Promise<HttpResponse> {
    return this.#send("POST", url, init, body);
  }

  /**
   * POSTs a form: `FormData` as `multipart/form-data`, anything else as
   * `application/x-www-form-urlencoded`.
   *
   * @throws {HttpError} As {@linkcode Client.do}.
   */
  async postForm(
    url: string | URL,
    data: FormSource,
    init?: HttpRequestInit,
  ): Promise<HttpResponse> {
    return await this.#send("POST", url, init, formBody(data));
  }

  /**
   * PUTs a body.
   *
   * @throws {HttpError} As {@linkcode Client.do}.
   */
  put(
    url: string | URL,
    body?: BodySource | null,
    init?: HttpRequestInit,
  ): Promise<HttpResponse> {
    return this.#send("PUT", url, init, body);
  }

  /**
   * PATCHes with a body.
   *
   * @throws {HttpError} As {@linkcode Client.do}.
   */
  patch(
    url: string | URL,
    body?: BodySource | null,
    init?: HttpRequestInit,
  ): Promise<HttpResponse> {
    return this.#send("PATCH", url, init, body);
  }

  /**
   * DELETEs a URL.
   *
   * @throws {HttpError} As {@linkcode Client.do}.
   */
  delete(url: string | URL, init?: HttpRequestInit): Promise<HttpResponse> {
    return this.#send("DELETE", url, init);
  }

  /**
   * Sends a request as it is but for the jar's cookies, and follows redirects. The client's default
   * headers are not added.
   *
   * Cancel: the request's signal, in any phase.
   *
   * @throws {HttpError} As `Transport.roundTrip`; `ERR_REDIRECT`: too many, one that may not be
   * followed, or that `checkRedirect` refused. Or what the cookie jar throws.
   */
  do(request: HttpRequest): Promise<HttpResponse> {
    const inherits = request.timeoutMs === 0 && this.#timeoutMs > 0;
    return this.#follow(inherits ? request.with({ timeoutMs: this.#timeoutMs }) : request);
  }

  async #send(
    method: string,
    url: string | URL,
    init: HttpRequestInit = {},
    body?: BodySource | null,
  ): Promise<HttpResponse> {
    if (init.method !== undefined && init.method !== method) {
      throw invalid(
        `${method.toLowerCase()}() cannot send a ${printable(`${init.method}`)} request: use do()`,
      );
    }
    if (body !== undefined && init.body !== undefined) throw invalid("There are two bodies");
    return await this.#follow(this.#request(url, { ...init, method, body: body ?? init.body }));
  }

  #request(input: string | URL, init: HttpRequestInit): HttpRequest {
    const url = parseUrlWithCredentials(input, this.#baseUrl?.href);
    const authorization = takeCredentials(url);
    const headers = new HttpHeaders(init.headers);
    if (authorization !== null && !headers.has("authorization")) {
      headers.append("Authorization", authorization);
    }
    const defaults = this.#headers.missingIn(headers, url);
    return new HttpRequest(url, {
      ...init,
      headers: defaults.length === 0 ? headers : [...defaults, ...headers],
      timeoutMs: init.timeoutMs ?? this.#timeoutMs,
    });
  }

  async #follow(request: HttpRequest): Promise<HttpResponse> {
    const time = new TimeLeft(request.timeoutMs);
    const via: HttpRequest[] = [];
    for (let current = request;;) {
      const response = await (this.#jar === null
        ? this.#transport.roundTrip(current)
        : this.#exchange(current, this.#jar, time));
      // Most responses are none: neither a look at their fields nor a turn is spent on them.
      if (response.status < 300 || response.status > 399) {
        return response;
      }
      via.push(current);
      try {
        const next = await this.#next(current, response, via, time);
        if (next === null) {
          return response;
        }
        current = next;
      } catch (error) {
        await response.body.close();
        throw error;
      }
      // The connection is free again after it. What is dropped is not decoded.
      await response.body.close();
      current = current.with({ timeoutMs: time.timeoutMs });
    }
  }

  /** One exchange, with the jar's cookies, whose answer's cookies go to the jar. */
  async #exchange(
    request: HttpRequest,
    jar: CookieJar,
    time: TimeLeft,
  ): Promise<HttpResponse> {
    const { url, signal } = request;
    let ready: HttpRequest;
    try {
      signal?.throwIfAborted();
      const cookies = await time.wait(jar.getCookieHeader(url), signal);
      const headers = withCookies(request.headers, cookies);
      ready = request.with({ headers, timeoutMs: time.timeoutMs });
    } catch (error) {
      // No transport will.
      discardBody(request.body);
      throw error;
    }
    const response = await this.#transport.roundTrip(ready);
    try {
      for (const setCookie of setCookies(response.headers)) {
        await time.wait(jar.setCookie(url, setCookie), signal);
      }
    } catch (error) {
      await response.body.close();
      throw error;
    }
    return response;
  }

  /** What to request next; null if the response is the answer. */
  async #next(
    request: HttpRequest,
    response: HttpResponse,
    via: HttpRequest[],
    time: TimeLeft,
  ): Promise<HttpRequest | null> {
    const redirect: Redirect = {
      status: response.status,
      locations: response.headers.getAll("location"),
    };
    if (this.#maxRedirects === 0 || !isRedirect(request.method, redirect)) return null;
    if (via.length > this.#maxRedirects) {
      throw refused(`More than ${this.#maxRedirects} redirects`);
    }
    const next = redirectedRequest(request, redirect, {
      sensitiveHeaders: this.#sensitiveHeaders,
      referer: this.#referer,
    });
    if (await this.#isStopped(next, via, time)) return null;
    if (this.#jar === null) return next;
    const headers = withoutReplaced(next.headers, setCookies(response.headers));
    return headers === next.headers ? next : next.with({ headers });
  }

  async #isStopped(next: HttpRequest, via: HttpRequest[], time: TimeLeft): Promise<boolean> {
    if (this.#checkRedirect === undefined) return false;
    let verdict: Promise<void | "stop">;
    try {
      verdict = Promise.resolve(this.#checkRedirect(next, [...via]));
    } catch (cause) {
      throw refused("The redirect was refused by checkRedirect", cause);
    }
    const refusal = verdict.catch((cause) => {
      throw refused("The redirect was refused by checkRedirect", cause);
    });
    return await time.wait(refusal, next.signal) === "stop";
  }
}

function formBody(data: FormSource): FormData | URLSearchParams {
  if (data instanceof FormData || data instanceof URLSearchParams) return data;
  if (typeof data !== "object" || data === null) {
    throw invalid("Cannot send this form: not an object");
  }
  const form = new URLSearchParams();
  const fields = Symbol.iterator in data ? data : Object.entries(data);
  for (const [name, value] of fields as Iterable<[string, string | string[]]>) {
    for (const one of Array.isArray(value) ? value : [value]) form.append(name, one);
  }
  return form;
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}

function refused(message: string, cause?: unknown): HttpError {
  return new HttpError("ERR_REDIRECT", message, { phase: "redirect", cause });
}
