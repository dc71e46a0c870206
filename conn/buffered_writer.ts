/**
 * Bytes that wait to be written, so that a head and a small body leave in one write.
 *
 * @module
 */
import { startWrite } from "./by_callback.ts";
import type { Writer } from "./conn.ts";
import { putLatin1 } from "./latin1.ts";

/** Bytes. Default capacity; most request heads with a small body fit. */
export const DEFAULT_WRITE_BUFFER_BYTES: number = 4 * 1024;

/** Bytes. What a connection has whose requests are small. */
const RESTING_BYTES = 512;

/**
 * A buffer in front of a {@linkcode Writer}. What fits is gathered; what does not is written
 * straight from the caller's array.
 *
 * Order: one call at a time; a returned promise must settle before the next call.
 *
 * @example
 * ```ts
 * import { BufferedWriter, pipe } from "@roundtrip/http/conn";
 *
 * const [here, there] = pipe();
 * const output = new BufferedWriter(here);
 * output.text("GET / HTTP/1.1\r\n");
 * output.text("Host: example.com\r\n\r\n");
 * await output.flush();
 * here.close();
 * there.close();
 * ```
 */
export class BufferedWriter {
  readonly #sink: Writer;
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;
  /** The beginning of the storage that was written last. */
  #view: Uint8Array<ArrayBuffer>;
  readonly #capacityBytes: number;

  /**
   * Makes a buffer.
   *
   * @param sink Where bytes go.
   * @param capacityBytes Integer >= 1.
   */
  constructor(sink: Writer, capacityBytes: number = DEFAULT_WRITE_BUFFER_BYTES) {
    this.#sink = sink;
    this.#capacityBytes = capacityBytes;
    this.#bytes = new Uint8Array(Math.min(capacityBytes, RESTING_BYTES));
    this.#view = this.#bytes;
  }

  /** How many bytes wait for {@linkcode flush}. */
  get buffered(): number {
    return this.#length;
  }

  /** How many more bytes can wait within the capacity. */
  get available(): number {
    return this.#capacityBytes - this.#length;
  }

  /**
   * Adds text whose characters are bytes (U+0000 to U+00FF); grows the buffer if it must. The
   * caller has checked the characters: a higher one would lose its upper bits.
   */
  text(text: string): void {
    const end = this.#length + text.length;
    if (end > this.#bytes.length) this.#grow(end);
    putLatin1(text, this.#bytes, this.#length);
    this.#length = end;
  }

  /** Adds a copy of `bytes`; grows the buffer if it must. */
  add(bytes: Uint8Array): void {
    const end = this.#length + bytes.length;
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.set(bytes, this.#length);
    this.#length = end;
  }

  /**
   * Writes what waits, in one write.
   *
   * @returns How many bytes were written.
   * @throws What the sink throws.
   */
  async flush(): Promise<number> {
    return this.#length === 0 ? 0 : await this.#sink.write(this.#taken());
  }

  /** As {@linkcode flush}, of something, without a promise: calls one of the two, maybe at once. */
  startFlush(done: (count: number) => void, failed: (error: unknown) => void): void {
    startWrite(this.#sink, this.#taken(), done, failed);
  }

  /** What waits, which now does not any more. */
  #taken(): Uint8Array {
    const n = this.#length;
    this.#length = 0;
    // Requests of one program are often equally long: a view costs more than the look at its length.
    if (this.#view.length !== n) this.#view = this.#bytes.subarray(0, n);
    const bytes = this.#view;
    // A buffer that had to grow is not kept: one large head must not make the connection heavy.
    if (this.#bytes.length > this.#capacityBytes) {
      this.#bytes = new Uint8Array(this.#capacityBytes);
      this.#view = this.#bytes;
    }
    return bytes;
  }

  /**
   * Writes `bytes`, behind what waits. Small pieces are gathered with it into one write, large
   * ones are written without a copy.
   */
  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length <= this.available) {
      this.add(bytes);
      await this.flush();
      return;
    }
    if (this.#length > 0) await this.flush();
    await this.#sink.write(bytes);
  }

  #grow(toBytes: number): void {
    const larger = new Uint8Array(Math.max(toBytes, this.#bytes.length * 2));
    // Whoever was given the storage to write may have transferred it: nothing of it is needed then.
    if (this.#length > 0) larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = larger;
  }
}
