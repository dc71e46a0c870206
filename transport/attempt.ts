/**
 * What is known of one attempt, and how it is attached to an error.
 *
 * @module
 */
import { type Attempt, HttpError, type HttpErrorPhase } from "../conn/http_error.ts";

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

/**
 * The error with the attempt and phase that the lower rooms cannot know. What is no
 * {@linkcode HttpError} (an abort reason, an error of the caller's body) is passed through.
 */
export function withAttempt(error: unknown, phase: HttpErrorPhase, attempt: Attempt): unknown {
  if (!(error instanceof HttpError) || error.attempt !== null) return error;
  const located = new HttpError(error.code, error.message, { phase, attempt, cause: error.cause });
  // Where it was noticed tells more than where it was given its phase.
  if (error.stack !== undefined) located.stack = error.stack;
  return located;
}
