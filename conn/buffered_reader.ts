/**
 * Bytes that have been read and not yet used. Owns the buffer between a `Reader` and a parser.
 *
 * @module
 */
import type { Reader } from "./conn.ts";

/**
 * Bytes. Default capacity. What servers buffer (8 KiB, 16 KiB) and a record of TLS fit with the head in
 * front of them; an idle connection stays light.
 */
export const DEFAULT_READ_BUFFER_BYTES: number = 20 * 1024;

/** Bytes. What a connection has that brings little at a time: most of the idle ones. */
const RESTING_BYTES = 1024;

/** How much larger the storage becomes when a read has filled it. */
const GROWTH = 4;

/** The storage of who has read nothing into one of its own yet. */
const NO_STORAGE: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/**
 * A buffer over a {@linkcode Reader} that a parser looks into without copying.
 *
 * Unread bytes are `bytes[start..end)`. Views into `bytes` are valid until the next read. A read
 * that finds nothing buffered goes straight into the caller's array.
 *
 * @example
 * ```ts
 * import { BufferedReader, pipe } from "@roundtrip/http/conn";
 *
 * const [here, there] = pipe();
 * await there.write(new TextEncoder().encode("hello"));
 * const input = new BufferedReader(here);
 * await input.fill();
 * if (input.buffered !== 5) throw new Error("five bytes were sent");
 * here.close();
 * there.close();
 * ```
 */
export class BufferedReader implements Reader {
  /** The storage; only `[start, end)` holds unread bytes. Replaced when it grows. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Index of the first unread byte. */
  start: number = 0;
  /** Index behind the last unread byte. */
  end: number = 0;
  readonly #source: Reader;
  readonly #capacityBytes: number;
  /** Whether a read has filled the storage: more may come at a time than it takes. */
  #wasFull = false;
  /** The storage of its own while `bytes` is lent; else null. */
  #own: Uint8Array<ArrayBuffer> | null = null;

  /**
   * Makes a buffer.
   *
   * @param source Where bytes come from.
   * @param capacityBytes Integer >= 1; the storage begins smaller, and grows beyond it only on
   * {@linkcode space}. There is none before that.
   */
  constructor(source: Reader, capacityBytes: number = DEFAULT_READ_BUFFER_BYTES) {
    this.#source = source;
    this.#capacityBytes = capacityBytes;
    this.bytes = NO_STORAGE;
  }

  /** How many bytes are unread. */
  get buffered(): number {
    return this.end - this.start;
  }

  /**
   * Where the next bytes from the source belong; makes room by moving or doubling the storage.
   * Follow a read into it by {@linkcode added}. The caller bounds the growth.
   */
  space(): Uint8Array<ArrayBuffer> {
    this.keep();
    if (this.start === this.end) {
      this.start = 0;
      this.end = 0;
      const { length } = this.bytes;
      if (length === 0) {
        this.bytes = new Uint8Array(this.#restingBytes);
      } else if (
        length > this.#capacityBytes || (this.#wasFull && length < this.#capacityBytes)
      ) {
        this.#wasFull = false;
        this.bytes = new Uint8Array(Math.min(length * GROWTH, this.#capacityBytes));
      }
      return this.bytes;
    }
    if (this.end === this.bytes.length) {
      if (this.start > this.bytes.length >> 1) {
        this.bytes.copyWithin(0, this.start, this.end);
        this.end -= this.start;
        this.start = 0;
      } else {
        this.#grow(Math.max(this.bytes.length * 2, this.#capacityBytes));
      }
    }
    return this.bytes.subarray(this.end);
  }

  /** Counts `n` bytes that were read into {@linkcode space}. */
  added(n: number): void {
    this.end += n;
    if (this.end === this.bytes.length) this.#wasFull = true;
  }

  /** Puts a copy of `bytes` behind what is buffered; for bytes that were read past this buffer. */
  put(bytes: Uint8Array): void {
    this.keep();
    const { buffered } = this;
    const needed = buffered + bytes.length;
    if (needed > this.bytes.length) {
      // Twice as much as there is, so that bytes that come one by one are not moved each time.
      this.#grow(Math.max(needed, buffered * 2, this.#restingBytes));
    } else if (needed > this.bytes.length - this.start) {
      this.bytes.copyWithin(0, this.start, this.end);
      this.start = 0;
      this.end = buffered;
    }
    this.bytes.set(bytes, this.end);
    this.end += bytes.length;
  }

  /**
   * Takes `bytes` that came but are another's: not copied where nothing else is buffered.
   *
   * Order: {@linkcode keep}, before they are the other's again.
   */
  lend(bytes: Uint8Array<ArrayBuffer>): void {
    this.keep();
    if (this.start < this.end) return this.put(bytes);
    this.#own = this.bytes;
    this.bytes = bytes;
    this.start = 0;
    this.end = bytes.length;
  }

  /** Copies what is unread of bytes that were lent. */
  keep(): void {
    const own = this.#own;
    if (own === null) return;
    const { bytes, start, end } = this;
    this.#own = null;
    this.bytes = own;
    this.start = 0;
    this.end = 0;
    if (start < end) this.put(bytes.subarray(start, end));
    else this.rest();
  }

  /** Lets go of a storage that has become large once, if nothing is in it. */
  rest(): void {
    if (this.start === this.end && this.bytes.length > this.#capacityBytes && !this.isLent) {
      this.bytes = NO_STORAGE;
      this.start = 0;
      this.end = 0;
    }
  }

  /** Whether what is buffered is another's. */
  get isLent(): boolean {
    return this.#own !== null;
  }

  /** Marks `n` buffered bytes as used. */
  consume(n: number): void {
    this.start += n;
  }

  /**
   * Reads more bytes from the source into the buffer.
   *
   * @returns How many came, or null at the end of the stream.
   * @throws What the source throws.
   */
  async fill(): Promise<number | null> {
    const n = await this.#source.read(this.space());
    if (n !== null) this.added(n);
    return n;
  }

  /**
   * Copies buffered bytes into `p`.
   *
   * @returns How many were copied, 0 if none is buffered.
   */
  take(p: Uint8Array): number {
    const n = Math.min(p.length, this.end - this.start);
    if (n > 0) {
      p.set(this.bytes.subarray(this.start, this.start + n));
      this.start += n;
    }
    return n;
  }

  /** Reads at least one byte: what is buffered, else straight from the source. */
  read(p: Uint8Array): Promise<number | null> {
    const n = this.take(p);
    return n > 0 ? Promise.resolve(n) : this.#source.read(p);
  }

  get #restingBytes(): number {
    return Math.min(this.#capacityBytes, RESTING_BYTES);
  }

  #grow(toBytes: number): void {
    const larger = new Uint8Array(toBytes);
    larger.set(this.bytes.subarray(this.start, this.end));
    this.bytes = larger;
    this.end -= this.start;
    this.start = 0;
  }
}
