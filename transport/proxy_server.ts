/**
 * Proxies as the caller names them: URLs, checked and taken apart once.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";

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
  return proxy.scheme === "http:" || proxy.scheme === "https:";
}

/**
 * The value of a `Proxy-Authorization` for this proxy; it has a name.
 *
 * Pure.
 *
 * @see RFC 7617 section 2
 */
export function basicCredentials({ username, password }: ProxyServer): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
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
    throw invalid("not an absolute URL");
  }
  const scheme = url.protocol as ProxyScheme;
  if (!Object.hasOwn(DEFAULT_PORTS, scheme)) {
    throw invalid(`unknown scheme ${printable(url.protocol)}`);
  }
  if ((url.pathname !== "" && url.pathname !== "/") || url.search !== "" || url.hash !== "") {
    throw invalid("more than a host and a port in it");
  }
  const host = canonicalHost(url.hostname);
  if (url.port === "0") throw invalid("port 0");
  const port = url.port === "" ? DEFAULT_PORTS[scheme] : Number(url.port);
  const label = `${scheme}//${host}:${port}`;
  const username = decoded(url.username);
  if (username.includes(":")) throw invalid("a colon in its user name");
  const hasCredentials = url.username !== "" || url.password !== "";
  return {
    scheme,
    hostname: host.startsWith("[") ? host.slice(1, -1) : host,
    port,
    username: hasCredentials ? username : null,
    password: decoded(url.password),
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
  throw invalid("no usable host in it");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("credentials that are not percent-encoded UTF-8");
  }
}

function invalid(why: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", `Cannot use this proxy: ${why}`, { phase: "proxy" });
}
