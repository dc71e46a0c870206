/**
 * A form that is given as its fields, as a body.
 *
 * @module
 */
import { HttpError } from "../conn/http_error.ts";

/** A form as its fields: a record, pairs, or what the platform has for it. */
export type FormSource =
  | FormData
  | URLSearchParams
  | Record<string, string | string[]>
  | Iterable<readonly [string, string]>;

/**
 * The body of a form: `FormData` and `URLSearchParams` as they are, fields as `URLSearchParams`.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: what is given holds no fields.
 */
export function formBody(data: FormSource): FormData | URLSearchParams {
  if (data instanceof FormData || data instanceof URLSearchParams) return data;
  if (typeof data !== "object" || data === null) {
    const why = "Cannot send this form: not an object";
    throw new HttpError("ERR_INVALID_REQUEST", why, { phase: "client" });
  }
  const form = new URLSearchParams();
  const fields = Symbol.iterator in data ? data : Object.entries(data);
  for (const [name, value] of fields as Iterable<[string, string | string[]]>) {
    for (const one of Array.isArray(value) ? value : [value]) form.append(name, one);
  }
  return form;
}
