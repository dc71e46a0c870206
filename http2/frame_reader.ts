/**
 * Takes frames out of a buffer, in place. DATA is given in the parts in which it comes, so that
 * nobody waits for the end of a frame to read its beginning; every other frame is given whole.
 *
 * @module
 */
import {
  DATA,
  DEFAULT_MAX_FRAME_BYTES,
  FRAME_HEAD_BYTES,
  frameHeadViolation,
  frameTypeName,
  HEADERS,
  PADDED,
  PRIORITY_FLAG,
} from "./frame_types.ts";
import {
  connectionError,
  FRAME_SIZE_ERROR,
  type Http2Violation,
  PROTOCOL_ERROR,
} from "./http2_error.ts";

/**
 * What {@linkcode FrameReader.read} has found: nothing whole yet, a frame, the beginning of a DATA
 * frame, or a part of its content.
 *
 * @see RFC 9113 section 4
 */
export type FrameEvent = "none" | "frame" | "dataBegins" | "dataPart";

/**
 * Reads one end's frames, one after the other. Owns: how far it has come in a DATA frame.
 *
 * Bytes: never copies; `from` and `to` are places in the array that was given last.
 *
 * @see RFC 9113 section 4
 */
export class FrameReader {
  /** Type of the frame at hand, or of the one that was refused. */
  type: number = 0;
  /** Flags of the frame at hand. */
  flags: number = 0;
  /** Stream of the frame at hand. */
  streamId: number = 0;
  /** Octets of its payload, padding and all: what it costs in windows. */
  length: number = 0;
  /** Where the payload, without padding, or the part of it at hand begins. */
  from: number = 0;
  /** Where it ends. */
  to: number = 0;
  /** Of DATA: octets of its payload that are content. */
  contentBytes: number = 0;
  /** How much of what was given is used up. */
  used: number = 0;
  /** What is wrong with the frame at hand and ends its stream alone; it is given all the same. */
  violation: Http2Violation | null = null;
  /** Octets of content of the DATA frame at hand that are still to come. */
  #dataLeft = 0;
  /** Octets of its padding that are still to come. */
  #paddingLeft = 0;
  #inData = false;
  readonly #maxFrameBytes: number;

  /**
   * Makes a reader.
   *
   * @param maxFrameBytes The longest payload that was allowed to the peer.
   */
  constructor(maxFrameBytes: number = DEFAULT_MAX_FRAME_BYTES) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Whether the DATA frame at hand has been given to its end. */
  get isDataComplete(): boolean {
    return !this.#inData;
  }

  /**
   * Looks at `bytes[start..end)`, and takes one step. After `"none"` call again with more bytes, from
   * `start + used` on.
   *
   * @throws {Http2Violation} The connection cannot go on.
   */
  read(bytes: Uint8Array, start: number, end: number): FrameEvent {
    if (this.#inData) return this.#part(start, end);
    this.used = 0;
    if (end - start < FRAME_HEAD_BYTES) return "none";
    const length = bytes[start] << 16 | bytes[start + 1] << 8 | bytes[start + 2];
    const type = bytes[start + 3];
    const flags = bytes[start + 4];
    const streamId = (bytes[start + 5] & 0x7f) << 24 | bytes[start + 6] << 16 |
      bytes[start + 7] << 8 | bytes[start + 8];
    this.#set(type, flags, streamId, length);
    // On sight of its head: nothing of what is too long is kept.
    if (length > this.#maxFrameBytes) {
      throw connectionError(
        FRAME_SIZE_ERROR,
        `sent ${frameTypeName(type)} with ${length} octets, more than ${this.#maxFrameBytes}`,
      );
    }
    const violation = frameHeadViolation(type, flags, streamId, length);
    if (violation?.scope === "connection") throw violation;
    const payload = start + FRAME_HEAD_BYTES;
    if (type === DATA) {
      const isPadded = (flags & PADDED) !== 0;
      if (isPadded && length > 0 && payload === end) return "none";
      this.violation = null;
      this.used = FRAME_HEAD_BYTES;
      this.#dataLeft = length;
      this.#paddingLeft = 0;
      if (isPadded) {
        const padding = length > 0 ? bytes[payload] : 0;
        if (padding >= length) throw tooMuchPadding("DATA");
        this.used++;
        this.#dataLeft = length - 1 - padding;
        this.#paddingLeft = padding;
      }
      this.contentBytes = this.#dataLeft;
      this.#inData = this.#dataLeft > 0 || this.#paddingLeft > 0;
      this.from = this.to = start + this.used;
      return "dataBegins";
    }
    if (end - payload < length) return "none";
    this.violation = violation;
    this.used = FRAME_HEAD_BYTES + length;
    this.from = payload;
    this.to = payload + length;
    if (type === HEADERS) this.#cutHeaders(bytes);
    return "frame";
  }

  #set(type: number, flags: number, streamId: number, length: number): void {
    this.type = type;
    this.flags = flags;
    this.streamId = streamId;
    this.length = length;
  }

  #part(start: number, end: number): FrameEvent {
    const there = end - start;
    if (there === 0) {
      this.used = 0;
      return "none";
    }
    const content = Math.min(there, this.#dataLeft);
    const padding = Math.min(there - content, this.#paddingLeft);
    this.#dataLeft -= content;
    this.#paddingLeft -= padding;
    this.#inData = this.#dataLeft > 0 || this.#paddingLeft > 0;
    this.from = start;
    this.to = start + content;
    this.used = content + padding;
    return "dataPart";
  }

  /** Leaves the block: padding and the five octets of a priority are cut. */
  #cutHeaders(bytes: Uint8Array): void {
    let padding = 0;
    if ((this.flags & PADDED) !== 0) {
      padding = this.length > 0 ? bytes[this.from] : 0;
      this.from++;
    }
    if ((this.flags & PRIORITY_FLAG) !== 0) this.from += 5;
    if (this.from + padding > this.to) {
      if ((this.flags & PADDED) !== 0) throw tooMuchPadding("HEADERS");
      throw connectionError(FRAME_SIZE_ERROR, "sent HEADERS too short for its priority");
    }
    this.to -= padding;
  }
}

function tooMuchPadding(name: string): Http2Violation {
  return connectionError(PROTOCOL_ERROR, `sent ${name} with more padding than payload`);
}
