/**
 * How far a body has got, told to whoever asked.
 *
 * @module
 */
import type { ContentSource } from "../http1/content_sender.ts";

/** How far a body has got. */
export interface TransferProgress {
  /**
   * Bytes of content so far, as they go over the wire: with their content coding, without the
   * framing of chunks. Sent bytes count once the runtime has accepted them.
   */
  readonly bytes: number;
  /** What the message declares as its length, or null. */
  readonly totalBytes: number | null;
}

/**
 * Called as a body goes on, synchronously, at most once for each piece. What it throws ends no
 * request: it is an uncaught error.
 */
export type ProgressHook = (progress: TransferProgress) => void;

/** Bytes. Most that is sent between two calls. */
const SLICE_BYTES = 64 * 1024;

/** Counts the bytes of one body. Owns: the count. */
export class ProgressCounter {
  readonly #hook: ProgressHook;
  readonly #totalBytes: number | null;
  #bytes = 0;

  constructor(hook: ProgressHook, totalBytes: number | null) {
    this.#hook = hook;
    this.#totalBytes = totalBytes;
  }

  add(bytes: number): void {
    if (bytes === 0) return;
    this.#bytes += bytes;
    try {
      this.#hook({ bytes: this.#bytes, totalBytes: this.#totalBytes });
    } catch (error) {
      // Thrown where nobody is in the middle of something.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/**
 * The same content in slices of at most 64 KiB. A slice counts when the next one is asked for: the
 * sender asks once it was accepted.
 */
export function countedSource(source: ContentSource, counter: ProgressCounter): ContentSource {
  let piece: Uint8Array | null = null;
  let givenBytes = 0;
  return {
    next: async () => {
      counter.add(givenBytes);
      givenBytes = 0;
      while (piece === null || piece.length === 0) {
        piece = await source.next();
        // What is no piece is refused by the sender, as without a counter.
        if (!(piece instanceof Uint8Array)) return piece;
      }
      const slice = piece.subarray(0, SLICE_BYTES);
      piece = piece.subarray(slice.length);
      givenBytes = slice.length;
      return slice;
    },
    cancel: () => source.cancel(),
  };
}
