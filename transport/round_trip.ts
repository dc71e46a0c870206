/**
 * One call of `roundTrip`: a request, the attempts that it took, and the response.
 *
 * @module
 */
import { type Attempt, HttpError, type HttpErrorPhase } from "../conn/http_error.ts";
import type { ExchangeEvents } from "../http1/client_exchange.ts";
import type { IncomingContent } from "../http1/incoming_content.ts";
import type { ResponseHead } from "../http1/response_head.ts";
import { NEVER_SENT, withAttempt } from "./attempt.ts";
import type { HttpRequest } from "./http_request.ts";
import {
  type HttpResponse,
  ReceivedResponse,
  type ResponseConnection,
  type ResponseExchange,
  type Timings,
} from "./http_response.ts";
import { type Outgoing, outgoingRequest } from "./outgoing.ts";
import type { PersistentConnection } from "./persistent_connection.ts";
import { isReplayable } from "./request_body.ts";
import { mayReplayAfter } from "./retry.ts";
import type { ClientTrace } from "./trace.ts";

/** What a connection cost. */
export interface DialCost {
  dialMs: number | null;
  tlsMs: number | null;
}

/** Where a round trip gets its connections. */
export interface ConnectionSource {
  readonly options: {
    readonly compression: boolean;
    readonly closeAfterUse: boolean;
    readonly expectContinueTimeoutMs: number;
    readonly trace: ClientTrace | null;
  };
  /** An idle connection, taken in the same step; undefined if there is none. */
  take(request: HttpRequest): PersistentConnection | undefined;
  /** Puts back a connection that was taken and not used. */
  giveBack(connection: PersistentConnection): void;
  /** Null: nothing that the kernel holds could be missed. */
  pollBarrier(connection: PersistentConnection): Promise<void> | null;
  /** Makes a connection for `roundTrip`; it goes to the pool if nobody waits for it any more. */
  dial(roundTrip: RoundTrip): void;
  /** The round trip is over, its body read or closed. */
  ended(roundTrip: RoundTrip): void;
}

/** A round trip under way. Owns: its attempts, its timer, its listener on the signal. */
export class RoundTrip implements ExchangeEvents, ResponseExchange {
  readonly request: HttpRequest;
  readonly promise: Promise<HttpResponse>;
  readonly #connections: ConnectionSource;
  #resolve!: (response: HttpResponse) => void;
  #reject!: (reason: unknown) => void;
  #phase: HttpErrorPhase = "queue";
  #connection: PersistentConnection | null = null;
  /** Taken, but not proven to be alive yet. */
  #candidate: PersistentConnection | null = null;
  #outgoing: Outgoing | null = null;
  #attempts = 0;
  /** Whether content that was held back was let go. */
  #contentBegan = false;
  #answered: Attempt | null = null;
  #failure: { error: unknown } | null = null;
  #responded = false;
  #over = false;
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;
  #continueTimer: ReturnType<typeof setTimeout> | undefined = undefined;
  #onEnded: ((error: unknown) => void) | null = null;
  #endError: { error: unknown } | null = null;

  readonly #startedAt: number = performance.now();
  #cost: DialCost = { dialMs: null, tlsMs: null };
  #gotConnAt: number | null = null;
  #wroteAt: number | null = null;
  #firstByteAt: number | null = null;
  #headAt: number | null = null;
  #reused = false;
  #endedAt: number | null = null;

