/**
 * A request as the caller states it, immutable, so that it can be sent again; and the hooks that are
 * told of it. One file, though a long one: the request, what is said of it and what its hooks are told
 * name each other.
 *
 * @module
 */
import { callersOptions } from "../../conn/callers_options.ts";
import type { Address, TlsInfo } from "../../conn/conn.ts";
import { HttpError, printable } from "../../conn/http_error.ts";
import { checkMethod } from "../../http1/head_writer.ts";
import { isToken } from "../../http/grammar.ts";
import { HttpHeaders, type HttpHeadersInit } from "../../http/http_headers.ts";
import type { DigestCheck } from "./body_digests.ts";
import { canHold, parseIntegrity } from "./integrity.ts";
import { JSON_TYPE, jsonText } from "./json_text.ts";
import type { ProgressHook } from "../progress.ts";
import { arrayBytes, type BodySource } from "./request_body.ts";
import { checkedTarget } from "./request_target.ts";
import { checkedTrailers, type TrailersSource } from "./request_trailers.ts";
import { requestUrl } from "./request_url.ts";
import { type SearchParamsInit, withSearchParams } from "./search_params.ts";

/** Which round trip a hook tells of, in numbers. */
export interface RoundTripIds {
  /**
   * Integer from 1: one for each call of `roundTrip()`, and of `Transport.connect()`, on whatever
   * transport of this process. What the transport itself sends again has the same.
   */
  readonly requestId: number;
  /**
   * Integer from 1: one for each thing that a caller asked for, on whatever transports of this
   * process. A call of a {@linkcode Client} or of `fetch` with its redirects, the tries of a
   * `RetryingTransport` and the parts of a `ResumingTransport` have the same; so has what is made by
   * `with()`, or with `redirectedFrom`, of a request of theirs.
   */
  readonly operationId: number;
}

/** Which round trip a hook tells of. */
export interface TracedRoundTrip extends RoundTripIds {
  /** As the transport was given it; of `Transport.connect()`, one that is not sent. */
  readonly request: HttpRequest;
}

/**
 * Hooks, each optional, synchronous. Without one, nothing is done for it. What a hook throws, or a
 * promise that it returns rejects with, ends no request and no process: it is told by
 * `console.error`. `got1xxResponse` alone may throw or reject to end the exchange.
 *
 * Each is told last which round trip it is about. `putIdleConn` and `bodyLeaked` get the ids alone, so
 * that nothing holds a request that is over.
 *
 * Hooks of a request run in the asynchronous context (`AsyncLocalStorage`) of whoever sent it. Hooks of
 * a transport run in the context of whatever set them off, which may be another request: what they
 * need to know is in their last argument.
 */
