/**
 * Two connections joined in memory. Pure: no runtime, no timers.
 *
 * @module
 */
import type { Address, Conn } from "./conn.ts";
import { busyError, closedError, endedError, lostError, resizedError } from "./conn_error.ts";
import { Gone } from "./gone.ts";
import type { HttpError } from "./http_error.ts";
import { KnownConn } from "./known_conn.ts";

/** How to make a pipe. */
export interface PipeOptions {
  /**
   * Bytes that each direction holds before a write has to wait for the reader, 1 or more.
   * @default {65536}
   */
  bufferBytes?: number;
  /** Addresses of the two ends. Default: Unix addresses with a made-up path. */
  addresses?: [Address, Address];
}

/** One end of a {@linkcode pipe}. */
export interface PipeConn extends Conn {
  /**
   * Breaks the connection as a TCP reset does: what is under way is lost, both ends fail. The other
   * end's calls reject with `ERR_CONNECTION_LOST`, this end's with `ERR_CLOSED`.
   */
  reset(): void;
}

interface PendingRead {
  p: Uint8Array;
  /** How long it was at the call. */
  bytes: number;
  resolve: (count: number | null) => void;
  reject: (error: HttpError) => void;
}

interface PendingWrite {
  p: Uint8Array;
  /** How long it was at the call. */
  bytes: number;
  offset: number;
  resolve: (count: number) => void;
  reject: (error: HttpError) => void;
}

/** One direction: a ring of bytes with a reader at one end and a writer at the other. */
class Channel {
  #capacity: number;
  #ring: Uint8Array | null = null;
  #start = 0;
  #length = 0;
  #reader: PendingRead | null = null;
  #writer: PendingWrite | null = null;
  /** The writer has said that nothing more comes. */
  #ended = false;
  /** Set once reading or writing can only fail. */
  #readFailure: (() => HttpError) | null = null;
  #writeFailure: (() => HttpError) | null = null;
  bytesRead = 0;
  bytesWritten = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  read(p: Uint8Array): Promise<number | null> {
    if (this.#reader !== null) return Promise.reject(busyError("body"));
    if (this.#readFailure !== null) return Promise.reject(this.#readFailure());
    if (p.length === 0) return Promise.resolve(0);
    if (this.#length > 0) {
      const count = this.#takeOut(p);
      this.#acceptWrite();
      return Promise.resolve(count);
    }
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      this.#reader = { p, bytes: p.length, resolve, reject };
    });
  }

