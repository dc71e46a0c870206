/**
 * Takes content codings off: gzip and deflate, pulled by the reader.
 *
 * The inflater is `node:zlib`, which the three runtimes carry and which, unlike
 * `DecompressionStream`, stops after each output buffer until it is read (docs/decisions/0004). It
 * is loaded when first needed.
 *
 * @module
 */
import type { Gunzip, Inflate, InflateRaw } from "node:zlib";
import type { Reader } from "../conn/conn.ts";
import { HttpError, printable } from "../conn/http_error.ts";
import type { FieldLines } from "./field_lines.ts";
import { listMembers } from "./grammar.ts";

/**
 * Content codings that can be taken off.
 *
 * @see RFC 9110 section 8.4.1
 */
export type ContentCoding = "gzip" | "deflate";

/** Bytes. Coded bytes read at a time, and decoded bytes made at a time. */
const SLICE_BYTES = 16 * 1024;

/**
 * The content codings of a message, in the order in which they were applied, in lower case,
 * `identity` left out.
 *
 * Pure.
 *
 * @see RFC 9110 section 8.4
 */
export function contentCodings(fields: FieldLines): string[] {
  if (fields.contentEncoding === -1) return [];
  return listMembers(fields.valuesFrom(fields.contentEncoding))
    .map((coding) => coding.toLowerCase())
    .filter((coding) => coding !== "identity");
}

/**
 * The coding under its registered name, or null if it cannot be taken off.
 *
 * Pure.
 *
 * @see RFC 9110 section 8.4.1
 */
export function decodableCoding(coding: string): ContentCoding | null {
  if (coding === "gzip" || coding === "x-gzip") return "gzip";
  return coding === "deflate" ? "deflate" : null;
}

/**
 * Decoded content. Never holds more than two output buffers of 16 KiB, however far the coded bytes
 * expand; nothing is decoded before it is asked for.
 *
 * @see RFC 9110 section 8.4.1
 */
export class ContentDecoder implements Reader {
  readonly #source: Reader;
  readonly #coding: ContentCoding;
  #engine: Gunzip | Inflate | InflateRaw | null = null;
  #chunk: Uint8Array | null = null;
  #fedBytes = 0;
  #lastFed: Uint8Array | null = null;
  #feeding = false;
  #lastFeed: Promise<void> | null = null;
  #sourceEnded = false;
  #ended = false;
  #failure: { error: unknown } | null = null;
  #wake: () => void = () => {};

  /**
   * Makes a decoder.
   *
   * @param source The coded content.
   */
  constructor(source: Reader, coding: ContentCoding) {
    this.#source = source;
    this.#coding = coding;
  }

