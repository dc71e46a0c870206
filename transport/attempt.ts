/**
 * What is known of one attempt, and how attempts are attached to an error.
 *
 * @module
 */
import { type Attempt, HttpError, type HttpErrorPhase, keepStack } from "../conn/http_error.ts";

/** The counts from which a verdict follows. */
export interface AttemptCounts {
  reused: boolean;
  /** Bytes of the request that the runtime accepted. */
  bytesWritten: number;
  /** Whether bytes were handed over whose fate is not known. */
  writePending: boolean;
  /** Whether the whole request was accepted. */
  requestComplete: boolean;
  responseBytes: number;
  /** Whether the server has said that it has done nothing with the request. */
  isUnprocessed?: boolean;
}

/**
 * The record of an attempt. Where the fate of bytes is unknown they count as seen by the server.
 *
 * Pure.
 */
export function attemptOf(counts: AttemptCounts): Attempt {
  const { reused, bytesWritten, writePending, requestComplete, responseBytes } = counts;
  const verdict = responseBytes > 0
    ? "answered"
    : counts.isUnprocessed === true
    ? "not-processed"
    : requestComplete
    ? "sent-no-answer"
    : bytesWritten > 0 || writePending
    ? "partly-sent"
    : "never-sent";
  return { reused, bytesWritten, responseBytes, verdict };
}

/** An attempt for which no connection was got. */
export const NEVER_SENT: Attempt = Object.freeze({
  reused: false,
  bytesWritten: 0,
  responseBytes: 0,
  verdict: "never-sent",
});

/** An attempt that was answered, of which nothing was counted. */
export const ANSWERED: Attempt = Object.freeze({ ...NEVER_SENT, verdict: "answered" });

/** An attempt of which nothing is told: it may have been received. */
export const UNTOLD: Attempt = Object.freeze({ ...NEVER_SENT, verdict: "sent-no-answer" });

/** Of a request that was not tried before. */
export const NO_ATTEMPTS: readonly Attempt[] = Object.freeze([]);

/**
 * The error with the attempts of the request that it ends, and with the phase that the lower rooms
 * cannot know. Attempts that it brings along are another request's: of a dialer or a body that makes
 * requests of its own. What is no {@linkcode HttpError} is passed through.
 */
export function withAttempts(
  error: unknown,
  phase: HttpErrorPhase,
  attempts: readonly Attempt[],
): unknown {
  if (!(error instanceof HttpError)) return error;
  if (error.attempts.length > 0) {
    const isSame = attempts.length === 1 && error.attempts.length === 1 &&
      attempts[0] === error.attempts[0];
    return isSame ? error : error.withAttempts(attempts);
  }
  const { code, message, cause, http2 } = error;
  return keepStack(error, new HttpError(code, message, { phase, attempts, cause, http2 }));
}

/**
 * The error of a request before which there were `earlier` attempts, by whoever sends again or
 * elsewhere. What is no {@linkcode HttpError}, and the reason of `signal`, is passed through.
 */
export function afterAttempts(
  error: unknown,
  earlier: readonly Attempt[],
  signal: AbortSignal | null,
): unknown {
  if (earlier.length === 0 || !(error instanceof HttpError)) return error;
  if (signal?.aborted && error === signal.reason) return error;
  return error.withAttempts([...earlier, ...error.attempts]);
}
