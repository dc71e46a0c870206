/**
 * The transport: other protocols, and the connections behind it.
 *
 * @module
 */
import { abortable } from "../conn/abortable.ts";
import { DEFAULT_READ_BUFFER_BYTES } from "../conn/buffered_reader.ts";
import { systemDialer } from "../conn/dial.ts";
import { compileEgress } from "../conn/names/egress.ts";
import { HttpError, printable } from "../conn/http_error.ts";
import { guardedClock } from "../conn/guarded_clock.ts";
import { hostFinder } from "../conn/names/resolving_dialer.ts";
import { socketOptions } from "../conn/socket_options.ts";
import { checkTlsOptions } from "../conn/tls_options.ts";
import { TlsSessions } from "../conn/tls_sessions.ts";
import { decodableCoding } from "../http/content_coding.ts";
import { systemClock } from "./clock.ts";
import { Connections } from "./connections.ts";
import { HttpRequest, isRequest, notARequest } from "./message/http_request.ts";
import { type HttpResponse, isResponse } from "./message/http_response.ts";
import { copiedTls, proxySettings } from "./route/proxy_settings.ts";
import { discardBody } from "./message/request_body.ts";
import { Router } from "./route/route.ts";
import type { LeasedConnection } from "./pool/leased_connection.ts";
import { checkOffered } from "./route/spoken_protocol.ts";
import type { TransportSnapshot, TransportStats } from "./pool/snapshot.ts";
import {
  checkedOptions,
  http2Options,
  type TransportOptions,
  warmHosts,
} from "./transport_options.ts";

/** Takes a request and returns its response. */
export interface RoundTripper {
  /**
   * Sends one request, without following redirects and without cookies.
   *
   * Cancel: the request's signal, in any phase.
   *
   * @throws {HttpError} See {@linkcode Transport.roundTrip}. Or the signal's reason.
   */
  roundTrip(request: HttpRequest): Promise<HttpResponse>;
}

/**
 * A pool of persistent connections.
 *
 * @example
 * ```ts
 * import { HttpRequest, Transport } from "@roundtrip/http";
 *
 * await using transport = new Transport({ maxIdleConns: 10 });
 * try {
 *   const response = await transport.roundTrip(new HttpRequest("http://127.0.0.1:1/"));
 *   console.log(response.status, await response.text());
 * } catch (error) {
 *   console.log((error as Error).message);
 * }
 * ```
 */
export class Transport implements RoundTripper, AsyncDisposable {
  readonly #connections: Connections;
  readonly #protocols: Map<string, RoundTripper> = new Map();

