/**
 * The platform's `Response` over one of our exchanges.
 *
 * @module
 */
import { HttpError } from "../conn/http_error.ts";
import { HttpHeaders } from "../http/http_headers.ts";
import { byteStream } from "../transport/body_stream.ts";
import { type HttpResponse, ReceivedResponse } from "../transport/message/http_response.ts";
import { readPiece } from "../transport/message/response_body.ts";
import { LastHead } from "./fetch/last_head.ts";

/** What the constructor of `Response` cannot be told. */
export interface FetchOrigin {
  /** Of the last request, without its fragment. */
  readonly url: string;
  /** Integer 100..999; the constructor takes only 200..599. */
  readonly status: number;
  /** Null for a `data:` or `blob:` URL, which none was needed for. */
  readonly exchange: HttpResponse | null;
}

/** Statuses whose responses have no body, whatever the server sends. */
const NULL_BODY_STATUSES: ReadonlySet<number> = new Set([101, 103, 204, 205, 304]);

type WebBody = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null;

/** Field lines: ours, or the platform's. */
interface WebFields {
  forEach(visit: (value: string, name: string) => void): void;
}

interface WebHead {
  readonly statusText: string;
  readonly headers: WebFields;
}

/** What {@linkcode defineClasses} gives. */
interface ResponseClasses {
  make(body: WebBody, head: WebHead, origin: FetchOrigin): Response;
  originOf(response: object): FetchOrigin | null;
}

let classes: ResponseClasses | null = null;

/** Defined when the first response is made: to name the platform's classes makes Node load its `fetch`. */
function responseClasses(): ResponseClasses {
  return classes ??= defineClasses();
}

function defineClasses(): ResponseClasses {
  const noHead: WebHead = { statusText: "", headers: new Headers() };

  /** The platform's class. Its getters are properties to some type libraries, which cannot be overridden. */
  const WebResponse = Response as unknown as new (
    body: WebBody,
    init: { status: number; statusText: string },
  ) => { clone(): Response };

  /**
   * A `Response` that knows where it came from. What the platform's own code takes from it (a server
   * that answers with it, a cache) is right too, as the head and the body are the base class's.
   */
  class FetchedResponse extends WebResponse {
    readonly #origin: FetchOrigin;

    constructor(body: WebBody, head: WebHead, origin: FetchOrigin) {
      const status = origin.status >= 200 && origin.status <= 599 ? origin.status : 200;
      const { statusText } = head;
      const last = head.headers instanceof HttpHeaders
        ? LastHead.of(origin.exchange!.request.authority, head.headers)
        : null;
      const model = copiesHeads && last !== null ? last.model(status, statusText) : null;
      super(body, model ?? { status, statusText });
      if (model === null && head !== noHead) {
        // One by one: given to the constructor they cost Deno three times as much.
        const { headers } = this as unknown as Response;
        (last ?? head.headers).forEach((value, name) => headers.append(name, value));
      }
      this.#origin = origin;
    }

    static originOf(response: object): FetchOrigin | null {
      return #origin in response ? response.#origin : null;
    }

    get url(): string {
      return this.#origin.url;
    }

    get redirected(): boolean {
      return this.#origin.exchange?.redirected ?? false;
    }

    get type(): string {
      return "basic";
    }

    get status(): number {
      // Node's constructor asks, before there is an origin.
      return #origin in this ? this.#origin.status : 200;
    }

    get ok(): boolean {
      return this.status >= 200 && this.status <= 299;
    }

    override clone(): Response {
      const copy = super.clone();
      return webResponse(copy.body as ReadableStream<Uint8Array<ArrayBuffer>>, copy, this.#origin);
    }
  }

  /**
   * The same for a body that is in memory already, and nothing of it made before it is asked for:
   * making a `Response` costs Node more than the rest of the exchange. Only for where no code of the
   * platform looks behind the getters.
   */
  class LateResponse extends FetchedResponse {
    readonly #bytes: Uint8Array<ArrayBuffer>;
    readonly #head: WebHead;
    #headers: Headers | null = null;
    #read = false;
    /** What does everything else. */
    #made: Response | null = null;

    constructor(bytes: Uint8Array<ArrayBuffer>, head: WebHead, origin: FetchOrigin) {
      super(null, noHead, origin);
      this.#bytes = bytes;
      this.#head = head;
    }

    get statusText(): string {
      return this.#head.statusText;
    }

    get headers(): Headers {
      if (this.#headers === null) {
        const headers = this.#headers = new Headers();
        this.#head.headers.forEach((value, name) => headers.append(name, value));
      }
      return this.#headers;
    }

    get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
      return this.#make().body as ReadableStream<Uint8Array<ArrayBuffer>> | null;
    }

    get bodyUsed(): boolean {
      return this.#made?.bodyUsed ?? this.#read;
    }

    async bytes(): Promise<Uint8Array<ArrayBuffer>> {
      return this.#take() ?? new Uint8Array(await this.#make().arrayBuffer());
    }

    async arrayBuffer(): Promise<ArrayBuffer> {
      return this.#take()?.buffer ?? await this.#make().arrayBuffer();
    }

    async text(): Promise<string> {
      const bytes = this.#take();
      return bytes === null ? await this.#make().text() : decoder.decode(bytes);
    }

    async json(): Promise<unknown> {
      return JSON.parse(await this.text());
    }

    async blob(): Promise<Blob> {
      return await this.#make().blob();
    }

    async formData(): Promise<FormData> {
      return await this.#make().formData();
    }

    override clone(): Response {
      return this.#make().clone();
    }

    /** All of it, the first time. */
    #take(): Uint8Array<ArrayBuffer> | null {
      if (this.#read || this.#made !== null) return null;
      this.#read = true;
      return this.#bytes;
    }

    #make(): Response {
      if (this.#made === null) {
        const { statusText, headers } = this;
        const bytes = this.#read ? new Uint8Array(1) : this.#bytes;
        const made = new FetchedResponse(
          bytes,
          { statusText, headers },
          FetchedResponse.originOf(this)!,
        );
        this.#made = made as unknown as Response;
        // What was read stays read.
        if (this.#read) this.#made.arrayBuffer();
      }
      return this.#made;
    }
  }

  return {
    make: (body, head, origin) => {
      const response = !looksBehind && body instanceof Uint8Array
        ? new LateResponse(body, head, origin)
        : new FetchedResponse(body, head, origin);
      return response as unknown as Response;
    },
    originOf: (response) => FetchedResponse.originOf(response),
  };
}

