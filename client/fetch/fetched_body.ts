/**
 * The body of an exchange as the platform's `Response` takes it.
 *
 * @module
 */
import { byteStream } from "../../transport/message/body_stream.ts";
import { type HttpResponse, ReceivedResponse } from "../../transport/message/http_response.ts";
import { IncomingBody, readPiece } from "../../transport/message/response_body.ts";
import { bodyError } from "./fetch_error.ts";

/** Statuses whose responses have no body, whatever the server sends. */
const NULL_BODY_STATUSES: ReadonlySet<number> = new Set([101, 103, 204, 205, 304]);

/** The body of a `Response`, as one is made of it. */
export type WebBody =
  | Uint8Array<ArrayBuffer>
  | ReadableStream<Uint8Array<ArrayBuffer>>
  | UnreadBody
  | null;

/** The body of an exchange. One that is there already costs no stream, and no reading. */
export function fetchedBody(exchange: HttpResponse, signal: AbortSignal | null): WebBody {
  if (hasNullBody(exchange)) {
    // After 101 the connection is the caller's.
    if (exchange.status !== 101) exchange.body.close();
    return null;
  }
  // A signal may yet be aborted, and what was not read by then must fail.
  const whole = signal === null && exchange instanceof ReceivedResponse
    ? exchange.takeWhole()
    : null;
  return whole ?? new UnreadBody(exchange, signal);
}

/** Whether the response has no body, whatever the server sends. */
export function hasNullBody(exchange: HttpResponse): boolean {
  return exchange.request.method === "HEAD" || NULL_BODY_STATUSES.has(exchange.status);
}

/**
 * A body of which nothing has been read: it is a stream for whoever wants one, and all of it at once
 * for whoever wants that.
 */
export class UnreadBody {
  readonly #exchange: HttpResponse;
  readonly #signal: AbortSignal | null;
  #stream: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #isTouched = false;
  #leftBytes: number;

  constructor(exchange: HttpResponse, signal: AbortSignal | null) {
    this.#exchange = exchange;
    this.#signal = signal;
    this.#leftBytes = exchange.contentLength ?? Infinity;
  }

  /** Whether its stream was read or locked: the rest is its reader's. */
  get isInUse(): boolean {
    return this.#isTouched || this.#stream?.locked === true;
  }

  /** All of it. Order: not while it is in use; its stream is of no use afterwards. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    // As whoever reads it leaves it.
    this.#stream?.getReader();
    this.#isTouched = true;
    try {
      this.#signal?.throwIfAborted();
      return await this.#exchange.bytes();
    } catch (error) {
      throw bodyError(error, this.#signal);
    }
  }

  /** Pulled by its reader, and nothing ahead of it. */
  get stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#stream ??= this.#open();
  }

  #open(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { body } = this.#exchange;
    const own = body instanceof IncomingBody ? body : null;
    const leftBytes = () => this.#leftBytes;
    return byteStream({
      read: (p) => this.#guarded(() => body.read(p), (n) => n ?? 0),
      readPiece: () => this.#guarded(() => readPiece(body), (piece) => piece?.length ?? 0),
      get isAtEnd() {
        return leftBytes() === 0;
      },
      close: () => {
        this.#isTouched = true;
        return body.close();
      },
      whenBroken: (broken) => own?.whenBroken(broken),
      rest: () => own?.rest(),
    });
  }

  async #guarded<T>(read: () => Promise<T>, lengthOf: (brought: T) => number): Promise<T> {
    this.#isTouched = true;
    try {
      this.#signal?.throwIfAborted();
      const brought = await read();
      this.#leftBytes -= lengthOf(brought);
      return brought;
    } catch (error) {
      throw bodyError(error, this.#signal);
    }
  }
}
