/**
 * Exchanges that need no connection: an answer made in this process, with everything that callers
 * expect of a response. Protocols of other schemes are made of it.
 *
 * @module
 */
import { abortable } from "../../conn/abortable.ts";
import type { AsyncContext } from "../../conn/runtimes/async_context.ts";
import type { Address, Conn, Reader } from "../../conn/conn.ts";
import { type Attempt, HttpError } from "../../conn/http_error.ts";
import type { Deviation } from "../../http/deviation.ts";
import type { Framing } from "../../http/incoming_content.ts";
import { responseFraming } from "../../http1/framing.ts";
import { responseHead } from "../../http1/head_writer.ts";
import { checkedField, type HttpHeaders } from "../../http/http_headers.ts";
import type { IncomingContent } from "../../http/incoming_content.ts";
import { type Http1ResponseHead, ResponseHeadReader } from "../../http1/response_head.ts";
import { ANSWERED } from "../attempt.ts";
import { BodyEnd } from "./body_end.ts";
import { callersContext } from "./callers_context.ts";
import { systemClock } from "../clock.ts";
import { type Deadline, Deadlines } from "../deadlines.ts";
import type { HttpRequest } from "./http_request.ts";
import {
  type HttpResponse,
  ReceivedResponse,
  type ResponseConnection,
  type ResponseExchange,
  type Timings,
} from "./http_response.ts";
import { shownRequest } from "./shown_request.ts";
import { type Tracer, tracerOf } from "./trace.ts";

/** Content that is read as it is wanted. */
export interface LocalSource extends Reader {
  /** Called once, when nothing more is read; a read may be under way. Never throws. */
  close(): void;
}

/** What is answered. */
export interface LocalAnswer {
  /** Integer 200..599. */
  readonly status: number;
  /** The reason phrase; may be empty. */
  readonly statusText: string;
  /** `Content-Length` among them tells where content that is read ends. */
  readonly headers: readonly (readonly [string, string])[];
  /** All of the content, what it is read from, or null for none. */
  readonly content: Uint8Array<ArrayBuffer> | LocalSource | null;
}

/**
 * Answers a request with what `answer` makes of it.
 *
 * Cancel: the request's signal and its `timeoutMs` reject at once and, later, end the body. The
 * source of the content is closed exactly once: at its end, early, by a failure, or when the
 * response was dropped and collected.
 *
 * @throws What `answer` throws; the signal's reason; {@linkcode HttpError} `ERR_TIMEOUT`.
 */
export async function localRoundTrip(
  request: HttpRequest,
  answer: (request: HttpRequest) => Promise<LocalAnswer>,
): Promise<HttpResponse> {
  const exchange = new LocalExchange(request);
  exchange.start();
  try {
    exchange.aborted.throwIfAborted();
    const answered = await abortable(answer(request), exchange.aborted, {
      discard: ({ content }) => sourceOf(content)?.close(),
    });
    return exchange.respond(answered);
  } catch (error) {
    exchange.end(error);
    throw error;
  }
}

/** Where nothing was dialled. */
const NOWHERE: Address = Object.freeze({ transport: "unix", path: "" });

const deadlines = new Deadlines(systemClock);

/** Closes the sources of responses that were dropped unread. Best effort, as all finalization. */
const dropped: FinalizationRegistry<LocalExchange> = new FinalizationRegistry((exchange) =>
  exchange.leaked()
);

/** One request that is answered here. Owns: its timer, its listener on the signal, the source. */
class LocalExchange implements ResponseExchange {
  readonly request: HttpRequest;
  readonly context: AsyncContext | null;
  readonly connectionInfo: ResponseConnection = {
    id: 0,
    protocol: "http/1.1",
    streamId: null,
    reused: false,
    localAddr: NOWHERE,
    remoteAddr: NOWHERE,
    tls: null,
  };
  readonly decoding: null = null;
  readonly maxBodyBytes: number;
  failure: { error: unknown } | null = null;
  readonly #controller: AbortController = new AbortController();
  readonly #startedAtMs: number = systemClock.now();
  #headAtMs: number | null = null;
  #endedAtMs: number | null = null;
  #deadline: Deadline | null = null;
  #source: LocalSource | null = null;
  readonly #bodyEnd: BodyEnd = new BodyEnd();
  readonly #tracer: Tracer | null;

  constructor(request: HttpRequest) {
    this.request = request;
    this.maxBodyBytes = (request.maxResponseBytes ?? 0) || Infinity;
    this.context = callersContext(request);
    this.#tracer = tracerOf(null, request, this.context);
  }

  get ended(): Promise<HttpHeaders | null> {
    return this.#bodyEnd.trailers;
  }

  /** Aborts when the exchange has to end early. */
  get aborted(): AbortSignal {
    return this.#controller.signal;
  }

