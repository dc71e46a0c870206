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
  | "ERR_DECODE"
  | "ERR_TIMEOUT"
  | "ERR_QUEUE_FULL"
  | "ERR_CLOSED"
  | "ERR_BODY_CLOSED"
  | "ERR_REDIRECT"
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

/** What is known of the attempt that failed. */
export interface Attempt {
  /** Whether the connection had served another request before. */
  reused: boolean;
  /** Bytes of this request that the runtime accepted. */
  bytesWritten: number;
  /** Bytes received since the request began. */
  responseBytes: number;
  /** What the peer can have seen; `"never-sent"` may always be repeated. */
  verdict: "never-sent" | "partly-sent" | "sent-no-answer" | "answered";
}

/** What else an {@linkcode HttpError} carries. */
export interface HttpErrorOptions {
  /** Where it went wrong. */
  phase: HttpErrorPhase;
  /** What is known of the attempt; null where there was none. */
  attempt?: Attempt | null;
  /** The error underneath, for example the runtime's own. */
  cause?: unknown;
}

/**
 * An error of Roundtrip. Branch on `code`, `phase` and `attempt`, never on the message.
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
  /** What is known of the attempt; null where there was none. */
  readonly attempt: Attempt | null;

  /**
   * Makes an error.
   *
   * @param message For people; may change.
   */
  constructor(code: HttpErrorCode, message: string, options: HttpErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.phase = options.phase;
    this.attempt = options.attempt ?? null;
  }
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
