/**
 * A clock that stands still until a test moves it, and counts the timers that are started on it.
 *
 * @module
 */
import type { Clock, TimerHandle } from "../../mod.ts";

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** Time under the control of a test. */
export class ManualClock implements Clock {
  /** How many timers were started so far. */
  startedCount: number = 0;
  readonly #timers: Set<Timer> = new Set();
  #nowMs = 1_000;

  /** How many timers run now. */
  get runningCount(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#nowMs;
  }

  startTimer(callback: () => void, delayMs: number): TimerHandle {
    this.startedCount++;
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return timer;
  }

  stopTimer(handle: TimerHandle): void {
    this.#timers.delete(handle as Timer);
  }

  /** Lets time pass: timers that become due fire in their order, each at its own time. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let timer = this.#next(untilMs); timer !== null; timer = this.#next(untilMs)) {
      this.#timers.delete(timer);
      this.#nowMs = Math.max(this.#nowMs, timer.atMs);
      timer.callback();
    }
    this.#nowMs = untilMs;
  }

  /** Moves the time without firing anything, as after a suspension of the machine. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  #next(untilMs: number): Timer | null {
    let next: Timer | null = null;
    for (const timer of this.#timers) {
      if (timer.atMs <= untilMs && (next === null || timer.atMs < next.atMs)) next = timer;
    }
    return next;
  }
}
