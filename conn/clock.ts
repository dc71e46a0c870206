/**
 * Time: a parameter, so that tests can bring their own.
 *
 * @module
 */
import { realTime } from "./real_time.ts";

/** A clock and its timers. */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. */
  now(): number;
  /**
   * Calls back once, not before `delayMs` have passed. Does not keep the process alive.
   *
   * @param delayMs 0..2^31-1; longer delays fire at once on every runtime.
   */
  startTimer(callback: () => void, delayMs: number): TimerHandle;
  /** Forgets a timer. */
  stopTimer(handle: TimerHandle): void;
  /**
   * Calls back once the runtime has told of what the kernel had when it was asked last. Absent: no
   * request waits for others, and what nobody reads is taken without waiting for a reader.
   *
   * @returns What `cancelEndOfTurn` is given, where that is there.
   */
  atEndOfTurn?(callback: () => void): unknown;
  /** Forgets a callback of `atEndOfTurn`. Absent: it is called, and finds nothing to do. */
  cancelEndOfTurn?(handle: unknown): void;
}

/** A running timer, opaque. */
export type TimerHandle = unknown;

/** The runtime's clock. Workers have neither an end of a turn nor a process to keep alive. */
export const systemClock: Clock = {
  now: () => realTime.now(),
  startTimer: (callback, delayMs) => {
    const handle = realTime.setTimeout(callback, delayMs);
    // Requests keep the process alive by their connections; waiting for a time-out does not.
    (handle as { unref?(): void }).unref?.();
    return handle;
  },
  stopTimer: (handle) => realTime.clearTimeout(handle as ReturnType<typeof setTimeout>),
  ...typeof setImmediate === "function" && {
    atEndOfTurn: (callback) => realTime.setImmediate(callback),
    cancelEndOfTurn: (handle) => realTime.clearImmediate(handle as ReturnType<typeof setImmediate>),
  },
};