export interface ClientTrace {
  /** A connection is wanted. */
  getConn?(event: { key: string }, about: TracedRoundTrip): void;
  /** A connection was got. */
  gotConn?(
    event: {
      id: number;
      protocol: "http/1.1" | "h2";
      reused: boolean;
      wasIdle: boolean;
      idleMs: number;
    },
    about: TracedRoundTrip,
  ): void;
  /**
   * The connection was given back, or (`error`) why it was not kept. Only of a transport.
   *
   * @param ids Who used it last, or else started its dial.
   */
  putIdleConn?(event: { id: number; error?: HttpError }, ids: RoundTripIds): void;
  /**
   * A connection begins to be made.
   *
   * @param about Here, and until the connection is made: who started the dial. Another request may be
   * served by it.
   */
  connectStart?(event: { address: Address }, about: TracedRoundTrip): void;
  /** The connection is open, or could not be made. */
  connectDone?(event: { address: Address; error?: unknown }, about: TracedRoundTrip): void;
  /**
   * A proxy is asked for a tunnel to `target`, host and port of the server or of the next proxy.
   * `proxy` is its URL without credentials.
   */
  proxyConnectStart?(event: { proxy: string; target: string }, about: TracedRoundTrip): void;
  /**
   * The tunnel is open, or could not be opened.
   *
   * @param event `status`: what an HTTP proxy answered.
   */
  proxyConnectDone?(
    event: { proxy: string; target: string; status?: number; error?: unknown },
    about: TracedRoundTrip,
  ): void;
  /** The TLS handshake begins: with the server, or with the proxy at that URL. */
  tlsHandshakeStart?(event: { proxy?: string }, about: TracedRoundTrip): void;
  /** The TLS handshake has ended. */
  tlsHandshakeDone?(
    event: { proxy?: string; tls?: TlsInfo; error?: unknown },
    about: TracedRoundTrip,
  ): void;
  /** The stream that carries the request, in HTTP/2: its head was accepted by the runtime. */
  streamOpened?(event: { id: number; streamId: number }, about: TracedRoundTrip): void;
  /**
   * The stream was ended before its end, by the server or by this end; `code` as RFC 9113 names it. The
   * connection goes on.
   */
  streamReset?(
    event: { id: number; streamId: number; code: string; from: "peer" | "here" },
    about: TracedRoundTrip,
  ): void;
  /**
   * An HTTP/2 server has said what it takes, when it was connected to or later. Null: it names no
   * limit. Only of a transport, as the next two.
   *
   * @param ids Who used the connection last, or else started its dial.
   */
  settingsReceived?(
    event: {
      id: number;
      maxConcurrentStreams: number | null;
      initialWindowBytes: number;
      maxFrameBytes: number;
    },
    ids: RoundTripIds,
  ): void;
  /** An HTTP/2 server takes no more requests on the connection, and none beyond `lastStreamId`. */
  goAway?(
    event: { id: number; lastStreamId: number; code: string; debugData: string },
    ids: RoundTripIds,
  ): void;
  /** An HTTP/2 server has shown that it is there. Milliseconds. */
  pingDone?(event: { id: number; roundTripMs: number }, ids: RoundTripIds): void;
  /** The head was accepted by the runtime. */
  wroteHeaders?(about: TracedRoundTrip): void;
  /** The body is held back until the server asks for it. */
  wait100Continue?(about: TracedRoundTrip): void;
  /** The server asks for the body. */
  got100Continue?(about: TracedRoundTrip): void;
  /**
   * Any informational response, 100 included. Throwing ends the exchange with that error; so does a
   * promise that rejects before the final response is there.
   */
  got1xxResponse?(status: number, headers: HttpHeaders, about: TracedRoundTrip): void;
  /** Sending has ended: all of it, or with an error. */
  wroteRequest?(event: { error?: unknown }, about: TracedRoundTrip): void;
  /** The first byte of a response came, be it an informational one; once for each attempt. */
  gotFirstResponseByte?(about: TracedRoundTrip): void;
  /**
   * The request is sent again, for the `attempt`-th time, because of `error`, which tells of all
   * attempts so far.
   */
  retry?(event: { attempt: number; error: HttpError }, about: TracedRoundTrip): void;
  /**
   * The body was read to its end, closed, or failed, or all of it has come and nothing can fail it;
   * `bytes` as they came over the wire.
   */
  bodyDone?(event: { bytes: number; error?: unknown }, about: TracedRoundTrip): void;
  /** A response was dropped with its body unread; its connection has been closed. */
  bodyLeaked?(event: { id: number }, ids: RoundTripIds): void;
}

/**
 * What a request can say besides its URL. What is called for it (hooks, functions, the streams and
 * iterables of a body) is called in the asynchronous context (`AsyncLocalStorage`) of whoever sent
 * it, where the runtime has `node:async_hooks`.
 */
