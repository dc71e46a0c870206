/**
 * The key under which connections are shared: everything that two requests must have in common to
 * use one connection.
 *
 * @module
 */
import type { HttpRequest } from "./http_request.ts";
import type { ProxyServer } from "./route/proxy_server.ts";

/**
 * The key of a request: the proxies with their credentials, then scheme, host and port. Dialer, TLS
 * identity and protocol are the same for all connections of a transport, which copies its options.
 *
 * Pure.
 *
 * @returns Not to be shown: see {@linkcode shownKey}.
 */
export function connectMethodKey(request: HttpRequest, proxies: readonly ProxyServer[]): string {
  const { scheme, hostname, port, socketPath } = request;
  const origin = socketPath === null
    ? scheme + "//" + hostname + ":" + port
    : scheme + "//" + encodeURIComponent(socketPath);
  if (proxies.length === 0) return origin;
  return [...proxies.map(({ identity }) => identity), origin].join(" > ");
}

/** The key without credentials. Pure. */
export function shownKey(key: string): string {
  return key.includes("@") ? key.replace(/\/\/[^@ ]*@/g, "//***@") : key;
}
