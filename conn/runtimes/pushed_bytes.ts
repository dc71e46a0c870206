/**
 * Bytes that a runtime pushes, for reads that pull them.
 *
 * @module
 */
import { realTime } from "../real_time.ts";

import { resizedError } from "../conn_error.ts";
import type { Lent } from "../known_conn.ts";
import { copyPiece } from "../piece.ts";

/** What a read brings: a count, or an array of its own. */
type Brought = number | Uint8Array<ArrayBuffer> | null;

/** In the place of a caller's array where a read brings its own. */
const NO_ARRAY = new Uint8Array(0);

/** The same where a read is lent what comes. */
const LOAN = new Uint8Array(0);

/**
 * Bytes. Whoever is brought as many was perhaps not brought all: no runtime reads less at a time than
 * this when it has more.
 */
const ALL_BYTES = 256 * 1024;

/**
 * The pending read of a connection, and what came before one. Owns: the chunks that wait. Reads are
 * told last in each step: they may start another.
 */
export class PushedBytes {
  /** Bytes that reads have brought. */
  readBytes: number = 0;
  /** Bytes that wait for a read. */
  waitingBytes: number = 0;
  readonly #release: (chunk: Uint8Array) => void;
  /** Oldest first. */
  #chunks: Uint8Array[] = [];
  /** The array of the pending read, `NO_ARRAY` if it brings its own. */
  #reading: Uint8Array | null = null;
  /** How long that array was at the call: its owner may give it away meanwhile. */
  #readingBytes = 0;
  /** Most bytes of a read that brings its own array. */
  #maxBytes = 0;
  /** Bytes in the array of the pending read that it has not been told of. */
  #gathered = 0;
  #done!: (brought: Brought) => void;
  #lent!: Lent;
  #failed!: (error: unknown) => void;

  /** @param release Called with each chunk that has been copied and is not used any more. */
  constructor(release: (chunk: Uint8Array) => void) {
    this.#release = release;
  }

  /** Whether a read is pending. */
  get isPending(): boolean {
    return this.#reading !== null;
  }

  /** Whether a read is pending and nothing has come for it. */
  get isUntold(): boolean {
    return this.#reading !== null && this.#gathered === 0 && this.waitingBytes === 0;
  }

  /** Bytes that the pending read has not been told of. */
  get gatheredBytes(): number {
    return this.#gathered;
  }

  /** Waits for bytes into `p`, which is not empty. Order: none pending, nothing waiting. */
  read(p: Uint8Array): Promise<number | null> {
    return new Promise((resolve, reject) => this.startRead(p, resolve, reject));
  }

  /** The same by callbacks. */
  startRead(
    p: Uint8Array,
    done: (count: number | null) => void,
    failed: (error: unknown) => void,
  ): void {
    this.#reading = p;
    this.#readingBytes = p.length;
    this.#done = done as (brought: Brought) => void;
    this.#failed = failed;
  }

  /** Waits for an array of at most `maxBytes`. Order: as {@linkcode read}. */
  readChunk(maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
    this.#reading = NO_ARRAY;
    this.#readingBytes = 0;
    this.#maxBytes = maxBytes;
    return new Promise((resolve, reject) => {
      this.#done = resolve as (brought: Brought) => void;
      this.#failed = reject;
    });
  }

  /** Waits for bytes that are lent. Order: as {@linkcode read}. */
  startLoan(lent: Lent, failed: (error: unknown) => void): void {
    this.#reading = LOAN;
    this.#readingBytes = 0;
    this.#lent = lent;
    this.#failed = failed;
  }

  /** Lends waiting bytes, soon. Order: as {@linkcode take}. */
  lendWaiting(lent: Lent): void {
    const chunk = this.#chunks[0] as Uint8Array<ArrayBuffer>;
    this.#drop(chunk, chunk.length);
    realTime.queueMicrotask(() => {
      lent(chunk, false);
      this.#release(chunk);
    });
  }

  /** Copies waiting bytes into `p`. Order: only while there are some. */
  take(p: Uint8Array): number {
    const chunk = this.#chunks[0];
    const count = Math.min(p.length, chunk.length);
    p.set(count === chunk.length ? chunk : chunk.subarray(0, count));
    this.#drop(chunk, count);
    if (count === chunk.length) this.#release(chunk);
    return count;
  }

