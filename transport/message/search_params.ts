/**
 * What a caller adds to the query of a URL.
 *
 * @module
 */
import { HttpError, printable } from "../../conn/http_error.ts";
import { parseUrlWithCredentials } from "./request_url.ts";

/** One value: as text; null: the name with an empty value; undefined: left out. */
export type SearchParam = string | number | boolean | bigint | null | undefined;

/**
 * What is added to a query: text in the form of a query, with or without its `?`; names with their
 * values, as a record or as pairs. A list of values repeats the name.
 */
export type SearchParamsInit =
  | string
  | URLSearchParams
  | Readonly<Record<string, SearchParam | readonly SearchParam[]>>
  | Iterable<readonly [string, SearchParam | readonly SearchParam[]]>;

/**
 * A URL with more at the end of its query; what is there already stays as it is.
 *
 * @param url Absolute; with credentials and fragment, if it has them.
 * @returns Its text.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: not an absolute URL, a value that is none of
 * {@linkcode SearchParam}, or a number that is none.
 * @see https://url.spec.whatwg.org/#concept-urlencoded-serializer
 */
export function withSearchParams(url: string | URL, params: SearchParamsInit): string {
  const changed = parseUrlWithCredentials(url);
  const added = typeof params === "string" ? params.replace(/^\?/, "") : `${searchParams(params)}`;
  if (added !== "") changed.search = changed.search === "" ? added : `${changed.search}&${added}`;
  return changed.href;
}

function searchParams(params: Exclude<SearchParamsInit, string>): URLSearchParams {
  if (params instanceof URLSearchParams) return params;
  if (typeof params !== "object" || params === null) {
    throw invalid(`searchParams is ${params === null ? "null" : `a ${typeof params}`}`);
  }
  const made = new URLSearchParams();
  const pairs: Iterable<unknown> = Symbol.iterator in params ? params : Object.entries(params);
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw invalid("searchParams holds what is no pair of name and value");
    }
    const [name, value] = pair as [unknown, unknown];
    if (typeof name !== "string") throw invalid("searchParams holds a name that is no text");
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined) made.append(name, one === null ? "" : textOf(one, name));
    }
  }
  return made;
}

function textOf(value: unknown, name: string): string {
  switch (typeof value) {
    case "number":
      if (Number.isFinite(value)) return `${value}`;
      throw invalid(`searchParams: "${printable(name)}" is ${value}`);
    case "string":
    case "boolean":
    case "bigint":
      return `${value}`;
    default:
      throw invalid(
        `searchParams: "${printable(name)}" is neither text nor number, boolean or a list of these`,
      );
  }
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "request" });
}
