/**
 * A response: its head at once, its body as it is read.
 *
 * @module
 */
import type { AsyncContext } from "../../conn/runtimes/async_context.ts";
import type { Address, Conn, TlsInfo } from "../../conn/conn.ts";
import { type Attempt, HttpError } from "../../conn/http_error.ts";
import { contentLength } from "../../http/content_length.ts";
import type { Framing } from "../../http/incoming_content.ts";
import { HttpHeaders } from "../../http/http_headers.ts";
import type { IncomingContent } from "../../http/incoming_content.ts";
import type { ResponseHead } from "../../http/response_head.ts";
import { ANSWERED } from "../attempt.ts";
import { bodySteps, type DecodingLimits } from "./body_steps.ts";
import { charsetOf, decodeText } from "./charset.ts";
import type { HttpRequest } from "./http_request.ts";
import {
  type BodyExchange,
  type BodySteps,
  IncomingBody,
  isChecked,
  type ResponseBody,
} from "./response_body.ts";

/** Milliseconds of each phase; null where it did not happen, or has not ended yet. */
export interface Timings {
  /**
   * From the call until a connection was there or was being made; of a request that was sent again,
   * with the attempts that were lost.
   */
  readonly queueMs: number | null;
  /** Connecting: to the server, or to the first proxy. */
  readonly dialMs: number | null;
  /** Getting through the proxies, TLS to them included. */
  readonly proxyMs: number | null;
  /** The TLS handshake with the server. */
  readonly tlsMs: number | null;
  /**
   * Sending the request, `continueMs` left out. It ends with the first byte of the final head: content
   * may go on beside a response.
   */
  readonly requestMs: number | null;
  /**
   * Holding content back: from the head of the request to the 100, the final response, or the end of
   * `expectContinueTimeoutMs`.
   */
  readonly continueMs: number | null;
  /** From the end of sending to the first byte of the final head; informational ones do not end it. */
  readonly waitMs: number | null;
  /** From the first byte of the final head to the end of the body. */
  readonly bodyMs: number | null;
}

/** The connection that served. */
export interface ResponseConnection {
  /** Integer from 1, unique within its transport. */
  readonly id: number;
  /** Whether it had served another request before. */
  readonly reused: boolean;
  /** What was spoken on it, by its name in ALPN. */
  readonly protocol: "http/1.1" | "h2";
  /** The number of the stream that carried the exchange, integer from 1; null in HTTP/1.1. */
  readonly streamId: number | null;
  /** This end. */
  readonly localAddr: Address;
  /** The server's end, or the proxy's. */
  readonly remoteAddr: Address;
  /** The TLS session with the server, null without TLS; that with a proxy does not count. */
  readonly tls: TlsInfo | null;
}

/**
 * A response. Read its body to the end, or close it: until then it holds its connection, unless all of
 * it has come and is no more than 64 KiB; a transport keeps 16 MiB of such bodies, not counted those
 * that came in one piece with their head.
 */
export interface HttpResponse extends AsyncDisposable {
  /** Integer 100..999. */
  readonly status: number;
  /** Whether the status is one of success, 200 to 299. */
  readonly ok: boolean;
  /** The reason phrase; may be empty. */
  readonly statusText: string;
  /** `"2"`, `"1.1"` or `"1.0"`. */
  readonly httpVersion: string;
  /** Header fields in the server's order and case. */
  readonly headers: HttpHeaders;
  /**
   * Trailer fields; settles when the body has ended: when all of it has come or, where it is decoded
   * or checked, when it is read. Never an unhandled rejection.
   */
  readonly trailers: Promise<HttpHeaders>;
  /** Bytes, as declared; null if unknown, and where a content coding was taken off. */
  readonly contentLength: number | null;
  /** Whether a content coding was taken off; the headers that told of it are gone then. */
  readonly uncompressed: boolean;
  /** What was accepted although the server should not have sent it; of the body, as it is read. */
  readonly deviations: readonly string[];
  /** The URL that was requested last, without its fragment. */
  readonly url: string;
  /** Whether a redirect led here. */
  readonly redirected: boolean;
  /** The request that was answered. */
  readonly request: HttpRequest;
  /** The connection that served. */
  readonly connection: ResponseConnection;
  /** Milliseconds of each phase. */
  readonly timings: Timings;
  /** The body as it comes. */
  readonly body: ResponseBody;
  /** The rest of the body in an array of its own. @throws As `body.read`. */
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * The rest of the body as text, by the `charset` of its `Content-Type` as `TextDecoder` knows it,
   * without a byte order mark. Default: UTF-8; so is a charset that the runtime does not know, which
   * {@linkcode deviations} then lists as `unknown-charset`.
   */
  text(): Promise<string>;
  /**
   * The rest of the body, which is UTF-8, parsed. Nothing looks whether it is a `T`.
   *
   * @throws {HttpError} `ERR_DECODE`: not JSON.
   */
  json<T = unknown>(): Promise<T>;
  /** The rest of the body in a buffer of its own. */
  arrayBuffer(): Promise<ArrayBuffer>;
  /** The rest of the body with the response's `Content-Type`. */
  blob(): Promise<Blob>;
  /** The rest of the body as a form. @throws {HttpError} `ERR_DECODE`: not a form. */
  formData(): Promise<FormData>;
  /**
   * The connection, after 101 or 2xx to CONNECT, with unread bytes first. Once.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`: the protocol was not switched.
   */
  upgrade(): Conn;
  /**
   * The same response as the platform's, over the same body; its headers are those of this one, which
   * do not tell of a content coding that was taken off. Nothing is read before it is asked for;
   * of a `clone()`, the platform keeps what one has read and the other has not, without a bound.
   */
  toWeb(): Response;
}

