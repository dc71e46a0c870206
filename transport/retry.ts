/**
 * Whether a failed request is sent again: a pure function of what is known of the attempt.
 *
 * @module
 */
import { type Attempt, type Http2Cause, HttpError } from "../conn/http_error.ts";
import type { HttpRequest } from "./message/http_request.ts";
import { isReplayable } from "./message/request_body.ts";

const REPLAYABLE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** What decides, besides the attempt. */
export interface Replay {
  method: string;
  /** Whether the caller has marked the request as repeatable. */
  hasIdempotencyKey: boolean;
  /** Whether the body can be produced a second time. */
  replayableBody: boolean;
  /** Whether its connection carried others: it was not made for this one alone. */
  isShared: boolean;
}

/**
 * Whether the attempt may be repeated. Either the server has said that it has done nothing with it,
 * or it was still to be sent on a connection that carries many. Or a connection that had served
 * before broke without a byte of an answer, and the server cannot have seen the request or seeing it
 * twice is harmless.
 *
 * Pure.
 */
export function mayReplay(attempt: Attempt, replay: Replay): boolean {
  const isUntouched = attempt.verdict === "not-processed" ||
    (attempt.verdict === "never-sent" && replay.isShared);
  if (isUntouched) return replay.replayableBody;
  return attempt.reused && attempt.responseBytes === 0 && replay.replayableBody &&
    (attempt.verdict === "never-sent" || REPLAYABLE_METHODS.has(replay.method) ||
      replay.hasIdempotencyKey);
}

/** The same, for the attempt that ended with `error`, whatever else that may tell of. */
export function mayReplayAfter(
  error: unknown,
  attempt: Attempt,
  request: HttpRequest,
  isShared: boolean,
): boolean {
  return error instanceof HttpError && error.code === "ERR_CONNECTION_LOST" &&
    !isUnwelcome(error.http2, attempt) &&
    mayReplay(attempt, {
      method: request.method,
      hasIdempotencyKey: isKeyed(request.headers),
      replayableBody: isReplayable(request.body),
      isShared,
    });
}

/** Whether a server that sees the request twice does no more than one that sees it once. Pure. */
export function mayBeSentTwice({ method, headers, body }: HttpRequest): boolean {
  return isReplayable(body) && (REPLAYABLE_METHODS.has(method) || isKeyed(headers));
}

function isKeyed(headers: HttpRequest["headers"]): boolean {
  return headers.has("idempotency-key") || headers.has("x-idempotency-key");
}

/**
 * Whether the server does not want to hear of it again now, or has ended this one request for a
 * reason of its own.
 */
function isUnwelcome(http2: Http2Cause | null, { verdict }: Attempt): boolean {
  if (http2 === null || http2.from === "here") return false;
  if (http2.code === "ENHANCE_YOUR_CALM") return true;
  return http2.frame === "RST_STREAM" && verdict !== "not-processed";
}
