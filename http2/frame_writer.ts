/**
 * Puts frames together, behind one another in one array, so that all that a turn brings leaves in
 * one write.
 *
 * @module
 */
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_HEAD_BYTES,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "./frame_types.ts";

/** Octets. What a connection has that sends little at a time. */
const RESTING_BYTES = 1024;

/** Octets. More than this is not kept for the next time, unless it was used. */
const KEPT_BYTES = 64 * 1024;

/**
 * Frames that wait to be written. Owns: the array that they stand in, until it is taken.
 *
 * @see RFC 9113 section 4.1
 */
export class FrameWriter {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(RESTING_BYTES);
  #length = 0;
  /** The array that was taken last: it is used again once it was written. */
  #spare: Uint8Array<ArrayBuffer> | null = null;

  /** How many octets wait. */
  get length(): number {
    return this.#length;
  }

  /**
   * What waits, which now does not any more. Valid until the next call but one: write it before.
   */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.subarray(0, this.#length);
    const spare = this.#spare;
    // A large one goes once it is not needed any more.
    const isWorthIt = this.#bytes.length <= Math.max(KEPT_BYTES, 4 * this.#length);
    this.#spare = isWorthIt ? this.#bytes : null;
    this.#bytes = spare ?? new Uint8Array(RESTING_BYTES);
    this.#length = 0;
    return taken;
  }

  /** Nothing of what waits will be written. */
  drop(): void {
    this.#length = 0;
  }

  /** Octets as they are: the preface. */
  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /**
   * A field section, cut into as many frames as `maxFrameBytes` asks for.
   *
   * @see RFC 9113 sections 6.2 and 6.10
   */
  headers(
    streamId: number,
    block: Uint8Array,
    endStream: boolean,
    maxFrameBytes: number,
  ): void {
    let at = 0;
    do {
      const end = Math.min(at + maxFrameBytes, block.length);
      const flags = (end === block.length ? END_HEADERS : 0) |
        (at === 0 && endStream ? END_STREAM : 0);
      this.#head(end - at, at === 0 ? HEADERS : CONTINUATION, flags, streamId);
      this.#bytes.set(
        at === 0 && end === block.length ? block : block.subarray(at, end),
        this.#length,
      );
      this.#length += end - at;
      at = end;
    } while (at < block.length);
  }

  /**
   * One frame of content.
   *
   * @param content At most as long as the peer takes frames.
   * @see RFC 9113 section 6.1
   */
  data(streamId: number, content: Uint8Array, endStream: boolean): void {
    this.#head(content.length, DATA, endStream ? END_STREAM : 0, streamId);
    this.#bytes.set(content, this.#length);
    this.#length += content.length;
  }

  /** The end of a stream before its end. @see RFC 9113 section 6.4 */
  rstStream(streamId: number, errorCode: number): void {
    this.#head(4, RST_STREAM, 0, streamId);
    this.#uint32(errorCode);
  }

  /**
   * Settings.
   *
   * @param entries Identifier and value, by turns.
   * @see RFC 9113 section 6.5
   */
  settings(entries: readonly (readonly [number, number])[]): void {
    this.#head(entries.length * 6, SETTINGS, 0, 0);
    for (const [identifier, value] of entries) {
      this.#bytes[this.#length++] = identifier >>> 8;
      this.#bytes[this.#length++] = identifier;
      this.#uint32(value);
    }
  }

  /** The answer to settings. @see RFC 9113 section 6.5.3 */
  settingsAck(): void {
    this.#head(0, SETTINGS, ACK, 0);
  }

  /**
   * A question whether the peer is there, or the answer to one.
   *
   * @param opaque Eight octets.
   * @see RFC 9113 section 6.7
   */
  ping(opaque: Uint8Array, isAck: boolean): void {
    this.#head(8, PING, isAck ? ACK : 0, 0);
    this.#bytes.set(opaque, this.#length);
    this.#length += 8;
  }

  /** The end of the connection is near. @see RFC 9113 section 6.8 */
  goaway(lastStreamId: number, errorCode: number, debugData: string = ""): void {
    this.#head(8 + debugData.length, GOAWAY, 0, 0);
    this.#uint32(lastStreamId);
    this.#uint32(errorCode);
    for (let i = 0; i < debugData.length; i++) {
      this.#bytes[this.#length++] = debugData.charCodeAt(i) & 0x7f;
    }
  }

  /**
   * The peer may send more.
   *
   * @param increment Integer 1..2^31-1.
   * @see RFC 9113 section 6.9
   */
  windowUpdate(streamId: number, increment: number): void {
    this.#head(4, WINDOW_UPDATE, 0, streamId);
    this.#uint32(increment);
  }

  /**
   * The head of a frame, with room for its payload.
   *
   * @see RFC 9113 section 4.1
   */
  #head(length: number, type: number, flags: number, streamId: number): void {
    this.#room(FRAME_HEAD_BYTES + length);
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = length >>> 16;
    bytes[at++] = length >>> 8;
    bytes[at++] = length;
    bytes[at++] = type;
    bytes[at++] = flags;
    this.#length = at;
    this.#uint32(streamId);
  }

  #uint32(value: number): void {
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = value >>> 24;
    bytes[at++] = value >>> 16;
    bytes[at++] = value >>> 8;
    bytes[at++] = value;
    this.#length = at;
  }

  #room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
