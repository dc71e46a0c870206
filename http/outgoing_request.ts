/**
 * A request on its way out. Interfaces only.
 *
 * @module
 */

/**
 * A request, ready to be sent.
 *
 * @see RFC 9110 section 6
 */
export interface OutgoingRequest {
  /** A token, as it stands in the head. */
  readonly method: string;
  /** `"http"` or `"https"`. */
  readonly scheme: string;
  /** Host, and port where it is not the scheme's own. */
  readonly authority: string;
  /** Path and query; of CONNECT the authority, of OPTIONS maybe `*`. */
  readonly target: string;
  /** The protocol that an extended CONNECT asks for, or null. @see RFC 8441 section 4 */
  readonly protocol: string | null;
  /** The complete head as HTTP/1.1 sends it, made beforehand; each character is one byte. */
  readonly head: string;
  /** Null if there is none. */
  readonly content: OutgoingContent | null;
  /** Hold the content back until the server asks for it. */
  readonly expectContinue: boolean;
  /** Whether the request asks for another protocol, so that 101 is an answer. */
  readonly upgrade: boolean;
  /** Whether the request says `Connection: close`. */
  readonly close: boolean;
  /** Calls back for each field line in order, those of the transport among them. */
  forEachField(callback: (name: string, value: string) => void): void;
}

/**
 * Content that is ready to be sent.
 *
 * @see RFC 9112 section 6
 */
export interface OutgoingContent {
  /** All of it, or null: it comes from `open()`. */
  readonly bytes: Uint8Array | null;
  /** Declared length, integer >= 0, or null: it ends when it ends. */
  readonly lengthBytes: number | null;
  /** Begins to produce it; called at most once an attempt, when sending begins. */
  open(): ContentSource;
  /** Checked trailer fields; asked for when the content has ended. Only where no length is declared. */
  trailers(): Promise<Iterable<readonly [string, string]>>;
}

/**
 * Where content comes from, piece by piece.
 *
 * @see RFC 9112 section 6
 */
export interface ContentSource {
  /** The next piece, or null at the end. The piece may be reused once the next is asked for. */
  next(): Promise<Uint8Array | null>;
  /** Nothing more will be asked for. Never throws. */
  cancel(): void;
}
