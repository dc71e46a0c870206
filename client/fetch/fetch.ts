/**
 * The platform's `fetch` over a transport of ours.
 *
 * @see https://fetch.spec.whatwg.org/
 * @module
 */
import { callersOptions } from "../../conn/callers_options.ts";
import { HttpError, printable } from "../../conn/http_error.ts";
import { decodableCodings } from "../../http/content_coding.ts";
import { hasIntegrity } from "../../transport/message/body_digests.ts";
import { type Expected, parseIntegrity } from "../../transport/message/integrity.ts";
import { parseUrlWithCredentials } from "../../transport/message/request_url.ts";
import { discardBody, isReplayable } from "../../transport/message/request_body.ts";
import { attemptsOf, type HttpResponse } from "../../transport/message/http_response.ts";
import { checkedRoundTripper, type RoundTripper, Transport } from "../../transport/transport.ts";
import { TRANSPORT_OPTIONS, type TransportOptions } from "../../transport/transport_options.ts";
import { Client, CLIENT_OPTIONS, type ClientOptions } from "../client.ts";
import { defaultTransport } from "../default_client.ts";
import type { DecodedHeaders } from "./decoded_headers.ts";
import { DefaultHeaders } from "../default_headers.ts";
import { networkError } from "./fetch_error.ts";
import { blobUrlResponse, dataUrlResponse } from "./fetch_local.ts";
import { isBadPort } from "./fetch_ports.ts";
import { type FetchCall, fetchCall, plainCall } from "./fetch_request.ts";
import { FetchedRequest } from "../fetched_request.ts";
import { hopTransport } from "../hop_transport.ts";
import { hasNullBody } from "./fetched_body.ts";
import { fetchedResponse, responseOf, webResponse } from "./fetch_response.ts";
import { isSameOrigin } from "../origin.ts";
import { REDIRECT_STATUSES } from "../redirect.ts";

/**
 * Options of {@linkcode createFetch}: those of a transport, or a `transport` that is there already,
 * and those of a client but `throwOnError`: every status is an answer of `fetch`. Unless stated, `maxRedirects` is 20, and `acceptEncoding` every coding that
 * can be taken off. `http+unix:` URLs are for the socket of `baseUrl` only.
 */
export interface FetchOptions extends TransportOptions, Omit<ClientOptions, "throwOnError"> {
  /**
   * What `response.headers` say of `Content-Encoding` and `Content-Length` where a content coding was
   * taken off. `"keep"`: what the server sent, as the Fetch Standard has it. `"drop"`: neither, for
   * programs that copy the headers to an answer of their own, beside the decoded body.
   *
   * A response that is handed to `Deno.serve` or `Bun.serve` as it is goes out without them either way.
   *
   * @default {"keep"}
   */
  decodedHeaders?: DecodedHeaders;
}

const OPTIONS: ReadonlySet<string> = new Set([
  ...[...CLIENT_OPTIONS].filter((name) => name !== "throwOnError"),
  ...TRANSPORT_OPTIONS,
  "decodedHeaders",
]);

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
  readonly #decodedHeaders: DecodedHeaders;
  readonly #clients: Clients;
  readonly #cookieless: Clients;

  constructor(options: FetchOptions) {
    const { client, transport, decodedHeaders } = split(options);
    this.#decodedHeaders = checkedDecodedHeaders(decodedHeaders);
    this.#baseUrl = client.baseUrl === undefined ? undefined : baseUrl(client.baseUrl);
    const given = (client.transport ?? null) === null
      ? null
      : checkedRoundTripper(client.transport);
    const shared = {
      ...client,
      // Around what all clients share, so that they have one budget.
      retry: false,
      compress: undefined,
      maxRedirects: client.maxRedirects ?? MAX_REDIRECTS,
      // There is no page whose address to tell.
      referer: client.referer ?? false,
      transport: guarded(
        hopTransport(
          given ?? new Transport({
            ...transport,
            acceptEncoding: transport.acceptEncoding ?? decodableCodings(),
          }),
          client,
        ),
        this.#baseUrl,
      ),
    };
    this.#clients = clients(shared);
    this.#cookieless = client.jar ? clients({ ...shared, jar: null }) : this.#clients;
    // The client has looked at them.
    const sensitive = (client.sensitiveHeaders ?? []).map((name) => `${name}`.toLowerCase());
    this.#defaults = new DefaultHeaders({
      lines: client.headers,
      sensitive,
      baseUrl: this.#baseUrl,
    });
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
      const expected = call.integrity === "" ? [] : parseIntegrity(call.integrity);
      return expected.length === 0
        ? fetchedResponse(exchange, signal, this.#decodedHeaders)
        : await checkedResponse(exchange, expected, this.#decodedHeaders);
    } catch (error) {
      throw networkError(error, signal);
    }
  }

  #exchange(call: FetchCall): Promise<HttpResponse> {
    const request = new FetchedRequest(call.href, {
      method: call.method,
      headers: call.headers,
      body: call.body,
      signal: call.signal ?? undefined,
      timeoutMs: this.#timeoutMs,
      decompress: "known",
    }, call.referring);
    const { following, manual } = call.withoutCookies ? this.#cookieless : this.#clients;
    if (call.redirect === "follow") return following.do(request);
    const exchange = manual.do(request);
    return call.redirect === "error" ? exchange.then(refuseEveryRedirect) : exchange;
  }
}

