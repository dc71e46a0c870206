/**
 * The one error class and its stable codes. It lives in the lowest room because the adapters
 * already speak it (docs/decisions/0001).
 *
 * @module
 */

/** What went wrong; stable across releases and runtimes. */
export type HttpErrorCode =
  | "ERR_INVALID_REQUEST"
  | "ERR_UNSUPPORTED_SCHEME"
  | "ERR_BODY_LENGTH"
  | "ERR_DIAL"
  | "ERR_TLS"
  | "ERR_PROXY"
  | "ERR_CONNECTION_LOST"
  | "ERR_MALFORMED_RESPONSE"
  | "ERR_HEADERS_TOO_LARGE"
  | "ERR_INCOMPLETE_BODY"
  | "ERR_BODY_TOO_LARGE"
  | "ERR_DECODE"
  | "ERR_TIMEOUT"
  | "ERR_QUEUE_FULL"
  | "ERR_CLOSED"
  | "ERR_BODY_CLOSED"
  | "ERR_REDIRECT"
  | "ERR_AUTH"
  | "ERR_BLOCKED";

/** Where in the life of a request it went wrong. */
export type HttpErrorPhase =
  | "queue"
  | "dial"
  | "proxy"
  | "tls"
  | "request"
  | "response-header"
  | "body"
  | "redirect"
  | "client";

/** What is known of an attempt at a request, or of several together. */
export interface Attempt {
  /** Whether the connection had served another request before. Of several: the last one's. */
  reused: boolean;
  /** Bytes of this request that the runtime accepted. Of several: the most, not the sum. */
  bytesWritten: number;
  /** Bytes received since the request began. Of several: the most, not the sum. */
  responseBytes: number;
  /**
   * What the peer can have seen, from the best to the worst; `"never-sent"` and `"not-processed"`, of
   * which an HTTP/2 server has said that it has done nothing with it, may always be repeated. Of
   * several: the worst.
   */
  verdict: "never-sent" | "not-processed" | "partly-sent" | "sent-no-answer" | "answered";
}

/** From the best to the worst, for whoever asks whether the request may be sent again. */
const VERDICTS: readonly Attempt["verdict"][] = [
  "never-sent",
  "not-processed",
  "partly-sent",
  "sent-no-answer",
  "answered",
];

/** What HTTP/2 said of an error. */
export interface Http2Cause {
  /** The frame that told, or that broke a rule: `"RST_STREAM"`, `"GOAWAY"`, … */
  frame: string;
  /** The code, by its name in RFC 9113 section 7. */
  code: string;
  /** Whether one stream ended with it, or the connection. */
  scope: "stream" | "connection";
  /** Which end said so. */
  from: "peer" | "here";
  /** Of GOAWAY: streams above were not looked at. */
  lastStreamId: number | null;
  /** What the peer added for people; escaped, at most 128 characters. */
  debugData: string;
}

/** What else an {@linkcode HttpError} carries. */
export interface HttpErrorOptions {
  /** Where it went wrong. */
  phase: HttpErrorPhase;
  /** What is known of the attempt, where there was one at most; null: there was none. */
  attempt?: Attempt | null;
  /** Of each attempt, oldest first, in the place of `attempt`. */
  attempts?: readonly Attempt[];
  /** The error underneath, for example the runtime's own. */
  cause?: unknown;
  /** What HTTP/2 said of it. */
  http2?: Http2Cause | null;
}

/**
 * An error of Roundtrip. Branch on `code`, `phase` and `attempt`, never on the message.
 *
 * Whether a request may be sent again is said by `attempt.verdict`: it is the worst of all attempts
 * that were made, by the transport on its own, by a `RetryingTransport`, or along redirects. What is
 * not an error of Roundtrip (the reason of an aborted signal, what a body of the caller's throws) says
 * nothing about it.
 *
 * @example
 * ```ts
 * import { HttpError } from "@roundtrip/http";
 *
 * const error = new HttpError("ERR_DIAL", "Cannot connect to 127.0.0.1:1: refused", {
 *   phase: "dial",
 * });
 * if (error.code !== "ERR_DIAL" || error.attempt !== null) throw error;
 * ```
 */
export class HttpError extends Error {
  /** Always `"HttpError"`. */
  override readonly name: string = "HttpError";
  /** What went wrong; stable. */
  readonly code: HttpErrorCode;
  /** Where it went wrong. */
  readonly phase: HttpErrorPhase;
  /**
   * What is known of all attempts together: the worst verdict and the highest counts of any, so that
   * what holds for it holds for each. Null where there was none.
   */
  readonly attempt: Attempt | null;
  /**
   * What is known of each attempt, oldest first: one for each connection that the request was sent
   * on, and a last one, `"never-sent"`, where it ended before it had got another. Empty where no
   * transport had begun.
   */
  readonly attempts: readonly Attempt[];
  /** What HTTP/2 said of it; null where it did not. */
  readonly http2: Http2Cause | null;

  /**
   * Makes an error.
   *
   * @param message For people; may change.
   */
  constructor(code: HttpErrorCode, message: string, options: HttpErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.phase = options.phase;
    const { attempt = null } = options;
    this.attempts = options.attempts ?? (attempt === null ? [] : [attempt]);
    this.attempt = together(this.attempts);
    this.http2 = options.http2 ?? null;
  }

  /**
   * The same error, of a request that took these attempts; for transports around a transport.
   *
   * @param attempts All of them, oldest first.
   */
  withAttempts(attempts: readonly Attempt[]): HttpError {
    const { code, message, phase, cause, http2 } = this;
    return keepStack(this, new HttpError(code, message, { phase, attempts, cause, http2 }));
  }
}

/** Makes a copy of an error tell where the error was noticed, not where it was copied. */
export function keepStack<E extends Error>(error: Error, copy: E): E {
  if (error.stack !== undefined) copy.stack = error.stack;
  return copy;
}

/** What holds for each of the attempts. */
function together(attempts: readonly Attempt[]): Attempt | null {
  if (attempts.length < 2) return attempts[0] ?? null;
  const verdicts = attempts.map(({ verdict }) => VERDICTS.indexOf(verdict));
  return {
    reused: attempts[attempts.length - 1].reused,
    bytesWritten: Math.max(...attempts.map(({ bytesWritten }) => bytesWritten)),
    responseBytes: Math.max(...attempts.map(({ responseBytes }) => responseBytes)),
    verdict: VERDICTS[Math.max(...verdicts)],
  };
}

/**
 * Text that came from a peer, made safe for an error message: control and non-ASCII characters
 * escaped, at most 128 characters.
 *
 * Pure.
 *
 * @param text Any string; of bytes, one character each.
 */
export function printable(text: string): string {
  const cut = text.length > 128 ? text.slice(0, 127) + "…" : text;
  return cut.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f\x7f-\uffff]/g,
    (c) => c === "…" ? c : "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}
