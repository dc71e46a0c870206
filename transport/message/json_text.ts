/**
 * A value as the JSON that is sent of it.
 *
 * @module
 */
import { HttpError, printable } from "../../conn/http_error.ts";

/** What content made by {@linkcode jsonText} is said to be. RFC 8259 knows no charset of it. */
export const JSON_TYPE: string = "application/json";

/**
 * The JSON text of a value, as `JSON.stringify` makes it.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: it has none: undefined, a function or a symbol; a BigInt
 * or a circle in it; a `toJSON` or getter that throws, which is the cause.
 * @see RFC 8259
 */
export function jsonText(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw invalid(
      `json holds ${obstacle(value) ?? "something that throws"}, which has no JSON`,
      cause,
    );
  }
  if (text === undefined) throw invalid(`json is ${named(value)}, which has no JSON`);
  return text;
}

/** What `JSON.stringify` has stumbled over, where it stands; null: over the caller's own code. */
function obstacle(value: unknown): string | null {
  const above: unknown[] = [];
  let found: string | null = null;
  try {
    JSON.stringify(value, function (this: unknown, key: string, one: unknown): unknown {
      while (above.length > 0 && above[above.length - 1] !== this) above.pop();
      const place = key === "" ? "" : ` at "${printable(key)}"`;
      if (typeof one === "bigint") found = `a BigInt${place}`;
      if (above.includes(one)) found = `a circle${place}`;
      // The search is over.
      if (found !== null) return null;
      if (typeof one === "object" && one !== null) above.push(one);
      return one;
    });
  } catch {
    // It was thrown before, and is the cause of the error that is told.
  }
  return found;
}

function named(value: unknown): string {
  return value === undefined ? "undefined" : `a ${typeof value}`;
}

function invalid(message: string, cause?: unknown): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "request", cause });
}