async function refuseEveryRedirect(exchange: HttpResponse): Promise<HttpResponse> {
  if (!REDIRECT_STATUSES.has(exchange.status)) return exchange;
  const attempts = attemptsOf(exchange);
  await exchange.body.close();
  throw new HttpError("ERR_REDIRECT", `A redirect, status ${exchange.status}`, {
    phase: "redirect",
    attempts,
  });
}

function baseUrl(input: string | URL): URL {
  const url = parseUrlWithCredentials(input);
  if (url.username === "" && url.password === "") return url;
  throw invalid("fetch takes no baseUrl with credentials");
}

function clients(options: ClientOptions & { transport: RoundTripper }): Clients {
  return {
    following: new Client({ ...options, transport: withoutLostStreams(options.transport) }),
    manual: new Client({ ...options, maxRedirects: 0 }),
  };
}

/**
 * Makes a function with the signature and the semantics of the platform's `fetch`, over connections
 * of its own. `docs/fetch.md` lists each difference from the Fetch Standard.
 *
 * Cancel: the signal rejects with its reason, or makes the body fail with it.
 *
 * @param options A transport's and a client's; or `transport`, and a client's.
 * @returns A function that rejects with `TypeError("fetch failed")` where the platform's rejects with
 * a network error, and whose bodies fail with `TypeError("terminated")`; {@linkcode httpErrorOf} finds
 * the {@linkcode HttpError} in either.
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

/** The options by whose they are; the last is the own one of `fetch`. */
interface SplitOptions {
  readonly client: ClientOptions;
  readonly transport: TransportOptions;
  readonly decodedHeaders: DecodedHeaders | undefined;
}

function split(given: FetchOptions): SplitOptions {
  const options = callersOptions(
    given,
    OPTIONS,
    (name) =>
      name === "throwOnError"
        ? invalid("fetch has no throwOnError: every status is an answer, look at response.ok")
        : invalid(`Unknown option of fetch "${printable(name)}"`),
  );
  const client: Record<string, unknown> = Object.create(null);
  const transport: Record<string, unknown> = Object.create(null);
  for (const name of OPTIONS) {
    if (!(name in options) || name === "decodedHeaders") continue;
    const value = options[name as keyof FetchOptions];
    if (CLIENT_OPTIONS.has(name)) client[name] = value;
    // A transport that is there has a clock already.
    if (TRANSPORT_OPTIONS.has(name) && !(name === "clock" && options.transport)) {
      transport[name] = value;
    }
  }
  if (client.transport !== undefined && Object.keys(transport).length > 0) {
    throw invalid(`Both a transport and options of one: ${Object.keys(transport).join(", ")}`);
  }
  return { client, transport, decodedHeaders: options.decodedHeaders };
}

function checkedDecodedHeaders(value: unknown = "keep"): DecodedHeaders {
  if (value === "keep" || value === "drop") return value;
  throw invalid(`decodedHeaders is neither "keep" nor "drop": ${printable(`${value}`)}`);
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
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
  const attempts = attemptsOf(response);
  await response.body.close();
  throw new HttpError("ERR_REDIRECT", `A redirect of a stream, status ${status}`, {
    phase: "redirect",
    attempts,
  });
}

/** Nothing is delivered before it is checked; whatever the transport, all of it is here then. */
async function checkedResponse(
  exchange: HttpResponse,
  expected: readonly Expected[],
  decodedHeaders: DecodedHeaders,
): Promise<Response> {
  const bytes = await exchange.bytes();
  // What has no body has no integrity either.
  if (hasNullBody(exchange) || !await hasIntegrity(bytes, expected)) throw wrongIntegrity();
  return responseOf(exchange, bytes, decodedHeaders);
}

async function localResponse(call: FetchCall): Promise<Response> {
  const url = call.href.split("#", 1)[0];
  const { status, statusText, headers, bytes } = url.startsWith("data:")
    ? dataUrlResponse(url)
    : await blobUrlResponse(await call.blob, call.method, call.headers.get("range"));
  if (!await hasIntegrity(bytes, parseIntegrity(call.integrity))) throw wrongIntegrity();
  const body = call.method === "HEAD" ? null : bytes;
  return webResponse(body, { statusText, headers: new Headers(headers) }, {
    url,
    status,
    exchange: null,
  });
}

function wrongIntegrity(): HttpError {
  return new HttpError("ERR_DECODE", "The content does not have the integrity asked for", {
    phase: "body",
  });
}
