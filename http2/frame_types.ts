/**
 * The kinds of frames, as a table: on which stream each may stand, and how long it is.
 *
 * @module
 */
import { connectionError, FRAME_SIZE_ERROR, PROTOCOL_ERROR, streamError } from "./http2_error.ts";
import type { Http2Violation } from "./http2_error.ts";

/** Content. @see RFC 9113 section 6.1 */
export const DATA = 0x0;
/** The beginning of a field section. @see RFC 9113 section 6.2 */
export const HEADERS = 0x1;
/** Deprecated; read over. @see RFC 9113 section 6.3 */
export const PRIORITY = 0x2;
/** The end of a stream before its end. @see RFC 9113 section 6.4 */
export const RST_STREAM = 0x3;
/** How to talk to the sender. @see RFC 9113 section 6.5 */
export const SETTINGS = 0x4;
/** A response that nobody asked for; never allowed here. @see RFC 9113 section 6.6 */
export const PUSH_PROMISE = 0x5;
/** Are you there? @see RFC 9113 section 6.7 */
export const PING = 0x6;
/** The end of the connection is near. @see RFC 9113 section 6.8 */
export const GOAWAY = 0x7;
/** More may be sent. @see RFC 9113 section 6.9 */
export const WINDOW_UPDATE = 0x8;
/** More of a field section. @see RFC 9113 section 6.10 */
export const CONTINUATION = 0x9;

/** Of DATA and HEADERS: nothing follows on the stream. @see RFC 9113 section 6.1 */
export const END_STREAM = 0x1;
/** Of SETTINGS and PING: the answer to one. @see RFC 9113 section 6.5 */
export const ACK = 0x1;
/** Of HEADERS and CONTINUATION: the field section ends here. @see RFC 9113 section 6.2 */
export const END_HEADERS = 0x4;
/** Of DATA and HEADERS: padding follows, its length comes first. @see RFC 9113 section 6.1 */
export const PADDED = 0x8;
/** Of HEADERS: five octets that are read over come first. @see RFC 9113 section 6.2 */
export const PRIORITY_FLAG = 0x20;

/** Octets. The head of every frame. @see RFC 9113 section 4.1 */
export const FRAME_HEAD_BYTES = 9;
/** Octets. The least that every end must take as a frame's payload. @see RFC 9113 section 4.2 */
export const DEFAULT_MAX_FRAME_BYTES = 16_384;
/** Octets. The most that anybody can allow. @see RFC 9113 section 4.2 */
export const LARGEST_MAX_FRAME_BYTES = 16_777_215;

/** What holds of one kind of frame. @see RFC 9113 section 6 */
export interface FrameType {
  /** As RFC 9113 has it. */
  readonly name: string;
  /** Where it may stand: stream 0, any other, or both. */
  readonly on: "connection" | "stream" | "either";
  /** Length of its payload: exactly, at least, or in multiples. */
  readonly length?: { readonly exactly: number } | { readonly least: number } | {
    readonly times: number;
  };
  /** Whether a wrong length ends the connection or the stream. */
  readonly wrongLength?: "connection" | "stream";
}

/**
 * The kinds of frames, at the places of their numbers. Others are read over.
 *
 * @see RFC 9113 section 6
 */
export const FRAME_TYPES: readonly FrameType[] = [
  { name: "DATA", on: "stream" },
  { name: "HEADERS", on: "stream" },
  { name: "PRIORITY", on: "stream", length: { exactly: 5 }, wrongLength: "stream" },
  { name: "RST_STREAM", on: "stream", length: { exactly: 4 } },
  { name: "SETTINGS", on: "connection", length: { times: 6 } },
  { name: "PUSH_PROMISE", on: "stream" },
  { name: "PING", on: "connection", length: { exactly: 8 } },
  { name: "GOAWAY", on: "connection", length: { least: 8 } },
  { name: "WINDOW_UPDATE", on: "either", length: { exactly: 4 } },
  { name: "CONTINUATION", on: "stream" },
];

/**
 * The name of a kind of frame, for texts.
 *
 * Pure.
 *
 * @see RFC 9113 section 6
 */
export function frameTypeName(type: number): string {
  return FRAME_TYPES[type]?.name ?? `frame of type 0x${type.toString(16)}`;
}

/**
 * What is wrong with the head of a frame, or null.
 *
 * Pure.
 *
 * @see RFC 9113 section 6
 */
export function frameHeadViolation(
  type: number,
  flags: number,
  streamId: number,
  length: number,
): Http2Violation | null {
  const kind = FRAME_TYPES[type];
  if (kind === undefined) return null;
  if (kind.on === "stream" ? streamId === 0 : kind.on === "connection" && streamId !== 0) {
    return connectionError(PROTOCOL_ERROR, `sent ${kind.name} on stream ${streamId}`);
  }
  const isRight = kind.length === undefined
    ? true
    : "exactly" in kind.length
    ? length === kind.length.exactly
    : "least" in kind.length
    ? length >= kind.length.least
    : length % kind.length.times === 0;
  if (!isRight || (type === SETTINGS && (flags & ACK) !== 0 && length !== 0)) {
    const what = `sent ${kind.name} with ${length} octets`;
    return kind.wrongLength === "stream"
      ? streamError(FRAME_SIZE_ERROR, what)
      : connectionError(FRAME_SIZE_ERROR, what);
  }
  return null;
}