export interface HttpRequestInit {
  /** A token; case is kept. @default {"GET"} */
  method?: string;
  /** Sent in this order and case. */
  headers?: HttpHeadersInit;
  /** What is sent as the body; null if there is none. */
  body?: BodySource | null;
  /** Length in bytes of a stream whose length the caller knows; else it is sent chunked. */
  contentLength?: number;
  /** Sent behind the body, which is then chunked. */
  trailers?: TrailersSource;
  /** The `Host` field, where it differs from the URL; to CONNECT, the target. */
  host?: string;
  /**
   * What is asked for, where it is not the path of the URL: `*` (with OPTIONS), a path that is sent as
   * it is, dot segments and escapes included, or absolute-form with the scheme and authority of the
   * URL. Visible ASCII without `#`. Connection, egress policy, cookies and redirects go by the URL.
   *
   * @see RFC 9112 section 3.2
   */
  target?: string;
  /** Close the connection after this exchange. @default {false} */
  close?: boolean;
  /** False: sent by HTTP/1.1, also where the transport speaks HTTP/2. @default {true} */
  http2?: boolean;
  /**
   * With CONNECT over HTTP/2: what is to be spoken through the stream, a token as `"websocket"`. The
   * path of the URL is sent then.
   *
   * @see RFC 8441 section 4
   */
  protocol?: string;
  /**
   * Whether to take content codings off. Default: only when Roundtrip itself asked for them.
   * False: ask for none, and keep the bytes. True: also when `Accept-Encoding` is the caller's; a
   * coding that cannot be taken off then fails with `ERR_DECODE` when the body is read. `"known"`:
   * as true, but content with a coding that cannot be taken off stays as it came.
   */
  decompress?: boolean | "known";
  /**
   * Bytes of the body of the response, as they are read; the read that would give more fails with
   * `ERR_BODY_TOO_LARGE`. 0: as many as come. Default: as the transport is told.
   */
  maxResponseBytes?: number;
  /** Aborting rejects with `signal.reason`, in any phase. */
  signal?: AbortSignal;
  /** Milliseconds for everything, the body included. 0 is off. @default {0} */
  timeoutMs?: number;
  /** Called for this request, after the transport's own. */
  trace?: ClientTrace;
  /** Called as the body is sent, for each 64 KiB or less; from 0 again where it is sent again. */
  onUploadProgress?: ProgressHook;
  /** Called as the body of the response comes, for each read of the network. */
  onDownloadProgress?: ProgressHook;
  /**
   * Check the body of the response against its `Content-Digest` and `Repr-Digest` (RFC 9530, sha-256
   * and sha-512), in the head or behind the body. What is not as stated fails with `ERR_DECODE` at
   * the last read; a body that is closed early is not checked. Default: not checked.
   */
  digest?: DigestCheck;
  /**
   * Check what is read of the response, content codings taken off, against digests as HTML's
   * `integrity` states them, as in `"sha256-…"`. Else as `digest`.
   */
  integrity?: string;
  /** The request whose answer led here. */
  redirectedFrom?: HttpRequest;
  /**
   * Added to the query of the URL, behind what is there; part of the URL from then on. In a record or
   * in pairs a list repeats its name, null is an empty value, and undefined is left out. Not beside
   * `target`.
   */
  searchParams?: SearchParamsInit;
  /**
   * A value that is sent as JSON, in the place of `body`: as it is now, whatever becomes of it. Its
   * `Content-Type` is `application/json` unless `headers` has one. What has no JSON is refused, undefined
   * too; null has.
   */
  json?: unknown;
}

/** What becomes a part of others, the URL and the body. */
type Given = "searchParams" | "json";

/** Operations that were begun. */
let operationCount = 0;

/** What the class alone can do; of a request of another copy of this package nothing is known. */
let operations: { of(request: HttpRequest): number; begin(request: HttpRequest): void };

/** The operation that a request belongs to; 0: none. */
export function operationOf(request: HttpRequest): number {
  return operations.of(request);
}

/** Begins an operation with a request, and with all that will be made of it. Returns the request. */
export function beginOperation(request: HttpRequest): HttpRequest {
  operations.begin(request);
  return request;
}

/** As {@linkcode beginOperation}, unless the request belongs to one. */
export function joinOperation(request: HttpRequest): HttpRequest {
  return operations.of(request) === 0 ? beginOperation(request) : request;
}

/** The id of an operation that is over with one round trip. */
export function newOperationId(): number {
  return ++operationCount;
}

/** The names of {@linkcode HttpRequestInit} that a request keeps. */
const KEPT_NAMES: ReadonlySet<Exclude<keyof HttpRequestInit, Given>> = new Set([
  "method",
  "headers",
  "body",
  "contentLength",
  "trailers",
  "host",
  "target",
  "close",
  "http2",
  "protocol",
  "decompress",
  "maxResponseBytes",
  "signal",
  "timeoutMs",
  "trace",
  "onUploadProgress",
  "onDownloadProgress",
  "digest",
  "integrity",
  "redirectedFrom",
]);

/** The names of {@linkcode HttpRequestInit}; others are refused, not ignored. */
const INIT_NAMES: ReadonlySet<string> = new Set<keyof HttpRequestInit>([
  ...KEPT_NAMES,
  "searchParams",
  "json",
]);

/** Where `with()` says how long the body was when it was given. */
const GIVEN_BYTES: unique symbol = Symbol("arrayBytes of the request that is copied");

/** Where `with()` says what its body is. */
const GIVEN_TYPE: unique symbol = Symbol("bodyType of the request that is copied");

interface CopiedInit {
  [GIVEN_BYTES]?: number | null;
  [GIVEN_TYPE]?: string | null;
}

// reg-name, IPv4 or a bracketed IPv6 address, and a port.
const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]+)(?::[0-9]{1,5})?$/;