const decoder = new TextDecoder();

/** The servers of the others send what is behind the getters of a response that they are given. */
const looksBehind = "Deno" in globalThis || "Bun" in globalThis;

/** Bun copies the head of another response in less time than it takes to make one line. */
const copiesHeads = "Bun" in globalThis;

/** A response of the platform's; null-body statuses are the caller's to mind. */
export function webResponse(body: WebBody, head: WebHead, origin: FetchOrigin): Response {
  return responseClasses().make(body, head, origin);
}

/**
 * The exchange behind a response of a `fetch` of ours: trailers, timings, the connection, field
 * lines in their own order and case, and after status 101 the connection to take over. The same for
 * its clones. Null for every other response, and for `data:` and `blob:` URLs.
 *
 * Read the body through one of the two, not both.
 *
 * @example
 * ```ts
 * import { exchangeOf, fetch } from "@roundtrip/http";
 *
 * const response = await fetch("data:,hello");
 * console.log(await response.text(), exchangeOf(response)?.timings.waitMs ?? "no exchange");
 * ```
 */
export function exchangeOf(response: Response): HttpResponse | null {
  return classes?.originOf(response)?.exchange ?? null;
}

/** The response of an exchange. A body that is there already costs no stream. */
export function fetchedResponse(exchange: HttpResponse, signal: AbortSignal | null): Response {
  return responseOf(exchange, body(exchange, signal));
}

/** The response of an exchange, with a body that was made of its own. */
export function responseOf(exchange: HttpResponse, body: WebBody): Response {
  const { status, statusText, url } = exchange;
  // As received: what was decoded still tells of its coding, as with every fetch.
  const received = exchange instanceof ReceivedResponse
    ? exchange.receivedHeaders
    : exchange.headers;
  return webResponse(body, { statusText, headers: received }, { url, status, exchange });
}

function body(exchange: HttpResponse, signal: AbortSignal | null): WebBody {
  if (hasNullBody(exchange)) {
    // After 101 the connection is the caller's.
    if (exchange.status !== 101) exchange.body.close();
    return null;
  }
  // A signal may yet be aborted, and what was not read by then must fail.
  const whole = signal === null && exchange instanceof ReceivedResponse
    ? exchange.takeWhole()
    : null;
  return whole ?? bodyStream(exchange, signal);
}

/** Whether the response has no body, whatever the server sends. */
export function hasNullBody(exchange: HttpResponse): boolean {
  return exchange.request.method === "HEAD" || NULL_BODY_STATUSES.has(exchange.status);
}

/** Pulled by its reader, and nothing ahead of it. */
function bodyStream(
  exchange: HttpResponse,
  signal: AbortSignal | null,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { body, contentLength } = exchange;
  let leftBytes = contentLength ?? Infinity;
  const guarded = async <T>(read: () => Promise<T>, lengthOf: (brought: T) => number) => {
    try {
      signal?.throwIfAborted();
      const brought = await read();
      leftBytes -= lengthOf(brought);
      return brought;
    } catch (error) {
      throw networkError(error, signal);
    }
  };
  return byteStream({
    read: (p) => guarded(() => body.read(p), (n) => n ?? 0),
    readPiece: () => guarded(() => readPiece(body), (piece) => piece?.length ?? 0),
    get isAtEnd() {
      return leftBytes === 0;
    },
    close: () => body.close(),
  });
}

/** What `fetch` rejects with: an abort is told as it is, everything else is a `TypeError`. */
export function networkError(error: unknown, signal: AbortSignal | null): unknown {
  if (!(error instanceof HttpError) || (signal?.aborted && error === signal.reason)) return error;
  return new TypeError(`fetch failed: ${error.message}`, { cause: error });
}
