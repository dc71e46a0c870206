/**
 * What `Content-Length` says, over all its lines.
 *
 * @module
 */
import { HttpError, type HttpErrorCode, printable } from "../conn/http_error.ts";
import { type Deviation, note } from "./deviation.ts";
import type { FieldLines } from "./field_lines.ts";
import { parseDigits, trimOws } from "./grammar.ts";

/**
 * The value of the `Content-Length` lines, which must be there and must agree.
 *
 * Pure, but for `deviations`.
 *
 * @returns Integer 0..2^53-1.
 * @throws {HttpError} `code`: members differ as text, or one is not 1*DIGIT or too large.
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
  const members = values.flatMap((value) => value.split(",")).map(trimOws);
  const lengths = members.map((member) => {
    const bytes = parseDigits(member);
    if (bytes !== null) return bytes;
    throw malformed(code, `a Content-Length that is no length: "${printable(member)}"`);
  });
  // As texts, not as numbers: to a reader that takes "010" for eight, 010 and 10 are two lengths.
  const other = members.find((member) => member !== members[0]);
  if (other !== undefined) {
    const [one, another] = [members[0], other].map(printable);
    throw malformed(code, `Content-Length is both "${one}" and "${another}"`);
  }
  note(deviations, "duplicate-content-length");
  return lengths[0];
}

function malformed(code: HttpErrorCode, what: string): HttpError {
  const response = code === "ERR_MALFORMED_RESPONSE";
  return new HttpError(code, `Malformed ${response ? "response" : "request"}: ${what}`, {
    phase: response ? "response-header" : "request",
  });
}