  /**
   * Reads at least one decoded octet.
   *
   * @returns 1..`p.length`, or null at the end of the content.
   * @throws {HttpError} `ERR_DECODE`: the content is not in that coding, cut short, or followed by
   * other bytes. And what the source throws.
   */
  async read(p: Uint8Array): Promise<number | null> {
    if (p.length === 0) return 0;
    for (;;) {
      const chunk = this.#chunk;
      if (chunk !== null) {
        const n = Math.min(p.length, chunk.length);
        p.set(chunk.subarray(0, n));
        this.#chunk = n === chunk.length ? null : chunk.subarray(n);
        return n;
      }
      if (this.#failure !== null) throw this.#failure.error;
      if (this.#ended) return this.#end();
      const engine = this.#engine;
      if (engine === null) {
        this.#engine = await this.#start();
        // It may have decoded or ended, or been closed, before this was reached.
        continue;
      }
      const progress = new Promise<void>((resolve) => this.#wake = resolve);
      engine.resume();
      if (!this.#feeding && !this.#sourceEnded) this.#lastFeed = this.#feed(engine);
      await progress;
    }
  }

  /** Bytes that have been decoded and not been read; for tests and inspection. */
  get aheadBytes(): number {
    return (this.#chunk?.length ?? 0) + (this.#engine?.readableLength ?? 0);
  }

  /** Frees the inflater. Idempotent. */
  close(): void {
    this.#engine?.destroy();
    this.#chunk = null;
    // What was fed and not decoded is not missed by anybody.
    this.#fedBytes = 0;
    this.#sourceEnded = true;
    this.#ended = true;
    this.#wake();
  }

  /** The engine has ended: nothing but padding may follow, up to the end of the source. */
  async #end(): Promise<null> {
    const engine = this.#engine;
    // The engine does not count what it leaves: those are the last of the bytes that it was given.
    const leftBytes = engine === null ? 0 : this.#fedBytes - engine.bytesWritten;
    if (leftBytes > 0) this.#checkPadding(this.#lastFed!.subarray(-leftBytes));
    if (!this.#sourceEnded) await this.#lastFeed;
    const rest = new Uint8Array(SLICE_BYTES);
    while (!this.#sourceEnded && this.#failure === null) {
      const n = await this.#source.read(rest);
      if (n === null) this.#sourceEnded = true;
      else this.#checkPadding(rest.subarray(0, n));
    }
    if (this.#failure !== null) throw this.#failure.error;
    return null;
  }

  /** Zeros behind gzip are padding, from tapes and blocks. */
  #checkPadding(bytes: Uint8Array): void {
    if (this.#coding === "gzip" && bytes.every((byte) => byte === 0)) return;
    this.#failure ??= {
      error: decodeError(this.#coding, "other bytes follow the coded content"),
    };
  }

  async #start(): Promise<Gunzip | Inflate | InflateRaw | null> {
    const first = new Uint8Array(SLICE_BYTES);
    let n = await this.#source.read(first);
    // Two bytes tell the wrapper of deflate, however they arrive.
    if (n === 1) n += await this.#source.read(first.subarray(1)) ?? 0;
    if (n === null) {
      // An empty body has no coded form either; servers send it all the same.
      this.#sourceEnded = true;
      this.#ended = true;
      return null;
    }
    const zlib = await import("node:zlib");
    if (this.#ended) return null;
    // A mark of 1 makes the engine wait for the reader after each output buffer.
    const options = { chunkSize: SLICE_BYTES, highWaterMark: 1 };
    const engine = this.#coding === "gzip"
      ? zlib.createGunzip(options)
      : isZlibHeader(first, n)
      ? zlib.createInflate(options)
      : zlib.createInflateRaw(options);
    engine.on("data", (chunk: Uint8Array) => {
      this.#chunk = chunk;
      engine.pause();
      this.#wake();
    });
    engine.on("end", () => {
      this.#ended = true;
      this.#wake();
    });
    engine.on("error", (error: Error) => {
      this.#failure = { error: decodeError(this.#coding, error.message, error) };
      this.#wake();
    });
    this.#give(engine, first.subarray(0, n));
    return engine;
  }

  async #feed(engine: Gunzip | Inflate | InflateRaw): Promise<void> {
    this.#feeding = true;
    try {
      const slice = new Uint8Array(SLICE_BYTES);
      const n = await this.#source.read(slice);
      if (this.#sourceEnded) return;
      if (n === null) {
        this.#sourceEnded = true;
        engine.end();
      } else if (this.#ended) {
        this.#checkPadding(slice.subarray(0, n));
      } else {
        this.#give(engine, slice.subarray(0, n));
        return;
      }
    } catch (error) {
      this.#failure = { error };
      engine.destroy();
    }
    this.#feeding = false;
    this.#wake();
  }

  #give(engine: Gunzip | Inflate | InflateRaw, bytes: Uint8Array): void {
    this.#feeding = true;
    this.#fedBytes += bytes.length;
    this.#lastFed = bytes;
    engine.write(bytes, () => {
      this.#feeding = false;
      this.#wake();
    });
  }
}

/** Some servers say "deflate" and send it without the zlib wrapper: RFC 1950 section 2.2 tells. */
function isZlibHeader(bytes: Uint8Array, n: number): boolean {
  return n < 2 || ((bytes[0] & 0x0f) === 8 && ((bytes[0] << 8) | bytes[1]) % 31 === 0);
}

function decodeError(coding: string, why: string, cause?: unknown): HttpError {
  return new HttpError("ERR_DECODE", `Cannot decode ${coding} content: ${printable(why)}`, {
    phase: "body",
    cause,
  });
}
