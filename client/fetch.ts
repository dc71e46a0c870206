/**
 * The platform's `fetch` over a transport of ours.
 *
 * @see https://fetch.spec.whatwg.org/
 * @module
 */
import { HttpError } from "../conn/http_error.ts";
import { HttpHeaders } from "../http1/http_headers.ts";
import { HttpRequest, parseUrlWithCredentials } from "../transport/http_request.ts";
import { discardBody, isReplayable } from "../transport/request_body.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { type RoundTripper, Transport, type TransportOptions } from "../transport/transport.ts";
import { Client, type ClientOptions } from "./client.ts";
import { defaultTransport } from "./default_client.ts";
import { hasIntegrity } from "./fetch_integrity.ts";
import { blobUrlResponse, dataUrlResponse } from "./fetch_local.ts";
import { isBadPort } from "./fetch_ports.ts";
import { type FetchCall, fetchCall, plainCall } from "./fetch_request.ts";
import {
  fetchedResponse,
  hasNullBody,
  networkError,
  responseOf,
  webResponse,
} from "./fetch_response.ts";
import { isSameOrigin, SECRETS } from "./redirect.ts";

/**
 * Options of {@linkcode createFetch}: those of a transport, or a `transport` that is there already,
 * and those of a client. `maxRedirects` is 20 unless stated.
 */
export interface FetchOptions extends TransportOptions, ClientOptions {}

/** Which of the options are the client's; the others are the transport's. */
const CLIENT_OPTIONS: Record<keyof ClientOptions, true> = {
  transport: true,
  timeoutMs: true,
  baseUrl: true,
  headers: true,
  sensitiveHeaders: true,
  maxRedirects: true,
  jar: true,
  checkRedirect: true,
  referer: true,
};

/** Of the Fetch Standard. */
const MAX_REDIRECTS = 20;

/** The clients for the modes of redirects. */
interface Clients {
  readonly following: Client;
  readonly manual: Client;
}

/** What one `fetch` works with. Owns: the transport, unless it was given one. */
class Fetcher {
  readonly #baseUrl: URL | undefined;
  /** Lines for calls that give none of the name: to the origin of the base URL, and elsewhere. */
  readonly #ownDefaults: HttpHeaders;
  readonly #foreignDefaults: HttpHeaders;
  readonly #timeoutMs: number;
  readonly #clients: Clients;
  readonly #cookieless: Clients;

  constructor(options: FetchOptions) {
    const { client, transport } = split(options);
    const shared = { ...client, transport: client.transport ?? new Transport(transport) };
    this.#clients = clients(shared);
    this.#cookieless = client.jar ? clients({ ...shared, jar: null }) : this.#clients;
    this.#baseUrl = client.baseUrl === undefined ? undefined : baseUrl(client.baseUrl);
    this.#ownDefaults = new HttpHeaders(client.headers).freeze();
    const secrets = [...SECRETS, ...client.sensitiveHeaders ?? []].map((it) => it.toLowerCase());
    const open = [...this.#ownDefaults].filter(([name]) => !secrets.includes(name.toLowerCase()));
    this.#foreignDefaults = this.#baseUrl === undefined
      ? this.#ownDefaults
      : new HttpHeaders(open).freeze();
    this.#timeoutMs = client.timeoutMs ?? 0;
  }

  async fetch(input: unknown, init: unknown): Promise<Response> {
    let signal: AbortSignal | null = null;
    try {
      const plain = this.#ownDefaults.size === 0 ? plainCall(input, init) : null;
      const call = plain ?? await fetchCall(input, init, this.#baseUrl?.href, this.#defaultsFor);
      signal = call.signal;
      if (signal?.aborted) {
        discardBody(call.body);
        throw signal.reason;
      }
      if (call.href.startsWith("data:") || call.href.startsWith("blob:")) {
        return await localResponse(call);
      }
      const exchange = await this.#exchange(call);
      return call.integrity === ""
        ? fetchedResponse(exchange, signal)
        : await checkedResponse(exchange, call.integrity);
    } catch (error) {
      throw networkError(error, signal);
    }
  }

  /** Secrets among the defaults are for the origin of the base URL, where there is one. */
  readonly #defaultsFor = (href: string): HttpHeaders => {
    const isOwn = this.#baseUrl === undefined || isSameOrigin(this.#baseUrl, new URL(href));
    return isOwn ? this.#ownDefaults : this.#foreignDefaults;
  };

  async #exchange(call: FetchCall): Promise<HttpResponse> {
    const request = new HttpRequest(call.href, {
      method: call.method,
      headers: call.headers,
      body: call.body,
      signal: call.signal ?? undefined,
      timeoutMs: this.#timeoutMs,
      decompress: true,
    });
    const { following, manual } = call.withoutCookies ? this.#cookieless : this.#clients;
    if (call.redirect === "follow") return await following.do(request);
    const exchange = await manual.do(request);
    if (call.redirect === "error" && REDIRECTS.has(exchange.status)) {
      await exchange.body.close();
      throw new HttpError("ERR_REDIRECT", `A redirect, status ${exchange.status}`, {
        phase: "redirect",
      });
    }
    return exchange;
  }
}

