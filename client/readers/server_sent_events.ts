/**
 * Reads `text/event-stream`.
 *
 * @module
 */
import { HttpError, printable } from "../../conn/http_error.ts";
import {
  type BodyInput,
  bodyLines,
  bodyPieces,
  byteLimit,
  contentTypeOf,
  tooLong,
} from "./body_lines.ts";

/** What a stream has said so far of asking for it again. */
export interface EventStreamPosition {
  /** The latest `id` of the stream, for `Last-Event-ID` when asking again; may be empty. */
  readonly lastEventId: string;
  /** Milliseconds to wait before asking again, as the stream said last; null: it did not. */
  readonly retryMs: number | null;
}

/** One event. */
export interface ServerSentEvent extends EventStreamPosition {
  /** The field `event`, or `"message"`. */
  readonly type: string;
  /** The fields `data`, joined by line feeds. */
  readonly data: string;
}

/** Options of {@linkcode serverSentEvents}. */
export interface ServerSentEventsOptions {
  /** Bytes of one event, and of one line; 0 is unlimited. @default {16777216} */
  maxEventBytes?: number;
}

/** Bytes. Models answer with whole files and images in one event. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024;

const DIGITS = /^[0-9]+$/;
const COLON = 0x3a;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/**
 * The events of a stream, as they come. It does not ask again when the stream ends: that is what
 * {@linkcode reconnectingEvents} does.
 *
 * Cancel: leaving the iteration closes the body; so does the request's signal, with its reason.
 *
 * @param input A response, which must be `text/event-stream`, or the bytes of one.
 * @returns Where the stream ends by itself, what it said last of asking again, also behind the last
 * event: an `id` counts from the empty line behind it on, a `retry` at once.
 * @throws {HttpError} `ERR_DECODE`: another content type, an event that is too long.
 * `ERR_INVALID_REQUEST`: not a body. And what the body throws.
 * @see WHATWG HTML, "Server-sent events", section "Interpreting an event stream".
 * @example
 * ```ts
 * import { serverSentEvents } from "@roundtrip/http";
 *
 * const stream = new Blob(["event: tick\ndata: 1\n\ndata: 2\n\n"]).stream();
 * for await (const { type, data } of serverSentEvents(stream)) console.log(type, data);
 * ```
 */
export async function* serverSentEvents(
  input: BodyInput,
  options: ServerSentEventsOptions = {},
): AsyncGenerator<ServerSentEvent, EventStreamPosition> {
  const parser = new EventParser(options);
  const pieces = bodyPieces(input);
  const type = contentTypeOf(input);
  if ("headers" in input && !isEventStream(type)) {
    // Nobody else will: the caller has given the response away.
    if (input instanceof Response) await input.body?.cancel().catch(() => {});
    else await input.body.close();
    throw new HttpError("ERR_DECODE", `Cannot read events: ${typeText(type)}`, { phase: "body" });
  }
  yield* parsedEvents(pieces, parser);
  return parser.position;
}

/** The events that `parser` makes of the bytes of one stream. */
export async function* parsedEvents(
  pieces: AsyncIterable<Uint8Array>,
  parser: EventParser,
): AsyncGenerator<ServerSentEvent, void> {
  const { maxEventBytes: maxLineBytes } = parser;
  for await (const lines of bodyLines(pieces, { crEnds: true, maxLineBytes })) {
    for (const line of lines) {
      // An event that was cut off by the end of the stream is not dispatched.
      const event = line.ended ? parser.line(line.bytes) : null;
      if (event !== null) yield event;
    }
  }
}

/** Makes events of lines. Owns: the event under way, and what holds for all that follow. */
export class EventParser {
  /** Bytes of one event, and of one line. */
  readonly maxEventBytes: number;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #isFirst = true;
  #data: string[] = [];
  #eventBytes = 0;
  #type = "";
  #lastEventId: string;
  /** The same as of the last empty line: an event that was cut off has not come. */
  #dispatchedId: string;
  #retryMs: number | null;

  /**
   * @param position What holds from earlier streams.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: a limit that is none.
   */
  constructor(
    { maxEventBytes = MAX_EVENT_BYTES }: ServerSentEventsOptions,
    { lastEventId, retryMs }: EventStreamPosition = { lastEventId: "", retryMs: null },
  ) {
    this.maxEventBytes = byteLimit("maxEventBytes", maxEventBytes);
    this.#lastEventId = lastEventId;
    this.#dispatchedId = lastEventId;
    this.#retryMs = retryMs;
  }

  /** What is to be said when the stream is asked for again. */
  get position(): EventStreamPosition {
    return { lastEventId: this.#dispatchedId, retryMs: this.#retryMs };
  }

  /** Takes a line, without its end. @returns The event that it ends, or null. */
  line(bytes: Uint8Array): ServerSentEvent | null {
    const marked = this.#isFirst && BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte);
    this.#isFirst = false;
    const line = marked ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes;
    if (line.length === 0) return this.#dispatch();
    const colon = line.indexOf(COLON);
    // A comment.
    if (colon === 0) return null;
    this.#eventBytes += line.length;
    if (this.#eventBytes > this.maxEventBytes) {
      throw tooLong(`An event has more than ${this.maxEventBytes} bytes`);
    }
    const name = this.#decoder.decode(colon === -1 ? line : line.subarray(0, colon));
    const value = colon === -1 ? "" : this.#decoder.decode(line.subarray(colon + 1));
    this.#field(name, value.startsWith(" ") ? value.slice(1) : value);
    return null;
  }

  #field(name: string, value: string): void {
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#lastEventId = value;
    else if (name === "retry" && DIGITS.test(value)) this.#retryMs = Number(value);
  }

  #dispatch(): ServerSentEvent | null {
    this.#dispatchedId = this.#lastEventId;
    const event = this.#data.length === 0 ? null : {
      type: this.#type || "message",
      data: this.#data.join("\n"),
      lastEventId: this.#lastEventId,
      retryMs: this.#retryMs,
    };
    this.#data = [];
    this.#eventBytes = 0;
    this.#type = "";
    return event;
  }
}

/** Whether this `Content-Type` is that of an event stream. */
export function isEventStream(contentType: string | null): boolean {
  return /^[ \t]*text\/event-stream[ \t]*(?:;|$)/i.test(contentType ?? "");
}

/** A `Content-Type`, for messages. */
export function typeText(contentType: string | null): string {
  return `the content type is ${
    contentType === null ? "not stated" : `"${printable(contentType)}"`
  }`;
}
