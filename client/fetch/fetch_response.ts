/**
 * The platform's `Response` over one of our exchanges.
 *
 * @module
 */
import { HttpHeaders } from "../../http/http_headers.ts";
import { type HttpResponse, ReceivedResponse } from "../../transport/message/http_response.ts";
import {
  type DecodedHeaders,
  showHeaders,
  tellsOfCoding,
  type WebFields,
} from "./decoded_headers.ts";
import { fetchedBody, UnreadBody, type WebBody } from "./fetched_body.ts";
import { LastHead } from "./last_head.ts";
import { wholeBodyStream } from "./whole_body_stream.ts";

/** What the constructor of `Response` cannot be told. */
export interface FetchOrigin {
  /** Of the last request, without its fragment. */
  readonly url: string;
  /** Integer 100..999; the constructor takes only 200..599. */
  readonly status: number;
  /** Null for a `data:` or `blob:` URL, which none was needed for. */
  readonly exchange: HttpResponse | null;
}

type WebStream = ReadableStream<Uint8Array<ArrayBuffer>>;

interface WebHead {
  readonly statusText: string;
  readonly headers: WebFields;
  /** Whether a server that looks behind the getters must not see what tells of a content coding. */
  readonly isDecoded?: boolean;
  /** What programs see in the place of `headers`. */
  readonly shown?: WebFields;
}