  write(p: Uint8Array): Promise<number> {
    if (this.#writer !== null) return Promise.reject(busyError("request"));
    if (this.#writeFailure !== null) return Promise.reject(this.#writeFailure());
    if (this.#ended) return Promise.reject(endedError());
    return new Promise((resolve, reject) => {
      this.#writer = { p, bytes: p.length, offset: 0, resolve, reject };
      this.#acceptWrite();
    });
  }

  end(): Promise<void> {
    if (this.#writer !== null) return Promise.reject(busyError("request"));
    if (this.#writeFailure !== null) return Promise.reject(this.#writeFailure());
    this.#endReading();
    return Promise.resolve();
  }

  /** The writing end has been closed: what it has written stays readable. */
  closeWriter(): void {
    this.#writeFailure = () => closedError("request");
    this.#rejectWriter();
    this.#endReading();
  }

  /** The reading end has been closed: writes fail from now on. */
  closeReader(): void {
    this.#length = 0;
    this.#readFailure = () => closedError("body");
    this.#rejectReader();
    this.#writeFailure ??= () => lostError("request");
    this.#rejectWriter();
  }

  /** Fails the reading end as a reset of the writer does. */
  breakReader(): void {
    this.#length = 0;
    this.#readFailure ??= () => lostError("body");
    this.#rejectReader();
  }

  #endReading(): void {
    this.#ended = true;
    const reader = this.#reader;
    if (reader === null) return;
    this.#reader = null;
    reader.resolve(null);
  }

  #rejectReader(): void {
    const reader = this.#reader;
    this.#reader = null;
    reader?.reject(this.#readFailure!());
  }

  #rejectWriter(): void {
    const writer = this.#writer;
    this.#writer = null;
    writer?.reject(this.#writeFailure!());
  }

  /** Moves bytes of the pending write to the reader, then into the ring. */
  #acceptWrite(): void {
    const writer = this.#writer;
    if (writer === null) return;
    if (writer.p.length !== writer.bytes) {
      this.#writer = null;
      writer.reject(resizedError("request"));
      return;
    }
    let reader = this.#reader;
    if (reader !== null && reader.p.length !== reader.bytes) {
      this.#reader = null;
      reader.reject(resizedError("body"));
      reader = null;
    }
    if (reader !== null && writer.offset < writer.p.length) {
      const count = Math.min(reader.p.length, writer.p.length - writer.offset);
      reader.p.set(writer.p.subarray(writer.offset, writer.offset + count));
      writer.offset += count;
      this.bytesWritten += count;
      this.bytesRead += count;
      this.#reader = null;
      reader.resolve(count);
    }
    writer.offset += this.#putIn(writer.p, writer.offset);
    if (writer.offset < writer.p.length) return;
    this.#writer = null;
    writer.resolve(writer.bytes);
  }

  #putIn(p: Uint8Array, offset: number): number {
    const count = Math.min(this.#capacity - this.#length, p.length - offset);
    if (count === 0) return 0;
    const ring = this.#ring ??= new Uint8Array(this.#capacity);
    const at = (this.#start + this.#length) % this.#capacity;
    const first = Math.min(count, this.#capacity - at);
    ring.set(p.subarray(offset, offset + first), at);
    ring.set(p.subarray(offset + first, offset + count), 0);
    this.#length += count;
    this.bytesWritten += count;
    return count;
  }

  #takeOut(p: Uint8Array): number {
    const ring = this.#ring!;
    const count = Math.min(this.#length, p.length);
    const first = Math.min(count, this.#capacity - this.#start);
    p.set(ring.subarray(this.#start, this.#start + first));
    p.set(ring.subarray(0, count - first), first);
    this.#start = (this.#start + count) % this.#capacity;
    this.#length -= count;
    this.bytesRead += count;
    return count;
  }
}

class PipeEnd extends KnownConn implements PipeConn {
  readonly localAddr: Address;
  readonly remoteAddr: Address;
  readonly tls = null;
  #incoming: Channel;
  #outgoing: Channel;
  #closed = false;
  #gone: Gone = new Gone();

  constructor(incoming: Channel, outgoing: Channel, addresses: [Address, Address]) {
    super();
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    [this.localAddr, this.remoteAddr] = addresses;
  }

  get bytesRead(): number {
    return this.#incoming.bytesRead;
  }

  get bytesWritten(): number {
    return this.#outgoing.bytesWritten;
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#incoming.read(p);
  }

  write(p: Uint8Array): Promise<number> {
    return this.#outgoing.write(p);
  }

  closeWrite(): Promise<void> {
    return this.#outgoing.end();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#outgoing.closeWriter();
    this.#incoming.closeReader();
    this.#gone.settle();
  }

  reset(): void {
    if (this.#closed) return;
    this.#outgoing.breakReader();
    this.close();
  }

  whenClosed(): Promise<void> {
    return this.#gone.when();
  }

  ref(): void {
    // Nothing in memory keeps a process alive.
  }

  unref(): void {
    // As above.
  }
}

/**
 * Makes two connections, each of which reads what the other one writes.
 *
 * @throws {RangeError} `bufferBytes` is not a positive integer.
 */
export function pipe(options: PipeOptions = {}): [PipeConn, PipeConn] {
  const { bufferBytes = 64 * 1024, addresses: [a, b] = defaultAddresses } = options;
  if (!Number.isSafeInteger(bufferBytes) || bufferBytes < 1) {
    throw new RangeError("Cannot make a pipe: bufferBytes is not a positive integer");
  }
  const forth = new Channel(bufferBytes);
  const back = new Channel(bufferBytes);
  return [new PipeEnd(back, forth, [a, b]), new PipeEnd(forth, back, [b, a])];
}

const defaultAddresses: [Address, Address] = [
  { transport: "unix", path: "pipe:a" },
  { transport: "unix", path: "pipe:b" },
];