  /**
   * Makes a transport; it opens nothing until it is used, but for `warmConns`.
   *
   * Later changes to `options` and to what they hold have no effect.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, a number that is none, TLS options
   * or a proxy that cannot be used.
   */
  constructor(options: TransportOptions = {}) {
    options = checkedOptions(options);
    const { tls = {}, resolve, hosts, egress, dnsCacheTtlMs } = options;
    const clock = guardedClock(options.clock ?? systemClock);
    const { dialer, lookUp } = hostFinder({
      dialer: options.dialer ?? systemDialer(),
      resolve,
      hosts,
      egress,
      dnsCacheTtlMs,
      clock,
    });
    checkTlsOptions(tls);
    const http2 = http2Options(options.http2);
    const http2Mode = http2 === null
      ? "never"
      : http2.priorKnowledge
      ? "priorKnowledge"
      : "negotiated";
    checkOffered("tls", tls, http2Mode);
    const sessions = options.tlsSessions === false ? null : new TlsSessions();
    const maxIdle = options.maxIdleConns ?? 100;
    const router = new Router(options.proxy ?? null, http2Mode);
    const proxies = proxySettings(options, { dialer, lookUp, clock, sessions });
    this.#connections = new Connections({
      dialer,
      tls: copiedTls(tls),
      sessions,
      http2,
      http2Mode,
      egress: egress === undefined ? null : compileEgress(egress),
      proxySettings: proxies,
      proxyLogins: proxies.logins,
      socket: socketOptions(options),
      router,
      usesProxies: router.usesProxies,
      acceptEncoding: options.disableCompression === true
        ? ""
        : (options.acceptEncoding ?? ["gzip"]).filter(decodableCoding).join(", "),
      decoding: {
        maxExpansionRatio: (options.maxExpansionRatio ?? 1000) || Infinity,
        maxCodings: (options.maxContentCodings ?? 2) || Infinity,
      },
      maxResponseBytes: options.maxResponseBytes ?? 0,
      closeAfterUse: options.disableKeepAlives ?? false,
      warm: warmHosts(options, isOwn),
      maxIdle,
      maxIdlePerKey: options.maxIdleConnsPerHost ?? maxIdle,
      maxConns: options.maxConns ?? 0,
      maxConnsPerKey: options.maxConnsPerHost ?? 0,
      maxWaitersPerKey: options.maxWaitersPerHost ?? 0,
      maxDialsPerKey: options.maxDialsPerHost ?? 0,
      idleTimeoutMs: options.idleConnTimeoutMs ?? 90_000,
      poolWaitTimeoutMs: options.poolWaitTimeoutMs ?? 0,
      responseHeaderTimeoutMs: options.responseHeaderTimeoutMs ?? 0,
      bodyIdleTimeoutMs: options.bodyIdleTimeoutMs ?? 0,
      writeIdleTimeoutMs: options.writeIdleTimeoutMs ?? 0,
      minBytesPerSecond: options.minBytesPerSecond ?? 0,
      clock,
      dialTimeoutMs: options.dialTimeoutMs ?? 30_000,
      tlsHandshakeTimeoutMs: options.tlsHandshakeTimeoutMs ?? 10_000,
      expectContinueTimeoutMs: options.expectContinueTimeoutMs ?? 1_000,
      trace: options.trace ?? null,
      protocol: {
        mode: options.parser ?? "strict",
        maxResponseHeaderBytes: (options.maxResponseHeaderBytes ?? 1024 * 1024) || Infinity,
        readBufferBytes: options.readBufferBytes ?? DEFAULT_READ_BUFFER_BYTES,
        writeBufferBytes: options.writeBufferBytes ?? 4 * 1024,
        life: {
          maxRequests: options.maxRequestsPerConn ?? 0,
          maxAgeMs: options.maxConnAgeMs ?? 0,
        },
      },
    });
  }

  /**
   * Sends one request; settles when the head of the final response is there. Read its body to the
   * end, or close it.
   *
   * Cancel: the request's signal rejects with its reason at once; a connection in use is closed, a
   * dial under way goes on for later requests, without keeping the process alive for more than a
   * second.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`, `ERR_UNSUPPORTED_SCHEME`, `ERR_BODY_LENGTH`:
   * the caller's. `ERR_DIAL`, `ERR_PROXY` (a {@linkcode ProxyError}), `ERR_TLS`,
   * `ERR_CONNECTION_LOST`: the network's.
   * `ERR_MALFORMED_RESPONSE`, `ERR_HEADERS_TOO_LARGE`: the server's. `ERR_TIMEOUT`. `ERR_CLOSED`:
   * the transport was closed. What the caller's body throws is thrown as it is.
   */
  roundTrip(request: HttpRequest): Promise<HttpResponse> {
    if (!isOwn(request?.scheme)) return this.#otherProtocol(request);
    return this.#connections.roundTrip(request);
  }

  /**
   * Sends requests for another scheme to `roundTripper`.
   *
   * @param scheme Without the colon; not `http`, `https` or `http+unix`.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: the scheme cannot be registered, or is already, or
   * `roundTripper` is none.
   */
  registerProtocol(scheme: string, roundTripper: RoundTripper): void {
    const key = scheme.toLowerCase() + ":";
    if (typeof roundTripper?.roundTrip !== "function") {
      throw invalid(`Cannot register protocol "${printable(scheme)}": it has no roundTrip()`);
    }
    if (
      !/^[a-z][a-z0-9+.-]*:$/.test(key) || isOwn(key) ||
      this.#protocols.has(key)
    ) {
      throw invalid(`Cannot register protocol "${printable(scheme)}"`);
    }
    this.#protocols.set(key, roundTripper);
  }

  /** How many connections there are now. */
  stats(): TransportStats {
    return this.#connections.stats();
  }

  /** Everything that it holds, as plain data: each connection, waiting request and dial. */
  inspect(): TransportSnapshot {
    return this.#connections.inspect();
  }

  /** What would happen now to a request, in words: "would reuse #17, idle 2.1 s". */
  explain(request: HttpRequest): string {
    if (!isRequest(request)) throw notARequest("explain", request);
    return this.#connections.explain(request);
  }

  /**
   * Leases one connection for requests of the caller's own, one at a time. What authenticates by
   * connection, as NTLM does, takes one.
   *
   * Cancel: the signal; a dial under way goes on for others.
   *
   * @param url Scheme, host and port count.
   * @throws {HttpError} As {@linkcode Transport.roundTrip}, for getting a connection.
   */
  async connect(
    url: string | URL,
    options: { signal?: AbortSignal } = {},
  ): Promise<LeasedConnection> {
    const request = new HttpRequest(url, options);
    if (!isOwn(request.scheme)) throw unsupported(request);
    return await this.#connections.connect(request);
  }

  /**
   * Makes a connection to a host ready for later requests, unless one is idle or, over HTTP/2, has room;
   * settles once it is there. It waits for limits as a request does, and is idle then: it may be closed
   * again before it is of use.
   *
   * Cancel: the signal; a dial under way goes on for others.
   *
   * @param url Scheme, host and port count.
   * @throws {HttpError} As {@linkcode Transport.roundTrip}, for getting a connection.
   */
  async preconnect(url: string | URL, options: { signal?: AbortSignal } = {}): Promise<void> {
    const request = new HttpRequest(url, options);
    if (!isOwn(request.scheme)) throw unsupported(request);
    await this.#connections.preconnect(request);
  }

  /** Closes the connections that wait for a request, and forgets the TLS sessions. */
  closeIdleConnections(): void {
    this.#connections.closeIdle();
  }

  /**
   * Refuses new requests, waits for the ones under way, bodies included, and closes everything.
   * Settles once the runtime has let go of every socket but those that were handed over.
   */
  close(): Promise<void> {
    return this.#connections.close();
  }

  /**
   * Ends everything at once: requests under way and their bodies fail with `reason`.
   *
   * @param reason Default: an `HttpError` `ERR_CLOSED`.
   */
  destroy(reason?: unknown): void {
    this.#connections.destroy(reason);
  }

  /** The same as {@linkcode Transport.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #otherProtocol(request: HttpRequest): Promise<HttpResponse> {
    if (!isRequest(request)) throw notARequest("roundTrip", request);
    const other = this.#protocols.get(request.scheme);
    if (other === undefined) {
      discardBody(request.body);
      throw unsupported(request);
    }
    const answering = (async () => checkedResponse(await other.roundTrip(request), request))();
    // Whatever the other makes of the signal.
    return await abortable(answering, request.signal ?? undefined, {
      discard: (late) => late.body.close(),
    });
  }
}

/**
 * What sends requests, checked.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: no {@linkcode RoundTripper}.
 */
export function checkedRoundTripper(given: unknown): RoundTripper {
  if (typeof (given as RoundTripper | null | undefined)?.roundTrip === "function") {
    return given as RoundTripper;
  }
  throw invalid("transport has no roundTrip(): its options belong into new Transport({ … })");
}

/** Whether the transport itself serves URLs of this scheme. */
function isOwn(scheme: string | undefined): boolean {
  return scheme === "http:" || scheme === "https:" || scheme === "http+unix:";
}

/** @throws {HttpError} `ERR_INVALID_REQUEST`: what a registered protocol gave is no response. */
function checkedResponse(response: HttpResponse, request: HttpRequest): HttpResponse {
  if (isResponse(response)) return response;
  throw invalid(`What is registered for ${printable(request.scheme)} gave no response`);
}

function unsupported(request: HttpRequest): HttpError {
  return new HttpError("ERR_UNSUPPORTED_SCHEME", `Cannot request a ${request.scheme} URL`, {
    phase: "request",
  });
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
