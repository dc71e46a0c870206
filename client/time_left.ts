/**
 * One deadline for all that a client does for a request: hops, redirect checks, the cookie jar.
 *
 * @module
 */
import { abortable } from "../conn/abortable.ts";
import { HttpError } from "../conn/http_error.ts";
import type { Clock } from "../transport/clock.ts";
import type { HttpRequest } from "../transport/message/http_request.ts";
import { shownRequest } from "../transport/message/shown_request.ts";

/** Milliseconds. Timers beyond fire at once on every runtime. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What is left of a request's time. */
export class TimeLeft {
  readonly #request: HttpRequest;
  readonly #clock: Clock;
  readonly #endsAt: number;

  /** @param request Its `timeoutMs` is all there is. */
  constructor(request: HttpRequest, clock: Clock) {
    const { timeoutMs } = request;
    this.#request = request;
    this.#clock = clock;
    this.#endsAt = timeoutMs > 0 ? clock.now() + timeoutMs : Infinity;
  }

  /** Milliseconds; Infinity if there is no limit, below 0 if it has run out. */
  get leftMs(): number {
    return this.#endsAt === Infinity ? Infinity : this.#endsAt - this.#clock.now();
  }

  /**
   * What to give to the next exchange as its `timeoutMs`.
   *
   * @throws {HttpError} `ERR_TIMEOUT`: nothing is left; 0 would turn it off.
   */
  get timeoutMs(): number {
    const { leftMs } = this;
    if (leftMs === Infinity) return 0;
    if (leftMs <= 0) throw this.#expired();
    return leftMs;
  }

  /**
   * Waits for foreign work, within the time and until the signal aborts.
   *
   * @throws {HttpError} `ERR_TIMEOUT`. Or the signal's reason, or what `work` rejects with.
   */
  async wait<T>(work: T | Promise<T>, signal: AbortSignal | null): Promise<T> {
    const aborted = abortable(Promise.resolve(work), signal ?? undefined, {});
    if (this.#endsAt === Infinity) return await aborted;
    const expired = Promise.withResolvers<never>();
    const delayMs = Math.min(Math.max(0, this.leftMs), MAX_TIMER_MS);
    const timer = this.#clock.startTimer(() => expired.reject(this.#expired()), delayMs);
    try {
      return await Promise.race([aborted, expired.promise]);
    } finally {
      this.#clock.stopTimer(timer);
    }
  }

  #expired(): HttpError {
    const what = `The request took more than ${this.#request.timeoutMs} ms`;
    return new HttpError("ERR_TIMEOUT", `${shownRequest(this.#request)}: ${what}`, {
      phase: "client",
    });
  }
}
