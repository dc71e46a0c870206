/**
 * What a field block is decoded for, and what it is decoded to.
 *
 * @module
 */
import type { Deviation, ParserMode } from "../http/deviation.ts";
import type { FieldLines } from "../http/field_lines.ts";
import type { Http2Violation } from "./http2_error.ts";

/** What a block is decoded for. @see RFC 9113 section 8.2 */
export interface BlockPurpose {
  /** Octets that all sections of the message may have: names, values and 32 for each field. */
  readonly limitBytes: number;
  /** Octets of that which earlier sections of the message had. @default {0} */
  readonly usedBytes?: number;
  /** How much is forgiven. */
  readonly mode: ParserMode;
  /** What may stand in it. */
  readonly section: "response" | "request" | "trailers";
  /** Collects what was forgiven. */
  readonly deviations: Deviation[];
}

/** A section that was decoded. @see RFC 9113 section 8.2 */
export interface DecodedSection {
  /** Its ordinary fields. */
  readonly fields: FieldLines;
  /** What is wrong with it and ends its stream, or null. */
  readonly violation: Http2Violation | null;
  /** Octets, counted as limits count them, with those of earlier sections. */
  readonly sizeBytes: number;
  /** Values of pseudo-fields by their kind less the first kind; undefined where there is none. */
  readonly pseudo: readonly (string | undefined)[];
}
