/**
 * Takes secrets out of what an HTTP/1.1 connection carried, before any of it is written. Pure.
 *
 * @module
 */
import { requestFraming, responseFraming } from "../http1/framing.ts";
import { type RequestHead, RequestHeadReader } from "../http1/request_head.ts";
import { ResponseHeadReader } from "../http1/response_head.ts";
import { latin1 } from "./latin1.ts";
import { TapeError } from "./tape.ts";

/** Masks a body, or says by returning it that it has no secrets. As many bytes must come back. */
export type MaskBody = (
  body: Uint8Array,
  about: { readonly direction: "out" | "in"; readonly contentType: string | null },
) => Uint8Array;

/** What is masked. */
export interface MaskOptions {
  /** Names of fields in lower case. */
  readonly secretFields: ReadonlySet<string>;
  /** Null: bodies cannot be masked. */
  readonly maskBody: MaskBody | null;
}

/** Pairs of an offset and a length. */
export type Spans = [number, number][];

/** Fields whose values are secrets. */
export const SECRET_FIELDS: readonly string[] = [
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  "authentication-info",
  "proxy-authentication-info",
  "x-api-key",
  "api-key",
  "x-auth-token",
  "x-csrf-token",
];

const ASTERISK = 0x2a;

/**
 * Masks both directions of a connection, in place. Lengths stay.
 *
 * @returns What was masked of `out`.
 * @throws {TapeError} What it carried is not known well enough.
 */
export function maskHttp1(out: Uint8Array, into: Uint8Array, options: MaskOptions): Spans {
  const spans: Spans = [];
  const methods: string[] = [];
  let at = 0;
  while (at < out.length) {
    const head = attempt(() => requestAt(out, at), "a request");
    if (head === null) {
      maskFields(out, at, out.length, options, spans);
      break;
    }
    const { reader, value } = head;
    maskFields(out, at, at + reader, options, spans);
    at += reader;
    methods.push(value.method);
    const framing = attempt(() => requestFraming(value), "a request")!;
    at = maskContent(out, at, framing, "out", value.headers.get("content-type"), options, spans);
  }
  at = 0;
  const ignored: Spans = [];
  while (at < into.length) {
    const head = attempt(() => responseAt(into, at), "a response");
    if (head === null) {
      maskFields(into, at, into.length, options, ignored);
      break;
    }
    const { reader, value } = head;
    maskFields(into, at, at + reader, options, ignored);
    at += reader;
    const { statusCode } = value;
    if (statusCode >= 100 && statusCode < 200 && statusCode !== 101) continue;
    const method = methods.shift();
    if (method === undefined) throw unknown("a response without a request");
    const framing = attempt(() => responseFraming(method, value, "lenient", []), "a response")!;
    at = maskContent(into, at, framing, "in", value.headers.get("content-type"), options, ignored);
  }
  return spans;
}

type ReadHead<T> = { readonly reader: number; readonly value: T } | null;

function requestAt(bytes: Uint8Array, at: number): ReadHead<RequestHead> {
  const reader = new RequestHeadReader();
  const value = reader.read(bytes, at, bytes.length);
  return value === null ? null : { reader: reader.length, value };
}

function responseAt(bytes: Uint8Array, at: number): ReadHead<
  NonNullable<ReturnType<ResponseHeadReader["read"]>>
> {
  const reader = new ResponseHeadReader("lenient");
  const value = reader.read(bytes, at, bytes.length, []);
  return value === null ? null : { reader: reader.length, value };
}

function attempt<T>(read: () => T, what: string): T {
  try {
    return read();
  } catch (cause) {
    throw unknown(`${what} that cannot be read: ${(cause as Error).message}`);
  }
}

/** Also the lines of a head that is not complete. */
function maskFields(
  bytes: Uint8Array,
  from: number,
  to: number,
  options: MaskOptions,
  spans: Spans,
): void {
  const text = latin1(bytes.subarray(from, to));
  for (const match of text.matchAll(/(?<=\n)([^:\r\n]+):[ \t]*([^\r\n]*)/g)) {
    if (!options.secretFields.has(match[1].trim().toLowerCase())) continue;
    const start = from + match.index + match[0].length - match[2].length;
    bytes.fill(ASTERISK, start, start + match[2].length);
    if (match[2].length > 0) spans.push([start, match[2].length]);
  }
}

/** @returns Where the next message begins. */
function maskContent(
  bytes: Uint8Array,
  from: number,
  framing: ReturnType<typeof requestFraming>,
  direction: "out" | "in",
  contentType: string | null,
  options: MaskOptions,
  spans: Spans,
): number {
  let pieces: Spans;
  let end: number;
  switch (framing.kind) {
    case "none":
      return from;
    case "length":
      end = Math.min(bytes.length, from + framing.bytes);
      pieces = [[from, end - from]];
      break;
    case "closeDelimited":
      end = bytes.length;
      pieces = [[from, end - from]];
      break;
    case "chunked":
      {
        const found = chunks(bytes, from);
        ({ pieces, end } = found);
        // From the end of the line before, which is where a field begins.
        maskFields(bytes, found.trailersAt - 1, end, options, spans);
      }
      break;
    default:
      if (from === bytes.length) return from;
      throw unknown("a protocol that was switched to");
  }
  const content = new Uint8Array(pieces.reduce((sum, [, length]) => sum + length, 0));
  if (content.length === 0) return end;
  if (options.maskBody === null) {
    throw new TapeError(
      `A body was ${direction === "out" ? "sent" : "received"}: give maskBody, or secrets: "keep"`,
    );
  }
  let at = 0;
  for (const [start, length] of pieces) {
    content.set(bytes.subarray(start, start + length), at);
    at += length;
  }
  const masked = options.maskBody(content.slice(), { direction, contentType });
  if (masked.length !== content.length) {
    throw new TapeError(`maskBody gave ${masked.length} bytes for ${content.length}`);
  }
  at = 0;
  for (const [start, length] of pieces) {
    for (let i = 0; i < length; i++, at++) {
      if (masked[at] === content[at]) continue;
      bytes[start + i] = masked[at];
      addByte(spans, start + i);
    }
  }
  return end;
}

/** Adds a byte to the last span, or begins one. */
export function addByte(spans: Spans, at: number): void {
  const last = spans.at(-1);
  if (last !== undefined && last[0] + last[1] === at) last[1]++;
  else spans.push([at, 1]);
}

/** Where the data of chunks lies, as far as it has come, and where the trailers begin and end. */
function chunks(
  bytes: Uint8Array,
  from: number,
): { pieces: Spans; trailersAt: number; end: number } {
  const pieces: Spans = [];
  for (let at = from;;) {
    const line = bytes.indexOf(0x0a, at);
    if (line === -1) return { pieces, trailersAt: bytes.length, end: bytes.length };
    const size = parseInt(latin1(bytes.subarray(at, line)), 16);
    if (!(size >= 0)) throw unknown("a chunk that cannot be read");
    at = line + 1;
    if (size === 0) {
      const end = /^\r?\n|\r?\n\r?\n/.exec(latin1(bytes.subarray(at)));
      return {
        pieces,
        trailersAt: at,
        end: end === null ? bytes.length : at + end.index + end[0].length,
      };
    }
    const length = Math.min(size, bytes.length - at);
    pieces.push([at, length]);
    at = Math.min(bytes.length, at + size + 2);
  }
}

function unknown(what: string): TapeError {
  return new TapeError(
    `It carried ${what}, in which secrets cannot be masked: secrets: "keep" keeps them`,
  );
}
