/**
 * Waiting, by the clock of a test or by the runtime's.
 *
 * @module
 */
import { realTime } from "../conn/real_time.ts";
import type { Clock } from "../transport/clock.ts";

/**
 * Settles when that time has passed.
 *
 * Cancel: the signal settles it at once.
 *
 * @param clock Null: the runtime's, whose timers keep the process alive.
 */
export function delay(ms: number, clock: Clock | null, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const over = (): void => {
      signal.removeEventListener("abort", stopped);
      resolve();
    };
    const handle = clock === null ? realTime.setTimeout(over, ms) : clock.startTimer(over, ms);
    function stopped(): void {
      if (clock === null) realTime.clearTimeout(handle as ReturnType<typeof setTimeout>);
      else clock.stopTimer(handle);
      over();
    }
    signal.addEventListener("abort", stopped);
  });
}
