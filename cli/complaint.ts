/**
 * What is said of a failure.
 *
 * @module
 */
import { HttpError } from "../conn/http_error.ts";
import { UsageError } from "./usage_error.ts";

/** One line that says what went wrong. */
export function complaint(thrown: unknown): string {
  const error = reasonOf(thrown);
  const message = error instanceof Error ? error.message : String(error);
  const line = message.replace(/\s*\n\s*/g, " ");
  if (error instanceof HttpError) return `${line} [${error.code}, ${error.phase}]`;
  if (error instanceof UsageError) return `${line} (roundtrip --help lists the options)`;
  return line;
}

/** Why a redirect was refused here: that says more than that it was. */
function reasonOf(error: unknown): unknown {
  const isRefusal = error instanceof HttpError && error.code === "ERR_REDIRECT";
  return isRefusal && error.cause instanceof HttpError ? error.cause : error;
}