  /** Begins to listen to the signal and the clock. */
  start(): void {
    const { signal, timeoutMs } = this.request;
    if (signal?.aborted) return this.#abort(signal.reason);
    signal?.addEventListener("abort", this);
    if (timeoutMs === 0) return;
    this.#deadline = deadlines.set(timeoutMs, () =>
      this.#abort(
        new HttpError(
          "ERR_TIMEOUT",
          `${shownRequest(this.request)}: The exchange took more than ${timeoutMs} ms`,
          { phase: this.#headAtMs === null ? "response-header" : "body" },
        ),
      ));
  }

  /** The signal was aborted. */
  handleEvent(): void {
    this.#abort(this.request.signal!.reason);
  }

  /** Makes the response, unless the exchange was ended meanwhile. Takes the source over. */
  respond(answer: LocalAnswer): HttpResponse {
    this.#source = sourceOf(answer.content);
    if (this.failure !== null) {
      this.#source?.close();
      throw this.failure.error;
    }
    this.#headAtMs = systemClock.now();
    const head = headOf(answer);
    const framing = responseFraming(this.request.method, head, "strict", []);
    const whole = framing.kind === "none"
      ? new Uint8Array(0)
      : answer.content instanceof Uint8Array
      ? answer.content
      : null;
    const content = new LocalContent(framing, whole, this.#source);
    if (whole !== null) this.#bodyIsWhole(whole.length);
    else dropped.register(content, this, this);
    return new ReceivedResponse(head, content, this);
  }

  /** The response was collected with its body open. */
  leaked(): void {
    if (this.#endedAtMs !== null) return;
    this.end(undefined);
    this.#tracer?.tellIds("bodyLeaked", { id: 0 });
  }

  /** Lets everything go that the exchange holds. */
  end(error: unknown): void {
    if (this.#endedAtMs !== null) return;
    this.#endedAtMs = systemClock.now();
    this.request.signal?.removeEventListener("abort", this);
    if (this.#deadline !== null) deadlines.clear(this.#deadline);
    dropped.unregister(this);
    this.#source?.close();
    this.#bodyEnd.settle(error, null);
  }

  get attempts(): readonly Attempt[] {
    return [ANSWERED];
  }

  get timings(): Timings {
    const since = (to: number | null, from: number | null): number | null =>
      to === null || from === null ? null : to - from;
    return {
      queueMs: null,
      dialMs: null,
      proxyMs: null,
      tlsMs: null,
      requestMs: null,
      continueMs: null,
      waitMs: since(this.#headAtMs, this.#startedAtMs),
      bodyMs: since(this.#endedAtMs, this.#headAtMs),
    };
  }

  #bodyIsWhole(bytes: number): void {
    this.#bodyEnd.wireBytes = bytes;
    this.bodyDone(undefined);
  }

  bodyDone(error: unknown): void {
    if (this.#endedAtMs !== null) return;
    this.end(error);
    const bytes = this.#bodyEnd.wireBytes;
    this.#tracer?.tell("bodyDone", { bytes, error });
  }

  readBegan(): void {}

  readEnded(wireBytes: number): void {
    this.#bodyEnd.wireBytes += wireBytes;
  }

  bodyError(error: unknown): unknown {
    return error;
  }

  drain(): Promise<void> {
    // There is no connection to save, and the source is closed already.
    return Promise.resolve();
  }

  #abort(reason: unknown): void {
    this.failure = { error: reason };
    this.#controller.abort(reason);
    this.end(reason);
  }
}

/** The content of an answer that is made here. */
class LocalContent implements IncomingContent {
  readonly whole: Uint8Array<ArrayBuffer> | null;
  readonly framing: Framing;
  readonly deviations: readonly Deviation[] = [];
  readonly trailers: HttpHeaders | null = null;
  readonly #source: LocalSource | null;
  #leftBytes: number;

  constructor(framing: Framing, whole: Uint8Array<ArrayBuffer> | null, source: LocalSource | null) {
    this.framing = framing;
    this.whole = whole;
    this.#source = source;
    this.#leftBytes = framing.kind === "length" && whole === null ? framing.bytes : 0;
  }

  get complete(): boolean {
    return this.#leftBytes === 0;
  }

  async read(p: Uint8Array): Promise<number | null> {
    if (p.length === 0) return 0;
    if (this.complete) return null;
    const room = p.length > this.#leftBytes ? p.subarray(0, this.#leftBytes) : p;
    const n = await this.#source!.read(room);
    if (n === null) {
      throw new HttpError("ERR_INCOMPLETE_BODY", `${this.#leftBytes} bytes are missing`, {
        phase: "body",
      });
    }
    this.#leftBytes -= n;
    return n;
  }

  abandon(): Promise<void> {
    // The exchange closes the source.
    return Promise.resolve();
  }

  takeOver(): Conn {
    throw new HttpError("ERR_INVALID_REQUEST", "Cannot take over: there is no connection", {
      phase: "body",
    });
  }
}

function sourceOf(content: LocalAnswer["content"]): LocalSource | null {
  return content instanceof Uint8Array ? null : content;
}

/** The head of an answer, made as a server would, and read as if it had come from one. */
function headOf({ status, statusText, headers }: LocalAnswer): Http1ResponseHead {
  const fields = headers.map(([name, value]) => checkedField(name, value));
  const text = responseHead(status, statusText, fields);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return new ResponseHeadReader("strict").read(bytes, 0, bytes.length, [])!;
}
