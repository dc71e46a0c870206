/**
 * What callers' code throws where nobody can be told: it ends no request and no process, and is not
 * hidden either.
 *
 * @module
 */
import { realTime } from "./real_time.ts";

/**
 * Says on the console what went wrong in the caller's code, in a step of its own: whoever has put
 * something else in the place of `console.error` disturbs nobody with it.
 *
 * @param what For example `"A hook of a trace failed"`.
 */
export function tellFault(what: string, error: unknown): void {
  realTime.queueMicrotask(() => console.error(`Roundtrip: ${what}:`, error));
}

/**
 * Says so too when a promise rejects that came back from where none was expected: of an `async`
 * function in the place of a plain one. Left alone, it would end the process on some runtimes.
 */
export function tellRejection(what: string, returned: unknown): void {
  if (typeof returned !== "object" || returned === null) return;
  Promise.resolve(returned).catch((error) => tellFault(what, error));
}
