/**
 * What proves that two responses hold parts of the same bytes.
 *
 * @module
 */
import type { HttpHeaders } from "../../http/http_headers.ts";
import { httpDateMs } from "./retry_after.ts";

/** A strong validator of a representation. */
export interface StrongValidator {
  /** What goes into `If-Range`. */
  readonly value: string;
  /** The field that it is from. */
  readonly field: "etag" | "last-modified";
}

const STRONG_TAG = /^"[\x21\x23-\x7e\x80-\xff]*"$/;

/**
 * The strong validator of a response, or null: its `ETag` unless that is weak; without an `ETag`, a
 * `Last-Modified` at least a second older than the response.
 *
 * Pure.
 *
 * @see RFC 9110 section 8.8.2.2, RFC 9110 section 13.1.5
 */
export function strongValidator(headers: HttpHeaders): StrongValidator | null {
  const tags = headers.getAll("etag");
  if (tags.length > 0) {
    const isStrong = tags.length === 1 && STRONG_TAG.test(tags[0]);
    return isStrong ? { value: tags[0], field: "etag" } : null;
  }
  const value = headers.get("last-modified");
  const modifiedMs = httpDateMs(value);
  const dateMs = httpDateMs(headers.get("date"));
  if (value === null || modifiedMs === null || dateMs === null) return null;
  return dateMs - modifiedMs >= 1_000 ? { value, field: "last-modified" } : null;
}

/**
 * Whether a part has the validator. An entity tag must be there again; a part that was asked for with a
 * date need not repeat it.
 *
 * Pure.
 *
 * @see RFC 9110 section 15.3.7
 */
export function hasValidator(part: HttpHeaders, { field, value }: StrongValidator): boolean {
  const values = part.getAll(field);
  if (values.length === 0) return field === "last-modified";
  return values.every((one) => one === value);
}