/** What a response asks of its exchange. */
export interface ResponseExchange extends BodyExchange {
  readonly request: HttpRequest;
  /** Where the request's callbacks are called, or null. */
  readonly context: AsyncContext | null;
  readonly connectionInfo: ResponseConnection;
  readonly timings: Timings;
  /** What is known of each attempt so far, the one that was answered last. */
  readonly attempts: readonly Attempt[];
  /** Null where the exchange has not undertaken to take content codings off. */
  readonly decoding: DecodingLimits | null;
  /** Bytes of the body, decoded; Infinity: no limit. */
  readonly maxBodyBytes: number;
  /** Settles when the body has ended, with its trailers if there were any. */
  readonly ended: Promise<HttpHeaders | null>;
}

const utf8 = new TextDecoder();

/** Statuses with which the platform's `Response` has no body. */
const NULL_BODY_STATUSES: ReadonlySet<number> = new Set([204, 205, 304]);

/** The response of one exchange. */
export class ReceivedResponse implements HttpResponse {
  readonly status: number;
  readonly request: HttpRequest;
  readonly uncompressed: boolean;
  /** Whether its body can fail although all of it has come, so that only reading it ends it. */
  readonly isProcessed: boolean;
  readonly #head: ResponseHead;
  readonly #content: IncomingContent;
  readonly #exchange: ResponseExchange;
  readonly #steps: BodySteps;
  #body: IncomingBody | null = null;
  #connection: ResponseConnection | null = null;
  #headers: HttpHeaders | null = null;
  #trailers: Promise<HttpHeaders> | null = null;
  #hasUnknownCharset = false;

