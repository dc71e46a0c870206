/**
 * Takes content codings off, pulled by the reader.
 *
 * The decoders are those of `node:zlib`, which the three runtimes carry and which, unlike
 * `DecompressionStream`, stop after each output buffer until it is read (docs/decisions/0004).
 *
 * @module
 */
import type { BrotliDecompress, Gunzip, Inflate, InflateRaw, ZstdDecompress } from "node:zlib";
import type { Reader } from "../conn/conn.ts";
import { HttpError, printable } from "../conn/http_error.ts";
import type { ContentCoding } from "./content_coding.ts";
import { loadZlib, type Zlib } from "./zlib.ts";
import { ZstdFrames } from "./zstd_frames.ts";

/** What decodes. */
type Engine = Gunzip | Inflate | InflateRaw | BrotliDecompress | ZstdDecompress;

/** Bytes. Coded bytes read at a time, and decoded bytes made at a time. */
const SLICE_BYTES = 16 * 1024;

/** Bytes. What content may expand to, however few coded bytes it comes from. */
const EXPANSION_GRACE_BYTES = 1024 * 1024;

/**
 * Bits. Windows of zstd content are at most 8 MiB.
 *
 * @see RFC 9659 section 3
 */
export const ZSTD_WINDOW_BITS: number = 23;

/**
 * How far content may expand.
 *
 * @see RFC 9110 section 17.6
 */
export interface ExpansionLimit {
  /**
   * Decoded bytes for each coded byte, beyond the first MiB. Infinity: no limit. zstd and br expand
   * a thousandfold only what is made to; gzip cannot do more than 1,032.
   */
  readonly maxRatio: number;
  /** Bytes of the message that have been read, under all codings. */
  readonly wireBytes: () => number;
}

/** Of a decoder that is given no limit. */
const UNLIMITED: ExpansionLimit = { maxRatio: Infinity, wireBytes: () => Infinity };

/**
 * Decoded content. Never holds more than two output buffers of 16 KiB, however far the coded bytes
 * expand; nothing is decoded before it is asked for.
 *
 * @see RFC 9110 section 8.4.1
 */
export class ContentDecoder implements Reader {
  readonly #source: Reader;
  readonly #coding: ContentCoding;
  readonly #limit: ExpansionLimit;
  readonly #frames: ZstdFrames | null;
  #engine: Engine | null = null;
  #chunk: Uint8Array | null = null;
  #fedBytes = 0;
  #decodedBytes = 0;
  /** Decoded bytes that belong to the content; what comes behind answers a probe. */
  #lastByte = Infinity;
  #lastFed: Uint8Array | null = null;
  /** Read from the source and not given to the engine yet. */
  #unfed: Uint8Array | null = null;
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
   * @param limit Default: none.
   */
  constructor(source: Reader, coding: ContentCoding, limit: ExpansionLimit = UNLIMITED) {
    this.#source = source;
    this.#coding = coding;
    this.#limit = limit;
    this.#frames = coding === "zstd" ? new ZstdFrames() : null;
  }

  /**
   * Reads at least one decoded octet.
   *
   * @returns 1..`p.length`, or null at the end of the content.
   * @throws {HttpError} `ERR_DECODE`: the content is not in that coding, cut short, followed by
   * other bytes, or expands too far. And what the source throws.
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

  /** Frees the engine. Idempotent. */
  close(): void {
    this.#engine?.destroy();
    this.#chunk = null;
    this.#unfed = null;
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
    this.#fail("other bytes follow the coded content");
  }

