/**
 * A request as the caller states it. Immutable, so that it can be sent again.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";
import { checkMethod } from "../http1/head_writer.ts";
import { checkedField, HttpHeaders, type HttpHeadersInit } from "../http/http_headers.ts";
import type { DigestCheck } from "./message/body_digests.ts";
import { canHold, parseIntegrity } from "./message/integrity.ts";
import type { ProgressHook } from "./progress.ts";
import type { BodySource } from "./request_body.ts";
import { requestUrl } from "./message/request_url.ts";
import type { ClientTrace } from "./trace.ts";

/** Trailer fields, or how to get them once the body has been sent. */
export type TrailersSource =
  | [string, string][]
  | (() => [string, string][] | Promise<[string, string][]>);

/** What a request can say besides its URL. */
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
  /** Close the connection after this exchange. @default {false} */
  close?: boolean;
  /**
   * Whether to take content codings off. Default: only when Roundtrip itself asked for them.
   * False: ask for none, and keep the bytes. True: also when `Accept-Encoding` is the caller's; a
   * coding that cannot be taken off then fails with `ERR_DECODE` when the body is read. `"known"`:
   * as true, but content with a coding that cannot be taken off stays as it came.
   */
  decompress?: boolean | "known";
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
}

/** The names of {@linkcode HttpRequestInit}; others are refused, not ignored. */
const INIT_NAMES: ReadonlySet<keyof HttpRequestInit> = new Set([
  "method",
  "headers",
  "body",
  "contentLength",
  "trailers",
  "host",
  "close",
  "decompress",
  "signal",
  "timeoutMs",
  "trace",
  "onUploadProgress",
  "onDownloadProgress",
  "digest",
  "integrity",
  "redirectedFrom",
]);

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
  /** The length that the caller declared, in bytes, or null. */
  readonly contentLength: number | null;
  /** Trailer fields, or how to get them; null if there are none. */
  readonly trailers: TrailersSource | null;
  /** The `Host` field, where it differs from the URL; else null. */
  readonly host: string | null;
  /** Whether the connection is closed after the exchange. */
  readonly close: boolean;
  /** Whether content codings are taken off; null: as the transport decides. */
  readonly decompress: boolean | "known" | null;
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
  /** Path and query. */
  readonly requestTarget: string;

  /**
   * Makes a request.
   *
   * @param url Absolute. Its fragment is not sent. `http+unix:` URLs have the percent-encoded path
   * of a socket in the place of the host: `http+unix://%2Fvar%2Frun%2Fdocker.sock/info`.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: what may not be sent, or an unknown option.
   */
  constructor(url: string | URL, init: HttpRequestInit = {}) {
    for (const name in init) {
      if (!INIT_NAMES.has(name as keyof HttpRequestInit)) {
        throw invalid(`Unknown request option "${printable(name)}"`);
      }
    }
    const target = requestUrl(url);
    this.href = target.href;
    this.fragment = target.fragment;
    this.scheme = target.origin.scheme;
    this.socketPath = target.origin.socketPath;
    this.hostname = target.origin.hostname;
    this.port = target.origin.port;
    this.authority = target.origin.authority;
    this.requestTarget = target.requestTarget;
    this.method = init.method === undefined ? "GET" : `${init.method}`;
    checkMethod(this.method);
    this.headers = init.headers === undefined ? NO_HEADERS : HttpHeaders.frozen(init.headers);
    this.body = init.body ?? null;
    this.contentLength = init.contentLength ?? null;
    if (this.contentLength !== null && !isCount(this.contentLength)) {
      throw invalid(`contentLength is not a length: ${this.contentLength}`);
    }
    this.trailers = checkedTrailers(init.trailers ?? null);
    this.host = init.host === undefined ? null : `${init.host}`;
    if (this.host !== null) checkAuthority(this.host);
    this.close = flag("close", init.close) ?? false;
    this.decompress = init.decompress === "known" ? "known" : flag("decompress", init.decompress);
    this.signal = init.signal ?? null;
    if (this.signal !== null && typeof this.signal.addEventListener !== "function") {
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
   * The same request but for what `changes` says; what is undefined there becomes the default.
   *
   * Pure.
   *
   * @param url Another URL. Default: the same, with its fragment.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: as when one is made.
   */
  with(changes: HttpRequestInit, url: string | URL = this.href + this.fragment): HttpRequest {
    const init: Record<string, unknown> = {};
    for (const name of INIT_NAMES) init[name] = this[name] ?? undefined;
    return new HttpRequest(url, { ...init, ...changes });
  }
}

/**
 * A trailer field that may be sent.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: also for fields that decide how a message is read, and
 * so must stand in its head.
 * @see RFC 9110 section 6.5.1
 */
export function checkedTrailer(name: string, value: string): [string, string] {
  const field = checkedField(name, value);
  if (NOT_IN_TRAILERS.has(field[0].toLowerCase())) {
    throw invalid(`Cannot send ${field[0]} as a trailer field`);
  }
  return field;
}

/**
 * Refuses what is no host with an optional port.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`.
 */
export function checkAuthority(authority: string): void {
  if (!AUTHORITY.test(authority)) throw invalid(`Cannot use host "${printable(authority)}"`);
}

/** Shared by all requests without headers: nobody can change it. */
const NO_HEADERS: HttpHeaders = new HttpHeaders().freeze();

const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  "transfer-encoding",
  "content-length",
  "host",
  "connection",
  "keep-alive",
  "te",
  "trailer",
  "upgrade",
  "expect",
  "range",
  "content-encoding",
  "content-type",
  "content-range",
  "cache-control",
  "max-forwards",
  "authorization",
  "proxy-authorization",
  "proxy-authenticate",
  "www-authenticate",
  "set-cookie",
  "cookie",
]);

function flag(name: string, value: boolean | undefined): boolean | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "boolean") throw invalid(`${name} is neither true nor false`);
  return value;
}

function hook(name: string, value: ProgressHook | undefined): ProgressHook | null {
  if (value !== undefined && typeof value !== "function") throw invalid(`${name} is no function`);
  return value ?? null;
}

function checkedTrailers(trailers: TrailersSource | null): TrailersSource | null {
  if (trailers === null || typeof trailers === "function") return trailers;
  if (!Array.isArray(trailers) || trailers.some((pair) => pair?.length !== 2)) {
    throw invalid("Trailers are pairs of name and value, or a function");
  }
  return trailers.map(([name, value]) => checkedTrailer(name, value));
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "request" });
}
