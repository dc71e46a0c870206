/**
 * Turns a request into what goes over the wire: the head with the fields that are ours, the content
 * with its framing. Everything that contradicts itself is refused here, before a connection is
 * asked for.
 *
 * @module
 */
import type { TcpAddress } from "../conn/conn.ts";
import { HttpError } from "../conn/http_error.ts";
import type { OutgoingRequest } from "../http1/client_exchange.ts";
import type { ContentSource, OutgoingContent } from "../http1/content_sender.ts";
import { parseDigits } from "../http1/grammar.ts";
import { fieldLine, HEAD_END, requestLine } from "../http1/head_writer.ts";
import { connectionOptions } from "../http1/persistence.ts";
import { checkAuthority, checkedTrailer, type HttpRequest } from "./http_request.ts";
import { basicCredentials, type ProxyServer } from "./proxy_server.ts";
import { countedSource, ProgressCounter } from "./progress.ts";
import { type RequestBody, requestBody } from "./request_body.ts";

/** Sent unless the caller gives another, or an empty one for none. */
export const USER_AGENT: string = "roundtrip/0.1.0";

const USER_AGENT_LINE = fieldLine("User-Agent", USER_AGENT);

/** What the transport adds to requests. */
export interface OutgoingOptions {
  /** Content codings to ask for where the caller has not said what to accept; empty: none. */
  acceptEncoding: string;
  /** Say `Connection: close`. */
  close: boolean;
  /** Leave the caller's `Expect: 100-continue` out. */
  withoutExpect: boolean;
  /** The proxy that is given the request in absolute form, or null. */
  forwarder: ProxyServer | null;
  /** Leave the caller's `Proxy-Authorization` out: it is for no server but a proxy. */
  withoutProxyAuthorization: boolean;
}

/** A request ready for one attempt. */
export interface Outgoing extends OutgoingRequest {
  /** Whether content codings were asked for on the caller's behalf. */
  readonly asksForCoding: boolean;
  readonly content: OutgoingBody | null;
}

/** Fields that are ours, as the caller may have given them. */
interface Given {
  host: boolean;
  userAgent: boolean;
  contentLength: boolean;
  transferEncoding: boolean;
  contentType: boolean;
  trailer: boolean;
  acceptEncoding: boolean;
  proxyAuthorization: boolean;
  range: boolean;
  expect: boolean;
  close: boolean;
  upgrade: boolean;
}

/**
 * Makes a request ready for one attempt.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: fields that contradict each other, the body or the
 * options of the request.
 */
export function outgoingRequest(request: HttpRequest, options: OutgoingOptions): Outgoing {
  const { method, headers } = request;
  const body = request.body === null ? null : requestBody(request.body);
  const given = headers.size === 0 ? NOTHING_GIVEN : inspect(request);
  const lengthBytes = body === null ? null : contentLength(request, body, given);
  const chunked = body !== null && lengthBytes === null;

  let head = requestLine(method, requestTarget(request, options.forwarder));
  if (!given.host) head += fieldLine("Host", request.host ?? request.authority);
  if (!given.userAgent) head += USER_AGENT_LINE;
  if (headers.size > 0) head += callersFields(request, given, lengthBytes, options);
  const { forwarder } = options;
  if (forwarder !== null && forwarder.username !== null && !given.proxyAuthorization) {
    head += fieldLine("Proxy-Authorization", basicCredentials(forwarder));
  }
  const asksForCoding = options.acceptEncoding !== "" && request.decompress !== false &&
    !given.acceptEncoding && !given.range && method !== "HEAD" && method !== "CONNECT";
  if (asksForCoding) head += fieldLine("Accept-Encoding", options.acceptEncoding);
  if (body !== null) {
    if (!given.contentType && body.contentType !== null) {
      head += fieldLine("Content-Type", body.contentType);
    }
    if (chunked) {
      if (!given.transferEncoding) head += fieldLine("Transfer-Encoding", "chunked");
      if (Array.isArray(request.trailers) && request.trailers.length > 0 && !given.trailer) {
        head += fieldLine("Trailer", request.trailers.map(([name]) => name).join(", "));
      }
    } else if (!given.contentLength) {
      head += fieldLine("Content-Length", String(lengthBytes));
    }
  } else if (!given.contentLength && expectsContent(method)) {
    head += fieldLine("Content-Length", "0");
  }
  const close = request.close || options.close || given.close;
  if (close && !given.close) head += fieldLine("Connection", "close");

  return {
    method,
    head: head + HEAD_END,
    content: body === null ? null : new OutgoingBody(request, body, lengthBytes),
    expectContinue: body !== null && given.expect && !options.withoutExpect,
    upgrade: given.upgrade,
    close,
    asksForCoding,
  };
}

const NOTHING_GIVEN: Given = {
  host: false,
  userAgent: false,
  contentLength: false,
  transferEncoding: false,
  contentType: false,
  trailer: false,
  acceptEncoding: false,
  proxyAuthorization: false,
  range: false,
  expect: false,
  close: false,
  upgrade: false,
};

