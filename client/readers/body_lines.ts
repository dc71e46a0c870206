/**
 * The lines of a body, cut out of its bytes as they come, each of bounded length.
 *
 * @module
 */
import { HttpError } from "../../conn/http_error.ts";
import type { HttpResponse } from "../../transport/message/http_response.ts";

/** What holds a body: a response of ours or of the platform, or its bytes. */
export type BodyInput =
  | HttpResponse
  | Response
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

/** How lines end. */
export interface LineRules {
  /** Whether a carriage return alone ends a line; before a line feed it always belongs to the end. */
  readonly crEnds: boolean;
  /** Bytes that a line may have, its end not counted. */
  readonly maxLineBytes: number;
}

const CR = 0x0d;
const LF = 0x0a;
const NOTHING: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/**
 * The bytes of a body, piece by piece. Leaving the iteration gives the rest of the body up.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: it is no body, or was read before.
 */
export function bodyPieces(input: BodyInput): AsyncIterable<Uint8Array> {
  if (input instanceof Response) {
    if (input.bodyUsed) throw invalid("Cannot read this body: it was read before");
    return input.body === null ? nothing() : streamPieces(input.body);
  }
  if (input instanceof ReadableStream) return streamPieces(input);
  if (typeof input === "object" && input !== null) {
    if ("body" in input) return input.body;
    if (Symbol.asyncIterator in input) return input;
  }
  throw invalid("Cannot read lines of this: not a response, a stream or an iterable of bytes");
}

/** The value of `Content-Type`, or null where the input has no headers or not this one. */
export function contentTypeOf(input: BodyInput): string | null {
  return "headers" in input ? input.headers.get("content-type") : null;
}

/** A line without its end. */
export interface BodyLine {
  /** Valid until the next lines are asked for. */
  readonly bytes: Uint8Array;
  /** Whether it had an end: only the last one of a body may have none. */
  readonly ended: boolean;
}

/**
 * Lines, as many at a time as came together: a turn of the event loop for each would cost more than
 * all else.
 *
 * @throws {HttpError} `ERR_DECODE`: a line is too long. And what the body throws.
 */
export async function* bodyLines(
  pieces: AsyncIterable<Uint8Array>,
  { crEnds, maxLineBytes }: LineRules,
): AsyncGenerator<BodyLine[]> {
  /** The beginning of a line, in the order of its coming. */
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let skipsLf = false;
  for await (const piece of pieces) {
    const lines: BodyLine[] = [];
    let from = 0;
    if (skipsLf && piece.length > 0) {
      if (piece[0] === LF) from = 1;
      skipsLf = false;
    }
    const ends = new LineEnds(piece, crEnds);
    for (;;) {
      const end = ends.from(from);
      const part = piece.subarray(from, end === -1 ? piece.length : end);
      if (heldBytes + part.length > maxLineBytes) {
        // What came before it is good.
        if (lines.length > 0) yield lines;
        throw tooLong(`A line has more than ${maxLineBytes} bytes`);
      }
      if (end === -1) {
        // The piece may be used again by whoever gave it.
        if (part.length > 0) held.push(part.slice());
        heldBytes += part.length;
        break;
      }
      from = end + 1;
      if (piece[end] === CR) {
        if (from === piece.length) skipsLf = true;
        else if (piece[from] === LF) from++;
      }
      const bytes = held.length === 0 ? part : joined(held, part);
      held = [];
      heldBytes = 0;
      lines.push({ bytes, ended: true });
    }
    if (lines.length > 0) yield lines;
  }
  if (heldBytes > 0) yield [{ bytes: joined(held, NOTHING), ended: false }];
}

/** The error of what is longer than it may be. */
export function tooLong(message: string): HttpError {
  return new HttpError("ERR_DECODE", message, { phase: "body" });
}

/**
 * A limit as the caller gave it.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: not a count of bytes. 0 is no limit.
 */
export function byteLimit(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw invalid(`${name} is no number of bytes`);
  return value || Infinity;
}

/** Finds the ends of lines in one piece, front to back; looks at each byte once. */
class LineEnds {
  readonly #bytes: Uint8Array;
  #lf: number;
  #cr: number;

  constructor(bytes: Uint8Array, crEnds: boolean) {
    this.#bytes = bytes;
    this.#lf = bytes.indexOf(LF);
    this.#cr = crEnds ? bytes.indexOf(CR) : -1;
  }

  /** Index of the next byte that ends a line, or -1. */
  from(at: number): number {
    if (this.#lf !== -1 && this.#lf < at) this.#lf = this.#bytes.indexOf(LF, at);
    if (this.#cr !== -1 && this.#cr < at) this.#cr = this.#bytes.indexOf(CR, at);
    if (this.#lf === -1 || this.#cr === -1) return Math.max(this.#lf, this.#cr);
    return Math.min(this.#lf, this.#cr);
  }
}

function joined(parts: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, last.length));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  all.set(last, at);
  return all;
}

async function* streamPieces(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (stream.locked) throw invalid("Cannot read this body: its stream is locked");
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    // Whether the stream's own clean-up fails is between the stream and its maker.
    if (!ended) await reader.cancel().catch(() => {});
    reader.releaseLock();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
