/**
 * The settings of an HTTP/2 connection: what each end tells the other of how to talk to it.
 *
 * @module
 */
import { DEFAULT_TABLE_BYTES } from "./decoder_table.ts";
import { DEFAULT_MAX_FRAME_BYTES, LARGEST_MAX_FRAME_BYTES } from "./frame_types.ts";
import {
  connectionError,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  PROTOCOL_ERROR,
} from "./http2_error.ts";
import { DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES } from "./window_sizes.ts";

/** Octets of compression table. @see RFC 9113 section 6.5.2 */
export const HEADER_TABLE_SIZE = 0x1;
/** Whether responses may be pushed. @see RFC 9113 section 6.5.2 */
export const ENABLE_PUSH = 0x2;
/** Streams that may be open at once. @see RFC 9113 section 6.5.2 */
export const MAX_CONCURRENT_STREAMS = 0x3;
/** Octets that may be sent on a new stream. @see RFC 9113 section 6.5.2 */
export const INITIAL_WINDOW_SIZE = 0x4;
/** Octets of the longest frame. @see RFC 9113 section 6.5.2 */
export const MAX_FRAME_SIZE = 0x5;
/** Octets of the longest field section. @see RFC 9113 section 6.5.2 */
export const MAX_HEADER_LIST_SIZE = 0x6;
/** Whether CONNECT takes a protocol. @see RFC 8441 section 3 */
export const ENABLE_CONNECT_PROTOCOL = 0x8;

/** Entries. What one SETTINGS frame may hold. */
const MAX_ENTRIES = 128;

/**
 * What the other end has said; the defaults until then.
 *
 * @see RFC 9113 section 6.5.2
 */
export class PeerSettings {
  /** Octets of table that it keeps for our blocks. */
  headerTableBytes: number = DEFAULT_TABLE_BYTES;
  /** The lowest that the frame at hand has said of it, on the way to the last. */
  lowestHeaderTableBytes: number = DEFAULT_TABLE_BYTES;
  /** Streams that we may have open at once; null: it has not said. */
  maxConcurrentStreams: number | null = null;
  /** Octets that may be sent on a new stream. */
  initialWindowBytes: number = DEFAULT_WINDOW_BYTES;
  /** Octets of the longest frame that it takes. */
  maxFrameBytes: number = DEFAULT_MAX_FRAME_BYTES;
  /** Octets of the longest field section that it takes. */
  maxHeaderListBytes: number = Infinity;
  /** Whether it takes CONNECT with a protocol. */
  enableConnectProtocol: boolean = false;
  /** Whether it has said anything yet. */
  isKnown: boolean = false;

  /**
   * Takes the entries of a SETTINGS frame, one after the other.
   *
   * @param isServer Whether the other end is the server.
   * @throws {Http2Violation} A value that is not allowed, or too many.
   */
  apply(bytes: Uint8Array, from: number, to: number, isServer: boolean): void {
    if ((to - from) / 6 > MAX_ENTRIES) {
      throw connectionError(ENHANCE_YOUR_CALM, `sent more than ${MAX_ENTRIES} settings at once`);
    }
    this.lowestHeaderTableBytes = this.headerTableBytes;
    for (let i = from; i < to; i += 6) {
      const identifier = bytes[i] << 8 | bytes[i + 1];
      const value = (bytes[i + 2] << 24 | bytes[i + 3] << 16 | bytes[i + 4] << 8 | bytes[i + 5]) >>>
        0;
      this.#set(identifier, value, isServer);
    }
    this.isKnown = true;
  }

  #set(identifier: number, value: number, isServer: boolean): void {
    switch (identifier) {
      case HEADER_TABLE_SIZE:
        this.headerTableBytes = value;
        this.lowestHeaderTableBytes = Math.min(this.lowestHeaderTableBytes, value);
        return;
      case ENABLE_PUSH:
        if (value > 1 || (isServer && value === 1)) throw unusable("ENABLE_PUSH", value);
        return;
      case MAX_CONCURRENT_STREAMS:
        this.maxConcurrentStreams = value;
        return;
      case INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW_BYTES) {
          throw connectionError(FLOW_CONTROL_ERROR, `sent INITIAL_WINDOW_SIZE ${value}`);
        }
        this.initialWindowBytes = value;
        return;
      case MAX_FRAME_SIZE:
        if (value < DEFAULT_MAX_FRAME_BYTES || value > LARGEST_MAX_FRAME_BYTES) {
          throw unusable("MAX_FRAME_SIZE", value);
        }
        this.maxFrameBytes = value;
        return;
      case MAX_HEADER_LIST_SIZE:
        this.maxHeaderListBytes = value;
        return;
      case ENABLE_CONNECT_PROTOCOL:
        if (value > 1 || (value === 0 && this.enableConnectProtocol)) {
          throw unusable("ENABLE_CONNECT_PROTOCOL", value);
        }
        this.enableConnectProtocol = value === 1;
    }
  }
}

function unusable(name: string, value: number): Error {
  return connectionError(PROTOCOL_ERROR, `sent ${name} ${value}`);
}