  /** Takes waiting bytes in an array of their own. Order: as {@linkcode take}. */
  takeChunk(maxBytes: number): Uint8Array<ArrayBuffer> {
    const chunk = this.#chunks[0];
    const count = Math.min(maxBytes, chunk.length);
    this.#drop(chunk, count);
    return ownArray(count === chunk.length ? chunk : chunk.subarray(0, count));
  }

  #drop(chunk: Uint8Array, count: number): void {
    if (count === chunk.length) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(count);
    this.waitingBytes -= count;
    this.readBytes += count;
  }

  /**
   * Gives `bytes` to the pending read if it takes all of them.
   *
   * @param isGiven Whether the array is given away with them, rather than only lent.
   * @returns Whether it did. If not, follow with {@linkcode keep}.
   */
  serve(bytes: Uint8Array, isGiven: boolean): boolean {
    const p = this.#reading;
    const count = bytes.length;
    if (p === LOAN) {
      this.#reading = null;
      this.readBytes += count;
      this.#lent(bytes as Uint8Array<ArrayBuffer>, count < ALL_BYTES);
      if (isGiven) this.#release(bytes);
      return true;
    }
    if (p === null || this.#gathered > 0 || this.#isLost) return false;
    if (count > (p === NO_ARRAY ? this.#maxBytes : p.length)) return false;
    this.#reading = null;
    this.readBytes += count;
    if (p === NO_ARRAY) {
      this.#done(isGiven ? ownArray(bytes) : copyPiece(bytes));
    } else {
      p.set(bytes);
      if (isGiven) this.#release(bytes);
      this.#done(count);
    }
    return true;
  }

  /**
   * Puts `bytes` into the array of the pending read without telling it: {@linkcode tellGathered}
   * does.
   *
   * @returns Whether there was room for them.
   */
  gather(bytes: Uint8Array): boolean {
    const p = this.#reading;
    if (p === null || this.#isLost || this.#gathered + bytes.length > p.length) return false;
    p.set(bytes, this.#gathered);
    this.#gathered += bytes.length;
    return true;
  }

  /** Tells the pending read of what was gathered for it. Order: only if something was. */
  tellGathered(): void {
    if (this.#isLost) return this.#lose();
    const count = this.#gathered;
    this.#gathered = 0;
    this.#reading = null;
    this.readBytes += count;
    this.#done(count);
  }

  /** Keeps a chunk, which is given away, and serves the pending read from it. */
  keep(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.waitingBytes += chunk.length;
    const p = this.#reading;
    if (p === null) return;
    if (this.#isLost) return this.#lose();
    if (this.#gathered > 0) return this.tellGathered();
    this.#reading = null;
    this.#done(p === NO_ARRAY ? this.takeChunk(this.#maxBytes) : this.take(p));
  }

  /** The stream has ended: the pending read is told what was gathered, else of the end. */
  end(): void {
    if (this.#reading === null) return;
    if (this.#gathered > 0) return this.tellGathered();
    const isLoan = this.#reading === LOAN;
    this.#reading = null;
    if (isLoan) this.#lent(null, true);
    else this.#done(null);
  }

  get #isLost(): boolean {
    return this.#reading!.length !== this.#readingBytes;
  }

  /** What was gathered has gone with its array; what waits is for the next read. */
  #lose(): void {
    this.#gathered = 0;
    this.fail(resizedError("body"));
  }

  /** The pending read fails. */
  fail(error: unknown): void {
    if (this.#reading === null) return;
    this.#reading = null;
    this.#failed(error);
  }

  /** Lets go of what waits. */
  clear(): void {
    this.#chunks = [];
    this.waitingBytes = 0;
    this.#gathered = 0;
  }
}

/** The same bytes with nothing else in their buffer; copied only if there is. */
function ownArray(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  // Node's own arrays are of a subclass.
  if (bytes.length === buffer.byteLength) return new Uint8Array(buffer as ArrayBuffer);
  return copyPiece(bytes);
}
