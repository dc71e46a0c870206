/**
 * A connection as callers make them: an object of their own over another one, some members otherwise.
 *
 * @module
 */
import type { Conn } from "../../mod.ts";

/** What `conn` is and does, but for `members`. */
export function connWith(conn: Conn, members: PropertyDescriptorMap): Conn {
  const plain: Conn = {
    read: (p) => conn.read(p),
    write: (p) => conn.write(p),
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
    ref: () => conn.ref(),
    unref: () => conn.unref(),
    get bytesRead() {
      return conn.bytesRead;
    },
    get bytesWritten() {
      return conn.bytesWritten;
    },
    localAddr: conn.localAddr,
    remoteAddr: conn.remoteAddr,
    tls: conn.tls,
  };
  return Object.defineProperties(plain, members);
}
