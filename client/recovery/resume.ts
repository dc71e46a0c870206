/**
 * Downloads that go on where they broke off.
 *
 * @module
 */
import type { AsyncContext } from "../../conn/runtimes/async_context.ts";
import { callersOptions } from "../../conn/callers_options.ts";
import { type Attempt, HttpError, printable } from "../../conn/http_error.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import { BodyEnd } from "../../transport/message/body_end.ts";
import { callersContext } from "../../transport/message/callers_context.ts";
import {
  type HttpRequest,
  isRequest,
  joinOperation,
  notARequest,
} from "../../transport/message/http_request.ts";
import {
  attemptsOf,
  type HttpResponse,
  ReceivedResponse,
  type ResponseConnection,
  type ResponseExchange,
  type Timings,
} from "../../transport/message/http_response.ts";
import { isReplayable } from "../../transport/message/request_body.ts";
import { checkedRoundTripper, type RoundTripper } from "../../transport/transport.ts";
import { BackOff, type BackOffOptions, checkedAttempts } from "./back_off.ts";
import { ResumedContent, type ResumeEvent } from "./resumed_content.ts";
import { strongValidator } from "./strong_validator.ts";
import { TimeLeft } from "../time_left.ts";

/** Options of a {@linkcode ResumingTransport}. */
export interface ResumeOptions extends BackOffOptions {
  /** Requests in a row that may bring no byte: 1 or more. @default {3} */
  attempts?: number;
  /** Called before each wait. What it throws ends the body. */
  onResume?: (event: ResumeEvent) => void;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof ResumeOptions>([
  "attempts",
  "onResume",
  "baseDelayMs",
  "maxDelayMs",
  "clock",
  "random",
]);

/**
 * Gives responses to GET whose body survives a lost connection: what is missing is asked for with
 * `Range`, under the condition (`If-Range`) that it has not changed.
 *
 * A body goes on only if that is safe: the response was a 200 without content coding, with a strong
 * `ETag`, or else a `Last-Modified` at least a second before its `Date`, and without `Accept-Ranges:
 * none`; and the answer is a 206 whose `Content-Range` begins where the body broke off and runs to the
 * same end, with the same validator. Any other answer, a 200 too, means that the content has changed or
 * cannot be had in parts: reading fails with the error that broke the body. To get content without
 * coding, compression is not asked for on the caller's behalf. The error that a read fails with then tells
 * of the attempt that broke, and of those since.
 *
 * `contentLength`, `headers` and `connection` are those of the first response; trailers of a body that
 * was resumed are lost. The request's signal and `timeoutMs` cover all of it.
 *
 * @see RFC 9110 section 13.1.5, RFC 9110 section 14.2
 *
 * @example
 * ```ts
 * import { Client, ResumingTransport, Transport } from "@roundtrip/http";
 *
 * const client = new Client({ transport: new ResumingTransport(new Transport()) });
 * try {
 *   const response = await client.get("http://127.0.0.1:1/large.iso");
 *   for await (const piece of response.body) console.log(piece.length);
 * } catch (error) {
 *   console.log((error as Error).message);
 * }
 * ```
 */
export class ResumingTransport implements RoundTripper {
  readonly #transport: RoundTripper;
  readonly #attempts: number;
  readonly #backOff: BackOff;
  readonly #onResume: ((event: ResumeEvent) => void) | undefined;

  /**
   * Makes a transport on another.
   *
   * @param transport What sends the requests.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, or a value it cannot have.
   */
  constructor(transport: RoundTripper, options: ResumeOptions = {}) {
    options = callersOptions(
      options,
      OPTIONS,
      (name) => invalid(`Unknown resume option "${printable(name)}"`),
    );
    this.#transport = checkedRoundTripper(transport);
    this.#attempts = checkedAttempts(options.attempts ?? 3);
    this.#backOff = new BackOff(options);
    this.#onResume = options.onResume;
  }

