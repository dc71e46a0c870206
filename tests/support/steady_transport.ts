/**
 * Transports for tests that count connections.
 *
 * @module
 */
import { type Clock, systemClock } from "../../conn/clock.ts";
import { Transport, type TransportOptions } from "../../mod.ts";

/**
 * A clock on which time passes only by its timers, each real: no proof of a connection grows old on
 * it because the machine is busy, and time-outs fire all the same.
 */
export function steadyClock(): Clock {
  let nowMs = 0;
  return {
    ...systemClock,
    now: () => nowMs,
    startTimer: (callback, delayMs) => {
      const dueMs = nowMs + delayMs;
      return systemClock.startTimer(() => {
        nowMs = Math.max(nowMs, dueMs);
        callback();
      }, delayMs);
    },
  };
}

/** A transport that uses a connection again wherever it may, however busy the machine is. */
export function steadyTransport(options: TransportOptions = {}): Transport {
  return new Transport({ clock: steadyClock(), ...options });
}
