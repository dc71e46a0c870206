/**
 * Content that comes in parts, over as many requests as it takes.
 *
 * @module
 */
import { type AsyncContext, within } from "../../conn/runtimes/async_context.ts";
import type { Conn } from "../../conn/conn.ts";
import { tellRejection } from "../../conn/fault.ts";
import { type Attempt, HttpError } from "../../conn/http_error.ts";
import type { Deviation } from "../../http/deviation.ts";
import type { Framing } from "../../http/incoming_content.ts";
import { HttpHeaders } from "../../http/http_headers.ts";
import type { IncomingContent } from "../../http/incoming_content.ts";
import { afterAttempts } from "../../transport/attempt.ts";
import {
  attemptsOf,
  type HttpResponse,
  type ReceivedResponse,
} from "../../transport/message/http_response.ts";
import type { RoundTripper } from "../../transport/transport.ts";
import type { BackOff } from "./back_off.ts";
import { hasValidator, type StrongValidator } from "./strong_validator.ts";
import type { TimeLeft } from "../time_left.ts";

/** The download is about to go on with a new request. */
export interface ResumeEvent {
  /** Requests since bytes came last, from 1. */
  readonly attempt: number;
  /** Milliseconds until the request. */
  readonly delayMs: number;
  /** Bytes that have been read. */
  readonly position: number;
  /** What broke it. */
  readonly error: HttpError;
}

/** How to go on. */
export interface Resumption {
  /** Null: there is none, and no attempts. */
  readonly validator: StrongValidator | null;
  readonly transport: RoundTripper;
  readonly attempts: number;
  readonly backOff: BackOff;
  readonly onResume: ((event: ResumeEvent) => void) | undefined;
  readonly time: TimeLeft;
  /** Where the request was made, for its callbacks: whoever reads may be elsewhere. Null: it has none. */
  readonly context: AsyncContext | null;
}

/** What a connection that breaks looks like to the reader. */
const BROKEN: ReadonlySet<string> = new Set(["ERR_INCOMPLETE_BODY", "ERR_CONNECTION_LOST"]);

/** What else may pass when the next part is asked for. */
const PASSING: ReadonlySet<string> = new Set([...BROKEN, "ERR_DIAL", "ERR_PROXY"]);

/** Answers to the request for the next part that say "later". */
const LATER: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Conditions of the first request, which would be asked a second time. */
const CONDITIONS: readonly string[] = [
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
];

/** The content of a response, resumed where it breaks. Owns: the response that is being read. */
export class ResumedContent implements IncomingContent {
  readonly whole = null;
  readonly framing: Framing;
  readonly #first: ReceivedResponse;
  readonly #resumption: Resumption;
  #current: HttpResponse;
  #position = 0;
  /** Null until the server has said. */
  #totalBytes: number | null;
  /** Requests since bytes came last. */
  #attempts = 0;
  #ended = false;
  #trailers: HttpHeaders | null = null;
  /** What is known of the request whose answer broke off, and of those since. */
  #known: readonly Attempt[] = [];
  /** While the next part is waited for: what the reader's giving up ends. */
  #asking: AbortController | null = null;

  /** @param first A response with its body unread. */
  constructor(first: ReceivedResponse, resumption: Resumption) {
    this.#first = first;
    this.#current = first;
    this.#resumption = resumption;
    this.framing = first.framing;
    this.#totalBytes = this.framing.kind === "length" ? this.framing.bytes : null;
  }

  get deviations(): readonly Deviation[] {
    return this.#first.deviations as readonly Deviation[];
  }

  get trailers(): HttpHeaders | null {
    return this.#trailers;
  }

  get complete(): boolean {
    return this.#ended;
  }

  async read(p: Uint8Array): Promise<number | null> {
    for (;;) {
      try {
        return await this.#readPart(p);
      } catch (error) {
        await this.#goOn(error);
      }
    }
  }

  async abandon(): Promise<void> {
    this.#asking?.abort();
    await this.#current.body.close();
  }

  takeOver(): Conn {
    return this.#first.upgrade();
  }

