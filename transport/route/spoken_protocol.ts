/**
 * Which versions of HTTP a transport speaks with whom: what ALPN offers, and what it may choose.
 *
 * @see RFC 7301
 * @see RFC 9113 section 3
 * @module
 */
import type { Conn, TlsOptions } from "../../conn/conn.ts";
import { HttpError, printable } from "../../conn/http_error.ts";

/** Whether a transport speaks HTTP/2: where ALPN chooses it, or without being asked where there is none. */
export type Http2Mode = "never" | "negotiated" | "priorKnowledge";

/** What may be spoken on a connection: HTTP/1.1, what ALPN chooses of both, or HTTP/2 at once. */
export type SpokenVersions = "http/1.1" | "negotiated" | "h2c";

const HTTP1 = "http/1.1";
const HTTP2 = "h2";

/**
 * What may be spoken with the server of a URL.
 *
 * Pure.
 */
export function versionsOf(scheme: string, mode: Http2Mode): SpokenVersions {
  if (mode === "never") return HTTP1;
  if (scheme === "https:") return "negotiated";
  return mode === "priorKnowledge" ? "h2c" : HTTP1;
}

/** What a key of connections says of the versions that may be spoken on them. Pure. */
export function keySuffix(versions: SpokenVersions): string {
  return versions === "h2c" ? " h2c" : "";
}

/**
 * The key of connections on which nothing but HTTP/1.1 is spoken.
 *
 * Pure.
 *
 * @param key Of connections on which `versions` may be.
 */
export function http1Key(key: string, versions: SpokenVersions): string {
  if (versions === HTTP1) return key;
  return versions === "h2c" ? key.slice(0, -keySuffix(versions).length) : `${key} h1`;
}

/**
 * Refuses to offer what is not spoken: a server may choose it.
 *
 * @param option The option of the transport that holds `tls`.
 * @throws {HttpError} `ERR_INVALID_REQUEST`.
 */
export function checkOffered(
  option: "tls" | "proxyTls",
  { alpnProtocols }: TlsOptions,
  mode: Http2Mode,
): void {
  const speaksHttp2 = option === "tls" && mode !== "never";
  for (const name of alpnProtocols ?? []) {
    if (name === HTTP1 || (name === HTTP2 && speaksHttp2)) continue;
    const spoken = speaksHttp2 ? `${HTTP1} and ${HTTP2}` : HTTP1;
    const hint = name === HTTP2 && option === "tls" ? "; the option http2 is off" : "";
    const message = `Cannot offer "${printable(name)}" by ${option}.alpnProtocols: ` +
      `a transport speaks ${spoken} alone${hint}`;
    throw new HttpError("ERR_INVALID_REQUEST", message, { phase: "tls" });
  }
}

/**
 * What ALPN offers to a server.
 *
 * Pure.
 *
 * @param given By the caller; undefined: nothing.
 */
export function offeredProtocols(
  given: readonly string[] | undefined,
  versions: SpokenVersions,
  mode: Http2Mode,
): string[] | undefined {
  // As ever, for whoever does not want HTTP/2.
  if (mode === "never") return given?.slice();
  if (versions !== HTTP1) return given?.slice() ?? [HTTP2, HTTP1];
  const left = given?.filter((name) => name !== HTTP2) ?? [];
  return left.length > 0 ? left : [HTTP1];
}

/**
 * What is spoken on a connection. One on which the peer has chosen what may not be spoken is closed:
 * its dialer offers protocols of its own.
 *
 * @throws {HttpError} `ERR_TLS`.
 */
export function spokenOn(conn: Conn, versions: SpokenVersions): "http/1.1" | "h2" {
  const chosen = conn.tls?.alpnProtocol ?? "";
  if (versions === "h2c") return HTTP2;
  if (chosen === "" || chosen === HTTP1) return HTTP1;
  if (chosen === HTTP2 && versions === "negotiated") return HTTP2;
  conn.close();
  const spoken = versions === "negotiated" ? `${HTTP1} and ${HTTP2}` : HTTP1;
  const message = `The peer has chosen "${printable(chosen)}" by ALPN: ` +
    `${spoken} alone can be spoken with it`;
  throw new HttpError("ERR_TLS", message, { phase: "tls" });
}
