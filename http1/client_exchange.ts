/**
 * What a connection in the client's role takes and tells: the request, the events of its exchange,
 * the fate of the connection. Interfaces only.
 *
 * @module
 */
import type { OutgoingContent } from "./content_sender.ts";
import type { ParserMode } from "./field_lines_reader.ts";
import type { IncomingContent } from "./response_content.ts";
import type { ResponseHead } from "./response_head.ts";

/**
 * How a connection works.
 *
 * @see RFC 9112 section 9
 */
export interface ClientConnectionOptions {
  /** How much is forgiven. */
  mode: ParserMode;
  /** Bytes that the heads and the trailer section of one response may take together. */
  maxResponseHeaderBytes: number;
  /** Capacity of the read buffer. */
  readBufferBytes: number;
  /** Capacity of the write buffer. */
  writeBufferBytes: number;
}

/**
 * A request, ready to be sent.
 *
 * @see RFC 9112 section 3
 */
export interface OutgoingRequest {
  /** A token, as it stands in the head. */
  readonly method: string;
  /** The complete head; each character is one byte. */
  readonly head: string;
  /** Null if there is none. */
  readonly content: OutgoingContent | null;
  /** Hold the content back until the server asks for it. */
  readonly expectContinue: boolean;
  /** Whether the request asks for another protocol, so that 101 is an answer. */
  readonly upgrade: boolean;
  /** Whether the request says `Connection: close`. */
  readonly close: boolean;
}

/**
 * Who sent the request. Called synchronously; must not throw.
 *
 * @see RFC 9112 section 9
 */
export interface ExchangeEvents {
  /** The head, and a small body with it, was accepted by the runtime. */
  wroteHead(): void;
  /** Sending has ended: all of it, or with an error. */
  wroteRequest(error: unknown): void;
  /** The first byte of a response came. */
  firstByte(): void;
  /** An informational response came, not 101. May throw, which fails the exchange. */
  informational(head: ResponseHead): void;
  /** The final response has begun; {@linkcode response} follows in the same turn. */
  finalHead?(head: ResponseHead): void;
  /** The final response. Its content, if any, is read through `content`. */
  response(head: ResponseHead, content: IncomingContent): void;
  /** No response came. The connection is closed. */
  failed(error: unknown): void;
}

/**
 * Who holds the connection. Called synchronously; must not throw.
 *
 * @see RFC 9112 section 9.3
 */
export interface ConnectionOwner {
  /**
   * The exchange is over and the connection may carry another.
   *
   * @param wasJustRead Whether the end of the response was read in this very step; else more may
   * have come since.
   */
  idle(wasJustRead: boolean): void;
  /** Bytes came; all that they lead to is told in the same step. */
  received?(): void;
  /**
   * The response is complete and all of the request was handed over, but the runtime has not said
   * that it was written. May be called again; bound the wait by `sendLimitReached()`.
   */
  finishing?(): void;
  /** The connection is closed; called once. */
  closed(error: unknown): void;
}
