/**
 * A connection with bytes in front that were read before it was handed over.
 *
 * @module
 */
import type { Conn } from "./conn.ts";
import { ConnOver } from "./conn_over.ts";

/**
 * The connection as the caller should see it: `unread` first, then what `conn` brings.
 *
 * @param unread Bytes that belong to the reader of the new protocol. Kept, not copied.
 * @returns `conn` itself if nothing is unread.
 */
export function withUnread(conn: Conn, unread: Uint8Array): Conn {
  return unread.length === 0 ? conn : new UnreadConn(conn, unread);
}

/** Whether bytes in front of the connection have not been read yet. */
export function hasUnread(conn: Conn): boolean {
  return conn instanceof UnreadConn && conn.isWaiting;
}

class UnreadConn extends ConnOver implements Conn {
  readonly #conn: Conn;
  #unread: Uint8Array | null;

  constructor(conn: Conn, unread: Uint8Array) {
    super(conn);
    this.#conn = conn;
    this.#unread = unread;
  }

  /** Whether not all of what was read before has been given out. */
  get isWaiting(): boolean {
    return this.#unread !== null;
  }

  read(p: Uint8Array): Promise<number | null> {
    const unread = this.#unread;
    if (unread === null || p.length === 0) return this.#conn.read(p);
    const n = Math.min(p.length, unread.length);
    p.set(unread.subarray(0, n));
    this.#unread = n === unread.length ? null : unread.subarray(n);
    return Promise.resolve(n);
  }

  write(p: Uint8Array): Promise<number> {
    return this.#conn.write(p);
  }

  close(): void {
    this.#unread = null;
    this.#conn.close();
  }

  get readsInParts(): boolean {
    return this.#conn.readsInParts ?? false;
  }
}
