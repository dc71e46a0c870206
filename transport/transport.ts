/**
 * The transport: options, other protocols, and the connections behind them.
 *
 * @module
 */
import type { Dialer, TlsOptions } from "../conn/conn.ts";
import { systemDialer } from "../conn/dial.ts";
import { compileEgress, type EgressPolicy } from "../conn/names/egress.ts";
import { HttpError, printable } from "../conn/http_error.ts";
import { hostFinder } from "../conn/names/resolving_dialer.ts";
import { checkTlsOptions } from "../conn/tls_options.ts";
import { type ContentCoding, decodableCoding } from "../http/content_coding.ts";
import type { ParserMode } from "../http1/field_lines_reader.ts";
import { type Clock, systemClock } from "./clock.ts";
import { Connections } from "./connections.ts";
import { HttpRequest } from "./http_request.ts";
import type { HttpResponse } from "./message/http_response.ts";
import { copiedTls, proxySettings, type ProxySpeechOptions } from "./route/proxy_settings.ts";
import { discardBody } from "./request_body.ts";
import { type ProxyOption, Router } from "./route/route.ts";
import type { LeasedConnection } from "./pool/leased_connection.ts";
import type { TransportSnapshot, TransportStats } from "./pool/snapshot.ts";
import type { ClientTrace } from "./trace.ts";

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

