/**
 * What `fetch` and its bodies reject with.
 *
 * Libraries tell a network error by its text: those that the runtimes use for it are used exactly,
 * and everything that is to be known stands in the cause.
 *
 * @module
 */
import { HttpError, type HttpErrorCode } from "../../conn/http_error.ts";
import { isSystemError, type SystemError } from "../../conn/system_error.ts";

/** What the caller has given is wrong; asking again cannot help. */
const CALLERS: ReadonlySet<HttpErrorCode> = new Set<HttpErrorCode>([
  "ERR_INVALID_REQUEST",
  "ERR_UNSUPPORTED_SCHEME",
  "ERR_BODY_LENGTH",
]);

/** Below which the system may have spoken; under any other, it speaks of something of the caller's. */
const NETWORKS: ReadonlySet<HttpErrorCode> = new Set<HttpErrorCode>([
  "ERR_DIAL",
  "ERR_PROXY",
  "ERR_TLS",
  "ERR_CONNECTION_LOST",
  "ERR_INCOMPLETE_BODY",
]);

/** The connection broke. Where it was ended without a word, no system says so. */
const LOST: ReadonlySet<HttpErrorCode> = new Set<HttpErrorCode>([
  "ERR_CONNECTION_LOST",
  "ERR_INCOMPLETE_BODY",
]);

/** How many errors of ours lie on top of the system's at most. */
const MAX_DEPTH = 16;

/** What `fetch` rejects with: an abort, and what is the caller's, are told as they are. */
export function networkError(error: unknown, signal: AbortSignal | null): unknown {
  return told(error, signal, "fetch failed");
}

/** What the body of a response fails with. */
export function bodyError(error: unknown, signal: AbortSignal | null): unknown {
  return told(error, signal, "terminated");
}

function told(error: unknown, signal: AbortSignal | null, text: string): unknown {
  if (!(error instanceof HttpError) || (signal?.aborted && error === signal.reason)) return error;
  return CALLERS.has(error.code)
    ? new TypeError(`fetch: ${error.message}`, { cause: error })
    : new TypeError(text, { cause: systemCause(error) ?? error });
}

/**
 * What the system said, as programs for Node look for it, with the error of ours below. A server that
 * ends the connection early is told by the code that `node:http` and Bun give it, as by a reset:
 * libraries that try again by codes do not tell the two apart.
 */
function systemCause(error: HttpError): Error | null {
  let inner: unknown = error;
  for (let depth = 0; depth < MAX_DEPTH && inner instanceof HttpError; depth++) {
    if (!NETWORKS.has(inner.code)) return null;
    inner = inner.cause;
  }
  if (isSystemError(inner)) {
    const { code, syscall, address, port, hostname } = inner;
    return causeWith({ code, syscall, address, port, hostname }, error);
  }
  const isEnded = inner === undefined && LOST.has(error.code) && error.attempt !== null;
  return isEnded ? causeWith({ code: "ECONNRESET" }, error) : null;
}

function causeWith(members: Partial<SystemError>, error: HttpError): Error {
  const known = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.assign(new Error(error.message, { cause: error }), Object.fromEntries(known));
}
