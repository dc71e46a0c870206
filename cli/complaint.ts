/**
 * What is said of a failure.
 *
 * @module
 */
import { HttpError } from "../conn/http_error.ts";
import { pinnedKeyErrorIn } from "./transfer_error.ts";
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

/** Why the command line has refused a redirect or a peer: that says more than that it did. */
function reasonOf(error: unknown): unknown {
  if (!(error instanceof HttpError)) return error;
  const pinned = pinnedKeyErrorIn(error);
  if (pinned !== null) return pinned;
  const { code, cause } = error;
  const isRefusal = code === "ERR_REDIRECT" && cause instanceof HttpError &&
    (cause.code === "ERR_REDIRECT" || cause.code === "ERR_UNSUPPORTED_SCHEME");
  return isRefusal ? cause : error;
}
