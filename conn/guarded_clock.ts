/**
 * Clocks that callers bring, held to what `clock.ts` promises.
 *
 * @module
 */
import { type Clock, systemClock, type TimerHandle } from "./clock.ts";
import { tellFault } from "./fault.ts";
import { HttpError } from "./http_error.ts";

/** A timer, and whose it is. */
interface Timer {
  readonly clock: Clock;
  readonly handle: TimerHandle;
}

/**
 * A clock that can be relied on: `clock` itself if it is the runtime's, else one over it whose time
 * does not go back and whose methods do not throw. Where the caller's fails, it is told on the
 * console, time stands still, and timers are the runtime's.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: it is no clock.
 */
export function guardedClock(clock: Clock): Clock {
  if (clock === systemClock || clock instanceof GuardedClock) return clock;
  for (const name of ["now", "startTimer", "stopTimer"] as const) {
    if (typeof clock[name] !== "function") {
      throw new HttpError("ERR_INVALID_REQUEST", `Cannot use this clock: ${name} is no function`, {
        phase: "client",
      });
    }
  }
  return new GuardedClock(clock);
}

/** A clock over the caller's. */
class GuardedClock implements Clock {
  // There if the caller's has them.
  readonly atEndOfTurn?: (callback: () => void) => Timer;
  readonly cancelEndOfTurn?: (timer: unknown) => void;
  readonly #clock: Clock;
  #nowMs = -Infinity;
  /** Once is enough: a clock is asked all the time. */
  #isTold = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    if (typeof clock.atEndOfTurn === "function") {
      this.atEndOfTurn = (callback) => this.#start(callback, startEndOfTurn);
    }
    if (typeof clock.cancelEndOfTurn === "function") {
      this.cancelEndOfTurn = (timer) => this.#stop(timer as Timer, cancelEndOfTurn);
    }
  }

  now(): number {
    try {
      const nowMs = this.#clock.now();
      if (!Number.isFinite(nowMs)) throw new TypeError(`now() gave ${nowMs}`);
      if (nowMs > this.#nowMs) this.#nowMs = nowMs;
    } catch (error) {
      this.#failed(error);
    }
    return Number.isFinite(this.#nowMs) ? this.#nowMs : 0;
  }

  startTimer(callback: () => void, delayMs: number): Timer {
    return this.#start(callback, (clock, call) => clock.startTimer(call, delayMs));
  }

  stopTimer(timer: TimerHandle): void {
    this.#stop(timer as Timer, (clock, handle) => clock.stopTimer(handle));
  }

  #start(callback: () => void, start: (clock: Clock, call: () => void) => unknown): Timer {
    let isInside = true;
    let isEarly = false;
    try {
      const handle = start(this.#clock, () => {
        // Whoever starts a timer is not done with it yet.
        if (isInside) isEarly = true;
        else callback();
      });
      if (isEarly) throw new Error("it called back at once");
      return { clock: this.#clock, handle };
    } catch (error) {
      this.#failed(error);
      return { clock: systemClock, handle: start(systemClock, callback) };
    } finally {
      isInside = false;
    }
  }

  #stop({ clock, handle }: Timer, stop: (clock: Clock, handle: unknown) => void): void {
    try {
      stop(clock, handle);
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (this.#isTold) return;
    this.#isTold = true;
    tellFault("The clock that was given failed", error);
  }
}

function startEndOfTurn(clock: Clock, call: () => void): unknown {
  return clock.atEndOfTurn!(call);
}

function cancelEndOfTurn(clock: Clock, handle: unknown): void {
  clock.cancelEndOfTurn!(handle);
}
