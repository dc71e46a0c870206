/**
 * Turns a request into what goes over the wire: the head with the fields that are ours, the content
 * with its framing. Everything that contradicts itself is refused here, before a connection is
 * asked for.
 *
 * @module
 */
import { type AsyncContext, within } from "../../conn/runtimes/async_context.ts";
import type { TcpAddress } from "../../conn/conn.ts";
import type { HttpError } from "../../conn/http_error.ts";
import type { OutgoingRequest } from "../../http/outgoing_request.ts";
import { changedLength } from "../../http1/content_sender.ts";
import type { ContentSource, OutgoingContent } from "../../http/outgoing_request.ts";
import { parseDigits } from "../../http/grammar.ts";
import { fieldLine, HEAD_END, requestLine } from "../../http1/head_writer.ts";
import { type GivenFields, givenFields, invalid } from "./given_fields.ts";
import type { HttpRequest } from "./http_request.ts";
import { countedSource, ProgressCounter } from "../progress.ts";
import { type RequestBody, requestBody } from "./request_body.ts";
import { absoluteTarget } from "./request_target.ts";
import { checkedTrailer } from "./request_trailers.ts";

/** Sent unless the caller gives another, or an empty one for none. */
export const USER_AGENT: string = "roundtrip/0.1.0";

const USER_AGENT_LINE = fieldLine("User-Agent", USER_AGENT);

const NO_LINE = "\r\n";

/** What a request tells the proxy that forwards it. */
export interface Forwarder {
  /** The value of its `Proxy-Authorization`, or null. */
  readonly credentials: string | null;
}

/** What the transport adds to requests. */
export interface OutgoingOptions {
  /** Content codings to ask for where the caller has not said what to accept; empty: none. */
  acceptEncoding: string;
  /** Say `Connection: close`. */
  close: boolean;
  /** Leave the caller's `Expect: 100-continue` out. */
  withoutExpect: boolean;
  /** The proxy that is given the request in absolute form, or null. */
  forwarder: Forwarder | null;
  /** Leave the caller's `Proxy-Authorization` out: it is for no server but a proxy. */
  withoutProxyAuthorization: boolean;
}

/** A request ready for one attempt. */
export class Outgoing implements OutgoingRequest {
  readonly method: string;
  readonly target: string;
  readonly protocol: string | null;
  readonly head: string;
  readonly content: OutgoingBody | null;
  readonly expectContinue: boolean;
  readonly upgrade: boolean;
  readonly close: boolean;
  /** Whether content codings were asked for on the caller's behalf. */
  readonly asksForCoding: boolean;
  readonly #request: HttpRequest;

  constructor(
    request: HttpRequest,
    target: string,
    head: string,
    content: OutgoingBody | null,
    expectContinue: boolean,
    upgrade: boolean,
    close: boolean,
    asksForCoding: boolean,
  ) {
    this.#request = request;
    this.method = request.method;
    this.protocol = request.protocol;
    this.target = target;
    this.head = head;
    this.content = content;
    this.expectContinue = expectContinue;
    this.upgrade = upgrade;
    this.close = close;
    this.asksForCoding = asksForCoding;
  }

  get scheme(): string {
    return this.#request.scheme === "https:" ? "https" : "http";
  }

  get authority(): string {
    const { host, headers, authority } = this.#request;
    return host ?? headers.get("host") ?? authority;
  }

  forEachField(callback: (name: string, value: string) => void): void {
    const { head } = this;
    // Of the head as it was made: what it says stands there and nowhere else.
    for (let at = head.indexOf("\r\n") + 2; at < head.length - 2;) {
      const colon = head.indexOf(":", at);
      const end = head.indexOf("\r\n", colon);
      callback(head.slice(at, colon), head.slice(colon + 2, end));
      at = end + 2;
    }
  }
}

/**
 * Makes a request ready for one attempt.
 *
 * @param context Where the caller's functions, streams and iterables are called.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: fields that contradict each other, the body or the
 * options of the request.
 */
