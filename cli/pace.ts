/**
 * How soon one transfer begins behind another: `--rate`.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";

/** Lets transfers begin no sooner than an interval after each other; none waits that comes later anyway. */
export class Pace {
  readonly #intervalMs: number;
  #lastMs: number | null = null;

  /** @param intervalMs 0: none waits. */
  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Milliseconds that the next one waits from now on; it is taken to begin then. */
  waitMs(nowMs: number): number {
    const dueMs = this.#lastMs === null ? nowMs : this.#lastMs + this.#intervalMs;
    this.#lastMs = Math.max(dueMs, nowMs);
    return this.#lastMs - nowMs;
  }

  /**
   * Waits until the next one may begin.
   *
   * @throws The signal's reason.
   */
  async next(signal: AbortSignal): Promise<void> {
    if (this.#intervalMs === 0) return;
    const waitMs = this.waitMs(performance.now());
    if (waitMs <= 0) return;
    try {
      await sleep(waitMs, undefined, { signal });
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  }
}
