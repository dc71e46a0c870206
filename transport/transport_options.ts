/**
 * What a transport can be told, and what each of it must be.
 *
 * @module
 */
import { callersOptions } from "../conn/callers_options.ts";
import type { Dialer, TlsOptions } from "../conn/conn.ts";
import { HttpError, printable } from "../conn/http_error.ts";
import type { EgressPolicy } from "../conn/names/egress.ts";
import type { ContentCoding } from "../http/content_coding.ts";
import type { ParserMode } from "../http/deviation.ts";
import { DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES } from "../http2/window_sizes.ts";
import type { Clock } from "./clock.ts";
import { type ClientTrace, HttpRequest } from "./message/http_request.ts";
import type { WarmHost } from "./pool/warm_connections.ts";
import type { ProxySpeechOptions } from "./route/proxy_settings.ts";
import type { ProxyOption } from "./route/route.ts";

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
   * Take TLS sessions up again, of servers and proxies that allow it: a connection costs less then,
   * and shows the certificate that was verified when its session began. Never with `verifyPeer` or
   * a client certificate, and not on Deno, which has no way to.
   *
   * @default {true}
   */
  tlsSessions?: boolean;
  /**
   * What requests pass: the URL of a proxy (`http:`, `https:`, `socks4a:`, `socks5:`, `socks5h:`;
   * credentials in it are percent-encoded), several in the order in which they are passed, or a
   * function that chooses for each request. `"environment"`: what `HTTP_PROXY` and its like say when
   * the transport is made, as {@linkcode proxyFromEnvironment} reads them. Null: nothing; the
   * environment is not looked at.
   *
   * Requests to `http:` URLs are given to an HTTP proxy as they are, and share its connections; all
   * others go through a tunnel.
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
  /** As {@linkcode SocketOptions.tcpNoDelay}. @default {true} */
  tcpNoDelay?: boolean;
  /** As {@linkcode SocketOptions.tcpKeepAliveMs}. @default {0} */
  tcpKeepAliveMs?: number;
  /**
   * Whether HTTP/2 is spoken: with `https:` servers that choose it by ALPN; by
   * {@linkcode Http2Options.priorKnowledge} with others too.
   *
   * @default {true}
   * @see RFC 9113
   */
  http2?: boolean | Http2Options;
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
  /**
   * How many connections are kept ready, by the URL of a host, whose path does not count: made as soon
   * as the transport is, and again when one is lost. Those in use count too. They do not keep the
   * process alive, and are gone when the transport is closed or destroyed. After failures in a row the
   * next dial waits, from half a second to a minute. A limit on connections comes first: no other is
   * closed for these. More than the limits let stay is `ERR_INVALID_REQUEST`.
   *
   * @default {{}}
   */
  warmConns?: Record<string, number>;
  /** Idle connections kept in all. @default {100} */
  maxIdleConns?: number;
  /**
   * Idle connections kept for one host. Here and below, the host of requests to `http:` URLs that are
   * given to an HTTP proxy is that proxy: all its servers share its connections. Default:
   * `maxIdleConns`.
   */
  maxIdleConnsPerHost?: number;
  /**
   * Connections to all hosts together: being made, in use and idle, each once, however many requests
   * share it; further requests wait. For a host that needs one an idle connection to another is closed.
   * Where several hosts wait, each gets one place in its turn, however many of its requests wait.
   * Connections that were handed over after an upgrade do not count.
   *
   * @default {0}
   */
  maxConns?: number;
  /**
   * Connections to one host: being made, in use and idle; further requests wait. No server behind a
   * proxy has more requests under way either.
   *
   * @default {0}
   */
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
  /**
   * How long a request may be sent without one byte of it being accepted, be it because the network
   * does not take any, or because an HTTP/2 server gives it no window; up to a quarter more. Time in
   * which the body's source owes the next piece, or `100 Continue` is waited for, does not count.
   * `ERR_TIMEOUT` in the phase `request`.
   *
   * @default {0}
   */
  writeIdleTimeoutMs?: number;
  /**
   * Bytes of a body, as they come, for each second: one that brings less over ten seconds of reading
   * ends with `ERR_TIMEOUT` in the phase `body`. Time in which nobody reads does not count.
   *
   * @default {0}
   */
  minBytesPerSecond?: number;
  /**
   * Bytes of one body, as they are given to whoever reads it: content codings taken off. The read that
   * would give more fails with `ERR_BODY_TOO_LARGE`, the first one where the head declares more. What is
   * coded may be no more either as it comes, but for a 64th and 64 KiB. A request may say otherwise.
   *
   * @default {0}
   */
  maxResponseBytes?: number;
  /** The heads and the trailer section of one response together. @default {1048576} */
  maxResponseHeaderBytes?: number;
  /**
   * Buffer of each connection for what it reads: 1 or more. Where the runtime brings bytes in arrays
   * of its own, only what is left over of them is kept in it.
   *
   * @default {20480}
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
  /** For every request; each hook is told which. A request's own trace is called too. */
  trace?: ClientTrace;
  /** For tests: a clock of their own. Default: the runtime's. */
  clock?: Clock;
}

