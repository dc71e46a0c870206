/**
 * Takes content codings off small content that is all there, in one synchronous call for each: a
 * fifth of what decoding it piece by piece costs (docs/decisions/0044).
 *
 * It says yes only where {@linkcode ContentDecoder} would give the same bytes, and else nothing: what
 * is refused, and why, is found out there.
 *
 * @module
 */
import type { BrotliOptions, ZlibOptions, ZstdOptions } from "node:zlib";
import type { ContentCoding } from "./content_coding.ts";
import { isZlibHeader, ZSTD_WINDOW_BITS } from "./content_decoder.ts";
import type { Zlib } from "./zlib.ts";
import { ZstdFrames } from "./zstd_frames.ts";

/**
 * Bytes. Coded content that is decoded in one call is no larger.
 *
 * @see RFC 9110 section 17.6
 */
export const MAX_WHOLE_CODED_BYTES: number = 64 * 1024;

/**
 * Bytes. Nor is it decoded: no more than what content may expand to, however few coded bytes it comes
 * from, so that no ratio can be passed.
 *
 * @see RFC 9110 section 17.6
 */
export const MAX_WHOLE_DECODED_BYTES: number = 1024 * 1024;

/** Bytes. How much is set aside at a time where nothing tells how much will come. */
const LEAST_SLICE_BYTES = 1024;
const MOST_SLICE_BYTES = 64 * 1024;

/** Most that gzip makes of one coded byte. */
const MAX_DEFLATE_RATIO = 1032;

/** Its last block is followed by bits that should be zero. */
const MALFORMED_BROTLI = Uint8Array.of(0xac, 0x80);

/** What a call with `info` gives. */
interface Decoded {
  readonly buffer: Uint8Array<ArrayBuffer>;
  /** `bytesWritten`: how many bytes it took. */
  readonly engine: { readonly bytesWritten: number };
}

/** The calls, as they are with `info`, which the types do not know. */
interface SyncCalls {
  gunzipSync(coded: Uint8Array, options: ZlibOptions): Decoded;
  inflateSync(coded: Uint8Array, options: ZlibOptions): Decoded;
  inflateRawSync(coded: Uint8Array, options: ZlibOptions): Decoded;
  brotliDecompressSync(coded: Uint8Array, options: BrotliOptions): Decoded;
  zstdDecompressSync(coded: Uint8Array, options: ZstdOptions): Decoded;
}

/**
 * Whether the runtime has a call for each of these that tells what is malformed.
 *
 * @see RFC 9110 section 8.4
 */
export function decodesWhole(zlib: Zlib, codings: readonly ContentCoding[]): boolean {
  return !codings.includes("br") || tellsOfBrotli(zlib);
}

/**
 * Decodes all of a content.
 *
 * Pure. Order: where {@linkcode decodesWhole}.
 *
 * @param codings As they were applied.
 * @returns An array of its own; null where it is too large, or anything about it is in doubt.
 * @see RFC 9110 section 8.4
 */
export function decodeWhole(
  zlib: Zlib,
  codings: readonly ContentCoding[],
  coded: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> | null {
  let content = coded;
  for (let i = codings.length - 1; i >= 0; i--) {
    // An empty body has no coded form either.
    if (content.length === 0) break;
    if (content.length > MAX_WHOLE_CODED_BYTES) return null;
    const decoded = decodeLayer(zlib, codings[i], content);
    if (decoded === null) return null;
    content = decoded;
  }
  return content === coded || content.byteLength !== content.buffer.byteLength
    ? content.slice()
    : content;
}

/** Takes one coding off. */
function decodeLayer(
  zlib: Zlib,
  coding: ContentCoding,
  coded: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> | null {
  const chunkSize = sliceBytes(coding, coded);
  if (chunkSize === null) return null;
  let decoded: Decoded;
  try {
    decoded = callFor(zlib, coding, coded, chunkSize);
  } catch {
    // Too large, or malformed: the other way decodes it again, and tells.
    return null;
  }
  const { buffer, engine } = decoded;
  if (!isWhole(coding, coded, engine.bytesWritten)) return null;
  // Not a `Buffer`, but over the same memory.
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

/** Of {@linkcode tellsOfBrotli}; null: not asked yet. */
let brotliTold: boolean | null = null;

/** Whether the call tells that brotli is malformed: Deno's gives what it has made so far. */
function tellsOfBrotli(zlib: Zlib): boolean {
  if (brotliTold === null) {
    brotliTold = false;
    try {
      zlib.brotliDecompressSync(MALFORMED_BROTLI);
    } catch {
      brotliTold = true;
    }
  }
  return brotliTold;
}

/** @throws What the engine has against the content; `ERR_BUFFER_TOO_LARGE`. */
function callFor(
  zlib: Zlib,
  coding: ContentCoding,
  coded: Uint8Array<ArrayBuffer>,
  chunkSize: number,
): Decoded {
  const calls = zlib as unknown as SyncCalls;
  const options = { info: true, maxOutputLength: MAX_WHOLE_DECODED_BYTES, chunkSize };
  switch (coding) {
    case "gzip":
      return calls.gunzipSync(coded, options);
    case "deflate":
      return isZlibHeader(coded, coded.length)
        ? calls.inflateSync(coded, options)
        : calls.inflateRawSync(coded, options);
    case "br": {
      // An engine that has ended does not take the byte behind; one that was cut short does.
      const andMore = new Uint8Array(coded.length + 1);
      andMore.set(coded);
      return calls.brotliDecompressSync(andMore, options);
    }
    case "zstd":
      return calls.zstdDecompressSync(coded, {
        ...options,
        params: { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_BITS },
      });
  }
}

/** Whether what the engine took is all of the content, and nothing that may not follow it is left. */
function isWhole(coding: ContentCoding, coded: Uint8Array, takenBytes: number): boolean {
  if (coding === "gzip") {
    for (let i = takenBytes; i < coded.length; i++) if (coded[i] !== 0) return false;
    return true;
  }
  if (takenBytes !== coded.length) return false;
  if (coding !== "zstd") return true;
  return isOneFrame(coded);
}

/** The engines stop behind the first frame, or take one that was cut short for whole. */
function isOneFrame(coded: Uint8Array): boolean {
  const frames = new ZstdFrames();
  let at = 0;
  do {
    const n = frames.advance(coded.subarray(at));
    if (n === -1) return false;
    at += n;
  } while (at < coded.length && !frames.atBoundary);
  return at === coded.length && frames.atBoundary;
}

/**
 * How much to set aside at a time: what the content says that it will be, so that nothing need be put
 * together. Null: more than may be.
 */
function sliceBytes(coding: ContentCoding, coded: Uint8Array): number | null {
  if (coding !== "gzip") {
    return Math.min(Math.max(4 * coded.length, LEAST_SLICE_BYTES), MOST_SLICE_BYTES);
  }
  // Of the last member, modulo 2^32; it may lie.
  const at = coded.length - 4;
  if (at < 0) return null;
  const said =
    (coded[at] | (coded[at + 1] << 8) | (coded[at + 2] << 16) | (coded[at + 3] << 24)) >>> 0;
  if (said > MAX_WHOLE_DECODED_BYTES) return null;
  return Math.max(Math.min(said, MAX_DEFLATE_RATIO * coded.length), LEAST_SLICE_BYTES);
}
