/**
 * How a message body ends: a decision, not a machine. One pure function per role, its branches in
 * the order of RFC 9112 section 6.3.
 *
 * @module
 */
import { HttpError, type HttpErrorCode, printable } from "../conn/http_error.ts";
import { type Deviation, type FieldLines, note, type ParserMode } from "./field_lines_reader.ts";
import { listMembers, parseDigits, trimOws } from "../http/grammar.ts";

/**
 * How the body of a message is delimited. `bytes` is an integer 1..2^53-1.
 *
 * @see RFC 9112 section 6.3
 */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "closeDelimited" }
  | { readonly kind: "tunnel" };

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
  if (requestMethod === "HEAD" || statusCode === 304) {
    // Framing of the answer to another method; still not allowed to be malformed.
    if (fields.contentLength !== -1) contentLength(fields, deviations, code);
    return NONE;
  }
  if (statusCode === 204) {
    const announced = fields.contentLength !== -1 && fields.value(fields.contentLength) !== "0";
    if (announced || fields.transferEncoding !== -1) note(deviations, "content-length-on-204");
    return NONE;
  }
  if (fields.transferEncoding !== -1) {
    if (fields.contentLength !== -1) {
      if (mode === "strict") throw contradiction(code);
      note(deviations, "content-length-with-transfer-encoding");
    }
    if (head.minorVersion === 0) {
      if (mode === "strict") {
        throw malformed(code, "Transfer-Encoding in an HTTP/1.0 message");
      }
      note(deviations, "chunked-in-http-1.0");
    }
    requireChunked(fields, mode, deviations, code);
    return CHUNKED;
  }
  if (fields.contentLength === -1) return CLOSE_DELIMITED;
  const bytes = contentLength(fields, deviations, code);
  return bytes === 0 ? NONE : { kind: "length", bytes };
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

/**
 * The value of the `Content-Length` lines, which must be there and must agree.
 *
 * Pure, but for `deviations`.
 *
 * @returns Integer 0..2^53-1.
 * @throws {HttpError} `code`: members differ, or one is not 1*DIGIT or too large.
 * @see RFC 9110 section 8.6
 */
export function contentLength(
  fields: FieldLines,
  deviations: Deviation[],
  code: HttpErrorCode,
): number {
  const single = fields.isRepeated ? null : parseDigits(fields.value(fields.contentLength));
  if (single !== null) return single;
  const values = fields.valuesFrom(fields.contentLength);
  if (values.length === 1) {
    const bytes = parseDigits(values[0]);
    if (bytes !== null) return bytes;
  }
  const members = values.flatMap((value) => value.split(","));
  let agreed: number | null = null;
  for (const member of members) {
    const bytes = parseDigits(trimOws(member));
    if (bytes === null) {
      throw malformed(code, `a Content-Length that is no length: "${printable(member)}"`);
    }
    if (agreed !== null && bytes !== agreed) {
      throw malformed(code, `Content-Length is both ${agreed} and ${bytes}`);
    }
    agreed = bytes;
  }
  note(deviations, "duplicate-content-length");
  return agreed!;
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
