/**
 * A field block that comes in several frames, put together within limits.
 *
 * @module
 */
import { connectionError, ENHANCE_YOUR_CALM, PROTOCOL_ERROR } from "./http2_error.ts";

/** Frames. What a block may be cut into, besides one for each {@linkcode FAIR_FRAME_BYTES} of it. */
const FREE_FRAMES = 16;

/** Octets. Whoever sends more than this with each CONTINUATION may send as many as there are. */
const FAIR_FRAME_BYTES = 1_024;

/** Blocks may be larger than what they decode to: octets of them for each octet of the limit. */
const BLOCK_RATIO = 2;

/**
 * The block that is being received. Owns: what came of it.
 *
 * @see RFC 9113 section 6.10
 */
export class FieldBlock {
  /** Whose it is; 0: none is being received. */
  streamId: number = 0;
  /** Whether its stream ends with it. */
  endStream: boolean = false;
  #bytes: Uint8Array<ArrayBuffer> = NOTHING;
  #length = 0;
  #frames = 0;
  readonly #limitBytes: number;

  /**
   * Makes an empty one.
   *
   * @param limitBytes What a field section may have, decoded.
   */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Whether CONTINUATION must follow, and nothing else may. */
  get isOpen(): boolean {
    return this.streamId !== 0;
  }

  /** Begins with the block of a HEADERS frame, `bytes[from..to)`, that did not end there. */
  begin(
    streamId: number,
    endStream: boolean,
    bytes: Uint8Array,
    from: number,
    to: number,
  ): void {
    this.streamId = streamId;
    this.endStream = endStream;
    this.#length = 0;
    this.#frames = 0;
    this.#append(bytes, from, to);
  }

  /**
   * Goes on with a CONTINUATION frame.
   *
   * @throws {Http2Violation} It belongs to no block, or the block is too large or cut too small.
   */
  add(streamId: number, bytes: Uint8Array, from: number, to: number): void {
    if (streamId !== this.streamId) {
      const what = this.isOpen ? "of another stream within a field block" : "without HEADERS";
      throw connectionError(PROTOCOL_ERROR, `sent CONTINUATION ${what}`);
    }
    this.#append(bytes, from, to);
  }

  /** The whole block. Ends it: the next HEADERS may come. */
  take(): Uint8Array<ArrayBuffer> {
    const block = this.#bytes.subarray(0, this.#length);
    this.streamId = 0;
    this.#bytes = NOTHING;
    return block;
  }

  #append(bytes: Uint8Array, from: number, to: number): void {
    const length = this.#length + to - from;
    this.#frames++;
    if (
      length > BLOCK_RATIO * this.#limitBytes ||
      this.#frames > FREE_FRAMES + length / FAIR_FRAME_BYTES
    ) {
      throw connectionError(
        ENHANCE_YOUR_CALM,
        `sent a field block of ${length} octets in ${this.#frames} frames`,
        "ERR_HEADERS_TOO_LARGE",
      );
    }
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes.subarray(from, to), this.#length);
    this.#length = length;
  }
}

const NOTHING: Uint8Array<ArrayBuffer> = new Uint8Array(0);