  constructor(head: ResponseHead, content: IncomingContent, exchange: ResponseExchange) {
    this.#head = head;
    this.#content = content;
    this.#exchange = exchange;
    this.status = head.statusCode;
    this.request = exchange.request;
    this.#steps = bodySteps(head, content, exchange);
    this.uncompressed = this.#steps.codings.length > 0;
    this.isProcessed = isChecked(this.#steps);
  }

  get connection(): ResponseConnection {
    return this.#connection ??= this.#exchange.connectionInfo;
  }

  get ok(): boolean {
    return this.status >= 200 && this.status <= 299;
  }

  get statusText(): string {
    return this.#head.reasonPhrase;
  }

  get httpVersion(): string {
    return this.#head.httpVersion;
  }

  /** Also those that tell of a content coding that was taken off. */
  get receivedHeaders(): HttpHeaders {
    return this.#head.headers;
  }

  get headers(): HttpHeaders {
    if (!this.uncompressed) return this.#head.headers;
    if (this.#headers === null) {
      this.#headers = new HttpHeaders(this.#head.headers);
      this.#headers.delete("Content-Encoding");
      this.#headers.delete("Content-Length");
    }
    return this.#headers;
  }

  get trailers(): Promise<HttpHeaders> {
    if (this.#trailers === null) {
      this.#trailers = this.#exchange.ended.then((trailers) => trailers ?? new HttpHeaders());
      // Whoever waits for them is told; nobody else need be.
      this.#trailers.catch(() => {});
    }
    return this.#trailers;
  }

  get contentLength(): number | null {
    if (this.uncompressed) return null;
    const { framing } = this.#content;
    if (framing.kind === "length") return framing.bytes;
    const { fields } = this.#head;
    // Of HEAD and 304: what a GET would have declared.
    if (framing.kind === "none" && fields.contentLength !== -1) {
      return contentLength(fields, [], "ERR_MALFORMED_RESPONSE");
    }
    return framing.kind === "none" && this.request.method !== "HEAD" ? 0 : null;
  }

  /** What tells the end of its content. */
  get framing(): Framing {
    return this.#content.framing;
  }

  get deviations(): readonly string[] {
    const { deviations } = this.#content;
    // Not among those of the connection: it says nothing about where the message ends.
    return this.#hasUnknownCharset ? [...deviations, "unknown-charset"] : deviations;
  }

  get url(): string {
    return this.request.href;
  }

  get redirected(): boolean {
    return this.request.redirectedFrom !== null;
  }

  get timings(): Timings {
    return this.#exchange.timings;
  }

  /** Bytes of the body, decoded; Infinity: no limit. */
  get maxBodyBytes(): number {
    return this.#exchange.maxBodyBytes;
  }

  /** What is known of the attempts that led to it. */
  get attempts(): readonly Attempt[] {
    return this.#exchange.attempts;
  }

  get body(): IncomingBody {
    return this.#body ??= new IncomingBody(this.#content, this.#steps, this.#exchange);
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const { framing } = this.#content;
    const exact = framing.kind === "length" && !this.uncompressed;
    return this.body.bytes(exact ? framing.bytes : null);
  }

  /** All of the body if it came with the head and nothing is to be done to it; else null. Once. */
  takeWhole(): Uint8Array<ArrayBuffer> | null {
    return this.body.takeWhole();
  }

  async text(): Promise<string> {
    const bytes = await this.bytes();
    const { fields } = this.#head;
    if (fields.contentType === -1) return utf8.decode(bytes);
    const text = decodeText(bytes, charsetOf(fields.value(fields.contentType)));
    if (text === null) this.#hasUnknownCharset = true;
    return text ?? utf8.decode(bytes);
  }

  async json<T = unknown>(): Promise<T> {
    const text = utf8.decode(await this.bytes());
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw this.#undecodable("The body is not JSON", cause);
    }
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer;
  }

  async blob(): Promise<Blob> {
    return new Blob([await this.bytes()], { type: this.headers.get("content-type") ?? "" });
  }

  async formData(): Promise<FormData> {
    const type = this.headers.get("content-type") ?? "";
    const bytes = await this.bytes();
    try {
      return await new Response(bytes, { headers: { "Content-Type": type } }).formData();
    } catch (cause) {
      throw this.#undecodable("The body is not a form", cause);
    }
  }

  upgrade(): Conn {
    return this.#content.takeOver();
  }

  toWeb(): Response {
    if (this.status < 200 || this.status > 599) {
      throw new HttpError(
        "ERR_INVALID_REQUEST",
        `Cannot make a web Response with status ${this.status}`,
        { phase: "client" },
      );
    }
    const { kind } = this.#content.framing;
    // Nothing may fail to be what it should be: then it is told as a body is read.
    const isEmpty = kind === "none" && !this.isProcessed;
    const bodiless = isEmpty || kind === "tunnel" || NULL_BODY_STATUSES.has(this.status);
    // Nobody else will read it.
    if (bodiless && kind !== "tunnel") void this.body.close();
    return new Response(bodiless ? null : this.body.stream, {
      status: this.status,
      statusText: this.statusText,
      headers: this.headers.toWeb(),
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.body.close();
  }

  #undecodable(message: string, cause: unknown): HttpError {
    const { attempts } = this;
    return new HttpError("ERR_DECODE", message, { phase: "body", attempts, cause });
  }

  /** The same head over content from elsewhere. Whoever asks reads this response's body first. */
  withContent(content: IncomingContent, exchange: ResponseExchange): ReceivedResponse {
    return new ReceivedResponse(this.#head, content, exchange);
  }
}

/** What is known of the attempts that led to a response, whoever gave it. */
export function attemptsOf(response: HttpResponse): readonly Attempt[] {
  return response instanceof ReceivedResponse ? response.attempts : [ANSWERED];
}

/** Whether it can be one: what stands around a transport, or below it, may be anybody's. Pure. */
export function isResponse(value: unknown): value is HttpResponse {
  const { status, headers, body } = (value ?? {}) as Partial<HttpResponse>;
  return Number.isInteger(status) && typeof headers?.getAll === "function" &&
    typeof body?.close === "function";
}
