/**
 * Takes the chunked transfer coding apart. Every transition is in the table below.
 *
 * @module
 */
import { HttpError, type HttpErrorCode } from "../conn/http_error.ts";
import { type Deviation, note, type ParserMode } from "./field_lines_reader.ts";
import { transition, type TransitionTable } from "../http/machine.ts";

/**
 * Where in a chunked body the next byte stands.
 *
 * @see RFC 9112 section 7.1
 */
export type ChunkedState =
  | "sizeFirst"
  | "size"
  | "ext"
  | "sizeLf"
  | "data"
  | "dataCr"
  | "dataLf"
  | "trailer"
  | "complete";

/**
 * What a byte, or the end of a run of bytes, means.
 *
 * @see RFC 9112 section 7.1
 */
export type ChunkedEvent =
  | "digit"
  | "extension"
  | "cr"
  | "lf"
  | "lastChunkLf"
  | "dataEnded"
  | "trailerEnded";

/**
 * Every transition of the chunked coding.
 *
 * @see RFC 9112 section 7.1
 */
export const CHUNKED_TABLE: TransitionTable<ChunkedState, ChunkedEvent> = {
  sizeFirst: { digit: "size" },
  size: {
    digit: "size",
    extension: "ext",
    cr: "sizeLf",
    lf: "data",
    lastChunkLf: "trailer",
  },
  ext: { extension: "ext", cr: "sizeLf", lf: "data", lastChunkLf: "trailer" },
  sizeLf: { lf: "data", lastChunkLf: "trailer" },
  data: { dataEnded: "dataCr" },
  dataCr: { cr: "dataLf" },
  dataLf: { lf: "sizeFirst" },
  trailer: { trailerEnded: "complete" },
  complete: {},
};

/** Digits of a chunk size; 16 hold any 64-bit number. */
const MAX_SIZE_DIGITS = 16;

/** Bytes. Most that all chunk extensions of one body may take together; Go's figure. */
const MAX_EXTENSION_BYTES = 16 * 1024;

/**
 * Decodes a chunked body piece by piece. Owns: the state, the octets left of the chunk.
 *
 * Stops before the trailer section, which is read like the fields of a head; then
 * {@linkcode ChunkedReader.trailerEnded} completes it.
 *
 * @see RFC 9112 section 7.1
 */
export class ChunkedReader {
  /** Bytes of the source that the last {@linkcode decode} used. */
  consumed: number = 0;
  /** Bytes that the last {@linkcode decode} put into the target. */
  produced: number = 0;
  readonly #mode: ParserMode;
  readonly #code: HttpErrorCode;
  readonly #deviations: Deviation[];
  #state: ChunkedState = "sizeFirst";
  #left = 0;
  #digits = 0;
  #extensionBytes = 0;

  /**
   * Makes a reader.
   *
   * @param deviations Collects what was forgiven.
   * @param code Code of the errors about malformed input.
   */
  constructor(
    mode: ParserMode,
    deviations: Deviation[],
    code: Extract<HttpErrorCode, "ERR_MALFORMED_RESPONSE" | "ERR_INVALID_REQUEST">,
  ) {
    this.#mode = mode;
    this.#deviations = deviations;
    this.#code = code;
  }

  /** Where the next byte stands. */
  get state(): ChunkedState {
    return this.#state;
  }

  /** Octets still to come of the chunk whose data is being read. */
  get left(): number {
    return this.#left;
  }

  /** Tells that the trailer section has been read. */
  trailerEnded(): void {
    this.#state = transition(CHUNKED_TABLE, this.#state, "trailerEnded");
  }

  /**
   * Decodes `source[from..to)` into `target` from `at` on, as far as both reach; sets
   * {@linkcode consumed} and {@linkcode produced}. Source and target may be one array when `at` is
   * not above `from`.
   *
   * @throws {HttpError} The code of the constructor: bytes that are not the chunked coding.
   */
  decode(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): void {
    let i = from;
    let o = at;
    while (i < to && this.#state !== "trailer") {
      if (this.#state === "data") {
        const n = Math.min(this.#left, to - i, target.length - o);
        if (n === 0) break;
        if (source === target) {
          if (o !== i) target.copyWithin(o, i, i + n);
        } else {
          target.set(source.subarray(i, i + n), o);
        }
        i += n;
        o += n;
        this.#left -= n;
        if (this.#left === 0) this.#state = transition(CHUNKED_TABLE, this.#state, "dataEnded");
      } else {
        this.#step(source[i++]);
      }
    }
    this.consumed = i - from;
    this.produced = o - at;
  }

  #step(byte: number): void {
    const event = this.#event(byte);
    this.#state = transition(CHUNKED_TABLE, this.#state, event);
    if (this.#state === "sizeFirst") this.#digits = 0;
  }

  #event(byte: number): ChunkedEvent {
    switch (this.#state) {
      case "sizeFirst":
        this.#left = 0;
        this.#addDigit(byte);
        return "digit";
      case "size":
        if (byte === 0x0d) return "cr";
        if (byte === 0x0a) return this.#bareLf();
        if (byte === 0x3b || byte === 0x20 || byte === 0x09) return this.#extension();
        this.#addDigit(byte);
        return "digit";
      case "ext":
        if (byte === 0x0d) return "cr";
        if (byte === 0x0a) return this.#bareLf();
        return this.#extension();
      case "sizeLf":
        if (byte !== 0x0a) throw this.#malformed("CR without LF after a chunk size");
        return this.#left === 0 ? "lastChunkLf" : "lf";
      case "dataCr":
        if (byte !== 0x0d) throw this.#malformed("no CRLF after chunk data");
        return "cr";
      default:
        if (byte !== 0x0a) throw this.#malformed("no CRLF after chunk data");
        return "lf";
    }
  }

  #bareLf(): ChunkedEvent {
    if (this.#mode === "strict") throw this.#malformed("LF without CR after a chunk size");
    note(this.#deviations, "bare-lf-in-chunk");
    return this.#left === 0 ? "lastChunkLf" : "lf";
  }

  #extension(): ChunkedEvent {
    if (++this.#extensionBytes > MAX_EXTENSION_BYTES) {
      throw this.#malformed(`more than ${MAX_EXTENSION_BYTES} bytes of chunk extensions`);
    }
    return "extension";
  }

  #addDigit(byte: number): void {
    const lower = byte | 0x20;
    const digit = byte >= 0x30 && byte <= 0x39
      ? byte - 0x30
      : lower >= 0x61 && lower <= 0x66
      ? lower - 0x57
      : -1;
    if (digit === -1) throw this.#malformed("not a chunk size");
    const size = this.#left * 16 + digit;
    if (++this.#digits > MAX_SIZE_DIGITS || size > Number.MAX_SAFE_INTEGER) {
      throw this.#malformed("a chunk size that is too large");
    }
    this.#left = size;
  }

  #malformed(what: string): HttpError {
    const request = this.#code === "ERR_INVALID_REQUEST";
    return new HttpError(this.#code, `Malformed ${request ? "request" : "response"}: ${what}`, {
      phase: request ? "request" : "body",
    });
  }
}
