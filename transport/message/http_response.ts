/**
 * A response: its head at once, its body as it is read.
 *
 * @module
 */
import type { Address, Conn, TlsInfo } from "../../conn/conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import type { Framing } from "../../http1/framing.ts";
import { parseDigits } from "../../http/grammar.ts";
import { HttpHeaders } from "../../http/http_headers.ts";
import type { IncomingContent } from "../../http1/response_content.ts";
import type { ResponseHead } from "../../http1/response_head.ts";
import { bodySteps, type DecodingLimits } from "./body_steps.ts";
import type { HttpRequest } from "../http_request.ts";
import {
  type BodyExchange,
  type BodySteps,
  IncomingBody,
  type ResponseBody,
} from "./response_body.ts";

/** Milliseconds of each phase; null where it did not happen, or has not ended yet. */
export interface Timings {
  /** From the call until a connection was there or was being made. */
  readonly queueMs: number | null;
  /** Connecting: to the server, or to the first proxy. */
  readonly dialMs: number | null;
  /** Getting through the proxies, TLS to them included. */
  readonly proxyMs: number | null;
  /** The TLS handshake with the server. */
  readonly tlsMs: number | null;
  /** Sending the request. */
  readonly requestMs: number | null;
  /** From the end of sending to the first byte of the response. */
  readonly waitMs: number | null;
  /** From the head to the end of the body. */
  readonly bodyMs: number | null;
}

/** The connection that served. */
export interface ResponseConnection {
  /** Integer from 1, unique within its transport. */
  readonly id: number;
  /** Whether it had served another request before. */
  readonly reused: boolean;
  /** This end. */
  readonly localAddr: Address;
  /** The server's end, or the proxy's. */
  readonly remoteAddr: Address;
  /** The TLS session with the server, null without TLS; that with a proxy does not count. */
  readonly tls: TlsInfo | null;
}

/**
 * A response. Read its body to the end, or close it: until then it holds its connection.
 */
export interface HttpResponse extends AsyncDisposable {
  /** Integer 100..999. */
  readonly status: number;
  /** The reason phrase; may be empty. */
  readonly statusText: string;
  /** `"1.1"` or `"1.0"`. */
  readonly httpVersion: string;
  /** Header fields in the server's order and case. */
  readonly headers: HttpHeaders;
  /** Trailer fields; settles when the body has ended. Never an unhandled rejection. */
  readonly trailers: Promise<HttpHeaders>;
  /** Bytes, as declared; null if unknown, and where a content coding was taken off. */
  readonly contentLength: number | null;
  /** Whether a content coding was taken off; the headers that told of it are gone then. */
  readonly uncompressed: boolean;
  /** What was accepted although the server should not have sent it. */
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
  /** The rest of the body as UTF-8 text, without a byte order mark. */
  text(): Promise<string>;
  /** The rest of the body, parsed. @throws {HttpError} `ERR_DECODE`: not JSON. */
  json(): Promise<unknown>;
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
   * The same response as the platform's, over the same body. Nothing is read before it is asked for;
   * of a `clone()`, the platform keeps what one has read and the other has not, without a bound.
   */
  toWeb(): Response;
}

/** What a response asks of its exchange. */
export interface ResponseExchange extends BodyExchange {
  readonly request: HttpRequest;
  readonly connectionInfo: ResponseConnection;
  readonly timings: Timings;
  /** Null where the exchange has not undertaken to take content codings off. */
  readonly decoding: DecodingLimits | null;
  /** Settles when the body has ended, with its trailers if there were any. */
  readonly ended: Promise<HttpHeaders | null>;
}

const decoder = new TextDecoder();

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

  constructor(head: ResponseHead, content: IncomingContent, exchange: ResponseExchange) {
    this.#head = head;
    this.#content = content;
    this.#exchange = exchange;
    this.status = head.statusCode;
    this.request = exchange.request;
    this.#steps = bodySteps(head, content, exchange);
    const { codings, refusal, digests } = this.#steps;
    this.uncompressed = codings.length > 0;
    this.isProcessed = this.uncompressed || refusal !== null || digests !== null;
  }

  get connection(): ResponseConnection {
    return this.#connection ??= this.#exchange.connectionInfo;
  }

  get statusText(): string {
    return this.#head.reasonPhrase;
  }

  get httpVersion(): string {
    return this.#head.minorVersion === 1 ? "1.1" : "1.0";
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
      return parseDigits(fields.value(fields.contentLength));
    }
    return framing.kind === "none" && this.request.method !== "HEAD" ? 0 : null;
  }

  /** What tells the end of its content. */
  get framing(): Framing {
    return this.#content.framing;
  }

  get deviations(): readonly string[] {
    return this.#content.deviations;
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

  get body(): IncomingBody {
    return this.#body ??= new IncomingBody(this.#content, this.#steps, this.#exchange);
  }

  bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const { framing } = this.#content;
    const exact = framing.kind === "length" && !this.uncompressed;
    return this.body.bytes(exact ? framing.bytes : null);
  }

  /** All of the body if it came with the head and needs no decoding; else null. Once. */
  takeWhole(): Uint8Array<ArrayBuffer> | null {
    return this.body.takeWhole();
  }

  async text(): Promise<string> {
    return decoder.decode(await this.bytes());
  }

  async json(): Promise<unknown> {
    const text = await this.text();
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw undecodable("The body is not JSON", cause);
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
      throw undecodable("The body is not a form", cause);
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
    const { framing } = this.#content;
    const bodiless = framing.kind === "none" || framing.kind === "tunnel" || this.status === 205;
    // Nobody else will read it.
    if (bodiless && framing.kind !== "tunnel") void this.body.close();
    return new Response(bodiless ? null : this.body.stream, {
      status: this.status,
      statusText: this.statusText,
      headers: this.headers.toWeb(),
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.body.close();
  }

  /** The same head over content from elsewhere. Whoever asks reads this response's body first. */
  withContent(content: IncomingContent, exchange: ResponseExchange): ReceivedResponse {
    return new ReceivedResponse(this.#head, content, exchange);
  }
}

function undecodable(message: string, cause: unknown): HttpError {
  return new HttpError("ERR_DECODE", message, { phase: "body", cause });
}
