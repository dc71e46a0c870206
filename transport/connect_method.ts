/**
 * The key under which connections are shared: everything that two requests must have in common to
 * use one connection.
 *
 * @module
 */
import type { HttpRequest } from "./http_request.ts";

/**
 * The key of a request. A transport has one dialer and one TLS identity, so scheme, host and port
 * tell its connections apart.
 *
 * Pure.
 */
export function connectMethodKey(request: HttpRequest): string {
  return request.scheme + "//" + request.hostname + ":" + request.port;
}
