/**
 * Takes the chunked transfer coding apart. Every transition is in the table below.
 *
 * @module
 */
import { HttpError, type HttpErrorCode, printable } from "../conn/http_error.ts";
import { type Deviation, note, type ParserMode } from "../http/deviation.ts";
import { FIELD_VALUE_BYTES, isOws, TOKEN_BYTES } from "../http/grammar.ts";
import { transition, type TransitionTable } from "../http/machine.ts";

/**
 * Where in a chunked body the next byte stands. The states whose names begin with `ext` are those of
 * the chunk extensions; each is told by what was read last, `extSpace` by the white space behind a
 * value.
 *
 * @see RFC 9112 section 7.1
 */
export type ChunkedState =
  | "sizeFirst"
  | "size"
  | "sizeSpace"
  | "extSemicolon"
  | "extName"
  | "extNameSpace"
  | "extEquals"
  | "extToken"
  | "extQuoted"
  | "extEscape"
  | "extQuotedEnd"
  | "extSpace"
  | "sizeLf"
  | "data"
  | "dataCr"
  | "dataLf"
  | "trailer"
  | "complete";

/**
 * What a byte, or the end of a run of bytes, means. `text`: a byte inside quotes that ends nothing.
 *
 * @see RFC 9112 section 7.1
 */
export type ChunkedEvent =
  | "digit"
  | "space"
  | "semicolon"
  | "equals"
  | "token"
  | "quote"
  | "escape"
  | "text"
  | "cr"
  | "lf"
  | "lastChunkLf"
  | "dataEnded"
  | "trailerEnded";

const LINE_END = { cr: "sizeLf", lf: "data", lastChunkLf: "trailer" } as const;

/**
 * Every transition of the chunked coding.
 *
 * @see RFC 9112 section 7.1, RFC 9112 section 7.1.1
 */
export const CHUNKED_TABLE: TransitionTable<ChunkedState, ChunkedEvent> = {
  sizeFirst: { digit: "size" },
  size: { digit: "size", space: "sizeSpace", semicolon: "extSemicolon", ...LINE_END },
  sizeSpace: { space: "sizeSpace", semicolon: "extSemicolon", ...LINE_END },
  extSemicolon: { space: "extSemicolon", token: "extName" },
  extName: {
    token: "extName",
    space: "extNameSpace",
    semicolon: "extSemicolon",
    equals: "extEquals",
    ...LINE_END,
  },
  extNameSpace: { space: "extNameSpace", semicolon: "extSemicolon", equals: "extEquals" },
  extEquals: { space: "extEquals", token: "extToken", quote: "extQuoted" },
  extToken: { token: "extToken", space: "extSpace", semicolon: "extSemicolon", ...LINE_END },
  extQuoted: { text: "extQuoted", escape: "extEscape", quote: "extQuotedEnd" },
  extEscape: { text: "extQuoted" },
  extQuotedEnd: { space: "extSpace", semicolon: "extSemicolon", ...LINE_END },
  extSpace: { space: "extSpace", semicolon: "extSemicolon" },
  sizeLf: { lf: "data", lastChunkLf: "trailer" },
  data: { dataEnded: "dataCr" },
  dataCr: { cr: "dataLf" },
  dataLf: { lf: "sizeFirst" },
  trailer: { trailerEnded: "complete" },
  complete: {},
};

/** The states behind a chunk size, in words: where a byte stands that may not stand there. */
const PLACES: Partial<Record<ChunkedState, string>> = {
  sizeSpace: "behind the white space after a chunk size",
  extSemicolon: "where the name of a chunk extension is due",
  extName: "in the name of a chunk extension",
  extNameSpace: "behind the name of a chunk extension",
  extEquals: "where the value of a chunk extension is due",
  extToken: "in the value of a chunk extension",
  extQuoted: "in a quoted chunk extension",
  extEscape: "in a quoted chunk extension",
  extQuotedEnd: "behind a quoted chunk extension",
  extSpace: "behind the value of a chunk extension",
};

/** Digits of a chunk size; 16 hold any 64-bit number. */
const MAX_SIZE_DIGITS = 16;

/** Digits of a size that the straight line takes: with fewer than eight it is a small integer. */
const STRAIGHT_DIGITS = 7;

/** In {@linkcode HEX_DIGITS}: no digit. */
const NO_DIGIT = 0xff;

/** The value of each byte as a digit of a chunk size. */
const HEX_DIGITS: Uint8Array = new Uint8Array(256).fill(NO_DIGIT);
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16);
  HEX_DIGITS[digit.charCodeAt(0)] = HEX_DIGITS[digit.toUpperCase().charCodeAt(0)] = value;
}

/** Bytes. So few are moved sooner one by one than by a call. */
const FEW_BYTES = 32;

