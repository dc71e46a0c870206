/**
 * What can be wrong on an HTTP/2 connection: the codes of the protocol, and how far an error reaches.
 *
 * @module
 */
import type { HttpErrorCode } from "../conn/http_error.ts";

/**
 * The names of the error codes, at the places of their numbers.
 *
 * @see RFC 9113 section 7
 */
export const ERROR_CODE_NAMES: readonly string[] = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
];

/** Graceful end. @see RFC 9113 section 7 */
export const NO_ERROR = 0x0;
/** The peer broke a rule. @see RFC 9113 section 7 */
export const PROTOCOL_ERROR = 0x1;
/** The fault is ours. @see RFC 9113 section 7 */
export const INTERNAL_ERROR = 0x2;
/** More was sent than the window allows. @see RFC 9113 section 7 */
export const FLOW_CONTROL_ERROR = 0x3;
/** The settings were not acknowledged in time. @see RFC 9113 section 7 */
export const SETTINGS_TIMEOUT = 0x4;
/** A frame for a stream that was half-closed. @see RFC 9113 section 7 */
export const STREAM_CLOSED = 0x5;
/** A frame of the wrong size. @see RFC 9113 section 7 */
export const FRAME_SIZE_ERROR = 0x6;
/** Nothing was done with the stream. @see RFC 9113 section 7 */
export const REFUSED_STREAM = 0x7;
/** The stream is no longer needed. @see RFC 9113 section 7 */
export const CANCEL = 0x8;
/** The tables of field compression are out of step. @see RFC 9113 section 7 */
export const COMPRESSION_ERROR = 0x9;
/** The connection of a CONNECT was reset. @see RFC 9113 section 7 */
export const CONNECT_ERROR = 0xa;
/** The peer makes too much work. @see RFC 9113 section 7 */
export const ENHANCE_YOUR_CALM = 0xb;
/** The server wants HTTP/1.1. @see RFC 9113 section 7 */
export const HTTP_1_1_REQUIRED = 0xd;

/**
 * The name of an error code; an unknown one as a number in hexadecimal.
 *
 * Pure.
 *
 * @see RFC 9113 section 7
 */
export function errorCodeName(code: number): string {
  return ERROR_CODE_NAMES[code] ?? `0x${code.toString(16)}`;
}

/**
 * What the peer did that the protocol forbids, or that costs more than it is worth.
 *
 * @see RFC 9113 section 5.4
 */
export class Http2Violation extends Error {
  /** Always `"Http2Violation"`. */
  override readonly name: string = "Http2Violation";
  /** Whether the whole connection ends, or one stream. */
  readonly scope: "connection" | "stream";
  /** What the peer is told. */
  readonly errorCode: number;
  /** What the caller is told. */
  readonly httpErrorCode: HttpErrorCode;

  /**
   * States a violation.
   *
   * @param what Ends the sentence "The server …".
   */
  constructor(
    scope: "connection" | "stream",
    errorCode: number,
    what: string,
    httpErrorCode: HttpErrorCode = "ERR_MALFORMED_RESPONSE",
  ) {
    super(what);
    this.scope = scope;
    this.errorCode = errorCode;
    this.httpErrorCode = httpErrorCode;
  }
}

/**
 * A violation that ends the connection.
 *
 * @see RFC 9113 section 5.4.1
 */
export function connectionError(
  errorCode: number,
  what: string,
  httpErrorCode?: HttpErrorCode,
): Http2Violation {
  return new Http2Violation("connection", errorCode, what, httpErrorCode);
}

/**
 * A violation that ends its stream; the connection lives.
 *
 * @see RFC 9113 section 5.4.2
 */
export function streamError(
  errorCode: number,
  what: string,
  httpErrorCode?: HttpErrorCode,
): Http2Violation {
  return new Http2Violation("stream", errorCode, what, httpErrorCode);
}