/** What is overridden of the platform's class. Without its properties, which must not be. */
interface PlatformResponse {
  arrayBuffer(): Promise<ArrayBuffer>;
  blob(): Promise<Blob>;
  bytes(): Promise<Uint8Array<ArrayBuffer>>;
  clone(): Response;
  formData(): Promise<FormData>;
  json(): Promise<unknown>;
  text(): Promise<string>;
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
    body: Exclude<WebBody, UnreadBody>,
    init: { status: number; statusText: string },
  ) => PlatformResponse;

  /** What a clone of the platform's is given to be one of ours. */
  function cloneOf(
    original: PlatformResponse,
    origin: FetchOrigin,
    bodyOf: (body: WebStream) => WebStream,
  ): Response {
    const { body, statusText, headers } = WebResponse.prototype.clone.call(original);
    const shown = Object.hasOwn(original, "headers")
      ? new Headers((original as unknown as Response).headers)
      : undefined;
    return webResponse(bodyOf(body as WebStream), { statusText, headers, shown }, origin);
  }

  /**
   * A `Response` that knows where it came from. What the platform's own code takes from it (a server
   * that answers with it, a cache) is right too, as the head and the body are the base class's.
   */
  class FetchedResponse extends WebResponse {
    readonly #origin: FetchOrigin;

    constructor(body: Exclude<WebBody, UnreadBody>, head: WebHead, origin: FetchOrigin) {
      const status = origin.status >= 200 && origin.status <= 599 ? origin.status : 200;
      const { statusText } = head;
      const last = head.headers instanceof HttpHeaders
        ? LastHead.of(origin.exchange!.request.authority, head.headers)
        : null;
      const model = copiesHeads && last !== null ? last.model(status, statusText) : null;
      super(body, model ?? { status, statusText });
      const isDecoded = head.isDecoded === true;
      if (model === null && head !== noHead) {
        // One by one: given to the constructor they cost Deno three times as much.
        const { headers } = this as unknown as Response;
        (last ?? head.headers).forEach((value, name) => {
          if (!isDecoded || !tellsOfCoding(name)) headers.append(name, value);
        });
      } else if (isDecoded) {
        const { headers } = this as unknown as Response;
        headers.delete("content-encoding");
        headers.delete("content-length");
      }
      this.#origin = origin;
      const shown = isDecoded ? head.headers : head.shown;
      if (shown !== undefined) showHeaders(this as unknown as Response, shown);
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
      return cloneOf(this, this.#origin, (body) => body);
    }
  }

  /**
   * The same for a body that is in memory already. The platform's own would not be a byte stream:
   * where it is asked for there is one over it, which touches it when it is read.
   */
  class WholeResponse extends FetchedResponse {
    readonly #length: number;
    #stream: WebStream | null = null;

    constructor(bytes: Uint8Array<ArrayBuffer>, head: WebHead, origin: FetchOrigin) {
      const { length } = bytes;
      super(bytes, head, origin);
      this.#length = length;
    }

    get body(): WebStream | null {
      const open = () => Reflect.get(WebResponse.prototype, "body", this);
      return this.#stream ??= wholeBodyStream(open, this.#length);
    }

    override bytes(): Promise<Uint8Array<ArrayBuffer>> {
      return this.#refusal() ?? super.bytes();
    }

    override arrayBuffer(): Promise<ArrayBuffer> {
      return this.#refusal() ?? super.arrayBuffer();
    }

    override text(): Promise<string> {
      return this.#refusal() ?? super.text();
    }

    override json(): Promise<unknown> {
      return this.#refusal() ?? super.json();
    }

    override blob(): Promise<Blob> {
      return this.#refusal() ?? super.blob();
    }

    override formData(): Promise<FormData> {
      return this.#refusal() ?? super.formData();
    }

    override clone(): Response {
      if (this.#stream?.locked) throw inUse();
      const origin = FetchedResponse.originOf(this)!;
      return cloneOf(this, origin, (body) => wholeBodyStream(() => body, this.#length));
    }

    #refusal(): Promise<never> | null {
      return this.#stream?.locked ? Promise.reject(inUse()) : null;
    }
  }

  /**
   * The same for a body that is still to be read: whoever wants all of it does not read the stream, of
   * which every piece is a promise or two of the platform's.
   */
  class UnreadResponse extends FetchedResponse {
    readonly #unread: UnreadBody;
    #isTaken = false;

    constructor(unread: UnreadBody, head: WebHead, origin: FetchOrigin) {
      super(unread.stream, head, origin);
      this.#unread = unread;
    }

    get bodyUsed(): boolean {
      return this.#isTaken || Reflect.get(WebResponse.prototype, "bodyUsed", this);
    }

    override bytes(): Promise<Uint8Array<ArrayBuffer>> {
      return this.#take() ?? super.bytes();
    }

    override async arrayBuffer(): Promise<ArrayBuffer> {
      const taken = this.#take();
      return taken === null ? await super.arrayBuffer() : (await taken).buffer;
    }

    override async text(): Promise<string> {
      const taken = this.#take();
      return taken === null ? await super.text() : decoder.decode(await taken);
    }

    override async json(): Promise<unknown> {
      const taken = this.#take();
      return taken === null ? await super.json() : JSON.parse(decoder.decode(await taken));
    }

    /** All of it, the first time; else the platform's says why it cannot be had. */
    #take(): Promise<Uint8Array<ArrayBuffer>> | null {
      if (this.#unread.isInUse) return null;
      this.#isTaken = true;
      return this.#unread.bytes();
    }
  }

  /**
   * The same for any body, and nothing of it made before it is asked for: making a `Response` costs Node
   * more than the rest of the exchange. Only for where no code of the platform looks behind the getters.
   */
  class LateResponse extends FetchedResponse {
    readonly #bytes: Uint8Array<ArrayBuffer> | UnreadBody;
    readonly #head: WebHead;
    #headers: Headers | null = null;
    #read = false;
    /** What does everything else. */
    #made: Response | null = null;

    constructor(
      bytes: Uint8Array<ArrayBuffer> | UnreadBody,
      head: WebHead,
      origin: FetchOrigin,
    ) {
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

    override async bytes(): Promise<Uint8Array<ArrayBuffer>> {
      return this.#take() ?? new Uint8Array(await this.#make().arrayBuffer());
    }

    override async arrayBuffer(): Promise<ArrayBuffer> {
      const taken = this.#take();
      if (taken === null) return await this.#make().arrayBuffer();
      return (taken instanceof Uint8Array ? taken : await taken).buffer;
    }

    override async text(): Promise<string> {
      const taken = this.#take();
      if (taken === null) return await this.#make().text();
      return decoder.decode(taken instanceof Uint8Array ? taken : await taken);
    }

    override async json(): Promise<unknown> {
      return JSON.parse(await this.text());
    }

    override async blob(): Promise<Blob> {
      return await this.#make().blob();
    }

    override async formData(): Promise<FormData> {
      return await this.#make().formData();
    }

    override clone(): Response {
      return this.#make().clone();
    }

    /** All of it, the first time. */
    #take(): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> | null {
      if (this.#read || this.#made !== null) return null;
      this.#read = true;
      const bytes = this.#bytes;
      return bytes instanceof UnreadBody ? bytes.bytes() : bytes;
    }

    #make(): Response {
      if (this.#made === null) {
        const { statusText, headers } = this;
        const bytes = this.#read ? new Uint8Array(1) : this.#bytes;
        const made = new FetchedResponse(
          bytes instanceof UnreadBody ? bytes.stream : bytes,
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
      const isWhole = body instanceof Uint8Array;
      const made = !isWhole && !(body instanceof UnreadBody)
        ? new FetchedResponse(body, head, origin)
        : !looksBehind
        ? new LateResponse(body, head, origin)
        : isWhole
        ? new WholeResponse(body, head, origin)
        : new UnreadResponse(body, head, origin);
      return made as unknown as Response;
    },
    originOf: (response) => FetchedResponse.originOf(response),
  };
}

/** As the platform refuses whoever reads beside a reader. */
function inUse(): TypeError {
  return new TypeError("The body is locked by a reader");
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
export function fetchedResponse(
  exchange: HttpResponse,
  signal: AbortSignal | null,
  decodedHeaders: DecodedHeaders,
): Response {
  return responseOf(exchange, fetchedBody(exchange, signal), decodedHeaders);
}

/** The response of an exchange, with a body that was made of its own. */
export function responseOf(
  exchange: HttpResponse,
  body: WebBody,
  decodedHeaders: DecodedHeaders,
): Response {
  const { status, statusText, url } = exchange;
  const origin = { url, status, exchange };
  if (decodedHeaders === "drop" || !(exchange instanceof ReceivedResponse)) {
    return webResponse(body, { statusText, headers: exchange.headers }, origin);
  }
  // As received: what was decoded still tells of its coding, as with every fetch.
  const headers = exchange.receivedHeaders;
  const isDecoded = looksBehind && exchange.uncompressed;
  return webResponse(body, { statusText, headers, isDecoded }, origin);
}
