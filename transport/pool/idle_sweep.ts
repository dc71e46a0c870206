/**
 * The time at which idle connections become too old: one timer for all of them.
 *
 * @module
 */
import type { Clock, TimerHandle } from "../clock.ts";

/** Milliseconds. Timers beyond fire at once on every runtime. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Owns: the timer. */
export class IdleSweep {
  readonly #clock: Clock;
  readonly #sweep: (nowMs: number) => number;
  #timer: TimerHandle = null;
  #atMs = Infinity;

  /** @param sweep Closes what is too old. Returns when the next one will be; Infinity: none will. */
  constructor(clock: Clock, sweep: (nowMs: number) => number) {
    this.#clock = clock;
    this.#sweep = sweep;
  }

  /** A connection will be too old at `expiresAtMs`; Infinity: never. */
  by(expiresAtMs: number): void {
    if (expiresAtMs < this.#atMs) this.#start(expiresAtMs);
  }

  stop(): void {
    if (this.#atMs < Infinity) this.#clock.stopTimer(this.#timer);
    this.#atMs = Infinity;
  }

  #start(atMs: number): void {
    this.stop();
    this.#atMs = atMs;
    const delayMs = Math.min(Math.max(0, atMs - this.#clock.now()), MAX_TIMER_MS);
    this.#timer = this.#clock.startTimer(() => {
      this.#atMs = Infinity;
      const nextMs = this.#sweep(this.#clock.now());
      if (nextMs < Infinity) this.#start(nextMs);
    }, Math.ceil(delayMs));
  }
}
