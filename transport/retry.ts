/**
 * Whether a failed request is sent again: a pure function of what is known of the attempt.
 *
 * @module
 */
import { type Attempt, HttpError } from "../conn/http_error.ts";
import type { HttpRequest } from "./http_request.ts";
import { isReplayable } from "./request_body.ts";

const REPLAYABLE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** What decides, besides the attempt. */
export interface Replay {
  method: string;
  /** Whether the caller has marked the request as repeatable. */
  hasIdempotencyKey: boolean;
  /** Whether the body can be produced a second time. */
  replayableBody: boolean;
}

/**
 * Whether the attempt may be repeated, on a fresh connection: a connection that had served before
 * broke without a byte of an answer, and either the server cannot have seen the request or seeing
 * it twice is harmless.
 *
 * Pure.
 */
export function mayReplay(attempt: Attempt, replay: Replay): boolean {
  return attempt.reused && attempt.responseBytes === 0 && replay.replayableBody &&
    (attempt.verdict === "never-sent" || REPLAYABLE_METHODS.has(replay.method) ||
      replay.hasIdempotencyKey);
}

/** The same, for an error of the transport and its request. */
export function mayReplayAfter(error: unknown, request: HttpRequest): boolean {
  return error instanceof HttpError && error.code === "ERR_CONNECTION_LOST" &&
    error.attempt !== null && mayReplay(error.attempt, {
      method: request.method,
      hasIdempotencyKey: request.headers.has("idempotency-key") ||
        request.headers.has("x-idempotency-key"),
      replayableBody: isReplayable(request.body),
    });
}
