/**
 * The error of ours inside an error of somebody else.
 *
 * @module
 */
import { HttpError } from "../conn/http_error.ts";

/** How many errors are looked at; chains may be endless, and lists long. */
const MAX_ERRORS = 1000;

/** Where errors keep others: `Error`, `SuppressedError`. */
const INSIDE: readonly string[] = ["cause", "error", "suppressed"];

/**
 * Finds the {@linkcode HttpError} in what `fetch`, or a library around it, has thrown: the error
 * itself, its `cause` or that of its `cause`, or one of the `errors` of an `AggregateError`. The one
 * that lies nearest; null if there is none.
 *
 * @example
 * ```ts
 * import { fetch, httpErrorOf } from "@roundtrip/http";
 *
 * try {
 *   await fetch("http://127.0.0.1:2/");
 * } catch (error) {
 *   console.log(httpErrorOf(error)?.code, httpErrorOf(error)?.attempt?.verdict);
 * }
 * ```
 */
export function httpErrorOf(error: unknown): HttpError | null {
  const found: Set<unknown> = new Set([error]);
  // A set is walked through with what is added meanwhile.
  for (const one of found) {
    if (one instanceof HttpError) return one;
    if (typeof one !== "object" || one === null) continue;
    for (const name of INSIDE) add(found, read(one, name));
    const errors = read(one, "errors");
    const count = Array.isArray(errors) ? Math.min(errors.length, MAX_ERRORS) : 0;
    for (let i = 0; i < count; i++) add(found, read(errors as object, i));
  }
  return null;
}

function add(found: Set<unknown>, value: unknown): void {
  if (found.size < MAX_ERRORS) found.add(value);
}

/** What stands there; nothing where a getter throws. */
function read(value: object, name: string | number): unknown {
  try {
    return (value as Record<string | number, unknown>)[name];
  } catch {
    return undefined;
  }
}