/** Options of a {@linkcode Transport}. In milliseconds, bytes and counts; 0 is off or unlimited. */
export interface TransportOptions extends ProxySpeechOptions {
  /**
   * How connections are made.
   *
   * @default {systemDialer()}
   */
  dialer?: Dialer;
  /** For the TLS of `https:` URLs, whatever the way to the server. */
  tls?: TlsOptions;
  /**
   * What requests pass: the URL of a proxy (`http:`, `https:`, `socks4a:`, `socks5:`, `socks5h:`;
   * credentials in it are percent-encoded), several in the order in which they are passed, or a
   * function that chooses for each request. Null: nothing. The environment is not looked at.
   *
   * Requests to `http:` URLs are given to an HTTP proxy as they are; all others go through a tunnel.
   * `http+unix:` URLs pass no proxy.
   *
   * @default {null}
   */
  proxy?: ProxyOption;
  /**
   * Finds the IP addresses of a host, best first; they race as RFC 8305 says. What lies behind a
   * proxy is resolved by the proxy, but with `socks5:`. Default: the system's resolver.
   */
  resolve?: (hostname: string) => Promise<string[]>;
  /** IP addresses of hosts that are not looked up. */
  hosts?: Record<string, string | string[]>;
  /** How long found addresses are used again. @default {0} */
  dnsCacheTtlMs?: number;
  /**
   * Which addresses may be dialled; others are `ERR_BLOCKED`. Every address that is dialled is
   * judged, and every name or address that a proxy is asked for as far as it can be without
   * resolving it.
   */
  egress?: EgressPolicy;
  /** IP address to dial from. On Deno and Bun `node:net` dials then. */
  localAddress?: string;
  /** One request per connection. @default {false} */
  disableKeepAlives?: boolean;
  /** Never ask for a content coding on the caller's behalf. @default {false} */
  disableCompression?: boolean;
  /**
   * Content codings to ask for on the caller's behalf, and to take off then; those that the runtime
   * cannot take off are left out (`decodableCodings()` tells).
   *
   * @default {["gzip"]}
   */
  acceptEncoding?: readonly ContentCoding[];
  /**
   * Bytes that one byte of coded content may become, beyond the first MiB; what goes further fails
   * with `ERR_DECODE`.
   *
   * @default {1000}
   */
  maxExpansionRatio?: number;
  /** Content codings of one body that are taken off; more fail with `ERR_DECODE`. @default {2} */
  maxContentCodings?: number;
  /** Idle connections kept in all. @default {100} */
  maxIdleConns?: number;
  /** Idle connections kept for one host. Default: `maxIdleConns`. */
  maxIdleConnsPerHost?: number;
  /** Connections to one host: being made, in use and idle; further requests wait. @default {0} */
  maxConnsPerHost?: number;
  /** Requests to one host that may wait because of the limits. @default {0} */
  maxWaitersPerHost?: number;
  /** Connections to one host that are being made at once. @default {0} */
  maxDialsPerHost?: number;
  /** Requests that one connection serves. @default {0} */
  maxRequestsPerConn?: number;
  /** From when on a connection is not used again; up to a tenth less for each. @default {0} */
  maxConnAgeMs?: number;
  /** How long a connection may be idle; less where the server says so. @default {90000} */
  idleConnTimeoutMs?: number;
  /** How long a request waits for a connection before one is dialled for it. @default {0} */
  poolWaitTimeoutMs?: number;
  /**
   * How long connecting may take.
   *
   * @default {30000}
   */
  dialTimeoutMs?: number;
  /**
   * How long the TLS handshake may take.
   *
   * @default {10000}
   */
  tlsHandshakeTimeoutMs?: number;
  /** How long a body waits for `100 Continue`; 0: as long as it takes. @default {1000} */
  expectContinueTimeoutMs?: number;
  /** From the end of the request to the head of the final response. @default {0} */
  responseHeaderTimeoutMs?: number;
  /** Between two reads of the body that bring something. @default {0} */
  bodyIdleTimeoutMs?: number;
  /** The heads and the trailer section of one response together. @default {1048576} */
  maxResponseHeaderBytes?: number;
  /**
   * Buffer of each connection for what it reads: 1 or more.
   *
   * @default {16384}
   */
  readBufferBytes?: number;
  /**
   * Buffer of each connection for what it writes: 1 or more.
   *
   * @default {4096}
   */
  writeBufferBytes?: number;
  /**
   * How much is forgiven to servers.
   *
   * @default {"strict"}
   */
  parser?: ParserMode;
  /** For every request; a request's own trace is called too. */
  trace?: ClientTrace;
  /** For tests: a clock of their own. Default: the runtime's. */
  clock?: Clock;
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
   * Makes a transport; it opens nothing until it is used.
   *
   * Later changes to `options` and to what they hold have no effect.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, a number that is none, TLS options
   * or a proxy that cannot be used.
   */
  constructor(options: TransportOptions = {}) {
    checkOptions(options);
    const { tls = {}, resolve, hosts, egress, dnsCacheTtlMs, clock = systemClock } = options;
    const { dialer, lookUp } = hostFinder({
      dialer: options.dialer ?? systemDialer(),
      resolve,
      hosts,
      egress,
      dnsCacheTtlMs,
      clock,
    });
    checkTlsOptions(tls);
    const maxIdle = options.maxIdleConns ?? 100;
    const router = new Router(options.proxy ?? null);
    this.#connections = new Connections({
      dialer,
      tls: copiedTls(tls),
      egress: egress === undefined ? null : compileEgress(egress),
      proxySettings: proxySettings(options, { dialer, lookUp, clock }),
      localAddress: options.localAddress,
      router,
      usesProxies: router.usesProxies,
      acceptEncoding: options.disableCompression === true
        ? ""
        : (options.acceptEncoding ?? ["gzip"]).filter(decodableCoding).join(", "),
      decoding: {
        maxExpansionRatio: (options.maxExpansionRatio ?? 1000) || Infinity,
        maxCodings: (options.maxContentCodings ?? 2) || Infinity,
      },
      closeAfterUse: options.disableKeepAlives ?? false,
      maxIdle,
      maxIdlePerKey: options.maxIdleConnsPerHost ?? maxIdle,
      maxConnsPerKey: options.maxConnsPerHost ?? 0,
      maxWaitersPerKey: options.maxWaitersPerHost ?? 0,
      maxDialsPerKey: options.maxDialsPerHost ?? 0,
      idleTimeoutMs: options.idleConnTimeoutMs ?? 90_000,
      poolWaitTimeoutMs: options.poolWaitTimeoutMs ?? 0,
      responseHeaderTimeoutMs: options.responseHeaderTimeoutMs ?? 0,
      bodyIdleTimeoutMs: options.bodyIdleTimeoutMs ?? 0,
      clock,
      dialTimeoutMs: options.dialTimeoutMs ?? 30_000,
      tlsHandshakeTimeoutMs: options.tlsHandshakeTimeoutMs ?? 10_000,
      expectContinueTimeoutMs: options.expectContinueTimeoutMs ?? 1_000,
      trace: options.trace ?? null,
      protocol: {
        mode: options.parser ?? "strict",
        maxResponseHeaderBytes: (options.maxResponseHeaderBytes ?? 1024 * 1024) || Infinity,
        readBufferBytes: options.readBufferBytes ?? 16 * 1024,
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
   * dial under way goes on for later requests.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`, `ERR_UNSUPPORTED_SCHEME`, `ERR_BODY_LENGTH`:
   * the caller's. `ERR_DIAL`, `ERR_PROXY` (a {@linkcode ProxyError}), `ERR_TLS`,
   * `ERR_CONNECTION_LOST`: the network's.
   * `ERR_MALFORMED_RESPONSE`, `ERR_HEADERS_TOO_LARGE`: the server's. `ERR_TIMEOUT`. `ERR_CLOSED`:
   * the transport was closed. What the caller's body throws is thrown as it is.
   */
  roundTrip(request: HttpRequest): Promise<HttpResponse> {
    if (!isOwn(request.scheme)) return this.#otherProtocol(request);
    return this.#connections.roundTrip(request);
  }

  /**
   * Sends requests for another scheme to `roundTripper`.
   *
   * @param scheme Without the colon; not `http`, `https` or `http+unix`.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: the scheme cannot be registered, or is already.
   */
  registerProtocol(scheme: string, roundTripper: RoundTripper): void {
    const key = scheme.toLowerCase() + ":";
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
    return this.#connections.explain(request);
  }

  /**
   * Leases one connection for requests of the caller's own, one at a time.
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

  /** Closes the connections that wait for a request. */
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
    const other = this.#protocols.get(request.scheme);
    if (other !== undefined) return await other.roundTrip(request);
    discardBody(request.body);
    throw unsupported(request);
  }
}

/** Whether the transport itself serves URLs of this scheme. */
function isOwn(scheme: string): boolean {
  return scheme === "http:" || scheme === "https:" || scheme === "http+unix:";
}

function unsupported(request: HttpRequest): HttpError {
  return new HttpError("ERR_UNSUPPORTED_SCHEME", `Cannot request a ${request.scheme} URL`, {
    phase: "request",
  });
}

type OptionKind =
  | "codings"
  | "flag"
  | "count"
  | "size"
  | "parser"
  | "object"
  | "text"
  | "function"
  | "other";

/** Every option and what it must be; others are refused, not ignored. */
const OPTIONS: Record<keyof TransportOptions, OptionKind> = {
  dialer: "object",
  tls: "object",
  // Looked at where they are read.
  proxy: "other",
  proxyTls: "object",
  proxyConnectHeaders: "other",
  onProxyConnectResponse: "function",
  resolve: "function",
  hosts: "object",
  dnsCacheTtlMs: "count",
  egress: "object",
  localAddress: "text",
  disableKeepAlives: "flag",
  disableCompression: "flag",
  acceptEncoding: "codings",
  maxExpansionRatio: "count",
  maxContentCodings: "count",
  maxIdleConns: "count",
  maxIdleConnsPerHost: "count",
  maxConnsPerHost: "count",
  maxWaitersPerHost: "count",
  maxDialsPerHost: "count",
  maxRequestsPerConn: "count",
  maxConnAgeMs: "count",
  idleConnTimeoutMs: "count",
  poolWaitTimeoutMs: "count",
  responseHeaderTimeoutMs: "count",
  bodyIdleTimeoutMs: "count",
  clock: "object",
  dialTimeoutMs: "count",
  tlsHandshakeTimeoutMs: "count",
  expectContinueTimeoutMs: "count",
  maxResponseHeaderBytes: "count",
  readBufferBytes: "size",
  writeBufferBytes: "size",
  parser: "parser",
  trace: "object",
};

const CODINGS: ReadonlySet<unknown> = new Set<ContentCoding>(["gzip", "deflate", "br", "zstd"]);

function checkOptions(options: TransportOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(OPTIONS, name)) {
      throw invalid(`Unknown transport option "${printable(name)}"`);
    }
    if (value === undefined) continue;
    if (!isOfKind(value, OPTIONS[name as keyof TransportOptions])) {
      throw invalid(`Transport option ${name} cannot be ${printable(String(value))}`);
    }
  }
}

function isOfKind(value: unknown, kind: OptionKind): boolean {
  switch (kind) {
    case "codings":
      return Array.isArray(value) && value.every((coding) => CODINGS.has(coding));
    case "flag":
      return typeof value === "boolean";
    case "count":
      return Number.isSafeInteger(value) && (value as number) >= 0;
    case "size":
      return Number.isSafeInteger(value) && (value as number) > 0;
    case "parser":
      return value === "strict" || value === "lenient";
    case "text":
      return typeof value === "string";
    case "function":
      return typeof value === "function";
    case "other":
      return true;
    case "object":
      return typeof value === "object" && value !== null;
  }
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
