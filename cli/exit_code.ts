/**
 * What the process says when it ends. The numbers are those of curl where it has one.
 *
 * @module
 */
import { HttpError, type HttpErrorCode } from "../conn/http_error.ts";
import { OutputError } from "./fd_output.ts";
import { FileError } from "./request_data.ts";
import { StatusError } from "./response_output.ts";
import { UsageError } from "./options.ts";

/** Exit code after Ctrl-C: 128 and the number of the signal. */
export const INTERRUPTED = 130;

/** Exit code when the reader of standard output went away (`| head`): 128 and SIGPIPE. */
export const BROKEN_PIPE = 141;

/** Exit code for each error of the transport. */
const CODES: Readonly<Record<HttpErrorCode, number>> = {
  ERR_UNSUPPORTED_SCHEME: 1,
  ERR_INVALID_REQUEST: 3,
  ERR_PROXY: 5,
  ERR_DIAL: 7,
  ERR_MALFORMED_RESPONSE: 8,
  ERR_HEADERS_TOO_LARGE: 8,
  ERR_BLOCKED: 9,
  ERR_INCOMPLETE_BODY: 18,
  ERR_BODY_LENGTH: 26,
  ERR_TIMEOUT: 28,
  ERR_QUEUE_FULL: 28,
  ERR_TLS: 35,
  ERR_REDIRECT: 47,
  ERR_CONNECTION_LOST: 56,
  ERR_CLOSED: 56,
  ERR_BODY_CLOSED: 56,
  ERR_DECODE: 61,
};

/** The exit code for an error. 1 is for what nobody foresaw. Pure. */
export function exitCode(error: unknown): number {
  if (error instanceof HttpError) return CODES[error.code];
  if (error instanceof UsageError) return 2;
  if (error instanceof StatusError) return 22;
  if (error instanceof OutputError) return error.isBrokenPipe ? BROKEN_PIPE : 23;
  if (error instanceof FileError) return 26;
  return 1;
}
