/**
 * A request as a test server saw it on the wire.
 *
 * @module
 */
import type { HttpHeaders } from "../http/http_headers.ts";

/** A request as it was on the wire. */
export interface RecordedRequest {
  /** What it was spoken in. */
  readonly protocol: "http/1.1" | "h2";
  /** As sent. */
  readonly method: string;
  /** The target as sent, mostly path and query; of CONNECT the authority. */
  readonly target: string;
  /** Scheme, authority and target together. */
  readonly url: string;
  /** The field lines in the order in which they came; HTTP/1.1 keeps their case too. */
  readonly headers: HttpHeaders;
  /** Request line and field lines, as text with CRLF; of HTTP/2 the fields, pseudo-fields first. */
  readonly head: string;
  /** The whole content, framing taken off. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Trailer fields; null where there are none. */
  readonly trailers: HttpHeaders | null;
  /** Integer from 1: which connection of the server's brought it. */
  readonly connectionId: number;
  /** The stream in HTTP/2; null in HTTP/1.1. */
  readonly streamId: number | null;
  /** The content as UTF-8. */
  text(): string;
  /** The content as JSON. @throws {SyntaxError} It is none. */
  json(): unknown;
}

/** Adds the ways to look at the content. */
export function recordedRequest(seen: Omit<RecordedRequest, "text" | "json">): RecordedRequest {
  const text = (): string => new TextDecoder().decode(seen.body);
  return { ...seen, text, json: () => JSON.parse(text()) };
}
