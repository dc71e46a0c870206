/**
 * What the `startTls` of every runtime does before and after its own part.
 *
 * @module
 */
import type { Conn, TlsOptions } from "../conn.ts";
import { guardedConn } from "../guarded_conn.ts";
import { checkTlsOptions, serverNameFor } from "../tls_options.ts";

/**
 * Has `secure` start TLS over a connection of the caller's, which is closed if it cannot.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: the options; and what `secure` throws.
 */
export async function startTlsOver(
  given: Conn,
  options: TlsOptions,
  signal: AbortSignal | undefined,
  secure: (conn: Conn, serverName: string) => Promise<Conn>,
): Promise<Conn> {
  const conn = guardedConn(given);
  try {
    checkTlsOptions(options);
    const serverName = serverNameFor(options, conn.remoteAddr);
    signal?.throwIfAborted();
    return await secure(conn, serverName);
  } catch (error) {
    conn.close();
    throw error;
  }
}
