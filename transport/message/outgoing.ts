/**
 * Turns a request into what goes over the wire: the head with the fields that are ours, the content
 * with its framing. Everything that contradicts itself is refused here, before a connection is
 * asked for.
 *
 * @module
 */
import type { TcpAddress } from "../../conn/conn.ts";
import type { OutgoingRequest } from "../../http1/client_exchange.ts";
import type { ContentSource, OutgoingContent } from "../../http1/content_sender.ts";
import { parseDigits } from "../../http/grammar.ts";
import { fieldLine, HEAD_END, requestLine } from "../../http1/head_writer.ts";
import { type GivenFields, givenFields, invalid } from "./given_fields.ts";
import { checkedTrailer, type HttpRequest } from "../http_request.ts";
import { basicCredentials, type ProxyServer } from "../route/proxy_server.ts";
import { countedSource, ProgressCounter } from "../progress.ts";
import { type RequestBody, requestBody } from "../request_body.ts";

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

/**
 * Makes a request ready for one attempt.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: fields that contradict each other, the body or the
 * options of the request.
 */
export function outgoingRequest(request: HttpRequest, options: OutgoingOptions): Outgoing {
  const { method } = request;
  const body = request.body === null ? null : requestBody(request.body);
  const given = givenFields(request);
  const lengthBytes = body === null ? null : contentLength(request, body, given);
  const chunked = body !== null && lengthBytes === null;

  let head = requestLine(method, requestTarget(request, options.forwarder));
  if (!given.host) head += fieldLine("Host", request.host ?? request.authority);
  if (!given.userAgent) head += USER_AGENT_LINE;
  head += callersFields(request, given, lengthBytes, options);
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

/** Length to declare, or null for chunked. */
function contentLength(request: HttpRequest, body: RequestBody, given: GivenFields): number | null {
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
  given: GivenFields,
  lengthBytes: number | null,
  options: OutgoingOptions,
): string {
  const isAsGiven = !given.userAgent && !given.contentLength &&
    !(given.expect && options.withoutExpect) &&
    !(given.proxyAuthorization && options.withoutProxyAuthorization);
  if (isAsGiven) return given.lines;
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
