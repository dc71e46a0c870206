/**
 * How large the next piece of a body is made.
 *
 * @module
 */

/** Bytes. The largest piece: what a read of a plain socket brings at most on most systems. */
const MAX_PIECE_BYTES = 64 * 1024;

/** Bytes. The smallest piece that is made room for, about what a TLS record holds. */
const MIN_PIECE_BYTES = 16 * 1024;

/**
 * Follows what reads bring: room that stays empty is garbage all the same, and the collector comes
 * late for it.
 */
export class PieceSize {
  #bytes: number;

  /** @param lengthBytes What the body holds, or null. */
  constructor(lengthBytes: number | null) {
    this.#bytes = Math.max(1, Math.min(lengthBytes ?? MAX_PIECE_BYTES, MAX_PIECE_BYTES));
  }

  /** Room for the next piece. */
  room(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes);
  }

  /** A read into that room has brought `n` bytes. */
  came(n: number): void {
    if (n === this.#bytes) this.#bytes = Math.min(2 * n, MAX_PIECE_BYTES);
    else if (n <= this.#bytes / 2 && this.#bytes > MIN_PIECE_BYTES) {
      this.#bytes = Math.ceil(this.#bytes / 2);
    }
  }
}
