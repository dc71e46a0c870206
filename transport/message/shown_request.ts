/**
 * How a request is named in errors.
 *
 * @module
 */
import { printable } from "../../conn/http_error.ts";
import type { HttpRequest } from "./http_request.ts";

/**
 * Method and URL. Of a query only that there is one: it often holds secrets. Credentials and
 * fragments are no part of a request's URL.
 *
 * Pure.
 */
export function shownRequest(request: HttpRequest): string {
  return `${printable(request.method)} ${shownUrl(request)}`;
}

/**
 * The URL, as {@linkcode shownRequest} shows it.
 *
 * Pure.
 */
export function shownUrl({ href }: HttpRequest): string {
  const [url, query] = href.split("?", 2);
  return `${printable(url)}${query === undefined ? "" : "?…"}`;
}
