/**
 * How long to wait before something is tried again.
 *
 * @module
 */
import { abortable } from "../../conn/abortable.ts";
import { tellFault } from "../../conn/fault.ts";
import { HttpError } from "../../conn/http_error.ts";
import type { Clock } from "../../transport/clock.ts";
import { callersClock } from "../waiting_clock.ts";

/** Options of waiting, in milliseconds. */
export interface BackOffOptions {
  /** The first wait is between 0 and this; each further one may be twice as long. @default {100} */
  baseDelayMs?: number;
  /** No wait is longer, but for what a server asks for. @default {10000} */
  maxDelayMs?: number;
  /** For tests: a clock of their own. Default: the runtime's. */
  clock?: Clock;
  /** For tests: 0 or more, below 1. Default: `Math.random`. */
  random?: () => number;
}

/** Milliseconds. Timers beyond fire at once on every runtime. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Waits that grow, spread over their whole length so that clients do not come back all at once. */
export class BackOff {
  /** What the waits go by. */
  readonly clock: Clock;
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #random: () => number;

  /** @throws {HttpError} `ERR_INVALID_REQUEST`: a value that is no number of milliseconds. */
  constructor(options: BackOffOptions) {
    this.#baseDelayMs = checkedAmount("baseDelayMs", options.baseDelayMs ?? 100);
    this.#maxDelayMs = checkedAmount("maxDelayMs", options.maxDelayMs ?? 10_000);
    this.clock = callersClock(options.clock);
    this.#random = options.random ?? Math.random;
  }

  /** @param failures How often it has failed so far, from 1. */
  delayMs(failures: number): number {
    const longestMs = Math.min(this.#maxDelayMs, this.#baseDelayMs * 2 ** (failures - 1));
    return this.#share() * longestMs;
  }

  /** Of the longest wait. An answer that is dropped for the next try must not depend on it. */
  #share(): number {
    try {
      const share = this.#random();
      if (share >= 0 && share < 1) return share;
      throw new TypeError(`it gave ${share}`);
    } catch (error) {
      tellFault("random() failed", error);
      return Math.random();
    }
  }

  /**
   * Waits.
   *
   * @throws The signal's reason, as soon as it aborts.
   */
  wait(delayMs: number, signal: AbortSignal | null): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.clock.startTimer(resolve, Math.min(delayMs, MAX_TIMER_MS));
    const cancel = (): void => this.clock.stopTimer(timer);
    return abortable(promise, signal ?? undefined, { cancel });
  }
}

/** @throws {HttpError} `ERR_INVALID_REQUEST`: not a count of 1 or more. */
export function checkedAttempts(attempts: number): number {
  if (Number.isSafeInteger(attempts) && attempts >= 1) return attempts;
  throw new HttpError("ERR_INVALID_REQUEST", `attempts is not 1 or more: ${attempts}`, {
    phase: "client",
  });
}

/** @throws {HttpError} `ERR_INVALID_REQUEST`: not 0 or more. */
export function checkedAmount(name: string, value: number): number {
  if (typeof value !== "number" || !(value >= 0)) {
    throw new HttpError("ERR_INVALID_REQUEST", `${name} is not 0 or more: ${value}`, {
      phase: "client",
    });
  }
  return value;
}