/** How HTTP/2 is spoken. In milliseconds, bytes and counts. */
export interface Http2Options {
  /**
   * Speak HTTP/2 without asking where there is no TLS to choose it by: with `http:` and `http+unix:`
   * URLs, also through tunnels. A server that does not is `ERR_MALFORMED_RESPONSE`.
   *
   * @default {false}
   */
  priorKnowledge?: boolean;
  /**
   * Requests that are under way on one connection, 1 or more; less where the server says so. All of
   * them share `connectionWindowBytes`: 512 for each at the least.
   *
   * @default {100}
   */
  maxConcurrentStreams?: number;
  /**
   * Where every connection to a host has as many requests as it may have: `"dial"` makes another,
   * within `maxConnsPerHost`; with `"wait"` requests wait, first come, first served.
   *
   * @default {"dial"}
   */
  whenFull?: "dial" | "wait";
  /** What may come of one body before it is read, once somebody reads it: 1..2^31-1. @default {4194304} */
  streamWindowBytes?: number;
  /**
   * What may come of all bodies of a connection together before it is read: 65,535..2^31-1. Bodies
   * that nobody reads never stop the others.
   *
   * @default {67108864}
   */
  connectionWindowBytes?: number;
  /**
   * How often a server that owes an answer and is silent is asked whether it is there; 0: never, but
   * after a request that timed out or was aborted without a word of it.
   *
   * @default {0}
   */
  pingIntervalMs?: number;
  /** How long it may take to answer that, before the connection is given up: 1 or more. @default {15000} */
  pingTimeoutMs?: number;
}

type OptionKind =
  | "http2"
  | "codings"
  | "dialer"
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
  dialer: "dialer",
  tls: "object",
  tlsSessions: "flag",
  // Looked at where they are read.
  proxy: "other",
  proxyTls: "object",
  proxyAuth: "other",
  proxyConnectHeaders: "other",
  onProxyConnectResponse: "function",
  resolve: "function",
  hosts: "object",
  dnsCacheTtlMs: "count",
  egress: "object",
  localAddress: "text",
  tcpNoDelay: "flag",
  tcpKeepAliveMs: "count",
  http2: "http2",
  disableKeepAlives: "flag",
  disableCompression: "flag",
  acceptEncoding: "codings",
  maxExpansionRatio: "count",
  maxContentCodings: "count",
  warmConns: "object",
  maxIdleConns: "count",
  maxIdleConnsPerHost: "count",
  maxConns: "count",
  maxConnsPerHost: "count",
  maxWaitersPerHost: "count",
  maxDialsPerHost: "count",
  maxRequestsPerConn: "count",
  maxConnAgeMs: "count",
  idleConnTimeoutMs: "count",
  poolWaitTimeoutMs: "count",
  responseHeaderTimeoutMs: "count",
  bodyIdleTimeoutMs: "count",
  writeIdleTimeoutMs: "count",
  minBytesPerSecond: "count",
  clock: "object",
  dialTimeoutMs: "count",
  tlsHandshakeTimeoutMs: "count",
  expectContinueTimeoutMs: "count",
  maxResponseBytes: "count",
  maxResponseHeaderBytes: "count",
  readBufferBytes: "size",
  writeBufferBytes: "size",
  parser: "parser",
  trace: "object",
};

/** Bytes. What each of the streams may have of what they share: with less they would stand still. */
const LEAST_SHARE_BYTES = 512;

/** What each of {@linkcode Http2Options} must be. */
const HTTP2_OPTIONS: Record<keyof Http2Options, (value: unknown) => boolean> = {
  priorKnowledge: (value) => typeof value === "boolean",
  maxConcurrentStreams: (value) => isBetween(value, 1, MAX_WINDOW_BYTES),
  whenFull: (value) => value === "dial" || value === "wait",
  streamWindowBytes: (value) => isBetween(value, 1, MAX_WINDOW_BYTES),
  connectionWindowBytes: (value) => isBetween(value, DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES),
  pingIntervalMs: (value) => isBetween(value, 0, Number.MAX_SAFE_INTEGER),
  pingTimeoutMs: (value) => isBetween(value, 1, Number.MAX_SAFE_INTEGER),
};

const HTTP2_NAMES: ReadonlySet<string> = new Set(Object.keys(HTTP2_OPTIONS));

