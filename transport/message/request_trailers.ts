/**
 * The trailer fields of a request, and which fields may not stand there.
 *
 * @module
 */
import { HttpError } from "../../conn/http_error.ts";
import { checkedField } from "../../http/http_headers.ts";

/** Trailer fields, or how to get them once the body has been sent. */
export type TrailersSource =
  | [string, string][]
  | (() => [string, string][] | Promise<[string, string][]>);

const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  "transfer-encoding",
  "content-length",
  "host",
  "connection",
  "keep-alive",
  "te",
  "trailer",
  "upgrade",
  "expect",
  "range",
  "content-encoding",
  "content-type",
  "content-range",
  "cache-control",
  "max-forwards",
  "authorization",
  "proxy-authorization",
  "proxy-authenticate",
  "www-authenticate",
  "set-cookie",
  "cookie",
]);

/**
 * What a caller says of the trailers, checked as far as it is there already.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`.
 */
export function checkedTrailers(trailers: TrailersSource | null): TrailersSource | null {
  if (trailers === null || typeof trailers === "function") return trailers;
  if (!Array.isArray(trailers) || trailers.some((pair) => pair?.length !== 2)) {
    throw invalid("Trailers are pairs of name and value, or a function");
  }
  return trailers.map(([name, value]) => checkedTrailer(name, value));
}

/**
 * A trailer field that may be sent.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: also for fields that decide how a message is read, and
 * so must stand in its head.
 * @see RFC 9110 section 6.5.1
 */
export function checkedTrailer(name: string, value: string): [string, string] {
  const field = checkedField(name, value);
  if (NOT_IN_TRAILERS.has(field[0].toLowerCase())) {
    throw invalid(`Cannot send ${field[0]} as a trailer field`);
  }
  return field;
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "request" });
}
