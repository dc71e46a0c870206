/**
 * What whoever sent a request is told of its exchange. Interface only.
 *
 * @module
 */
import type { IncomingContent } from "./incoming_content.ts";
import type { ResponseHead } from "./response_head.ts";

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
  /** The first byte of a response came, be it an informational one. */
  firstByte(): void;
  /** The first byte of the head behind an informational response came. */
  nextFirstByte?(): void;
  /** The exchange ends before its stream did: the peer said so, or this end. Once at the most. */
  streamReset?(streamId: number, code: string, from: "peer" | "here"): void;
  /** An informational response came, not 101. May throw, which fails the exchange. */
  informational(head: ResponseHead): void;
  /** The final response has begun; {@linkcode response} follows in the same turn. */
  finalHead?(head: ResponseHead): void;
  /** The final response. Its content, if any, is read through `content`. */
  response(head: ResponseHead, content: IncomingContent): void;
  /** No response came. The connection is closed. */
  failed(error: unknown): void;
}