/**
 * A request. Everything that can be wrong with it is found when it is made or, at the latest,
 * before a byte of it is sent.
 *
 * @example
 * ```ts
 * import { HttpRequest } from "@roundtrip/http";
 *
 * const request = new HttpRequest("http://example.com/a?b#c", { headers: { "X-Name": "value" } });
 * if (request.requestTarget !== "/a?b") throw new Error("the fragment is not sent");
 * ```
 */
export class HttpRequest {
  /** A token, in the caller's case. */
  readonly method: string;
  /** The caller's header fields; they cannot be changed any more. */
  readonly headers: HttpHeaders;
  /** What is sent as the body; null if there is none. */
  readonly body: BodySource | null;
  /**
   * The length in bytes that a body had when it was given, where it is an array; else null. An array
   * that has another one when it is sent ends the request with `ERR_BODY_LENGTH`.
   */
  readonly arrayBytes: number | null;
  /**
   * The `Content-Type` that the body is sent with where {@linkcode HttpRequest.headers} has none; null:
   * the one of its kind.
   */
  readonly bodyType: string | null;
  /** The length that the caller declared, in bytes, or null. */
  readonly contentLength: number | null;
  /** Trailer fields, or how to get them; null if there are none. */
  readonly trailers: TrailersSource | null;
  /** The `Host` field, where it differs from the URL; else null. */
  readonly host: string | null;
  /** What is asked for, where it is not {@linkcode requestTarget}; else null. */
  readonly target: string | null;
  /** Whether the connection is closed after the exchange. */
  readonly close: boolean;
  /** Whether HTTP/2 may be spoken. */
  readonly http2: boolean;
  /** With CONNECT, what is to be spoken through the stream; else null. */
  readonly protocol: string | null;
  /** Whether content codings are taken off; null: as the transport decides. */
  readonly decompress: boolean | "known" | null;
  /** Bytes of the body of the response; 0: as many as come; null: as the transport is told. */
  readonly maxResponseBytes: number | null;
  /** Ends the exchange, in any phase. */
  readonly signal: AbortSignal | null;
  /** Milliseconds for everything, the body included; 0 is off. */
  readonly timeoutMs: number;
  /** Hooks for this request. */
  readonly trace: ClientTrace | null;
  /** Told how much of the body was sent, or null. */
  readonly onUploadProgress: ProgressHook | null;
  /** Told how much of the response's body came, or null. */
  readonly onDownloadProgress: ProgressHook | null;
  /** Whether the digest fields of the response are checked; null: they are not. */
  readonly digest: DigestCheck | null;
  /** What the response must hash to, as in HTML, or null. */
  readonly integrity: string | null;
  /** The request whose answer led here, or null. */
  readonly redirectedFrom: HttpRequest | null;

  /** The URL in its canonical form, without credentials and without its fragment. */
  readonly href: string;
  /** The URL's fragment with its `#`, which is not sent; empty if there is none. */
  readonly fragment: string;
  /** For example `"https:"`. */
  readonly scheme: string;
  /**
   * Canonical host: the same text for the resolver, SNI and the pool. IPv6 without brackets.
   * `"localhost"` for `http+unix:`, where it is not dialled.
   */
  readonly hostname: string;
  /** Integer 1..65535. */
  readonly port: number;
  /** Host and, unless it is the scheme's own, port; what the `Host` field says by default. */
  readonly authority: string;
  /** Of an `http+unix:` URL the absolute path of its socket, decoded; else null. */
  readonly socketPath: string | null;
  /** Path and query of the URL. */
  readonly requestTarget: string;
  /** 0: none yet. Nothing that the caller has stated, so it may change. */
  #operationId: number;

