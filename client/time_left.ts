/**
 * One deadline for all that a client does for a request: hops, redirect checks, the cookie jar.
 *
 * @module
 */
import { abortable } from "../conn/abortable.ts";
import { HttpError } from "../conn/http_error.ts";

/** Milliseconds. Timers beyond fire at once on every runtime. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What is left of a request's time. */
export class TimeLeft {
  readonly #timeoutMs: number;
  readonly #endsAt: number;

  /** @param timeoutMs 0 is off. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#endsAt = timeoutMs > 0 ? performance.now() + timeoutMs : Infinity;
  }

  /** Milliseconds; Infinity if there is no limit, below 0 if it has run out. */
  get leftMs(): number {
    return this.#endsAt - performance.now();
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
    const timer = setTimeout(() => expired.reject(this.#expired()), delayMs);
    try {
      return await Promise.race([aborted, expired.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #expired(): HttpError {
    return new HttpError("ERR_TIMEOUT", `The request took more than ${this.#timeoutMs} ms`, {
      phase: "client",
    });
  }
}
