/**
 * How far a body has got, told to whoever asked.
 *
 * @module
 */
import { type AsyncContext, within } from "../conn/runtimes/async_context.ts";
import { tellFault, tellRejection } from "../conn/fault.ts";
import { changedLength } from "../http1/content_sender.ts";
import type { ContentSource } from "../http/outgoing_request.ts";

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
 * request and no process: it is told by `console.error`.
 */
export type ProgressHook = (progress: TransferProgress) => void;

const FAILED = "A hook for the progress of a body failed";

/** Bytes. Most that is sent between two calls. */
const SLICE_BYTES = 64 * 1024;

/** In the place of a piece before the first. */
const NOTHING = new Uint8Array(0);

/** Counts the bytes of one body. Owns: the count. */
export class ProgressCounter {
  readonly #hook: ProgressHook;
  readonly #totalBytes: number | null;
  readonly #context: AsyncContext | null;
  #bytes = 0;

  /** @param context Where the hook is called; null: where it is counted. */
  constructor(hook: ProgressHook, totalBytes: number | null, context: AsyncContext | null = null) {
    this.#hook = hook;
    this.#totalBytes = totalBytes;
    this.#context = context;
  }

  add(bytes: number): void {
    if (bytes === 0) return;
    this.#bytes += bytes;
    within(this.#context, this.#tell);
  }

  readonly #tell = (): void => {
    try {
      tellRejection(FAILED, this.#hook({ bytes: this.#bytes, totalBytes: this.#totalBytes }));
    } catch (error) {
      tellFault(FAILED, error);
    }
  };
}

/**
 * The same content in slices of at most 64 KiB. A slice counts when the next one is asked for: the
 * sender asks once it was accepted.
 */
export function countedSource(source: ContentSource, counter: ProgressCounter): ContentSource {
  let piece: Uint8Array = NOTHING;
  let pieceBytes = 0;
  let at = 0;
  let givenBytes = 0;
  return {
    next: async () => {
      counter.add(givenBytes);
      givenBytes = 0;
      if (at === pieceBytes) {
        const next = await source.next();
        // What is no piece, or an empty one, is the sender's affair, as without a counter.
        if (!(next instanceof Uint8Array)) return next;
        piece = next;
        pieceBytes = next.length;
        at = 0;
      }
      // The rest of what was detached would be missing without a word.
      if (piece.length !== pieceBytes) {
        source.cancel();
        throw changedLength(piece.length, pieceBytes);
      }
      const slice = piece.subarray(at, at + SLICE_BYTES);
      at += slice.length;
      givenBytes = slice.length;
      return slice;
    },
    cancel: () => source.cancel(),
  };
}