  async #readPart(p: Uint8Array): Promise<number | null> {
    const n = await this.#current.body.read(p);
    if (n === null) {
      if (this.#totalBytes !== null && this.#position < this.#totalBytes) {
        throw this.#failed("ERR_INCOMPLETE_BODY", "The part ended before its end");
      }
      this.#ended = true;
      if (this.#current === this.#first) this.#trailers = await this.#first.trailers;
      return null;
    }
    this.#position += n;
    this.#attempts = 0;
    if (this.#totalBytes !== null && this.#position > this.#totalBytes) {
      await this.#current.body.close();
      throw this.#failed("ERR_MALFORMED_RESPONSE", "The part is longer than it was said to be");
    }
    // Where only its end tells how long a part is, the end has to be read.
    this.#ended = this.#position === this.#totalBytes && this.#current.contentLength !== null;
    return n;
  }

  /** Asks for what is missing until there is more to read, or throws what broke the body. */
  async #goOn(broken: unknown): Promise<void> {
    if (!(broken instanceof HttpError) || !BROKEN.has(broken.code)) throw broken;
    const { attempts, backOff, onResume, time } = this.#resumption;
    if (attempts === 0) throw broken;
    this.#known = broken.attempts.length > 0 ? broken.attempts : attemptsOf(this.#current);
    const { signal } = this.#first.request;
    this.#asking = new AbortController();
    const own = this.#asking.signal;
    const either = signal === null ? own : AbortSignal.any([signal, own]);
    let error: HttpError = broken;
    try {
      while (this.#attempts < attempts) {
        const attempt = this.#attempts + 1;
        const delayMs = backOff.delayMs(attempt);
        if (delayMs >= time.leftMs) throw this.#unresumed(broken, "no time was left");
        this.#attempts = attempt;
        const told: unknown = onResume?.({ attempt, delayMs, position: this.#position, error });
        tellRejection("onResume failed", told);
        await backOff.wait(delayMs, either);
        const answer = await this.#ask(either, broken);
        if (answer === null) return;
        error = answer;
      }
      throw this.#unresumed(broken, `${attempts} requests brought nothing`);
    } finally {
      this.#asking = null;
    }
  }

  /**
   * Asks for what is missing.
   *
   * @returns What went wrong and may pass; null: there is more to read.
   * @throws What will not pass.
   */
  async #ask(signal: AbortSignal, broken: HttpError): Promise<HttpError | null> {
    const { time, transport, context } = this.#resumption;
    const request = this.#request(signal, time.timeoutMs);
    let response: HttpResponse;
    try {
      response = await within(context, () => transport.roundTrip(request));
    } catch (error) {
      const told = afterAttempts(error, this.#known, signal);
      if (!(told instanceof HttpError) || !PASSING.has(told.code)) throw told;
      this.#known = told.attempts;
      return told;
    }
    if (this.#accept(response)) return null;
    this.#known = [...this.#known, ...attemptsOf(response)];
    await response.body.close();
    const why = `the rest was answered with status ${response.status}`;
    if (!LATER.has(response.status)) throw this.#unresumed(broken, why);
    return this.#unresumed(broken, why);
  }

  #request(signal: AbortSignal, timeoutMs: number): HttpResponse["request"] {
    const { request } = this.#first;
    const headers = new HttpHeaders(request.headers);
    for (const name of CONDITIONS) headers.delete(name);
    headers.set("Range", `bytes=${this.#position}-`);
    headers.set("If-Range", this.#resumption.validator!.value);
    return request.with({ headers, signal, timeoutMs });
  }

  /** Takes a response if it is exactly what is missing, of the same content. */
  #accept(response: HttpResponse): boolean {
    const { status, headers, contentLength } = response;
    if (status !== 206 || headers.has("content-encoding")) return false;
    if (!hasValidator(headers, this.#resumption.validator!)) return false;
    const range = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15})$/i.exec(
      headers.get("content-range") ?? "",
    );
    if (range === null) return false;
    const [start, end, total] = range.slice(1).map(Number);
    if (start !== this.#position || end !== total - 1 || end < start) return false;
    if (this.#totalBytes !== null && total !== this.#totalBytes) return false;
    if (contentLength !== null && contentLength !== total - start) return false;
    this.#totalBytes = total;
    this.#current = response;
    return true;
  }

  #failed(code: HttpError["code"], message: string): HttpError {
    return new HttpError(code, message, { phase: "body", attempts: attemptsOf(this.#current) });
  }

  /** The error that broke the body, and why it stays broken. */
  #unresumed(broken: HttpError, why: string): HttpError {
    return new HttpError(broken.code, `${broken.message}; it could not be resumed: ${why}`, {
      phase: "body",
      attempts: this.#known,
      cause: broken,
    });
  }
}