  static {
    operations = {
      of: (request) =>
        typeof request === "object" && #operationId in request ? request.#operationId : 0,
      begin: (request) => {
        if (#operationId in request) request.#operationId = newOperationId();
      },
    };
  }

  /**
   * Makes a request.
   *
   * @param url Absolute. Its fragment is not sent. `http+unix:` URLs have the percent-encoded path
   * of a socket in the place of the host: `http+unix://%2Fvar%2Frun%2Fdocker.sock/info`.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: what may not be sent, or an unknown option.
   */
  constructor(url: string | URL, init: HttpRequestInit = {}) {
    const { [GIVEN_BYTES]: givenBytes, [GIVEN_TYPE]: givenType } = init as CopiedInit;
    init = requestInit(init);
    const { href, fragment, origin, requestTarget } = requestUrl(urlOf(url, init));
    this.href = href;
    this.fragment = fragment;
    this.scheme = origin.scheme;
    this.socketPath = origin.socketPath;
    this.hostname = origin.hostname;
    this.port = origin.port;
    this.authority = origin.authority;
    this.requestTarget = requestTarget;
    this.method = init.method === undefined ? "GET" : `${init.method}`;
    checkMethod(this.method);
    this.headers = init.headers === undefined ? NO_HEADERS : HttpHeaders.frozen(init.headers);
    const isJson = "json" in init;
    this.body = isJson ? jsonBody(init) : init.body ?? null;
    this.bodyType = isJson ? JSON_TYPE : givenType ?? null;
    this.arrayBytes = givenBytes === undefined ? arrayBytes(this.body) : givenBytes;
    this.contentLength = init.contentLength ?? null;
    if (this.contentLength !== null && !isCount(this.contentLength)) {
      throw invalid(`contentLength is not a length: ${this.contentLength}`);
    }
    this.trailers = checkedTrailers(init.trailers ?? null);
    this.host = init.host === undefined ? null : `${init.host}`;
    if (this.host !== null) checkAuthority(this.host);
    this.target = init.target === undefined
      ? null
      : checkedTarget(`${init.target}`, this.method, origin);
    this.close = flag("close", init.close) ?? false;
    this.http2 = flag("http2", init.http2) ?? true;
    this.protocol = init.protocol === undefined ? null : `${init.protocol}`;
    if (this.protocol !== null) checkProtocol(this.protocol, this.method, this.http2);
    this.decompress = init.decompress === "known" ? "known" : flag("decompress", init.decompress);
    this.maxResponseBytes = init.maxResponseBytes ?? null;
    if (this.maxResponseBytes !== null && !isCount(this.maxResponseBytes)) {
      throw invalid(`maxResponseBytes is no count of bytes: ${this.maxResponseBytes}`);
    }
    this.signal = init.signal ?? null;
    if (this.signal !== null && !isSignal(this.signal)) {
      throw invalid("signal is not an AbortSignal");
    }
    this.timeoutMs = init.timeoutMs ?? 0;
    if (typeof this.timeoutMs !== "number" || !(this.timeoutMs >= 0)) {
      throw invalid(`timeoutMs is not a number of milliseconds: ${this.timeoutMs}`);
    }
    this.trace = init.trace ?? null;
    this.onUploadProgress = hook("onUploadProgress", init.onUploadProgress);
    this.onDownloadProgress = hook("onDownloadProgress", init.onDownloadProgress);
    this.digest = init.digest ?? null;
    if (this.digest !== null && this.digest !== "verify" && this.digest !== "require") {
      throw invalid(`digest is neither "verify" nor "require"`);
    }
    this.integrity = init.integrity === undefined ? null : `${init.integrity}`;
    if (this.integrity !== null && !canHold(parseIntegrity(this.integrity))) {
      throw invalid("integrity names no digest of sha256, sha384 or sha512");
    }
    this.redirectedFrom = init.redirectedFrom ?? null;
    this.#operationId = this.redirectedFrom === null ? 0 : operationOf(this.redirectedFrom);
    if (this.body !== null && (this.method === "TRACE" || this.method === "CONNECT")) {
      throw invalid(`A ${this.method} request has no body`);
    }
    if (this.body === null && this.contentLength) {
      throw invalid("contentLength is the length of a body, and there is none");
    }
    if (this.body === null && this.trailers !== null) {
      throw invalid("Trailers need a body to stand behind");
    }
  }

  /** The URL; a new object each time, so that changing it changes no request. */
  get url(): URL {
    return new URL(this.href);
  }

  /**
   * Whether 421 is answered by asking once more on a new connection, where the body can be sent
   * again. To `fetch` it is; here it is an answer.
   *
   * @see RFC 9110 section 15.5.20
   */
  get retriesMisdirected(): boolean {
    return false;
  }

  /**
   * Whether a PATCH without a body says `Content-Length: 0`, as POST and PUT always do. Not that of
   * `fetch`.
   *
   * @see RFC 9110 section 8.6
   */
  get statesEmptyPatch(): boolean {
    return true;
  }

  /**
   * The same request but for what `changes` says; what is undefined there becomes the default.
   *
   * Pure.
   *
   * @param changes `searchParams` are added to what there are; `json` takes the place of the body.
   * @param url Another URL; the `target`, which was for this one, is dropped then. Default: the
   * same, with its fragment.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: as when one is made.
   */
  with(changes: HttpRequestInit, url?: string | URL): HttpRequest {
    const init = { ...initOf(this, url), ...changes };
    if ("json" in changes && !("body" in changes)) delete init.body;
    if ("body" in changes || "json" in changes) {
      delete init[GIVEN_BYTES];
      delete init[GIVEN_TYPE];
    }
    const changed = this.remade(url ?? this.href + this.fragment, init);
    if (this.#operationId !== 0) changed.#operationId = this.#operationId;
    return changed;
  }

  /** Makes what {@linkcode HttpRequest.with} gives, for classes that have more to keep. */
  protected remade(url: string | URL, init: HttpRequestInit): HttpRequest {
    return new HttpRequest(url, init);
  }
}

/** Whether it is a request; also one of another copy of this package. Pure. */
export function isRequest(value: unknown): value is HttpRequest {
  const { scheme, with: change } = (value ?? {}) as Partial<Record<string, unknown>>;
  return typeof scheme === "string" && typeof change === "function";
}

/**
 * The error for what was given in the place of a request.
 *
 * Pure.
 */
export function notARequest(method: string, given: unknown): HttpError {
  const tag = Object.prototype.toString.call(given).slice(8, -1);
  const [what, instead] = typeof given === "string"
    ? ["a string", "new HttpRequest(url) makes one"]
    : tag === "URL"
    ? ["a URL", "new HttpRequest(url) makes one"]
    : tag === "Request"
    ? ["a Request", "createFetch({ transport }) makes a function that does"]
    : [
      given === null || given === undefined
        ? `${given}`
        : typeof given === "object"
        ? "an object of another kind"
        : `a ${typeof given}`,
      "make one",
    ];
  return invalid(`${method}() takes an HttpRequest, not ${what}: ${instead}`);
}

/**
 * What a caller says of a request.
 *
 * Pure.
 *
 * @param unknown Makes the error for an option that there is not.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option.
 */
export function requestInit(
  init: HttpRequestInit,
  unknown: (name: string) => HttpError = unknownOption,
): HttpRequestInit {
  return callersOptions(init, INIT_NAMES, unknown);
}

/**
 * What a request says besides its URL.
 *
 * Pure.
 *
 * @param url The one that it is for; undefined: its own.
 */
export function initOf(request: HttpRequest, url?: string | URL): HttpRequestInit & CopiedInit {
  const init: Record<string, unknown> & CopiedInit = {};
  for (const name of KEPT_NAMES) init[name] = request[name] ?? undefined;
  // That was for the other one.
  if (url !== undefined) delete init.target;
  // The same array may be another one by now.
  init[GIVEN_BYTES] = request.arrayBytes;
  init[GIVEN_TYPE] = request.bodyType;
  return init;
}

/**
 * Refuses what is no host with an optional port.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`.
 */
export function checkAuthority(authority: string): void {
  if (!AUTHORITY.test(authority)) throw invalid(`Cannot use host "${printable(authority)}"`);
}

/** The URL with what is added to its query. */
function urlOf(url: string | URL, { searchParams, target }: HttpRequestInit): string | URL {
  if (searchParams === undefined) return url;
  if (target !== undefined) throw invalid("searchParams beside target, which goes in their place");
  return withSearchParams(url, searchParams);
}

function jsonBody({ json, body }: HttpRequestInit): string {
  if (body !== undefined && body !== null) throw invalid("There are two bodies: body and json");
  return jsonText(json);
}

/** Shared by all requests without headers: nobody can change it. */
const NO_HEADERS: HttpHeaders = new HttpHeaders().freeze();

/** @see RFC 8441 section 4 */
function checkProtocol(protocol: string, method: string, http2: boolean): void {
  if (!isToken(protocol)) throw invalid(`protocol is not a token: "${printable(protocol)}"`);
  if (method !== "CONNECT") throw invalid("protocol is said with the method CONNECT alone");
  if (!http2) throw invalid("protocol needs HTTP/2, which http2: false forbids");
}

function flag(name: string, value: boolean | undefined): boolean | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "boolean") throw invalid(`${name} is neither true nor false`);
  return value;
}

function hook(name: string, value: ProgressHook | undefined): ProgressHook | null {
  if (value !== undefined && typeof value !== "function") throw invalid(`${name} is no function`);
  return value ?? null;
}

/** Whether it can be one; those of other realms and of libraries are not of our class. */
function isSignal(value: AbortSignal): boolean {
  return typeof value.aborted === "boolean" && typeof value.addEventListener === "function" &&
    typeof value.removeEventListener === "function";
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function unknownOption(name: string): HttpError {
  return invalid(`Unknown request option "${printable(name)}"`);
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "request" });
}
