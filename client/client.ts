/**
 * What most people will touch first: requests by URL, redirects followed, cookies kept.
 *
 * @module
 */
import { callersOptions } from "../conn/callers_options.ts";
import { tellRejection } from "../conn/fault.ts";
import { type Attempt, HttpError, printable } from "../conn/http_error.ts";
import type { ContentCoding } from "../http/content_coding.ts";
import { HttpHeaders, type HttpHeadersInit } from "../http/http_headers.ts";
import { afterAttempts, NO_ATTEMPTS } from "../transport/attempt.ts";
import {
  beginOperation,
  HttpRequest,
  type HttpRequestInit,
  isRequest,
  notARequest,
  operationOf,
  requestInit,
} from "../transport/message/http_request.ts";
import { parseUrlWithCredentials } from "../transport/message/request_url.ts";
import { attemptsOf, type HttpResponse } from "../transport/message/http_response.ts";
import type { BodySource } from "../transport/message/request_body.ts";
import type { Clock } from "../transport/clock.ts";
import { checkedRoundTripper, type RoundTripper, Transport } from "../transport/transport.ts";
import { type CookieJar, setCookies, withoutReplaced } from "./cookies/cookie_jar.ts";
import { jarExchange } from "./cookies/jar_exchange.ts";
import { DefaultHeaders } from "./default_headers.ts";
import { formBody, type FormSource } from "./form_body.ts";
import { hopTransport } from "./hop_transport.ts";
import { isHstsStore, noteHsts, securedRequest } from "./hsts_requests.ts";
import type { HstsStore } from "./hsts_store.ts";
import type { RetryOptions } from "./recovery/retry_policy.ts";
import { isRedirect, type Redirect, redirectedRequest } from "./redirect.ts";
import { statusError } from "./status_error.ts";
import { TimeLeft } from "./time_left.ts";
import { takeCredentials } from "./url_credentials.ts";
import { callersClock } from "./waiting_clock.ts";

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
   * the origin to others, nothing from https to http; less where the redirect's `Referrer-Policy`
   * says so. A `Referer` of the caller's stays, but from https to http. @default {true}
   */
  referer?: boolean;
  /**
   * Where it is remembered which hosts are to be asked by https only; null: nowhere.
   *
   * @default {null}
   * @see RFC 6797
   */
  hsts?: HstsStore | null;
  /** For tests: a clock of their own, like that of the transport below. Default: the runtime's. */
  clock?: Clock;
  /**
   * Which answers are thrown, as a `StatusError`: those with a status of 400 and above, or those that
   * the function says true of. It is asked of the last answer, behind redirects and retries, and leaves
   * its body unread. What it throws, the request fails with. @default {false}
   */
  throwOnError?: boolean | ((response: HttpResponse) => boolean);
  /**
   * Whether each hop is tried again, by a `RetryingTransport` with these options, or its own; its
   * `onRetry` is called before each. @default {false}
   */
  retry?: boolean | RetryOptions;
  /**
   * Content coding of the bodies of requests: not of small ones, nor of what is coded already, nor where
   * the request has fields about its bytes (`Content-Encoding`, `Content-Length`, digests) or trailers.
   * A function as the body is coded where the request has a `Content-Type`. Whether the server takes it
   * is the caller's to know. `onUploadProgress` counts coded bytes. Default: none.
   *
   * @see RFC 9110 section 8.4
   */
  compress?: ContentCoding;
}

/** The names of {@linkcode ClientOptions}. */
export const CLIENT_OPTIONS: ReadonlySet<string> = new Set<keyof ClientOptions>([
  "transport",
  "jar",
  "timeoutMs",
  "baseUrl",
  "headers",
  "sensitiveHeaders",
  "maxRedirects",
  "checkRedirect",
  "referer",
  "hsts",
  "clock",
  "throwOnError",
  "retry",
  "compress",
]);