  async #start(): Promise<Engine | null> {
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
    const zlib = await loadZlib();
    if (this.#ended) return null;
    const engine = makeEngine(zlib, this.#coding, first, n);
    engine.on("data", (chunk: Uint8Array) => {
      this.#decoded(engine, chunk);
      this.#wake();
    });
    engine.on("end", () => {
      this.#ended = true;
      this.#wake();
    });
    engine.on("error", (error: Error) => {
      this.#fail(error.message, error);
      this.#wake();
    });
    this.#give(engine, first.subarray(0, n));
    return engine;
  }

  #decoded(engine: Engine, chunk: Uint8Array): void {
    const room = this.#lastByte - this.#decodedBytes;
    if (room <= 0) return;
    this.#decodedBytes += chunk.length;
    const { maxRatio, wireBytes } = this.#limit;
    const codedBytes = Math.min(this.#fedBytes, wireBytes());
    if (this.#decodedBytes - EXPANSION_GRACE_BYTES > maxRatio * codedBytes) {
      this.#fail(`it expands more than ${maxRatio} times`);
      engine.destroy();
      return;
    }
    this.#chunk = chunk.length > room ? chunk.subarray(0, room) : chunk;
    engine.pause();
  }

  async #feed(engine: Engine): Promise<void> {
    this.#feeding = true;
    try {
      const bytes = this.#unfed ?? await this.#more();
      if (this.#sourceEnded) return;
      if (bytes === null) {
        this.#sourceEnded = true;
        await this.#finish(engine);
      } else if (this.#ended) {
        this.#checkPadding(bytes);
      } else {
        this.#give(engine, bytes);
        return;
      }
    } catch (error) {
      this.#failure = { error };
      engine.destroy();
    }
    this.#feeding = false;
    this.#wake();
  }

  async #more(): Promise<Uint8Array | null> {
    const slice = new Uint8Array(SLICE_BYTES);
    const n = await this.#source.read(slice);
    return n === null ? null : slice.subarray(0, n);
  }

  #give(engine: Engine, bytes: Uint8Array): void {
    let piece = bytes;
    if (this.#frames !== null) {
      const n = this.#frames.advance(bytes);
      if (n === -1) {
        this.#fail("other bytes where a frame should begin");
        this.#feeding = false;
        this.#wake();
        return;
      }
      piece = bytes.subarray(0, n);
      this.#unfed = n === bytes.length ? null : bytes.subarray(n);
    }
    this.#feeding = true;
    this.#fedBytes += piece.length;
    this.#lastFed = piece;
    engine.write(piece, () => {
      this.#feeding = false;
      this.#wake();
    });
  }

  /** The source has ended. Not every engine notices that the content has not. */
  async #finish(engine: Engine): Promise<void> {
    const cutShort = this.#frames !== null
      ? !this.#frames.atBoundary
      : this.#coding === "br" && await this.#takesMore(engine);
    if (cutShort) this.#fail("unexpected end");
    else if (!this.#ended) engine.end();
  }

  /** Whether the engine, which has decoded everything it was given, would take another byte. */
  async #takesMore(engine: Engine): Promise<boolean> {
    this.#lastByte = this.#decodedBytes + engine.readableLength;
    await new Promise<void>((resolve) => {
      engine.once("error", () => resolve());
      engine.write(new Uint8Array(1), () => resolve());
      engine.resume();
    });
    return engine.bytesWritten > this.#fedBytes;
  }

  #fail(why: string, cause?: unknown): void {
    this.#failure ??= { error: decodeError(this.#coding, why, cause) };
  }
}

/** @param n How many bytes of the coded content `first` holds. */
function makeEngine(zlib: Zlib, coding: ContentCoding, first: Uint8Array, n: number): Engine {
  // A mark of 1 makes the engine wait for the reader after each output buffer.
  const options = { chunkSize: SLICE_BYTES, highWaterMark: 1 };
  switch (coding) {
    case "gzip":
      return zlib.createGunzip(options);
    case "deflate":
      return isZlibHeader(first, n) ? zlib.createInflate(options) : zlib.createInflateRaw(options);
    case "br":
      return zlib.createBrotliDecompress(options);
    case "zstd":
      return zlib.createZstdDecompress({
        ...options,
        params: { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_BITS },
      });
  }
}

/**
 * Whether content in `deflate` is in the zlib wrapper: some servers send it without. Two bytes tell.
 *
 * Pure.
 *
 * @param n How many of the bytes are content.
 * @see RFC 1950 section 2.2
 */
export function isZlibHeader(bytes: Uint8Array, n: number): boolean {
  return n < 2 || ((bytes[0] & 0x0f) === 8 && ((bytes[0] << 8) | bytes[1]) % 31 === 0);
}

function decodeError(coding: string, why: string, cause?: unknown): HttpError {
  return new HttpError("ERR_DECODE", `Cannot decode ${coding} content: ${printable(why)}`, {
    phase: "body",
    cause,
  });
}
