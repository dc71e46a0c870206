/**
 * What a connection that a caller brings says of itself, looked at once and with distrust: each member
 * may be missing, of another kind, or a getter that throws.
 *
 * @module
 */
import type { Address, Conn, TlsInfo } from "./conn.ts";
import { HttpError } from "./http_error.ts";

/** A member of the caller's connection; it may be a getter. */
export function looked(conn: Conn, name: keyof Conn): unknown {
  try {
    return conn[name];
  } catch (cause) {
    throw noConn(`${name} cannot be read`, cause);
  }
}

/** Either end, copied. @throws {HttpError} It is no address. */
export function checkedAddress(conn: Conn, name: "localAddr" | "remoteAddr"): Address {
  const address = looked(conn, name) as Partial<Record<string, unknown>> | null | undefined;
  try {
    const { transport, hostname, port, path } = address ?? {};
    if (transport === "unix" && typeof path === "string") return { transport, path };
    if (transport === "tcp" && typeof hostname === "string" && typeof port === "number") {
      return { transport, hostname, port };
    }
  } catch (cause) {
    throw noConn(`${name} cannot be read`, cause);
  }
  throw noConn(`${name} is no address`);
}

/** The TLS session, copied; null: there is none. @throws {HttpError} It is no session. */
export function checkedTls(tls: unknown): TlsInfo | null {
  if (tls === null || tls === undefined) return null;
  try {
    if (typeof tls === "object") {
      const info = tls as TlsInfo;
      const { alpnProtocol = null, protocol = null, engine, peerCertificate = null } = info;
      const { sessionReused = null } = info;
      if (alpnProtocol === null || typeof alpnProtocol === "string") {
        return { ...info, alpnProtocol, protocol, engine, sessionReused, peerCertificate };
      }
    }
  } catch (cause) {
    throw noConn("tls cannot be read", cause);
  }
  throw noConn("tls says nothing of a TLS session");
}

/**
 * Whether an optional method may be used in the place of `plain`: not where the object has a `plain`
 * of its own and has merely inherited the other.
 */
export function isUsable(
  conn: Conn,
  name: "startRead" | "startWrite" | "readChunk" | "kernelIsEmpty",
  plain: "read" | "write",
): boolean {
  const isReplaced = Object.hasOwn(conn, plain) && !Object.hasOwn(conn, name);
  return typeof looked(conn, name) === "function" && !isReplaced;
}

/** The error for what is no connection. Pure. */
export function noConn(why: string, cause?: unknown): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", `The dialer gave no connection: ${why}`, {
    phase: "dial",
    cause,
  });
}