/** Where `extend()` says what the new client has of the old one. */
const INHERITED: unique symbol = Symbol("what a client has of the one that it extends");

interface ExtendingOptions extends ClientOptions {
  [INHERITED]?: Inherited;
}

interface Inherited {
  /** With what stands around it; null: that is made anew. */
  readonly transport: RoundTripper | null;
  readonly baseUrl: URL | undefined;
  readonly headers: DefaultHeaders;
  readonly sensitiveHeaders: readonly string[];
}

/** Options that decide what stands around a transport. */
const HOP_OPTIONS: ReadonlySet<string> = new Set<keyof ClientOptions>([
  "transport",
  "retry",
  "compress",
  "clock",
]);

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
  /** As stated, for what extends it. */
  readonly #options: ClientOptions;
  readonly #baseTransport: RoundTripper;
  readonly #transport: RoundTripper;
  readonly #jar: CookieJar | null;
  readonly #timeoutMs: number;
  readonly #baseUrl: URL | undefined;
  readonly #headers: DefaultHeaders;
  readonly #sensitiveHeaders: readonly string[];
  readonly #maxRedirects: number;
  readonly #checkRedirect: CheckRedirect | undefined;
  readonly #referer: boolean;
  readonly #hsts: HstsStore | null;
  readonly #clock: Clock;
  readonly #throwOnError: boolean | ((response: HttpResponse) => boolean);

  /**
   * Makes a client.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, or a value it cannot have.
   */
  constructor(options: ClientOptions = {}) {
    const { [INHERITED]: inherited } = options as ExtendingOptions;
    options = clientOptions(options);
    const { [INHERITED]: _, ...stated }: ExtendingOptions = options;
    this.#options = stated;
    this.#baseTransport = (options.transport ?? null) === null
      ? new Transport()
      : checkedRoundTripper(options.transport);
    this.#transport = inherited?.transport ?? hopTransport(this.#baseTransport, options);
    this.#jar = options.jar ?? null;
    if (this.#jar !== null && !isJar(this.#jar)) throw invalid("jar is not a cookie jar");
    this.#timeoutMs = options.timeoutMs ?? 0;
    if (typeof this.#timeoutMs !== "number" || !(this.#timeoutMs >= 0)) {
      throw invalid(`timeoutMs is not a number of milliseconds: ${this.#timeoutMs}`);
    }
    this.#baseUrl = options.baseUrl === undefined
      ? undefined
      : parseUrlWithCredentials(options.baseUrl, inherited?.baseUrl?.href);
    const sensitiveHeaders = options.sensitiveHeaders ?? [];
    if (!Array.isArray(sensitiveHeaders)) throw invalid("sensitiveHeaders is not a list of names");
    this.#sensitiveHeaders = [
      ...(inherited?.sensitiveHeaders ?? []),
      ...sensitiveHeaders.map((name) => `${name}`.toLowerCase()),
    ];
    this.#headers = new DefaultHeaders({
      lines: options.headers,
      sensitive: this.#sensitiveHeaders,
      baseUrl: this.#baseUrl,
      extended: inherited?.headers,
    });
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
    this.#hsts = options.hsts ?? null;
    if (this.#hsts !== null && !isHstsStore(this.#hsts)) {
      throw invalid("hsts is not an HstsStore");
    }
    this.#clock = callersClock(options.clock);
    this.#throwOnError = options.throwOnError ?? false;
    if (typeof this.#throwOnError !== "boolean" && typeof this.#throwOnError !== "function") {
      throw invalid("throwOnError is neither true nor false nor a function");
    }
  }

  /**
   * Makes a client with other options on the same transport, and with the same cookie jar.
   *
   * What is stated goes before what this client has; undefined is not stated. `headers` take the place
   * of those of the same name, and the others stay: a secret among them is sent to the origin of the
   * `baseUrl` that it was stated with, or of the first one that there is, and to no other. A `baseUrl` may
   * be relative to that of this client. `sensitiveHeaders` come together. Retries go by one budget, unless
   * they, the transport or the clock are stated.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`: as when one is made.
   *
   * @example
   * ```ts
   * import { Client } from "@roundtrip/http";
   *
   * const client = new Client({ baseUrl: "https://api.test/", headers: { "X-App": "mine" } });
   * const orders = client.extend({ baseUrl: "orders/", timeoutMs: 5_000, throwOnError: true });
   * ```
   */
  extend(options: ClientOptions = {}): Client {
    const stated = Object.entries(clientOptions(options)).filter(([, value]) =>
      value !== undefined
    );
    const { headers: _, sensitiveHeaders: __, ...kept } = this.#options;
    const all: ExtendingOptions = {
      ...kept,
      transport: this.#baseTransport,
      baseUrl: this.#baseUrl,
      ...Object.fromEntries(stated),
      [INHERITED]: {
        // A budget of retries is for all that go by the same transport.
        transport: stated.some(([name]) => HOP_OPTIONS.has(name)) ? null : this.#transport,
        baseUrl: this.#baseUrl,
        headers: this.#headers,
        sensitiveHeaders: this.#sensitiveHeaders,
      },
    };
    return new Client(all);
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
  ): Promise<HttpResponse>;
  /**
   * POSTs a body that stands among the rest: `{ json: value }`, `{ body: text, headers }`.
   *
   * @throws {HttpError} As {@linkcode Client.do}.
   */
  post(url: string | URL, init: HttpRequestInit): Promise<HttpResponse>;
  post(
    url: string | URL,
    body?: BodySource | HttpRequestInit | null,
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
  ): Promise<HttpResponse>;
  /**
   * PUTs a body that stands among the rest: `{ json: value }`, `{ body: text, headers }`.
   *
   * @throws {HttpError} As {@linkcode Client.do}.
   */
  put(url: string | URL, init: HttpRequestInit): Promise<HttpResponse>;
  put(
    url: string | URL,
    body?: BodySource | HttpRequestInit | null,
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
  ): Promise<HttpResponse>;
  /**
   * PATCHes with a body that stands among the rest: `{ json: value }`, `{ body: text, headers }`.
   *
   * @throws {HttpError} As {@linkcode Client.do}.
   */
  patch(url: string | URL, init: HttpRequestInit): Promise<HttpResponse>;
  patch(
    url: string | URL,
    body?: BodySource | HttpRequestInit | null,
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
   * @throws {HttpError} As `Transport.roundTrip`, with the attempts of all hops: a redirect too is an
   * answer; `ERR_REDIRECT`: too many, one that may not be followed, or that `checkRedirect` refused. Or
   * what the cookie jar throws.
   */
  do(request: HttpRequest): Promise<HttpResponse> {
    if (!isRequest(request)) return Promise.reject(notARequest("do", request));
    const inherits = request.timeoutMs === 0 && this.#timeoutMs > 0;
    // The same request may be sent again: that is another operation.
    const own = inherits || operationOf(request) !== 0
      ? request.with(inherits ? { timeoutMs: this.#timeoutMs } : {})
      : request;
    return this.#follow(beginOperation(own));
  }

  async #send(
    method: string,
    url: string | URL,
    given?: HttpRequestInit,
    second?: BodySource | HttpRequestInit | null,
  ): Promise<HttpResponse> {
    const isInit = given === undefined && isPlainObject(second);
    const body = isInit ? undefined : second as BodySource | null | undefined;
    const init = isInit
      ? requestInit(second, (name) => noBody(method, name))
      : requestInit(given ?? {});
    if (init.method !== undefined && init.method !== method) {
      throw invalid(
        `${method.toLowerCase()}() cannot send a ${printable(`${init.method}`)} request: use do()`,
      );
    }
    if (body !== undefined && (init.body !== undefined || "json" in init)) {
      throw invalid("There are two bodies");
    }
    const whole = { __proto__: null, ...init, method, body: body ?? init.body };
    return await this.#follow(beginOperation(this.#request(url, whole)));
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
    const time = new TimeLeft(request, this.#clock);
    const via: HttpRequest[] = [];
    let earlier: readonly Attempt[] = NO_ATTEMPTS;
    try {
      for (let current = this.#secured(request);;) {
        const response = await (this.#jar === null
          ? this.#transport.roundTrip(current)
          : jarExchange(current, this.#jar, this.#transport, time));
        if (this.#hsts !== null) {
          noteHsts(current, response.headers, this.#hsts);
        }
        // Most responses are none: neither a look at their fields nor a turn is spent on them.
        if (response.status < 300 || response.status > 399) {
          if (this.#throwOnError === false) {
            return response;
          }
          earlier = [...earlier, ...attemptsOf(response)];
          return await this.#unlessError(response, request.signal, time);
        }
        via.push(current);
        earlier = [...earlier, ...attemptsOf(response)];
        try {
          const next = await this.#next(current, response, via, time);
          if (next === null) {
            return await this.#unlessError(response, request.signal, time);
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
    } catch (error) {
      throw afterAttempts(error, earlier, request.signal);
    }
  }

  /** The answer, unless its status is to be thrown. */
  async #unlessError(
    response: HttpResponse,
    signal: AbortSignal | null,
    time: TimeLeft,
  ): Promise<HttpResponse> {
    let isError: boolean;
    try {
      isError = isStatusError(this.#throwOnError, response);
    } catch (error) {
      await response.body.close();
      throw error;
    }
    if (isError) throw await statusError(response, { signal, time, clock: this.#clock });
    return response;
  }

  #secured(request: HttpRequest): HttpRequest {
    return this.#hsts === null ? request : securedRequest(request, this.#hsts);
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
      referrerPolicies: response.headers.getAll("referrer-policy"),
    };
    if (this.#maxRedirects === 0 || !isRedirect(request.method, redirect)) return null;
    if (via.length > this.#maxRedirects) {
      throw refused(`More than ${this.#maxRedirects} redirects`);
    }
    const next = this.#secured(redirectedRequest(request, redirect, {
      sensitiveHeaders: this.#sensitiveHeaders,
      referer: this.#referer,
    }));
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
    const answer = await time.wait(refusal, next.signal);
    // What may have been meant as a refusal is not followed.
    if ((answer ?? "stop") !== "stop") {
      throw refused('checkRedirect returned neither "stop" nor nothing');
    }
    return answer === "stop";
  }
}

/** @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option. */
function clientOptions(options: ClientOptions): ClientOptions {
  return callersOptions(
    options,
    CLIENT_OPTIONS,
    (name) => invalid(`Unknown client option "${printable(name)}"`),
  );
}

function isStatusError(
  throwOnError: boolean | ((response: HttpResponse) => boolean),
  response: HttpResponse,
): boolean {
  if (typeof throwOnError === "boolean") return throwOnError && response.status >= 400;
  const verdict: unknown = throwOnError(response);
  if (typeof verdict === "boolean") return verdict;
  tellRejection("throwOnError failed", verdict);
  throw invalid("throwOnError returned neither true nor false");
}

/** What no body is: neither a stream nor a `Reader`. */
function isPlainObject(value: unknown): value is HttpRequestInit {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) &&
    !("read" in value || "then" in value || Symbol.asyncIterator in value);
}

function noBody(method: string, name: string): HttpError {
  const call = `${method.toLowerCase()}()`;
  return invalid(
    `Unknown request option "${printable(name)}": ${call} sends an object as { json: object }`,
  );
}

function isJar({ getCookieHeader, setCookie }: CookieJar): boolean {
  return typeof getCookieHeader === "function" && typeof setCookie === "function";
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}

function refused(message: string, cause?: unknown): HttpError {
  return new HttpError("ERR_REDIRECT", message, { phase: "redirect", cause });
}
