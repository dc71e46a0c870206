/**
 * What a connection over another one leaves to it.
 *
 * @module
 */
import type { Address, Conn, TlsInfo } from "./conn.ts";

/** All but reading, writing and closing is that of the connection underneath. */
export abstract class ConnOver {
  readonly #conn: Conn;

  /** @param conn What is underneath. */
  constructor(conn: Conn) {
    this.#conn = conn;
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  whenClosed(): Promise<void> {
    return this.#conn.whenClosed?.() ?? Promise.resolve();
  }

  ref(): void {
    this.#conn.ref();
  }

  unref(): void {
    this.#conn.unref();
  }

  get bytesWritten(): number {
    return this.#conn.bytesWritten;
  }

  get bytesRead(): number {
    return this.#conn.bytesRead;
  }

  get localAddr(): Address {
    return this.#conn.localAddr;
  }

  get remoteAddr(): Address {
    return this.#conn.remoteAddr;
  }

  get tls(): TlsInfo | null {
    return this.#conn.tls;
  }
}
