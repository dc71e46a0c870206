/**
 * What a client of HTTP/2 allows a server to send.
 *
 * @module
 */
import { PeerSettings } from "../http2/settings.ts";
import { DEFAULT_WINDOW_BYTES } from "../http2/window_sizes.ts";

/**
 * The windows of a connection and its streams, as the client opens them.
 *
 * @see RFC 9113 section 5.2
 */
export class PeerWindows {
  readonly #settings: PeerSettings = new PeerSettings();
  /** By stream, 0 for the connection: octets that may come beyond what was allowed in the beginning. */
  readonly #more: Map<number, number> = new Map();

  /** The client has said how it wants things. */
  settings(payload: Uint8Array): void {
    this.#settings.apply(payload, 0, payload.length, false);
  }

  /** The client has opened a window. */
  update(streamId: number, payload: Uint8Array): void {
    const [a, b, c, d] = payload;
    this.#open(streamId, (a & 0x7f) << 24 | b << 16 | c << 8 | d);
  }

  /** How much may be sent; less than 0 where a window was made smaller than what was sent. */
  room(streamId: number): number {
    const { initialWindowBytes } = this.#settings;
    return Math.min(
      DEFAULT_WINDOW_BYTES + (this.#more.get(0) ?? 0),
      initialWindowBytes + (this.#more.get(streamId) ?? 0),
    );
  }

  /** That much is sent. */
  take(streamId: number, bytes: number): void {
    this.#open(0, -bytes);
    this.#open(streamId, -bytes);
  }

  #open(streamId: number, bytes: number): void {
    this.#more.set(streamId, (this.#more.get(streamId) ?? 0) + bytes);
  }
}