  constructor(request: HttpRequest, connections: ConnectionSource) {
    this.request = request;
    this.#connections = connections;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Begins. The outcome is {@linkcode promise}. */
  start(): void {
    const { signal, timeoutMs } = this.request;
    if (signal?.aborted) {
      this.abort(signal.reason);
      return;
    }
    try {
      this.#outgoing = this.#prepare(false);
    } catch (error) {
      this.abort(withAttempt(error, "request", NEVER_SENT));
      return;
    }
    signal?.addEventListener("abort", this);
    if (timeoutMs > 0) this.#startTimer(timeoutMs);
    this.#acquire();
  }

  /** Whether it still waits for a connection. */
  get wantsConnection(): boolean {
    return !this.#over && this.#connection === null && this.#candidate === null;
  }

  /** Ends the round trip, in any phase: the call rejects, or the body fails. */
  abort(reason: unknown): void {
    if (this.#over) return;
    this.#failure = { error: reason };
    this.#end(reason);
    if (!this.#responded) this.#reject(reason);
    if (this.#candidate?.isIdle) this.#connections.giveBack(this.#candidate);
    // Its exchange may be over, and the connection be another's.
    if (this.#connection?.serves(this)) this.#connection.close(reason);
  }

  /** The connection being made is being secured. */
  securing(): void {
    if (this.wantsConnection) this.#phase = "tls";
  }

  /** A connection that was made for this round trip. */
  dialled(connection: PersistentConnection, cost: DialCost): void {
    this.#cost = cost;
    this.#use(connection);
  }

  /** No connection could be made. */
  dialFailed(error: unknown): void {
    if (!this.wantsConnection) return;
    const phase = error instanceof HttpError ? error.phase : "dial";
    this.abort(withAttempt(error, phase, NEVER_SENT));
  }

  #prepare(withoutExpect: boolean): Outgoing {
    const { compression, closeAfterUse } = this.#connections.options;
    return outgoingRequest(this.request, { compression, close: closeAfterUse, withoutExpect });
  }

  #acquire(): void {
    const connection = this.#connections.take(this.request);
    if (connection === undefined) {
      this.#dial();
      return;
    }
    const barrier = this.#connections.pollBarrier(connection);
    if (barrier === null) this.#use(connection);
    else this.#prove(connection, barrier);
  }

  #dial(): void {
    this.#phase = "dial";
    this.#connections.dial(this);
  }

  /**
   * What the kernel holds for the connection (its end, or bytes that answer nothing) must be seen
   * before the request is written: it could be taken for the answer.
   */
  async #prove(connection: PersistentConnection, barrier: Promise<void>): Promise<void> {
    this.#candidate = connection;
    // A connection that waits does not keep the process alive; this request must.
    connection.conn.ref();
    try {
      await barrier;
    } catch (error) {
      connection.close(error);
    }
    if (this.#over) return;
    this.#candidate = null;
    if (connection.isIdle) this.#use(connection);
    else this.#acquire();
  }

  #use(connection: PersistentConnection): void {
    this.#connection = connection;
    this.#phase = "request";
    this.#attempts++;
    const { hasServed, idleSinceMs } = connection;
    const now = performance.now();
    this.#gotConnAt = now;
    this.#reused = hasServed;
    this.#each((trace) =>
      trace.gotConn?.({
        id: connection.id,
        reused: hasServed,
        wasIdle: hasServed,
        idleMs: hasServed ? now - idleSinceMs : 0,
      })
    );
    connection.send(this.#outgoing!, this);
  }

  /** The signal was aborted. */
  handleEvent(): void {
    this.abort(this.request.signal!.reason);
  }

  #startTimer(delayMs: number): void {
    this.#timer = setTimeout(() => this.#onTimeout(), Math.min(delayMs, MAX_TIMER_MS));
  }

