/**
 * The platform's `fetch` over a transport of ours.
 *
 * @see https://fetch.spec.whatwg.org/
 * @module
 */
import { HttpError } from "../../conn/http_error.ts";
import { decodableCodings } from "../../http/content_coding.ts";
import { hasIntegrity } from "../../transport/message/body_digests.ts";
import { HttpRequest } from "../../transport/http_request.ts";
import { type Expected, parseIntegrity } from "../../transport/message/integrity.ts";
import { parseUrlWithCredentials } from "../../transport/message/request_url.ts";
import { discardBody, isReplayable } from "../../transport/request_body.ts";
import type { HttpResponse } from "../../transport/message/http_response.ts";
import { type RoundTripper, Transport, type TransportOptions } from "../../transport/transport.ts";
import { Client, type ClientOptions } from "../client.ts";
import { defaultTransport } from "../default_client.ts";
import { DefaultHeaders } from "../default_headers.ts";
import { blobUrlResponse, dataUrlResponse } from "./fetch_local.ts";
import { isBadPort } from "./fetch_ports.ts";
import { type FetchCall, fetchCall, plainCall } from "./fetch_request.ts";
import {
  fetchedResponse,
  hasNullBody,
  networkError,
  responseOf,
  webResponse,
} from "../fetch_response.ts";
import { isSameOrigin } from "../origin.ts";
import { REDIRECT_STATUSES } from "../redirect.ts";

/**
 * Options of {@linkcode createFetch}: those of a transport, or a `transport` that is there already,
 * and those of a client. Unless stated, `maxRedirects` is 20, and `acceptEncoding` every coding that
 * can be taken off. `http+unix:` URLs are for the socket of `baseUrl` only.
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
  readonly #defaults: DefaultHeaders;
  readonly #timeoutMs: number;
  readonly #clients: Clients;
  readonly #cookieless: Clients;

  constructor(options: FetchOptions) {
    const { client, transport } = split(options);
    this.#baseUrl = client.baseUrl === undefined ? undefined : baseUrl(client.baseUrl);
    const shared = {
      ...client,
      transport: guarded(
        client.transport ?? new Transport({
          ...transport,
          acceptEncoding: transport.acceptEncoding ?? decodableCodings(),
        }),
        this.#baseUrl,
      ),
    };
    this.#clients = clients(shared);
    this.#cookieless = client.jar ? clients({ ...shared, jar: null }) : this.#clients;
    // The client has looked at them.
    const sensitive = (client.sensitiveHeaders ?? []).map((name) => `${name}`.toLowerCase());
    this.#defaults = new DefaultHeaders(client.headers, sensitive, this.#baseUrl);
    this.#timeoutMs = client.timeoutMs ?? 0;
  }

  async fetch(input: unknown, init: unknown): Promise<Response> {
    let signal: AbortSignal | null = null;
    try {
      const plain = this.#defaults.isEmpty ? plainCall(input, init) : null;
      const call = plain ?? await fetchCall(input, init, this.#baseUrl?.href, this.#defaults);
      signal = call.signal;
      if (signal?.aborted) {
        discardBody(call.body);
        throw signal.reason;
      }
      if (call.href.startsWith("data:") || call.href.startsWith("blob:")) {
        return await localResponse(call);
      }
      const exchange = await this.#exchange(call);
      if (call.integrity === "") return fetchedResponse(exchange, signal);
      const expected = parseIntegrity(call.integrity);
      return expected.length === 0
        ? fetchedResponse(exchange, signal)
        : await checkedResponse(exchange, expected);
    } catch (error) {
      throw networkError(error, signal);
    }
  }

  #exchange(call: FetchCall): Promise<HttpResponse> {
    const request = new HttpRequest(call.href, {
      method: call.method,
      headers: call.headers,
      body: call.body,
      signal: call.signal ?? undefined,
      timeoutMs: this.#timeoutMs,
      decompress: "known",
    });
    const { following, manual } = call.withoutCookies ? this.#cookieless : this.#clients;
    if (call.redirect === "follow") return following.do(request);
    const exchange = manual.do(request);
    return call.redirect === "error" ? exchange.then(refuseEveryRedirect) : exchange;
  }
}

async function refuseEveryRedirect(exchange: HttpResponse): Promise<HttpResponse> {
  if (!REDIRECT_STATUSES.has(exchange.status)) return exchange;
  await exchange.body.close();
  throw new HttpError("ERR_REDIRECT", `A redirect, status ${exchange.status}`, {
    phase: "redirect",
  });
}

function baseUrl(input: string | URL): URL {
  const url = parseUrlWithCredentials(input);
  if (url.username === "" && url.password === "") return url;
  throw new HttpError("ERR_INVALID_REQUEST", "fetch takes no baseUrl with credentials", {
    phase: "client",
  });
}

function clients(options: ClientOptions & { transport: RoundTripper }): Clients {
  // There is no page whose address to tell.
  const referer = options.referer ?? false;
  return {
    following: new Client({
      ...options,
      transport: withoutLostStreams(options.transport),
      maxRedirects: options.maxRedirects ?? MAX_REDIRECTS,
      referer,
    }),
    manual: new Client({ ...options, maxRedirects: 0, referer }),
  };
}

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

/** For each request of a chain of redirects; URLs for `fetch` often come from others. */
function guarded(transport: RoundTripper, baseUrl: URL | undefined): RoundTripper {
  const refuse = (what: string): Promise<never> =>
    Promise.reject(
      new HttpError("ERR_BLOCKED", `fetch does not talk to ${what}`, { phase: "client" }),
    );
  return {
    roundTrip: (request) => {
      if (isBadPort(request.port)) return refuse(`port ${request.port}`);
      if (request.socketPath === null) return transport.roundTrip(request);
      const isOwn = baseUrl !== undefined && isSameOrigin(baseUrl, request.url);
      return isOwn ? transport.roundTrip(request) : refuse("a socket that is not its baseUrl");
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
  if (!REDIRECT_STATUSES.has(status) || status === 303 || !response.headers.has("location")) {
    return response;
  }
  await response.body.close();
  throw new HttpError("ERR_REDIRECT", `A redirect of a stream, status ${status}`, {
    phase: "redirect",
  });
}

/** Nothing is delivered before it is checked; whatever the transport, all of it is here then. */
async function checkedResponse(
  exchange: HttpResponse,
  expected: readonly Expected[],
): Promise<Response> {
  const bytes = await exchange.bytes();
  // What has no body has no integrity either.
  if (hasNullBody(exchange) || !await hasIntegrity(bytes, expected)) throw wrongIntegrity();
  return responseOf(exchange, bytes);
}

async function localResponse(call: FetchCall): Promise<Response> {
  const url = call.href.split("#", 1)[0];
  const { status, statusText, headers, bytes } = url.startsWith("data:")
    ? dataUrlResponse(url)
    : await blobUrlResponse(url, call.method, call.headers.get("range"));
  if (!await hasIntegrity(bytes, parseIntegrity(call.integrity))) throw wrongIntegrity();
  const body = call.method === "HEAD" ? null : bytes;
  return webResponse(body, { statusText, headers: new Headers(headers) }, {
    url,
    status,
    exchange: null,
  });
}

function wrongIntegrity(): TypeError {
  return new TypeError("fetch failed: the content does not have the integrity asked for");
}
