/**
 * How a connection in the client's role works, and what it tells its owner of its fate. Interfaces
 * only.
 *
 * @module
 */
import type { ParserMode } from "../http/deviation.ts";
import type { OutgoingRequest } from "../http/outgoing_request.ts";

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
  /**
   * Writing has failed before a final response came, which may still come: the peer may have said why
   * before it broke off. Bound the wait by `answerLimitReached()`.
   */
  unanswered?(): void;
  /** The connection is closed; called once. */
  closed(error: unknown): void;
}

/**
 * Of a request what HTTP/1 writes, or has to know to read its answer.
 *
 * @see RFC 9112 section 3
 */
export type WrittenRequest = Pick<
  OutgoingRequest,
  "method" | "head" | "content" | "expectContinue" | "upgrade" | "close"
>;
