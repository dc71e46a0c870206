/**
 * Proxies as the caller names them: URLs, checked and taken apart once.
 *
 * @module
 */
import type { TcpAddress } from "../../conn/conn.ts";
import { HttpError } from "../../conn/http_error.ts";

/** What can stand between a transport and its servers. */
export type ProxyScheme = "http:" | "https:" | "socks4a:" | "socks5:" | "socks5h:";

/** One proxy. */
export interface ProxyServer {
  readonly scheme: ProxyScheme;
  /** Canonical; IPv6 without brackets. */
  readonly hostname: string;
  /** Integer 1..65535. */
  readonly port: number;
  /** Decoded; null: none given. */
  readonly username: string | null;
  /** Decoded; empty if only a name was given. */
  readonly password: string;
  /** The value of a `Proxy-Authorization` for it, null without a name. @see RFC 7617 section 2 */
  readonly credentials: string | null;
  /** The URL without credentials: for errors and traces. */
  readonly label: string;
  /** The URL with credentials: for keys, never shown. */
  readonly identity: string;
}

const DEFAULT_PORTS: Readonly<Record<ProxyScheme, number>> = {
  "http:": 80,
  "https:": 443,
  "socks4a:": 1080,
  "socks5:": 1080,
  "socks5h:": 1080,
};

/** Whether requests to `http:` URLs are given to this proxy as they are, without a tunnel. */
export function isHttpProxy(proxy: ProxyServer): boolean {
  return isHttp(proxy.scheme);
}

function isHttp(scheme: ProxyScheme): boolean {
  return scheme === "http:" || scheme === "https:";
}

/** Where a proxy listens. */
export function addressOf({ hostname, port }: ProxyServer): TcpAddress {
  return { transport: "tcp", hostname, port };
}

/**
 * Takes the URL of a proxy apart.
 *
 * Pure.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`, without the URL's credentials: not a URL, another
 * scheme than `http`, `https`, `socks4a`, `socks5`, `socks5h`, no host, or more than a host.
 */
export function parseProxy(input: string | URL): ProxyServer {
  let url: URL;
  try {
    url = new URL(input);
  } catch {
    throw invalidProxy("not an absolute URL");
  }
  const scheme = url.protocol as ProxyScheme;
  if (!Object.hasOwn(DEFAULT_PORTS, scheme)) {
    // Not shown: without a scheme, "user:password@host" has its user for one.
    throw invalidProxy("another scheme than http, https, socks4a, socks5 and socks5h");
  }
  if ((url.pathname !== "" && url.pathname !== "/") || url.search !== "" || url.hash !== "") {
    throw invalidProxy("more than a host and a port in it");
  }
  const host = canonicalHost(url.hostname);
  if (url.port === "0") throw invalidProxy("port 0");
  const port = url.port === "" ? DEFAULT_PORTS[scheme] : Number(url.port);
  const label = `${scheme}//${host}:${port}`;
  const username = decoded(url.username);
  if (isHttp(scheme) && username.includes(":")) throw invalidProxy("a colon in its user name");
  const password = decoded(url.password);
  const hasCredentials = url.username !== "" || url.password !== "";
  if (hasCredentials) checkSocksCredentials(scheme, username, password);
  return {
    scheme,
    hostname: host.startsWith("[") ? host.slice(1, -1) : host,
    port,
    username: hasCredentials ? username : null,
    password,
    credentials: hasCredentials ? basicCredentials(username, password) : null,
    label,
    identity: hasCredentials ? `${scheme}//${url.username}:${url.password}@${host}:${port}` : label,
  };
}

/** The same form for hosts of every scheme: only those of `http:` are brought into it. */
function canonicalHost(host: string): string {
  try {
    if (host !== "") return new URL(`http://${host}`).hostname;
  } catch {
    // Said below, in the same words.
  }
  throw invalidProxy("no usable host in it");
}

/**
 * What cannot be said in the protocol is refused before anybody is asked to connect.
 *
 * @see RFC 1929 section 2
 */
function checkSocksCredentials(scheme: ProxyScheme, username: string, password: string): void {
  if (scheme === "socks4a:") {
    if (password !== "") throw invalidProxy("a password, which SOCKS4a does not have");
    if (username.includes("\0")) throw invalidProxy("a NUL in its user name");
  } else if (scheme === "socks5:" || scheme === "socks5h:") {
    for (const text of [username, password]) {
      const { length } = new TextEncoder().encode(text);
      if (length < 1 || length > 255) {
        throw invalidProxy("a user name or password of other than 1 to 255 bytes");
      }
    }
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidProxy("credentials that are not percent-encoded UTF-8");
  }
}

/** `ERR_INVALID_REQUEST` for a proxy that cannot be used. */
export function invalidProxy(why: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", `Cannot use this proxy: ${why}`, { phase: "proxy" });
}

function basicCredentials(username: string, password: string): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}