/**
 * Bytes. Most that all chunk extensions of one body may take together, with the white space around
 * them; Go's figure.
 */
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
  /** Where they begin. */
  producedAt: number = 0;
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
   * {@linkcode consumed} and {@linkcode produced}, also where it throws: that is what came before.
   * Source and target may be one array when `at` is not above `from`.
   *
   * @throws {HttpError} The code of the constructor: bytes that are not the chunked coding.
   */
  decode(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): void {
    this.#run(source, from, to, target, at);
  }

  /**
   * Decodes all of `bytes[from..to)` where it lies; sets {@linkcode consumed}, {@linkcode produced}
   * and {@linkcode producedAt}. The first data that are met stay where they are.
   *
   * @throws {HttpError} As {@linkcode decode}.
   */
  decodeInPlace(bytes: Uint8Array, from: number, to: number): void {
    this.#run(bytes, from, to, bytes, -1);
  }

  /** @param at -1: where the first data lie. */
  #run(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): void {
    let i = from;
    let o = at;
    this.producedAt = at;
    try {
      while (i < to && this.#state !== "trailer") {
        if (this.#state === "sizeFirst") {
          this.#wholeChunks(source, i, to, target, o);
          if (o === -1) o = this.producedAt;
          i += this.consumed;
          o += this.produced;
          if (i < to) this.#step(source[i++]);
        } else if (this.#state === "data") {
          if (o === -1) o = this.producedAt = i;
          const n = Math.min(this.#left, to - i, target.length - o);
          if (n === 0) break;
          move(source, i, n, target, o);
          i += n;
          o += n;
          this.#left -= n;
          if (this.#left === 0) this.#state = transition(CHUNKED_TABLE, this.#state, "dataEnded");
        } else {
          this.#step(source[i++]);
        }
      }
    } finally {
      this.consumed = i - from;
      this.produced = o === -1 ? 0 : o - this.producedAt;
    }
  }

  /**
   * The straight line: chunks that are here whole, each of digits, CRLF, data and CRLF, one behind the
   * other. It leads from the first state to the first state; what it does not take, also everything
   * that is wrong, is left to the table.
   */
  #wholeChunks(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): void {
    let i = from;
    let o = at;
    for (;;) {
      let size = 0;
      let d = i;
      for (const most = Math.min(to, i + STRAIGHT_DIGITS); d < most; d++) {
        const digit = HEX_DIGITS[source[d]];
        if (digit === NO_DIGIT) break;
        size = size << 4 | digit;
      }
      const data = d + 2;
      const end = data + size;
      // The last chunk has a size of zero.
      if (size === 0 || end + 2 > to || source[d] !== 0x0d || source[d + 1] !== 0x0a) break;
      if (source[end] !== 0x0d || source[end + 1] !== 0x0a) break;
      if (o === -1) o = this.producedAt = data;
      if (size > target.length - o) break;
      move(source, data, size, target, o);
      i = end + 2;
      o += size;
    }
    this.consumed = i - from;
    this.produced = o === -1 ? 0 : o - (at === -1 ? this.producedAt : at);
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
        if (byte === 0x0a || byte === 0x3b || isOws(byte)) return this.#behindSize(byte);
        this.#addDigit(byte);
        return "digit";
      case "sizeLf":
        if (byte !== 0x0a) throw this.#malformed("CR without LF after a chunk size");
        return this.#left === 0 ? "lastChunkLf" : "lf";
      case "dataCr":
        if (byte !== 0x0d) throw this.#malformed("no CRLF after chunk data");
        return "cr";
      case "dataLf":
        if (byte !== 0x0a) throw this.#malformed("no CRLF after chunk data");
        return "lf";
      default:
        return this.#behindSize(byte);
    }
  }

  /** A byte of the line behind the digits of its size. */
  #behindSize(byte: number): ChunkedEvent {
    const state = this.#state;
    const event = state === "extQuoted" || state === "extEscape"
      ? quotedEvent(state, byte)
      : lineEvent(byte);
    if (event === null || CHUNKED_TABLE[state][event] === undefined) {
      const shown = printable(String.fromCharCode(byte));
      throw this.#malformed(`"${shown}" ${PLACES[state]}`);
    }
    if (event === "cr" || event === "lf") {
      if (state === "sizeSpace") note(this.#deviations, "space-after-chunk-size");
      return event === "lf" ? this.#bareLf() : event;
    }
    if (++this.#extensionBytes > MAX_EXTENSION_BYTES) {
      throw this.#malformed(`more than ${MAX_EXTENSION_BYTES} bytes of chunk extensions`);
    }
    return event;
  }

  #bareLf(): ChunkedEvent {
    if (this.#mode === "strict") throw this.#malformed("LF without CR after a chunk size");
    note(this.#deviations, "bare-lf-in-chunk");
    return this.#left === 0 ? "lastChunkLf" : "lf";
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

/** Moves `n` bytes; in one array never upwards. */
function move(source: Uint8Array, from: number, n: number, target: Uint8Array, at: number): void {
  if (n <= FEW_BYTES) {
    for (let k = 0; k < n; k++) target[at + k] = source[from + k];
  } else if (source !== target) {
    target.set(source.subarray(from, from + n), at);
  } else if (at !== from) {
    target.copyWithin(at, from, from + n);
  }
}

/** What a byte behind a chunk size means outside of quotes; null: it may stand nowhere there. */
function lineEvent(byte: number): ChunkedEvent | null {
  switch (byte) {
    case 0x0d:
      return "cr";
    case 0x0a:
      return "lf";
    case 0x20:
    case 0x09:
      return "space";
    case 0x3b:
      return "semicolon";
    case 0x3d:
      return "equals";
    case 0x22:
      return "quote";
    default:
      return TOKEN_BYTES[byte] === 1 ? "token" : null;
  }
}

/** What a byte inside quotes means; null: it may not stand there. */
function quotedEvent(state: "extQuoted" | "extEscape", byte: number): ChunkedEvent | null {
  if (state === "extQuoted" && byte === 0x22) return "quote";
  if (state === "extQuoted" && byte === 0x5c) return "escape";
  return FIELD_VALUE_BYTES[byte] === 1 ? "text" : null;
}
