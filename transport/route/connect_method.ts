/**
 * The key under which connections are shared: everything that two requests must have in common to
 * use one connection.
 *
 * @module
 */
import type { HttpHeaders } from "../../http/http_headers.ts";
import type { HttpRequest } from "../message/http_request.ts";
import type { ProxyServer } from "./proxy_server.ts";

/**
 * The key of a request that is written to its server: the proxies with their credentials, then scheme, host and port. Dialer, TLS
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

/**
 * Whom a connection serves: one origin; every origin that its last proxy is asked for; or one
 * request, or one caller who has leased it.
 */
export type Sharing = "origin" | "proxy" | "caller";

/** Under which key a request shares a connection, and with whom. */
export interface ConnectMethod {
  /** Not to be shown: see {@linkcode shownKey}. */
  readonly key: string;
  readonly sharing: Sharing;
}

/**
 * The same for a request that is given to an HTTP proxy as it is. The proxy reads from each request
 * where it is to go, so one connection serves all origins, for as long as nobody is known by the
 * connection itself: docs/decisions/0041.
 *
 * Pure.
 *
 * @param proxies One at least; the last is given the request.
 * @see RFC 9112 section 3.2.2
 */
export function forwardedMethod(
  { headers, hostname, port }: HttpRequest,
  proxies: readonly ProxyServer[],
): ConnectMethod {
  const login = headers.get("proxy-authorization");
  const sharing = login !== null && ONE_REQUEST_SCHEME.test(login)
    ? "caller"
    : headers.getAll("authorization").some((value) => CONNECTION_SCHEME.test(value))
    ? "origin"
    : "proxy";
  const user = login === null ? "" : encodeURIComponent(login) + "@";
  const place = sharing === "proxy" ? "*" : hostname + ":" + port;
  const way = proxies.map(({ identity }) => identity);
  return { key: [...way, `http://${user}${place}`].join(" > "), sharing };
}

/**
 * Whether a response tells that somebody is about to authenticate by the connection it came on.
 *
 * Pure.
 *
 * @see RFC 4559 section 6
 */
export function bindsConnection(headers: HttpHeaders): boolean {
  return ["www-authenticate", "proxy-authenticate"].some((name) =>
    headers.getAll(name).some((value) => CONNECTION_SCHEME.test(value))
  );
}

/** Schemes that authenticate a connection, not a request, anywhere in a list. */
const CONNECTION_SCHEME = /(?:^|,)[ \t]*(?:negotiate|ntlm)(?=[ \t,]|$)/i;

/** Those, and one whose value is another in each request: nothing tells whose it is. */
const ONE_REQUEST_SCHEME = /(?:^|,)[ \t]*(?:negotiate|ntlm|digest)(?=[ \t,]|$)/i;

/** The key without credentials. Pure. */
export function shownKey(key: string): string {
  return key.includes("@") ? key.replace(/\/\/[^@ ]*@/g, "//***@") : key;
}