function inspect(request: HttpRequest): Given {
  const given: Given = { ...NOTHING_GIVEN };
  let upgradeField = false;
  let upgradeOption = false;
  request.headers.forEach((value, name) => {
    switch (name.toLowerCase()) {
      case "host":
        if (given.host) throw invalid("Two Host fields");
        if (request.host !== null) throw invalid("Both a Host field and the option host");
        checkAuthority(value);
        given.host = true;
        break;
      case "user-agent":
        given.userAgent = true;
        break;
      case "content-length":
        if (given.contentLength) throw invalid("Two Content-Length fields");
        given.contentLength = true;
        break;
      case "transfer-encoding":
        if (given.transferEncoding) throw invalid("Two Transfer-Encoding fields");
        if (value.toLowerCase() !== "chunked") {
          throw invalid("A Transfer-Encoding other than chunked");
        }
        given.transferEncoding = true;
        break;
      case "content-type":
        given.contentType = true;
        break;
      case "trailer":
        given.trailer = true;
        break;
      case "accept-encoding":
        given.acceptEncoding = true;
        break;
      case "proxy-authorization":
        given.proxyAuthorization = true;
        break;
      case "range":
        given.range = true;
        break;
      case "expect":
        if (value.toLowerCase() === "100-continue") given.expect = true;
        break;
      case "upgrade":
        upgradeField = true;
        break;
      case "connection":
        for (const option of connectionOptions([value])) {
          if (option === "close") given.close = true;
          if (option === "upgrade") upgradeOption = true;
        }
        break;
    }
  });
  if (given.contentLength && given.transferEncoding) {
    throw invalid("Both Content-Length and Transfer-Encoding");
  }
  if (given.contentLength && request.body === null) {
    if (parseDigits(request.headers.get("content-length")!) !== 0) {
      throw invalid("A Content-Length without a body");
    }
  }
  if (given.expect && request.body === null) {
    throw invalid("Expect: 100-continue without a body to hold back");
  }
  if (given.transferEncoding && request.body === null) {
    throw invalid("Transfer-Encoding without a body");
  }
  if (upgradeField !== upgradeOption) {
    throw invalid("Upgrade goes with Connection: upgrade");
  }
  given.upgrade = upgradeField;
  return given;
}

/** Length to declare, or null for chunked. */
function contentLength(request: HttpRequest, body: RequestBody, given: Given): number | null {
  const declared = new Set<number>();
  if (body.lengthBytes !== null) declared.add(body.lengthBytes);
  if (request.contentLength !== null) declared.add(request.contentLength);
  if (given.contentLength) {
    const bytes = parseDigits(request.headers.get("content-length")!);
    if (bytes === null) throw invalid("A Content-Length that is no length");
    declared.add(bytes);
  }
  if (declared.size > 1) {
    throw invalid(`The body's length is stated as both ${[...declared].join(" and ")}`);
  }
  const chunked = given.transferEncoding || request.trailers !== null;
  if (chunked && (given.contentLength || request.contentLength !== null)) {
    throw invalid("A body with trailers, or sent chunked, declares no length");
  }
  return chunked ? null : [...declared][0] ?? null;
}

/** The content of one attempt. */
export class OutgoingBody implements OutgoingContent {
  readonly bytes: Uint8Array | null;
  readonly lengthBytes: number | null;
  readonly #request: HttpRequest;
  readonly #body: RequestBody;
  #begun = false;

  constructor(request: HttpRequest, body: RequestBody, lengthBytes: number | null) {
    this.#request = request;
    this.#body = body;
    this.lengthBytes = lengthBytes;
    const counted = request.onUploadProgress !== null;
    this.bytes = lengthBytes === null || counted ? null : body.bytes;
  }

  open(): ContentSource {
    this.#begun = true;
    const source = this.#body.open();
    const { onUploadProgress } = this.#request;
    if (onUploadProgress === null) return source;
    return countedSource(source, new ProgressCounter(onUploadProgress, this.lengthBytes));
  }

  async trailers(): Promise<[string, string][]> {
    const { trailers } = this.#request;
    if (typeof trailers !== "function") return trailers ?? [];
    return (await trailers()).map(([name, value]) => checkedTrailer(name, value));
  }

  /** Lets a body go that was not begun, and will not be. */
  discard(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#body.discard();
  }
}

function expectsContent(method: string): boolean {
  return method === "POST" || method === "PUT" || method === "PATCH";
}

/** The caller's fields, with what the transport knows better. */
function callersFields(
  { headers, body }: HttpRequest,
  given: Given,
  lengthBytes: number | null,
  options: OutgoingOptions,
): string {
  let lines = "";
  headers.forEach((value, name) => {
    switch (name.toLowerCase()) {
      case "user-agent":
        if (value === "") return;
        break;
      case "content-length":
        if (body === null) value = "0";
        else if (lengthBytes === null) return;
        else value = String(lengthBytes);
        break;
      case "expect":
        if (given.expect && options.withoutExpect) return;
        break;
      case "proxy-authorization":
        if (options.withoutProxyAuthorization) return;
        break;
    }
    lines += fieldLine(name, value);
  });
  return lines;
}

/** @see RFC 9112 section 3.2 */
function requestTarget(request: HttpRequest, forwarder: ProxyServer | null): string {
  if (request.method === "CONNECT") return connectTarget(request);
  if (forwarder === null) return request.requestTarget;
  return `${request.scheme}//${request.authority}${request.requestTarget}`;
}

/**
 * Where a request with the method CONNECT wants a tunnel to.
 *
 * Pure.
 */
export function connectAddress(request: HttpRequest): TcpAddress {
  const [, host, port] = /^(.*):([0-9]+)$/.exec(connectTarget(request))!;
  const hostname = host.startsWith("[") ? host.slice(1, -1) : host;
  return { transport: "tcp", hostname, port: Number(port) };
}

function connectTarget(request: HttpRequest): string {
  const host = request.host ?? request.authority;
  return /:[0-9]+$/.test(host) ? host : `${host}:${request.port}`;
}

function invalid(what: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", `Cannot send this request: ${what}`, {
    phase: "request",
  });
}
