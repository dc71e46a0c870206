/**
 * Waiting in a simulated world.
 *
 * @module
 */
import type { Clock } from "../transport/clock.ts";

/**
 * Settles when that time has passed by the clock.
 *
 * Cancel: the signal rejects with its reason at once.
 */
export function wait(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = clock.startTimer(() => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }, ms);
    const aborted = (): void => {
      clock.stopTimer(timer);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** Settles by the signal alone: rejects with its reason. */
export function never(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const aborted = (): void => reject(signal!.reason);
    if (signal?.aborted) return aborted();
    signal?.addEventListener("abort", aborted, { once: true });
  });
}
