/**
 * The head of a response. Interface only; each version of HTTP has its own.
 *
 * @module
 */
import type { FieldLines } from "./field_lines.ts";
import type { HttpHeaders } from "./http_headers.ts";

/**
 * The head of a response.
 *
 * @see RFC 9110 section 15
 */
export interface ResponseHead {
  /** Integer 100..999. */
  readonly statusCode: number;
  /** `"1.0"`, `"1.1"`, … */
  readonly httpVersion: string;
  /** Empty if the server sent none; each character is one byte. */
  readonly reasonPhrase: string;
  /** Its field lines. */
  readonly fields: FieldLines;
  /** Its field lines as headers. */
  readonly headers: HttpHeaders;
}
