/**
 * `Retry-After`, in both of its forms, and `retry-after-ms` beside it.
 *
 * @module
 */
import type { HttpHeaders } from "../../http/http_headers.ts";

/** The three forms of an HTTP date, well enough for `Date.parse`; the last says no time zone. */
const DATE = /^[A-Z][a-z]{2,8},? [\x20-\x7e]{10,30}$/;

/**
 * How long the server asks to wait, in milliseconds; null if it does not ask, or not clearly.
 *
 * `retry-after-ms` is no field of HTTP, but some services send it to be more exact than whole seconds:
 * where it is a number it goes before `Retry-After`.
 *
 * A date is compared with the response's own `Date`, so that a wrong clock on either side does no
 * harm.
 *
 * Pure.
 *
 * @param nowMs Since 1970, for a response without a date.
 * @see RFC 9110 section 10.2.3
 */
export function retryAfterMs(headers: HttpHeaders, nowMs: number): number | null {
  const exact = headers.getAll("retry-after-ms");
  if (exact.length === 1 && /^[0-9]+(?:\.[0-9]+)?$/.test(exact[0])) return Number(exact[0]);
  const values = headers.getAll("retry-after");
  if (values.length !== 1) return null;
  if (/^[0-9]+$/.test(values[0])) return Number(values[0]) * 1_000;
  const atMs = httpDateMs(values[0]);
  return atMs === null ? null : Math.max(0, atMs - (httpDateMs(headers.get("date")) ?? nowMs));
}

/**
 * An HTTP date in milliseconds since 1970, or null.
 *
 * Pure.
 *
 * @see RFC 9110 section 5.6.7
 */
export function httpDateMs(date: string | null): number | null {
  if (date === null || !DATE.test(date)) return null;
  const ms = Date.parse(date.endsWith(" GMT") ? date : date + " GMT");
  return Number.isNaN(ms) ? null : ms;
}
