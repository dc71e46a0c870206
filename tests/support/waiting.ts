/**
 * Waiting for what must come, without asserting how long it takes.
 *
 * @module
 */
import { setTimeout } from "node:timers";

/** Lets the event loop turn for a while. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

/** Waits until `condition` holds; gives up with an error after a bound that no machine should need. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const giveUp = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > giveUp) throw new Error(`Waited in vain until ${what}`);
    await pause(2);
  }
}

/** Waits until a figure has stopped growing, and returns it; gives up when it goes above `limit`. */
export async function settled(figure: () => number, limit: number): Promise<number> {
  for (let last = -1, same = 0;;) {
    const now = figure();
    if (now > limit) return now;
    same = now === last ? same + 1 : 0;
    if (same === 8 && now > 0) return now;
    last = now;
    await pause(20);
  }
}

/** Whether a promise is still pending after the microtasks and events that are due. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = {};
  const first = await Promise.race([promise.catch(() => {}), pause(10).then(() => pending)]);
  return first === pending;
}
