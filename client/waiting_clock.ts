/**
 * The clock of what waits on a request's behalf.
 *
 * @module
 */
import { guardedClock } from "../conn/guarded_clock.ts";
import type { Clock } from "../transport/clock.ts";
import { realTime } from "../conn/real_time.ts";

/** The runtime's clock, with timers that keep the process alive: a request waits for them. */
const waitingClock: Clock = {
  now: () => realTime.now(),
  startTimer: (callback, delayMs) => realTime.setTimeout(callback, delayMs),
  stopTimer: (handle) => realTime.clearTimeout(handle as ReturnType<typeof setTimeout>),
};

/**
 * The clock to go by, where callers may bring one.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: it is no clock.
 */
export function callersClock(clock: Clock | undefined): Clock {
  return clock === undefined ? waitingClock : guardedClock(clock);
}
