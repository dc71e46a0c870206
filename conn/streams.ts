/**
 * A connection over a pair of WHATWG byte streams. Pure: no runtime, no timers.
 *
 * @module
 */
import type { Address, Conn, TlsInfo } from "./conn.ts";
import { busyError, closedError, endedError, lostError } from "./conn_error.ts";
import { Gone } from "./gone.ts";

/** The two directions of a connection. */
export interface StreamPair {
  /** What the peer sends. */
  readable: ReadableStream<Uint8Array>;
  /** What goes to the peer. */
  writable: WritableStream<Uint8Array>;
}

/** What the streams cannot tell about the connection. */
export interface StreamConnOptions {
  /** Default: a Unix address with a made-up path. */
  localAddr?: Address;
  /** Default: a Unix address with a made-up path. */
  remoteAddr?: Address;
  /**
   * TLS session that the streams run in.
   *
   * @default {null}
   */
  tls?: TlsInfo | null;
}

const unknownAddress: Address = { transport: "unix", path: "stream:" };

/** What {@linkcode connFromStreams} makes. */
export class StreamConn implements Conn {
  readonly localAddr: Address;
  readonly remoteAddr: Address;
  readonly tls: TlsInfo | null;
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #writer: WritableStreamDefaultWriter<Uint8Array>;
  #closed = false;
  #gone: Gone = new Gone();
  #reading: PromiseWithResolvers<number | null> | null = null;
  #held: Uint8Array | null = null;
  #writing: PromiseWithResolvers<number> | null = null;
  #writeEnded = false;
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(pair: StreamPair, options: StreamConnOptions) {
    this.#reader = pair.readable.getReader();
    this.#writer = pair.writable.getWriter();
    this.localAddr = options.localAddr ?? unknownAddress;
    this.remoteAddr = options.remoteAddr ?? unknownAddress;
    this.tls = options.tls ?? null;
    // Failures are told by read() and write().
    this.#reader.closed.catch(() => {});
    this.#writer.closed.catch(() => {});
    this.#writer.ready.catch(() => {});
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  read(p: Uint8Array): Promise<number | null> {
    if (this.#reading !== null) return Promise.reject(busyError("body"));
    if (this.#closed) return Promise.reject(closedError("body"));
    if (p.length === 0) return Promise.resolve(0);
    if (this.#held !== null) return Promise.resolve(this.#take(p, this.#held));
    const reading = this.#reading = Promise.withResolvers<number | null>();
    this.#readChunk(p).then((count) => {
      // close() has answered already.
      if (this.#closed) return;
      this.#reading = null;
      reading.resolve(count);
    }, (error) => {
      if (this.#closed) return;
      this.#reading = null;
      reading.reject(lostError("body", error));
    });
    return reading.promise;
  }

  async #readChunk(p: Uint8Array): Promise<number | null> {
    while (true) {
      const { done, value } = await this.#reader.read();
      if (done) return null;
      if (!(value instanceof Uint8Array)) throw new TypeError("a chunk is no Uint8Array");
      if (this.#closed || value.length > 0) return this.#take(p, value);
    }
  }

  #take(p: Uint8Array, chunk: Uint8Array): number {
    const count = Math.min(p.length, chunk.length);
    p.set(count === chunk.length ? chunk : chunk.subarray(0, count));
    this.#held = count === chunk.length ? null : chunk.subarray(count);
    this.#bytesRead += count;
    return count;
  }

  write(p: Uint8Array): Promise<number> {
    if (this.#writing !== null) return Promise.reject(busyError("request"));
    if (this.#closed) return Promise.reject(closedError("request"));
    if (this.#writeEnded) return Promise.reject(endedError());
    if (p.length === 0) return Promise.resolve(0);
    const { length } = p;
    const writing = this.#writing = Promise.withResolvers<number>();
    // A copy: the stream may hold the chunk after its write has settled, the caller reuses `p`.
    this.#writer.write(p.slice()).then(() => {
      if (this.#closed) return;
      this.#writing = null;
      this.#bytesWritten += length;
      writing.resolve(length);
    }, (error) => {
      if (this.#closed) return;
      this.#writing = null;
      writing.reject(lostError("request", error));
    });
    return writing.promise;
  }

  async closeWrite(): Promise<void> {
    if (this.#closed) throw closedError("request");
    if (this.#writing !== null) throw busyError("request");
    if (this.#writeEnded) return;
    this.#writeEnded = true;
    try {
      await this.#writer.close();
    } catch (error) {
      throw this.#closed ? closedError("request") : lostError("request", error);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held = null;
    this.#reading?.reject(closedError("body"));
    this.#writing?.reject(closedError("request"));
    // What the stream has accepted is still delivered, unless a part would be cut.
    const ending = this.#writing !== null
      ? this.#writer.abort(closedError("request"))
      : this.#writeEnded
      ? Promise.resolve()
      : this.#writer.close();
    ending.catch(() => {});
    this.#reader.cancel().catch(() => {});
    this.#reading = this.#writing = null;
    // The streams are the caller's, and may take any time.
    this.#gone.settle();
  }

  whenClosed(): Promise<void> {
    return this.#gone.when();
  }

  /**
   * Gives the streams up, unlocked. The object is closed afterwards.
   *
   * @throws {HttpError} `ERR_CLOSED`, or `ERR_INVALID_REQUEST`: a read or write is under way, or what
   * was read has not been taken.
   */
  release(): void {
    if (this.#closed) throw closedError("request");
    if (this.#writing !== null) throw busyError("request");
    if (this.#reading !== null || this.#held !== null) throw busyError("body");
    this.#closed = true;
    this.#reader.releaseLock();
    this.#writer.releaseLock();
    this.#gone.settle();
  }

  ref(): void {
    // Streams have no such thing.
  }

  unref(): void {
    // As above.
  }
}

/**
 * Makes a connection of a readable and a writable byte stream, which it locks.
 *
 * Bytes: copied both ways. `ref()` and `unref()` do nothing.
 *
 * @throws {TypeError} A stream is locked already.
 */
export function connFromStreams(pair: StreamPair, options: StreamConnOptions = {}): Conn {
  return new StreamConn(pair, options);
}
