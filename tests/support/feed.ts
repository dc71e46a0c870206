/**
 * The one way in which tests give bytes to a reader of `http1/`: the same bytes whole, one by one, in
 * pieces of random length, and followed by bytes that are not the message's. The outcome must not differ.
 *
 * @module
 */
import assert from "node:assert/strict";
import { BufferedReader } from "../../conn/buffered_reader.ts";
import type { Reader } from "../../conn/conn.ts";
import { HttpError, type HttpErrorCode } from "../../conn/http_error.ts";

/** What came of reading: a value, or the code of an error. */
export type Outcome<T> = { readonly value: T } | { readonly error: HttpErrorCode };

/** What the code under test reads from. */
export interface Fed {
  readonly input: BufferedReader;
  /** What `input` reads from. */
  readonly source: PieceReader;
  /** How large an array to read content into: small ones go through the buffer, large ones past it. */
  readonly roomBytes: number;
}

/** One manner of giving bytes. */
interface Manner {
  readonly name: string;
  /** Length of the next piece. */
  readonly nextBytes: () => number;
  readonly roomBytes: number;
  readonly capacityBytes: number;
  /** Whether the source makes arrays of its own. Default: it does not. */
  readonly bringsChunks?: boolean;
}

const LARGE = 64 * 1024;

/** A small generator of numbers in [0, 1), the same for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function* manners(): Generator<Manner> {
  const whole = () => Infinity;
  yield { name: "whole", nextBytes: whole, roomBytes: LARGE, capacityBytes: LARGE };
  yield { name: "whole, small reads", nextBytes: whole, roomBytes: 3, capacityBytes: LARGE };
  yield { name: "byte by byte", nextBytes: () => 1, roomBytes: 7, capacityBytes: 16 };
  yield {
    name: "byte by byte, large reads",
    nextBytes: () => 1,
    roomBytes: LARGE,
    capacityBytes: 1,
  };
  for (let seed = 1; seed <= 6; seed++) {
    const random = seededRandom(seed);
    // Most pieces are short, so that they end inside lines.
    const nextBytes = () => 1 + Math.floor(random() ** 3 * 40);
    const manner = { nextBytes, capacityBytes: 1 << seed };
    const roomBytes = seed % 2 === 0 ? LARGE : 1 + seed;
    yield { ...manner, name: `random pieces, seed ${seed}`, roomBytes };
    yield { ...manner, name: `random arrays, seed ${seed}`, roomBytes, bringsChunks: true };
  }
}

/** Gives `bytes` in pieces, then the end of the stream. */
export class PieceReader implements Reader {
  /** There if it makes arrays of its own. */
  readonly readChunk?: (maxBytes: number) => Promise<Uint8Array<ArrayBuffer> | null>;
  readonly #bytes: Uint8Array;
  readonly #nextBytes: () => number;
  #at = 0;
  /** How often it was asked. */
  reads: number = 0;

  constructor(bytes: Uint8Array, nextBytes: () => number, bringsChunks: boolean = false) {
    this.#bytes = bytes;
    this.#nextBytes = nextBytes;
    if (bringsChunks) {
      this.readChunk = async (maxBytes) => {
        const p = new Uint8Array(Math.min(maxBytes, bytes.length));
        const n = await this.read(p);
        return n === null || p.length === 0 ? null : p.slice(0, n);
      };
    }
  }

  read(p: Uint8Array): Promise<number | null> {
    this.reads++;
    if (p.length === 0) return Promise.resolve(0);
    if (this.#at === this.#bytes.length) return Promise.resolve(null);
    const end = Math.min(this.#at + Math.min(p.length, this.#nextBytes()), this.#bytes.length);
    p.set(this.#bytes.subarray(this.#at, end));
    const n = end - this.#at;
    this.#at = end;
    return Promise.resolve(n);
  }
}

/** Text whose characters are bytes, as bytes. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    if (byte > 0xff) assert.fail(`not a byte: ${text[i]}`);
    bytes[i] = byte;
  }
  return bytes;
}

/** Bytes as text, one character each. */
export function textOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** What must be left alone behind a message; looks like another one. */
const TRAILING = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";

/** What came of one manner, and what was left unread. */
interface Result<T> {
  readonly outcome: Outcome<T>;
  readonly left: string;
}

/**
 * Gives `message` to `read` in every manner and asserts that the outcome is the same, and that a message
 * that can be read is read whole.
 *
 * @param message Characters U+0000 to U+00FF, one byte each.
 * @param endsItself Whether bytes behind the message must be left unread; false where only the end of
 * the stream ends it.
 */
export async function feed<T>(
  message: string | Uint8Array,
  read: (fed: Fed) => Promise<T>,
  endsItself: boolean | ((value: T) => boolean) = true,
): Promise<Outcome<T>> {
  const { outcome, left } = await feedAny(message, read, endsItself);
  assert.equal(left, "", "a message is read to its end");
  return outcome;
}

/** As {@linkcode feed}, of bytes that may hold more than one message: tells what was left of them. */
export async function feedAny<T>(
  message: string | Uint8Array,
  read: (fed: Fed) => Promise<T>,
  endsItself: boolean | ((value: T) => boolean) = true,
): Promise<Result<T>> {
  const bytes = typeof message === "string" ? bytesOf(message) : message;
  const first = await feedInEveryManner(bytes, read);
  const { outcome } = first;
  if (!("value" in outcome)) return first;
  if (typeof endsItself === "function" ? !endsItself(outcome.value) : !endsItself) return first;
  const longer = new Uint8Array(bytes.length + TRAILING.length);
  longer.set(bytes);
  longer.set(bytesOf(TRAILING), bytes.length);
  const second = await feedInEveryManner(longer, read);
  assert.deepEqual(second, { outcome, left: first.left + TRAILING }, "with bytes behind it");
  return first;
}

async function feedInEveryManner<T>(
  bytes: Uint8Array,
  read: (fed: Fed) => Promise<T>,
): Promise<Result<T>> {
  let first: Result<T> | null = null;
  for (const manner of manners()) {
    const result = await feedOnce(bytes, read, manner);
    if (first === null) first = result;
    else assert.deepEqual(result, first, `given ${manner.name}`);
  }
  return first!;
}

async function feedOnce<T>(
  bytes: Uint8Array,
  read: (fed: Fed) => Promise<T>,
  manner: Manner,
): Promise<Result<T>> {
  const source = new PieceReader(bytes, manner.nextBytes, manner.bringsChunks);
  const input = new BufferedReader(source, manner.capacityBytes);
  try {
    const value = await read({ input, source, roomBytes: manner.roomBytes });
    let left = textOf(input.bytes.subarray(input.start, input.end));
    const p = new Uint8Array(1024);
    for (let n = await source.read(p); n !== null; n = await source.read(p)) {
      left += textOf(p.subarray(0, n));
    }
    return { outcome: { value }, left };
  } catch (error) {
    // Any other error is a defect, and fails the test.
    if (!(error instanceof HttpError)) throw error;
    return { outcome: { error: error.code }, left: "" };
  }
}