  #onTimeout(): void {
    const { timeoutMs } = this.request;
    const elapsedMs = performance.now() - this.#startedAt;
    if (elapsedMs < timeoutMs) {
      this.#startTimer(timeoutMs - elapsedMs);
      return;
    }
    this.abort(
      new HttpError("ERR_TIMEOUT", `The exchange took more than ${timeoutMs} ms`, {
        phase: this.#phase,
        attempt: this.#attempt(),
      }),
    );
  }

  #attempt(): Attempt {
    return this.#answered ?? this.#connection?.attempt() ?? NEVER_SENT;
  }

  // ExchangeEvents

  wroteHead(): void {
    this.#each((trace) => trace.wroteHeaders?.());
    if (!this.#connection!.awaitingContinue) return;
    this.#each((trace) => trace.wait100Continue?.());
    const { expectContinueTimeoutMs } = this.#connections.options;
    if (expectContinueTimeoutMs === 0) return;
    const connection = this.#connection!;
    this.#continueTimer = setTimeout(() => {
      this.#contentBegan = true;
      connection.continueTimedOut();
    }, Math.min(expectContinueTimeoutMs, MAX_TIMER_MS));
  }

  wroteRequest(error: unknown): void {
    this.#wroteAt = performance.now();
    if (!this.#responded && error === undefined) this.#phase = "response-header";
    this.#each((trace) => trace.wroteRequest?.({ error }));
  }

  firstByte(): void {
    this.#firstByteAt = performance.now();
    this.#each((trace) => trace.gotFirstResponseByte?.());
  }

  informational(head: ResponseHead): void {
    if (head.statusCode === 100) {
      clearTimeout(this.#continueTimer);
      this.#contentBegan = true;
      this.#each((trace) => trace.got100Continue?.());
    }
    this.#each((trace) => trace.got1xxResponse?.(head.statusCode, head.headers));
  }

  response(head: ResponseHead, content: IncomingContent): void {
    clearTimeout(this.#continueTimer);
    const mayRepeat = !this.#contentBegan || isReplayable(this.request.body);
    if (head.statusCode === 417 && this.#outgoing!.expectContinue && mayRepeat) {
      this.#withoutExpect(content);
      return;
    }
    this.#headAt = performance.now();
    this.#phase = "body";
    this.#responded = true;
    if (content.framing.kind === "tunnel") this.#connection!.leave();
    const response = new ReceivedResponse(head, content, this);
    this.#resolve(response);
    if (content.framing.kind === "tunnel") this.#end(undefined);
    else if (content.whole !== null && !response.uncompressed) {
      this.bodyDone(content.whole.length, undefined);
    } else if (content.whole !== null) {
      // The round trip outlives its hold on the connection.
      this.#answered = this.#connection!.attempt();
    }
  }

  failed(error: unknown): void {
    if (this.#over) return;
    clearTimeout(this.#continueTimer);
    const located = withAttempt(error, this.#phase, this.#attempt());
    if (this.#attempts === 1 && mayReplayAfter(located, this.request)) {
      this.#retry(located as HttpError, false);
      return;
    }
    this.abort(located);
  }

  /** The server refuses to be asked first (RFC 9110 section 15.5.18): once more without asking. */
  #withoutExpect(content: IncomingContent): void {
    const connection = this.#connection!;
    this.#connection = null;
    const refused = new HttpError("ERR_CONNECTION_LOST", "The server answered 417", {
      phase: "response-header",
      attempt: connection.attempt(),
    });
    connection.drain(() => content.abandon());
    this.#retry(refused, true);
  }

  #retry(error: HttpError, withoutExpect: boolean): void {
    this.#connection = null;
    this.#each((trace) => trace.retry?.({ attempt: this.#attempts + 1, error }));
    try {
      this.#outgoing = this.#prepare(withoutExpect || !this.#outgoing!.expectContinue);
    } catch (prepareError) {
      this.abort(withAttempt(prepareError, "request", NEVER_SENT));
      return;
    }
    this.#dial();
  }

  // ResponseExchange

  get connectionInfo(): ResponseConnection {
    const { id, conn } = this.#connection!;
    const { localAddr, remoteAddr, tls } = conn;
    return { id, reused: this.#reused, localAddr, remoteAddr, tls };
  }

  get decodes(): boolean {
    const { decompress } = this.request;
    return decompress === true || (decompress === null && this.#outgoing!.askedForGzip);
  }

  get timings(): Timings {
    const { dialMs, tlsMs } = this.#cost;
    const spentMs = (dialMs ?? 0) + (tlsMs ?? 0);
    const since = (to: number | null, from: number | null): number | null =>
      to === null || from === null ? null : Math.max(0, to - from);
    return {
      queueMs: since(this.#gotConnAt, this.#startedAt + spentMs),
      dialMs,
      tlsMs,
      requestMs: since(this.#wroteAt, this.#gotConnAt),
      waitMs: since(this.#firstByteAt, this.#wroteAt),
      bodyMs: since(this.#endedAt, this.#headAt),
    };
  }

  get ended(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error: unknown): void => error === undefined ? resolve() : reject(error);
      if (this.#endError !== null) settle(this.#endError.error);
      else this.#onEnded = settle;
    });
  }

  bodyDone(wireBytes: number, error: unknown): void {
    if (this.#over) return;
    this.#end(error);
    this.#each((trace) => trace.bodyDone?.({ bytes: wireBytes, error }));
  }

  get failure(): { error: unknown } | null {
    return this.#failure;
  }

  bodyError(error: unknown): unknown {
    return withAttempt(error, "body", this.#attempt());
  }

  drain(abandon: () => Promise<void>): Promise<void> {
    return this.#connection!.drain(abandon);
  }

  #end(error: unknown): void {
    this.#over = true;
    this.#endedAt = performance.now();
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    if (this.#continueTimer !== undefined) clearTimeout(this.#continueTimer);
    this.request.signal?.removeEventListener("abort", this);
    this.#endError = { error };
    this.#onEnded?.(error);
    this.#connections.ended(this);
  }

  #each(call: (trace: ClientTrace) => void): void {
    const { trace } = this.#connections.options;
    if (trace !== null) call(trace);
    if (this.request.trace !== null) call(this.request.trace);
  }
}

/** Milliseconds. Timers above 2^31-1 fire at once on every runtime. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;
