/**
 * The way down from `node:tls` to a connection: a Duplex that reads and writes a {@linkcode Conn}.
 *
 * It also tells what the TLS sockets over it lose on Deno and Bun: they read on when nobody reads
 * them, settle writes that have not been flushed, and take a broken connection for an ended one.
 *
 * @module
 */
import { Duplex } from "node:stream";
import type { Conn } from "../conn.ts";

/** Bytes. Some TLS records, of at most 16 KiB and their frame. */
const readBytes = 64 * 1024;

/** A Duplex over a connection. Owns: the connection. */
export class ConnDuplex extends Duplex {
  /** Why reading failed, null as long as it has not. */
  failure: unknown = null;
  /** Called whenever everything that was written has been accepted by the connection. */
  onFlushed: () => void = () => {};
  /** Called when a write fails; what was written is dropped from then on, reading goes on. */
  onWriteFailed: (error: Error) => void = (error) => this.destroy(error);
  /** Tells whether more may be read now; {@linkcode ConnDuplex.wake} asks again. */
  mayRead: () => boolean = () => true;
  #conn: Conn;
  #buffer: Uint8Array = new Uint8Array(readBytes);
  #waiting = false;

  constructor(conn: Conn) {
    super({ allowHalfOpen: true });
    this.#conn = conn;
  }

  /** Whether everything that was written has been accepted by the connection. */
  get isFlushed(): boolean {
    return this.writableLength === 0;
  }

  /** Reads on if it waits for that and may now. */
  wake(): void {
    if (!this.#waiting || !this.mayRead()) return;
    this.#waiting = false;
    this.#fill();
  }

  override _read(): void {
    this.#waiting = true;
    this.wake();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#conn.write(chunk).then(() => {
      done();
      if (this.isFlushed) this.onFlushed();
    }, (error) => {
      this.onWriteFailed(error);
      done();
    });
  }

  override _final(done: (error?: Error) => void): void {
    this.#conn.closeWrite().then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#conn.close();
    done(error);
  }

  #fill(): void {
    this.#conn.read(this.#buffer).then((count) => {
      // A copy: the stream keeps the chunk.
      this.push(count === null ? null : this.#buffer.slice(0, count));
    }, (error) => {
      this.failure = error;
      this.destroy(error);
    });
  }
}
