/**
 * What can be wrong with a response as a whole, in words. Its head and its content have errors of their
 * own, where they are read.
 *
 * @module
 */
import { HttpError } from "../conn/http_error.ts";

/**
 * The connection ended where a response was due.
 *
 * @see RFC 9112 section 9.5
 */
export function connectionLost(message: string): HttpError {
  return new HttpError("ERR_CONNECTION_LOST", message, { phase: "response-header" });
}

/**
 * The heads of one response take more bytes together than they may.
 *
 * @see RFC 9110 section 5.4
 */
export function headsTooLarge(limitBytes: number): HttpError {
  return new HttpError("ERR_HEADERS_TOO_LARGE", `The response head is above ${limitBytes} bytes`, {
    phase: "response-header",
  });
}

/**
 * The connection ended before a response was there, or inside its head.
 *
 * @see RFC 9112 section 8
 */
export function endedBeforeHead(bufferedBytes: number): HttpError {
  return connectionLost(
    bufferedBytes > 0
      ? "The connection ended inside a response head"
      : "The connection ended before a response",
  );
}

/**
 * The server switches protocols of its own accord.
 *
 * @see RFC 9110 section 15.2.2
 */
export function switchNotAsked(): HttpError {
  return new HttpError(
    "ERR_MALFORMED_RESPONSE",
    "Malformed response: 101 although no other protocol was asked for",
    { phase: "response-header" },
  );
}
