/**
 * What can be asked of a resource that can only be read.
 *
 * @module
 */
import { HttpError } from "../../conn/http_error.ts";
import type { HttpRequest } from "../../transport/message/http_request.ts";
import type { LocalAnswer } from "../../transport/message/local_exchange.ts";

/**
 * The answer to every method but GET and HEAD; null for these.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: a body, which nobody would read.
 */
export function refusedMethod(request: HttpRequest): LocalAnswer | null {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return emptyAnswer(405, "Method Not Allowed", [["Allow", "GET, HEAD"]]);
  }
  if (request.body !== null) {
    throw new HttpError("ERR_INVALID_REQUEST", `A ${request.scheme} URL takes no body`, {
      phase: "request",
    });
  }
  return null;
}

/** An answer without content. */
export function emptyAnswer(
  status: number,
  statusText: string,
  headers: readonly (readonly [string, string])[] = [],
): LocalAnswer {
  return { status, statusText, headers: [...headers, ["Content-Length", "0"]], content: null };
}
