/**
 * The body of a platform's `Response` that was made of bytes, as a byte stream: the platform's own is
 * none on Deno and Bun.
 *
 * @module
 */
import { byteStream, type StreamSource } from "../../transport/message/body_stream.ts";

/**
 * The same bytes as a byte stream. The platform's own is locked and disturbed when this one is read.
 *
 * @param open Gives the platform's own.
 * @param length How many bytes it brings.
 */
export function wholeBodyStream(
  open: () => ReadableStream<Uint8Array<ArrayBuffer>>,
  length: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return byteStream(new WholeBody(open, length));
}

/** Owns: the reader of the platform's stream, once there is one. */
class WholeBody implements StreamSource {
  readonly #open: () => ReadableStream<Uint8Array<ArrayBuffer>>;
  #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | null = null;
  #leftBytes: number;
  /** Read from the platform's stream and not given. */
  #rest: Uint8Array<ArrayBuffer> | null = null;

  constructor(open: () => ReadableStream<Uint8Array<ArrayBuffer>>, length: number) {
    this.#open = open;
    this.#leftBytes = length;
  }

  get isAtEnd(): boolean {
    return this.#leftBytes === 0;
  }

  async read(p: Uint8Array): Promise<number | null> {
    const piece = this.#rest ?? await this.#next();
    if (piece === null) return null;
    const n = Math.min(p.length, piece.length);
    p.set(piece.subarray(0, n));
    this.#rest = n === piece.length ? null : piece.subarray(n);
    this.#leftBytes -= n;
    return n;
  }

  async readPiece(): Promise<Uint8Array<ArrayBuffer> | null> {
    const piece = this.#rest?.slice() ?? await this.#next();
    this.#rest = null;
    this.#leftBytes -= piece?.length ?? 0;
    return piece;
  }

  async close(): Promise<void> {
    await (this.#reader ?? this.#open()).cancel();
  }

  async #next(): Promise<Uint8Array<ArrayBuffer> | null> {
    this.#reader ??= this.#open().getReader();
    for (;;) {
      const { value } = await this.#reader.read();
      if (value === undefined) return null;
      // A copy: a byte stream takes its pieces away, and this one may be another branch's too.
      if (value.length > 0) return value.slice();
    }
  }
}
