/**
 * What most people will touch first: requests by URL, redirects followed.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";
import { HttpHeaders, type HttpHeadersInit } from "../http1/http_headers.ts";
import { HttpRequest, type HttpRequestInit, parseUrl } from "../transport/http_request.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { type RoundTripper, Transport } from "../transport/transport.ts";
import { isRedirect, type Redirect, redirectedRequest } from "./redirect.ts";

/** Options of a {@linkcode Client}. */
export interface ClientOptions {
  /** What sends the requests. Default: a transport of its own. */
  transport?: RoundTripper;
  /** Milliseconds for everything, redirects and the body included; 0 is off. @default {0} */
  timeoutMs?: number;
  /** What relative URLs are relative to. */
  baseUrl?: string | URL;
  /** Sent with every request that does not say otherwise. */
  headers?: HttpHeadersInit;
  /** Header names to drop, like `Authorization`, where a redirect leaves the origin. */
  sensitiveHeaders?: string[];
  /** How many redirects are followed; 0: none, the answer itself is returned. @default {10} */
  maxRedirects?: number;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof ClientOptions>([
  "transport",
  "timeoutMs",
  "baseUrl",
  "headers",
  "sensitiveHeaders",
  "maxRedirects",
]);

/**
 * Sends requests and follows redirects.
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
  readonly #timeoutMs: number;
  readonly #baseUrl: string | undefined;
  readonly #headers: HttpHeaders;
  readonly #sensitiveHeaders: readonly string[];
  readonly #maxRedirects: number;

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
    this.#timeoutMs = options.timeoutMs ?? 0;
    if (typeof this.#timeoutMs !== "number" || !(this.#timeoutMs >= 0)) {
      throw invalid(`timeoutMs is not a number of milliseconds: ${this.#timeoutMs}`);
    }
    this.#baseUrl = options.baseUrl === undefined ? undefined : parseUrl(options.baseUrl).href;
    this.#headers = new HttpHeaders(options.headers);
    const sensitiveHeaders = options.sensitiveHeaders ?? [];
    if (!Array.isArray(sensitiveHeaders)) throw invalid("sensitiveHeaders is not a list of names");
    this.#sensitiveHeaders = sensitiveHeaders.map((name) => `${name}`.toLowerCase());
    this.#maxRedirects = options.maxRedirects ?? 10;
    if (!Number.isSafeInteger(this.#maxRedirects) || this.#maxRedirects < 0) {
      throw invalid(`maxRedirects is not a count: ${this.#maxRedirects}`);
    }
  }

  /**
   * GETs a URL.
   *
   * @throws {HttpError} As {@linkcode Client.do}.
   */
  async get(url: string | URL, init: HttpRequestInit = {}): Promise<HttpResponse> {
    if (init.method !== undefined && init.method !== "GET") {
      throw invalid(`get() cannot send a ${printable(`${init.method}`)} request: use do()`);
    }
    return await this.#follow(this.#request(url, { ...init, method: "GET" }));
  }

  /**
   * Sends a request as it is, and follows redirects.
   *
   * Cancel: the request's signal, in any phase.
   *
   * @throws {HttpError} As `Transport.roundTrip`; `ERR_REDIRECT`: too many, or one that may not be
   * followed.
   */
  async do(request: HttpRequest): Promise<HttpResponse> {
    const inherits = request.timeoutMs === 0 && this.#timeoutMs > 0;
    return await this.#follow(inherits ? withTimeout(request, this.#timeoutMs) : request);
  }

  async #follow(request: HttpRequest): Promise<HttpResponse> {
    const { timeoutMs } = request;
    const endsAt = timeoutMs > 0 ? performance.now() + timeoutMs : Infinity;
    let current = request;
    for (let followed = 0;; followed++) {
      const response = await this.#transport.roundTrip(current);
      const redirect: Redirect = {
        status: response.status,
        locations: response.headers.getAll("location"),
      };
      if (this.#maxRedirects === 0 || !isRedirect(redirect)) return response;
      await response.body.close();
      if (followed === this.#maxRedirects) {
        throw new HttpError("ERR_REDIRECT", `More than ${this.#maxRedirects} redirects`, {
          phase: "redirect",
        });
      }
      current = redirectedRequest(current, redirect, {
        sensitiveHeaders: this.#sensitiveHeaders,
        // A time that has run out must not turn into "off".
        timeoutMs: endsAt === Infinity ? 0 : Math.max(1, endsAt - performance.now()),
      });
    }
  }

  #request(url: string | URL, init: HttpRequestInit): HttpRequest {
    const headers = new HttpHeaders(init.headers);
    const defaults = [...this.#headers].filter(([name]) => !headers.has(name));
    return new HttpRequest(parseUrl(url, this.#baseUrl), {
      ...init,
      headers: defaults.length === 0 ? headers : [...defaults, ...headers],
      timeoutMs: init.timeoutMs ?? this.#timeoutMs,
    });
  }
}

/** The same request with a time. */
function withTimeout(request: HttpRequest, timeoutMs: number): HttpRequest {
  const { method, headers, body, close, redirectedFrom } = request;
  return new HttpRequest(request.href, {
    method,
    headers,
    body,
    contentLength: request.contentLength ?? undefined,
    trailers: request.trailers ?? undefined,
    host: request.host ?? undefined,
    close,
    decompress: request.decompress ?? undefined,
    signal: request.signal ?? undefined,
    timeoutMs,
    trace: request.trace ?? undefined,
    onUploadProgress: request.onUploadProgress ?? undefined,
    onDownloadProgress: request.onDownloadProgress ?? undefined,
    digest: request.digest ?? undefined,
    integrity: request.integrity ?? undefined,
    redirectedFrom: redirectedFrom ?? undefined,
  });
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
