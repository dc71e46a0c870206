/**
 * Whether two URLs lead to the same server.
 *
 * @module
 */
import { socketPathOf } from "../transport/message/request_url.ts";

/**
 * Whether secrets for one URL may be shown to the other: scheme, host and port are the same; of
 * `http+unix:` URLs the socket, of other schemes whatever stands in the place of host and port.
 *
 * Pure.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an `http+unix:` URL that names no socket.
 */
export function isSameOrigin(a: URL, b: URL): boolean {
  if (a.protocol !== b.protocol) return false;
  if (a.protocol === "http+unix:") return socketPathOf(a) === socketPathOf(b);
  // To the platform, the origin of each other scheme is "null".
  return a.origin === "null" ? a.host !== "" && a.host === b.host : a.origin === b.origin;
}
