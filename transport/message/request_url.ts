/**
 * The URL of a request, taken apart.
 *
 * @module
 */
import { HttpError, printable } from "../../conn/http_error.ts";

/** What requests to the same server have in common. */
export interface RequestOrigin {
  /** For example `"https:"`. */
  readonly scheme: string;
  /** Canonical; IPv6 without brackets. `"localhost"` for `http+unix:`. */
  readonly hostname: string;
  /** Integer 1..65535. */
  readonly port: number;
  /** Host and, unless it is the scheme's own, port. */
  readonly authority: string;
  /** Of an `http+unix:` URL the absolute path of its socket, decoded; else null. */
  readonly socketPath: string | null;
}

/** A URL in its parts. */
export interface RequestUrl {
  /** In canonical form, without its fragment. */
  readonly href: string;
  /** With its `#`; empty if there is none. */
  readonly fragment: string;
  readonly origin: RequestOrigin;
  /** Path and query. */
  readonly requestTarget: string;
}

/**
 * Origins that were parsed lately, by their canonical text: the rest of most URLs is in canonical form
 * already, which is quicker seen than parsed.
 */
const knownOrigins: Map<string, RequestOrigin> = new Map();

/** Count. More are forgotten all at once. */
const MAX_KNOWN_ORIGINS = 1_000;

/** Nothing that the parser of URLs would change: no dot segments, nothing to encode or decode. */
const CANONICAL_REST =
  /^(?:\/(?!\.)[A-Za-z0-9_~!$&()*+,;=:@.-]*)+(?:\?[A-Za-z0-9_~!$&()*+,;=:@/?.-]*)?$/;

/**
 * Takes the URL of a request apart.
 *
 * @param url Absolute.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: not a URL, one with credentials or port 0, or an
 * `http+unix:` URL without the path of a socket.
 */
export function requestUrl(url: string | URL): RequestUrl {
  if (typeof url === "string") {
    // Behind "https://" at the earliest.
    const end = url.indexOf("/", 8);
    const origin = end === -1 ? undefined : knownOrigin(url, end);
    if (origin !== undefined) {
      const requestTarget = url.slice(end);
      if (CANONICAL_REST.test(requestTarget)) {
        return { href: url, fragment: "", origin, requestTarget };
      }
    }
  }
  return parsed(url);
}

/** The one found last is told without its text being cut out and hashed. */
let lastOrigin: { text: string; origin: RequestOrigin } | undefined;

function knownOrigin(url: string, end: number): RequestOrigin | undefined {
  if (lastOrigin?.text.length === end && url.startsWith(lastOrigin.text)) return lastOrigin.origin;
  const text = url.slice(0, end);
  const origin = knownOrigins.get(text);
  if (origin !== undefined) lastOrigin = { text, origin };
  return origin;
}

function parsed(input: string | URL): RequestUrl {
  const url = parseUrlWithCredentials(input);
  if (url.username !== "" || url.password !== "") {
    throw invalid("Cannot use a URL with credentials: send an Authorization header");
  }
  const fragment = url.hash;
  // Not by `url.hash`, which an empty fragment leaves empty.
  if (url.href.includes("#")) url.hash = "";
  const { href } = url;
  const origin = originOf(url);
  if (url.protocol === "http:" || url.protocol === "https:") {
    if (knownOrigins.size >= MAX_KNOWN_ORIGINS) knownOrigins.clear();
    knownOrigins.set(url.origin, origin);
  }
  // An empty query is a query too, which only the whole URL tells.
  const emptyQuery = url.search === "" && href.endsWith("?") ? "?" : "";
  // Only of http and https does the URL parser make an empty path "/".
  const path = url.pathname === "" && origin.socketPath !== null ? "/" : url.pathname;
  return { href, fragment, origin, requestTarget: path + url.search + emptyQuery };
}

function originOf(url: URL): RequestOrigin {
  const scheme = url.protocol;
  if (scheme === "http+unix:") {
    const socketPath = socketPathOf(url);
    return {
      scheme,
      hostname: SOCKET_AUTHORITY,
      port: 80,
      authority: SOCKET_AUTHORITY,
      socketPath,
    };
  }
  const { hostname, host: authority } = url;
  return {
    scheme,
    hostname: hostname.startsWith("[") ? hostname.slice(1, -1) : hostname,
    port: url.port !== "" ? Number(url.port) : scheme === "https:" ? 443 : 80,
    authority,
    socketPath: null,
  };
}

// The URL parser drops tabs and line ends without a word; nothing that holds them is meant.
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f]/;

/**
 * A URL that can be requested once its credentials, if there are any, are taken off.
 *
 * @param base What a relative one is relative to.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: not a URL, or one with port 0.
 */
export function parseUrlWithCredentials(input: string | URL, base?: string): URL {
  const text = input instanceof URL ? input.href : `${input}`;
  // Relative to a base it would be the name of something.
  if (text === "[object Request]") throw invalid("Cannot use this URL: it is a Request");
  if (CONTROL.test(text)) throw invalid("Cannot use this URL: a control character in it");
  let url: URL;
  try {
    url = new URL(text, base);
  } catch {
    // The text may hold a password, and the runtime's error holds the text: only the scheme is shown.
    const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(text)?.[0] ?? "";
    throw invalid(`Cannot use this URL: not an absolute URL (${scheme || "no scheme"})`);
  }
  if (url.port === "0") throw invalid("Cannot use port 0");
  return url;
}

/** What servers behind a Unix socket see as their host, unless the caller names another. */
const SOCKET_AUTHORITY = "localhost";

/**
 * The path of the socket that stands in the place of the host, decoded.
 *
 * Pure.
 *
 * @param url An `http+unix:` URL.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: no absolute path stands there.
 */
export function socketPathOf(url: URL): string {
  if (url.port !== "") throw invalid("Cannot use an http+unix: URL with a port");
  let path = "";
  try {
    path = decodeURIComponent(url.hostname);
  } catch {
    throw invalid(`Cannot use the socket path "${printable(url.hostname)}": not UTF-8`);
  }
  if (!path.startsWith("/") || path.includes("\0")) {
    throw invalid(`Cannot use the socket path "${printable(path)}": not an absolute path`);
  }
  return path;
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "request" });
}