function baseUrl(input: string | URL): URL {
  const url = parseUrlWithCredentials(input);
  if (url.username === "" && url.password === "") return url;
  throw new HttpError("ERR_INVALID_REQUEST", "fetch takes no baseUrl with credentials", {
    phase: "client",
  });
}

function clients(options: ClientOptions & { transport: RoundTripper }): Clients {
  const transport = withoutBadPorts(options.transport);
  // There is no page whose address to tell.
  const referer = options.referer ?? false;
  return {
    following: new Client({
      ...options,
      transport: withoutLostStreams(transport),
      maxRedirects: options.maxRedirects ?? MAX_REDIRECTS,
      referer,
    }),
    manual: new Client({ ...options, transport, maxRedirects: 0, referer }),
  };
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Makes a function with the signature and the semantics of the platform's `fetch`, over connections
 * of its own. `docs/fetch.md` lists each difference from the Fetch Standard.
 *
 * Cancel: the signal rejects with its reason, or makes the body fail with it.
 *
 * @param options A transport's and a client's; or `transport`, and a client's.
 * @returns A function that rejects with a `TypeError` whose `cause` is an {@linkcode HttpError}
 * where the platform's rejects with a network error.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an option that is not known, has a value it cannot
 * have, or is a transport's although `transport` is given.
 *
 * @example
 * ```ts
 * import { createFetch } from "@roundtrip/http";
 *
 * const fetch = createFetch({ maxConnsPerHost: 8, timeoutMs: 10_000 });
 * const response = await fetch("data:application/json,[1]");
 * console.log(response.ok, await response.json());
 * ```
 */
export function createFetch(options: FetchOptions = {}): typeof globalThis.fetch {
  const fetcher = new Fetcher(options);
  function fetch(
    input: string | URL | Request,
    init: RequestInit | undefined = undefined,
  ): Promise<Response> {
    return fetcher.fetch(input, init);
  }
  // Programs for Bun may call it; it is a hint, and not followed.
  return Object.assign(fetch, { preconnect: (): void => {} }) as typeof globalThis.fetch;
}

/** {@linkcode createFetch} on `defaultTransport`: a drop-in for the platform's `fetch`. */
export const fetch: typeof globalThis.fetch = createFetch({ transport: defaultTransport });

function split(options: FetchOptions): { client: ClientOptions; transport: TransportOptions } {
  const client: Record<string, unknown> = {};
  const transport: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    (Object.hasOwn(CLIENT_OPTIONS, name) ? client : transport)[name] = value;
  }
  if (client.transport !== undefined && Object.keys(transport).length > 0) {
    throw new HttpError(
      "ERR_INVALID_REQUEST",
      `Both a transport and options of one: ${Object.keys(transport).join(", ")}`,
      { phase: "client" },
    );
  }
  return { client, transport };
}

/** For each request of a chain of redirects. */
function withoutBadPorts(transport: RoundTripper): RoundTripper {
  return {
    roundTrip: (request) => {
      if (!isBadPort(request.port)) return transport.roundTrip(request);
      return Promise.reject(
        new HttpError("ERR_BLOCKED", `fetch does not talk to port ${request.port}`, {
          phase: "client",
        }),
      );
    },
  };
}

/** A redirect drops or repeats a body, and a stream is gone: only 303 says that it has been taken. */
function withoutLostStreams(transport: RoundTripper): RoundTripper {
  return {
    roundTrip: (request) => {
      const answer = transport.roundTrip(request);
      return isReplayable(request.body) ? answer : answer.then(refuseRedirect);
    },
  };
}

async function refuseRedirect(response: HttpResponse): Promise<HttpResponse> {
  const { status } = response;
  if (!REDIRECTS.has(status) || status === 303 || !response.headers.has("location")) {
    return response;
  }
  await response.body.close();
  throw new HttpError("ERR_REDIRECT", `A redirect of a stream, status ${status}`, {
    phase: "redirect",
  });
}

async function checkedResponse(exchange: HttpResponse, integrity: string): Promise<Response> {
  const bytes = await exchange.bytes();
  // What has no body has no integrity either.
  if (hasNullBody(exchange) || !await hasIntegrity(bytes, integrity)) throw wrongIntegrity();
  return responseOf(exchange, bytes);
}

async function localResponse(call: FetchCall): Promise<Response> {
  const url = call.href.split("#", 1)[0];
  const { status, statusText, headers, bytes } = url.startsWith("data:")
    ? dataUrlResponse(url)
    : await blobUrlResponse(url, call.method, call.headers.get("range"));
  if (!await hasIntegrity(bytes, call.integrity)) throw wrongIntegrity();
  const body = call.method === "HEAD" ? null : bytes;
  return webResponse(body, { statusText, headers }, { url, status, exchange: null });
}

function wrongIntegrity(): TypeError {
  return new TypeError("fetch failed: the content does not have the integrity asked for");
}
