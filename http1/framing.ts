/**
 * How a message body ends: a decision, not a machine. One pure function per role, its branches in
 * the order of RFC 9112 section 6.3.
 *
 * @module
 */
import { HttpError, type HttpErrorCode, printable } from "../conn/http_error.ts";
import { type Deviation, note, type ParserMode } from "../http/deviation.ts";
import type { FieldLines } from "../http/field_lines.ts";
import { listMembers } from "../http/grammar.ts";
import { contentLength } from "../http/content_length.ts";
import type { Framing } from "../http/incoming_content.ts";

const NONE: Framing = { kind: "none" };
const CHUNKED: Framing = { kind: "chunked" };
const CLOSE_DELIMITED: Framing = { kind: "closeDelimited" };
const TUNNEL: Framing = { kind: "tunnel" };

/**
 * What of a response head decides its framing.
 *
 * @see RFC 9112 section 6.3
 */
export interface FramedHead {
  /** Integer 200..999. */
  readonly statusCode: number;
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  readonly minorVersion: 0 | 1;
  /** Its field lines. */
  readonly fields: FieldLines;
}

/**
 * Tells how the body of a final response ends.
 *
 * Pure, but for `deviations`. A connection whose response deviates in its framing must not be
 * reused.
 *
 * @param requestMethod Method of the outstanding request, as sent.
 * @param head Final response head; `statusCode` is 200 or above.
 * @throws {HttpError} `ERR_MALFORMED_RESPONSE`: the fields contradict each other or cannot be
 * understood.
 * @see RFC 9112 section 6.3, rules 1, 2, 3, 4, 5, 6, 8
 */
export function responseFraming(
  requestMethod: string,
  head: FramedHead,
  mode: ParserMode,
  deviations: Deviation[],
): Framing {
  const { statusCode, fields } = head;
  const code = "ERR_MALFORMED_RESPONSE";
  // Rule 2 before rule 1's neighbours: a tunnel has no body, whatever the fields say.
  if (requestMethod === "CONNECT" && statusCode < 300) return TUNNEL;
  const transferred = fields.transferEncoding !== -1;
  if (transferred) checkTransferEncoding(head, mode, deviations, code);
  // Looked at also where there is no content: what contradicts itself says so of the connection.
  const bytes = fields.contentLength === -1 ? null : contentLength(fields, deviations, code);
  if (statusCode === 204 && (transferred || (bytes !== null && bytes !== 0))) {
    note(deviations, "content-length-on-204");
  }
  // To HEAD and in 304 the fields are those of the answer that has content.
  if (requestMethod === "HEAD" || statusCode === 204 || statusCode === 304) return NONE;
  if (transferred) return CHUNKED;
  if (bytes === null) return CLOSE_DELIMITED;
  return bytes === 0 ? NONE : { kind: "length", bytes };
}

/** Refuses a `Transfer-Encoding` that does not say plainly that the content is chunked. */
function checkTransferEncoding(
  { fields, minorVersion }: FramedHead,
  mode: ParserMode,
  deviations: Deviation[],
  code: HttpErrorCode,
): void {
  if (fields.contentLength !== -1) {
    if (mode === "strict") throw contradiction(code);
    note(deviations, "content-length-with-transfer-encoding");
  }
  if (minorVersion === 0) {
    if (mode === "strict") throw malformed(code, "Transfer-Encoding in an HTTP/1.0 message");
    note(deviations, "chunked-in-http-1.0");
  }
  requireChunked(fields, mode, deviations, code);
}

/**
 * Tells how the body of a request ends.
 *
 * Pure.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: the fields contradict each other or cannot be
 * understood.
 * @see RFC 9112 section 6.3, rules 3, 4, 5, 6, 7
 */
export function requestFraming(head: { minorVersion: 0 | 1; fields: FieldLines }): Framing {
  const { fields } = head;
  const code = "ERR_INVALID_REQUEST";
  if (fields.transferEncoding !== -1) {
    if (fields.contentLength !== -1) throw contradiction(code);
    if (head.minorVersion === 0) throw malformed(code, "Transfer-Encoding in an HTTP/1.0 message");
    requireChunked(fields, "strict", [], code);
    return CHUNKED;
  }
  if (fields.contentLength === -1) return NONE;
  const bytes = contentLength(fields, [], code);
  return bytes === 0 ? NONE : { kind: "length", bytes };
}

function requireChunked(
  fields: FieldLines,
  mode: ParserMode,
  deviations: Deviation[],
  code: HttpErrorCode,
): void {
  const codings = listMembers(fields.valuesFrom(fields.transferEncoding));
  if (codings.length === 1 && codings[0].toLowerCase() === "chunked") return;
  const twice = codings.length === 2 &&
    codings.every((coding) => coding.toLowerCase() === "chunked");
  if (!twice || mode === "strict") {
    throw malformed(code, `unusable Transfer-Encoding: "${printable(codings.join(", "))}"`);
  }
  note(deviations, "chunked-twice");
}

function contradiction(code: HttpErrorCode): HttpError {
  return malformed(code, "both Content-Length and Transfer-Encoding");
}

function malformed(code: HttpErrorCode, what: string): HttpError {
  const response = code === "ERR_MALFORMED_RESPONSE";
  return new HttpError(code, `Malformed ${response ? "response" : "request"}: ${what}`, {
    phase: response ? "response-header" : "request",
  });
}