const CODINGS: ReadonlySet<unknown> = new Set<ContentCoding>(["gzip", "deflate", "br", "zstd"]);

/** The names of {@linkcode TransportOptions}. */
export const TRANSPORT_OPTIONS: ReadonlySet<string> = new Set(Object.keys(OPTIONS));

/**
 * What a caller says of a transport.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, or one that cannot have its value.
 */
export function checkedOptions(given: TransportOptions): TransportOptions {
  const options = callersOptions(
    given,
    TRANSPORT_OPTIONS,
    (name) => invalid(`Unknown transport option "${printable(name)}"`),
  );
  for (const [name, kind] of Object.entries(OPTIONS)) {
    const value = options[name as keyof TransportOptions];
    if (value !== undefined && !isOfKind(value, kind)) {
      throw invalid(`Transport option ${name} cannot be ${printable(String(value))}`);
    }
  }
  return options;
}

/**
 * How HTTP/2 is spoken, complete; null: it is not.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, or one that cannot have its value.
 */
export function http2Options(
  given: boolean | Http2Options | undefined,
): Required<Http2Options> | null {
  if (given === false) return null;
  const options = callersOptions(
    given === undefined || given === true ? {} : given,
    HTTP2_NAMES,
    (name) => invalid(`Unknown option http2.${printable(name)}`),
  );
  for (const [name, isGood] of Object.entries(HTTP2_OPTIONS)) {
    const value = options[name as keyof Http2Options];
    if (value !== undefined && !isGood(value)) {
      throw invalid(`Transport option http2.${name} cannot be ${printable(String(value))}`);
    }
  }
  const { maxConcurrentStreams = 100, connectionWindowBytes = 64 * 1024 * 1024 } = options;
  if (connectionWindowBytes < maxConcurrentStreams * LEAST_SHARE_BYTES) {
    throw invalid(
      `Transport option http2.connectionWindowBytes cannot be ${connectionWindowBytes}: ` +
        `${maxConcurrentStreams} streams share it, and each needs ${LEAST_SHARE_BYTES} bytes`,
    );
  }
  return {
    priorKnowledge: options.priorKnowledge ?? false,
    maxConcurrentStreams,
    whenFull: options.whenFull ?? "dial",
    streamWindowBytes: options.streamWindowBytes ?? 4 * 1024 * 1024,
    connectionWindowBytes,
    pingIntervalMs: options.pingIntervalMs ?? 0,
    pingTimeoutMs: options.pingTimeoutMs ?? 15_000,
  };
}

/**
 * The hosts to which connections are kept ready.
 *
 * @param isOwn Whether the transport serves URLs of that scheme.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: no URL of a host, no count, or more than are kept.
 */
export function warmHosts(
  { warmConns = {}, maxIdleConns = 100, maxIdleConnsPerHost, maxConns, maxConnsPerHost }:
    TransportOptions,
  isOwn: (scheme: string) => boolean,
): WarmHost[] {
  const most = (...limits: (number | undefined)[]): number =>
    Math.min(...limits.map((limit) => limit || Infinity));
  const mostOfHost = most(maxIdleConns, maxIdleConnsPerHost, maxConns, maxConnsPerHost);
  const hosts: WarmHost[] = [];
  let sum = 0;
  for (const [url, count] of Object.entries(warmConns)) {
    if (!isBetween(count, 0, mostOfHost)) throw notWarm(url, `${count}`);
    sum += count;
    if (sum > most(maxIdleConns, maxConns)) throw notWarm(url, `${count}: too many in all`);
    const request = new HttpRequest(url);
    if (!isOwn(request.scheme)) throw notWarm(url, `${count}: no connections are made there`);
    if (count > 0) hosts.push({ request, count });
  }
  return hosts;
}

function notWarm(url: string, why: string): HttpError {
  return invalid(`Transport option warmConns["${printable(url)}"] cannot be ${printable(why)}`);
}

function isBetween(value: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

function isOfKind(value: unknown, kind: OptionKind): boolean {
  switch (kind) {
    case "codings":
      return Array.isArray(value) && value.every((coding) => CODINGS.has(coding));
    case "dialer":
      return isDialer(value);
    case "flag":
      return typeof value === "boolean";
    case "count":
      return Number.isSafeInteger(value) && (value as number) >= 0;
    case "size":
      return Number.isSafeInteger(value) && (value as number) > 0;
    case "parser":
      return value === "strict" || value === "lenient";
    case "http2":
      return typeof value === "boolean" || (typeof value === "object" && value !== null);
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

function isDialer(value: unknown): boolean {
  const { dial, startTls } = (value ?? {}) as Partial<Dialer>;
  return typeof dial === "function" && typeof startTls === "function";
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