  /**
   * Sends a request.
   *
   * @throws {HttpError} As the transport below. Or the signal's reason.
   */
  async roundTrip(request: HttpRequest): Promise<HttpResponse> {
    if (!isRequest(request)) throw notARequest("roundTrip", request);
    const time = new TimeLeft(request, this.#backOff.clock);
    const context = callersContext(request);
    joinOperation(request);
    if (!isWhole(request)) return await this.#transport.roundTrip(request);
    // Digests and progress are those of the whole, not of its parts.
    const response = await this.#transport.roundTrip(request.with({
      decompress: false,
      digest: undefined,
      integrity: undefined,
      onDownloadProgress: undefined,
    }));
    if (!(response instanceof ReceivedResponse)) return unresumable(request, response);
    const validator = response.status === 200 ? strongValidator(response.headers) : null;
    const { headers } = response;
    const isResumable = validator !== null && isReplayable(request.body) &&
      response.contentLength !== 0 && !headers.has("content-encoding") &&
      headers.get("accept-ranges")?.toLowerCase() !== "none";
    if (!isResumable && !isObserved(request)) return response;
    const content = new ResumedContent(response, {
      validator,
      transport: this.#transport,
      attempts: isResumable ? this.#attempts : 0,
      backOff: this.#backOff,
      onResume: this.#onResume,
      time,
      context,
    });
    const exchange = new ResumedExchange(request, response, context);
    const resumed = response.withContent(content, exchange);
    const { kind } = response.framing;
    // Where there is no content nothing is waited for, unless its absence is an error.
    return (kind === "none" || kind === "tunnel") && !resumed.isProcessed ? response : resumed;
  }
}

/** Whether a request asks for the whole of something, as it is. */
function isWhole({ method, decompress, headers }: HttpRequest): boolean {
  return method === "GET" && !decompress && !headers.has("range") &&
    !headers.has("if-range") && !headers.has("accept-encoding");
}

/** Whether something is done to the body on its way to the reader. */
function isObserved({ digest, integrity, onDownloadProgress }: HttpRequest): boolean {
  return digest !== null || integrity !== null || onDownloadProgress !== null;
}

/** A response whose body is not ours to resume, nor to check. */
async function unresumable(request: HttpRequest, response: HttpResponse): Promise<HttpResponse> {
  if (!isObserved(request)) return response;
  const attempts = attemptsOf(response);
  await response.body.close();
  const error = invalid("Digests and progress need a response of a Transport to resume");
  throw error.withAttempts(attempts);
}

/** What the body of a resumed response needs of its exchange: most is the first response's. */
class ResumedExchange implements ResponseExchange {
  readonly request: HttpRequest;
  readonly context: AsyncContext | null;
  readonly decoding = null;
  readonly maxBodyBytes: number;
  readonly failure = null;
  readonly #first: HttpResponse;
  readonly #bodyEnd: BodyEnd = new BodyEnd();

  constructor(request: HttpRequest, first: ReceivedResponse, context: AsyncContext | null) {
    this.request = request;
    this.maxBodyBytes = first.maxBodyBytes;
    this.context = context;
    this.#first = first;
  }

  get ended(): Promise<HttpHeaders | null> {
    return this.#bodyEnd.trailers;
  }

  get connectionInfo(): ResponseConnection {
    return this.#first.connection;
  }

  get timings(): Timings {
    return this.#first.timings;
  }

  get attempts(): readonly Attempt[] {
    return attemptsOf(this.#first);
  }

  bodyDone(error: unknown, trailers: HttpHeaders | null): void {
    this.#bodyEnd.settle(error, trailers);
  }

  // The exchanges underneath have their own times.
  readBegan(): void {}

  readEnded(): void {}

  bodyError(error: unknown): unknown {
    return error;
  }

  drain(abandon: () => Promise<void>): Promise<void> {
    return abandon();
  }
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