export function outgoingRequest(
  request: HttpRequest,
  options: OutgoingOptions,
  context: AsyncContext | null = null,
): Outgoing {
  const { method } = request;
  const body = request.body === null
    ? null
    : within(context, requestBody, request.body, request.arrayBytes);
  const given = givenFields(request);
  const lengthBytes = body === null ? null : contentLength(request, body, given);
  const chunked = body !== null && lengthBytes === null;

  const target = requestTarget(request, options.forwarder);
  // HTTP/1.1 has no line for a request with a protocol: all that counts are its fields.
  let head = request.protocol === null ? requestLine(method, target) : NO_LINE;
  if (!given.host) head += fieldLine("Host", request.host ?? request.authority);
  if (!given.userAgent) head += USER_AGENT_LINE;
  head += callersFields(request, given, lengthBytes, options);
  const { forwarder } = options;
  if (forwarder !== null && forwarder.credentials !== null && !given.proxyAuthorization) {
    head += fieldLine("Proxy-Authorization", forwarder.credentials);
  }
  const asksForCoding = options.acceptEncoding !== "" && request.decompress !== false &&
    !given.acceptEncoding && !given.range && method !== "HEAD" && method !== "CONNECT";
  if (asksForCoding) head += fieldLine("Accept-Encoding", options.acceptEncoding);
  if (body !== null) {
    const contentType = request.bodyType ?? body.contentType;
    if (!given.contentType && contentType !== null) {
      head += fieldLine("Content-Type", contentType);
    }
    if (chunked) {
      if (!given.transferEncoding) head += fieldLine("Transfer-Encoding", "chunked");
      if (Array.isArray(request.trailers) && request.trailers.length > 0 && !given.trailer) {
        head += fieldLine("Trailer", request.trailers.map(([name]) => name).join(", "));
      }
    } else if (!given.contentLength) {
      head += fieldLine("Content-Length", String(lengthBytes));
    }
  } else if (!given.contentLength && expectsContent(request)) {
    head += fieldLine("Content-Length", "0");
  }
  const close = request.close || options.close || given.close;
  if (close && !given.close) head += fieldLine("Connection", "close");

  return new Outgoing(
    request,
    target,
    head + HEAD_END,
    body === null ? null : new OutgoingBody(request, body, lengthBytes, context),
    body !== null && given.expect && !options.withoutExpect,
    given.upgrade,
    close,
    asksForCoding,
  );
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
  readonly #context: AsyncContext | null;
  #begun = false;
  #isWatched = false;
  #isOwed = false;

  constructor(
    request: HttpRequest,
    body: RequestBody,
    lengthBytes: number | null,
    context: AsyncContext | null,
  ) {
    this.#request = request;
    this.#body = body;
    this.#context = context;
    this.lengthBytes = lengthBytes;
    const counted = request.onUploadProgress !== null;
    this.bytes = lengthBytes === null || counted ? null : body.bytes;
  }

  /** From now on it is known whether {@linkcode OutgoingBody.isOwed}. */
  watch(): void {
    this.#isWatched = true;
  }

  /** Whether the caller owes the next piece, or the trailers. Order: after {@linkcode OutgoingBody.watch}. */
  get isOwed(): boolean {
    return this.#isOwed;
  }

  open(): ContentSource {
    const source = this.#openInContext();
    if (!this.#isWatched) return source;
    return {
      next: () => this.#owed(() => source.next()),
      cancel: () => source.cancel(),
    };
  }

  async #owed<T>(give: () => T | Promise<T>): Promise<T> {
    this.#isOwed = true;
    try {
      return await give();
    } finally {
      this.#isOwed = false;
    }
  }

  #openInContext(): ContentSource {
    this.#begun = true;
    const context = this.#context;
    if (context === null) return this.#open();
    const source = context.run(() => this.#open());
    return {
      next: () => context.run(() => source.next()),
      cancel: () => context.run(() => source.cancel()),
    };
  }

  #open(): ContentSource {
    const source = this.#body.open();
    const { onUploadProgress } = this.#request;
    if (onUploadProgress === null) return source;
    return countedSource(source, new ProgressCounter(onUploadProgress, this.lengthBytes));
  }

  async trailers(): Promise<[string, string][]> {
    const { trailers } = this.#request;
    if (typeof trailers !== "function") return trailers ?? [];
    const made: unknown = await this.#owed(() => within(this.#context, trailers));
    if (!Array.isArray(made) || !made.every((pair) => Array.isArray(pair) && pair.length === 2)) {
      throw invalid("trailers() gave no list of pairs of name and value");
    }
    return made.map(([name, value]) => checkedTrailer(name, value));
  }

  /** Why it cannot be sent any more, null if it can: a caller may detach or resize its array. */
  get obstacle(): HttpError | null {
    const { bytes, lengthBytes } = this.#body;
    return bytes === null || bytes.length === lengthBytes
      ? null
      : changedLength(bytes.length, lengthBytes!);
  }

  /** Lets a body go that was not begun, and will not be. */
  discard(): void {
    if (this.#begun) return;
    this.#begun = true;
    within(this.#context, () => this.#body.discard());
  }
}

function expectsContent({ method, statesEmptyPatch }: HttpRequest): boolean {
  return method === "POST" || method === "PUT" || (method === "PATCH" && statesEmptyPatch);
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

/**
 * What is asked for, as it is sent.
 *
 * Pure.
 *
 * @see RFC 9112 section 3.2
 */
export function requestTarget(request: HttpRequest, forwarder: Forwarder | null): string {
  if (request.method === "CONNECT" && request.protocol === null) return connectTarget(request);
  const target = request.target ?? request.requestTarget;
  return forwarder === null ? target : absoluteTarget(target, request.scheme, request.authority);
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
