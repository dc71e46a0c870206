/**
 * Time that passes only when it is told to.
 *
 * @module
 */
import type { Clock, TimerHandle } from "../transport/clock.ts";

/** Something that will happen. */
interface Occurrence {
  readonly atMs: number;
  /** Of two at the same time, the one that was planned first comes first. */
  readonly order: number;
  readonly isTimer: boolean;
  readonly what: string;
  run: (() => void) | null;
}

/**
 * A clock for `TransportOptions.clock`: it stands still until {@linkcode VirtualClock.advance} runs
 * what comes next.
 *
 * @example
 * ```ts
 * import { VirtualClock } from "@roundtrip/http/testing";
 *
 * const clock = new VirtualClock();
 * clock.startTimer(() => console.log("a minute later"), 60_000);
 * clock.advance();
 * console.log(clock.now()); // 60000
 * ```
 */
export class VirtualClock implements Clock {
  readonly #heap: Occurrence[] = [];
  readonly #lateness: () => number;
  readonly #turn: () => number;
  #nowMs = 0;
  #order = 0;
  #timers = 0;
  #planned = 0;

  /**
   * Makes a clock that stands at 0.
   *
   * @param lateness Milliseconds by which the next timer that is started fires late. Default: 0.
   * @param turn Milliseconds for which the turn whose end is waited for next goes on. Default: 0.
   */
  constructor(lateness: () => number = () => 0, turn: () => number = () => 0) {
    this.#lateness = lateness;
    this.#turn = turn;
  }

  /** Milliseconds. */
  now(): number {
    return this.#nowMs;
  }

  /** How many timers run. */
  get timerCount(): number {
    return this.#timers;
  }

  /** How many other occurrences are to come. */
  get plannedCount(): number {
    return this.#planned;
  }

  /** Starts a timer of the program under test. */
  startTimer(callback: () => void, delayMs: number): TimerHandle {
    this.#timers++;
    return this.#add(delayMs + this.#lateness(), true, "timer", callback);
  }

  /** Forgets a timer. */
  stopTimer(handle: TimerHandle): void {
    const timer = handle as Occurrence;
    if (timer.run === null) return;
    timer.run = null;
    this.#timers--;
  }

  /** Calls back when the turn is over: something that is still to come, like a timer. */
  atEndOfTurn(callback: () => void): void {
    this.plan(this.#turn(), "end of turn", callback);
  }

  /** Plans an occurrence of the world around the program. */
  plan(delayMs: number, what: string, run: () => void): void {
    this.#planned++;
    this.#add(delayMs, false, what, run);
  }

  /**
   * Goes on to what comes next, and runs it.
   *
   * @returns What it was; null: nothing is to come.
   */
  advance(): string | null {
    for (let next = this.#pop(); next !== undefined; next = this.#pop()) {
      const { run } = next;
      if (run === null) continue;
      next.run = null;
      if (next.isTimer) this.#timers--;
      else this.#planned--;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      run();
      return next.what;
    }
    return null;
  }

  #add(delayMs: number, isTimer: boolean, what: string, run: () => void): Occurrence {
    const atMs = this.#nowMs + Math.max(0, delayMs);
    const occurrence: Occurrence = { atMs, order: this.#order++, isTimer, what, run };
    const heap = this.#heap;
    let at = heap.push(occurrence) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(occurrence, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = occurrence;
    return occurrence;
  }

  #pop(): Occurrence | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return last;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (!isBefore(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Occurrence, b: Occurrence): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
