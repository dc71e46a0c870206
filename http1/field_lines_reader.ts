/**
 * Reads a section of field lines (a head's or a trailer's), however its bytes arrive. Works on
 * bytes; the text is made once, when the section is complete.
 *
 * @module
 */
import { HttpError, type HttpErrorCode, printable } from "../conn/http_error.ts";
import { latin1Text } from "../conn/latin1.ts";
import { mayBeLeftOut, nameFault, valueFault } from "./field_fault.ts";
import { FIELD_VALUE_BYTES, isOws, TOKEN_BYTES } from "../http/grammar.ts";
import { type Deviation, note, type ParserMode } from "../http/deviation.ts";
import { FieldLines } from "../http/field_lines.ts";
import { KnownLinesFinder } from "./known_lines_finder.ts";

/** Lines. Most a section may hold. Bun takes 200, hyper 100; bytes are bounded apart from this. */
const MAX_FIELD_LINES = 1_000;

/** Bytes. How much of a buffer may be searched in vain before it pays to search a view of it. */
const SLACK_BYTES = 16 * 1024;

/**
 * What a {@linkcode FieldLinesReader} needs to know.
 *
 * @see RFC 9112 section 2
 */
export interface FieldLinesReaderOptions {
  /** How much is forgiven. */
  mode: ParserMode;
  /** Code of the errors about malformed input. */
  code: Extract<HttpErrorCode, "ERR_MALFORMED_RESPONSE" | "ERR_INVALID_REQUEST">;
  /** Phase of the errors. */
  phase: "response-header" | "body" | "request";
  /** Whether a start line comes before the fields. */
  hasStartLine: boolean;
}

/**
 * Reads one section at a time. Owns: how far it has come, the lines found so far.
 *
 * Bytes: looks at the caller's bytes in place; may rewrite them there (obs-fold).
 *
 * @see RFC 9112 section 5
 */
export class FieldLinesReader {
  readonly #options: FieldLinesReaderOptions;
  /** Bytes of the section that need not be searched for a line end again. */
  #searched = 0;
  /** Where the next line begins, counted from the section's start. */
  #lineStart = 0;
  /** Used again for each section; as many as `#offsetCount` are of this one. */
  readonly #offsets: number[] = [];
  #offsetCount = 0;
  /** Name of the line before, if it was left out and its continuation is to be left out with it. */
  #leftOut: string | null = null;
  /** Lines that were left out. */
  #leftOutCount = 0;
  /** Where in `#offsets` the last field stands of which a CR or a name was forgiven; -1: none. */
  #forgivenAt = -1;
  /** The bits that any byte has, of the start line and the values. */
  #seenBits = 0;
  #startLineEnd = -1;
  #startLineStart = 0;
  readonly #known: KnownLinesFinder = new KnownLinesFinder();

  /** Makes a reader for sections of one kind. */
  constructor(options: FieldLinesReaderOptions) {
    this.#options = options;
  }

  /** Where the start line begins, counted from the section's start. */
  get startLineStart(): number {
    return this.#startLineStart;
  }

  /** Where the start line ends, counted from the section's start; -1 until it has arrived. */
  get startLineEnd(): number {
    return this.#startLineEnd;
  }

  /** Forgets everything, for the next section. */
  reset(): void {
    this.#searched = 0;
    this.#lineStart = 0;
    this.#offsetCount = 0;
    this.#leftOut = null;
    this.#leftOutCount = 0;
    this.#forgivenAt = -1;
    this.#seenBits = 0;
    this.#startLineEnd = -1;
    this.#startLineStart = 0;
    this.#known.reset();
  }

  /**
   * Looks at what has arrived of the section, `bytes[start..end)`. Call again with more bytes from
   * the same start until it is complete; no byte is looked at more often than that takes.
   *
   * @param deviations Collects what was forgiven.
   * @returns Length of the section in bytes with its closing empty line, or -1: more is needed.
   * @throws {HttpError} The code of the options: a line that is no field line, or too many.
   */
  advance(bytes: Uint8Array, start: number, end: number, deviations: Deviation[]): number {
    // What lies behind the end is not searched: it can be much when much is still to come.
    const received = bytes.length - end > SLACK_BYTES ? bytes.subarray(0, end) : bytes;
    for (;;) {
      if (this.#startLineEnd !== -1 || !this.#options.hasStartLine) {
        this.#wholeLines(bytes, start, end);
      }
      const lf = received.indexOf(0x0a, start + this.#searched);
      if (lf === -1 || lf >= end) {
        this.#searched = end - start;
        return -1;
      }
      const from = start + this.#lineStart;
      let to = lf;
      if (to > from && bytes[to - 1] === 0x0d) to--;
      else note(deviations, "bare-lf");
      this.#searched = lf + 1 - start;
      this.#lineStart = this.#searched;
      if (this.#startLineEnd === -1 && this.#options.hasStartLine) {
        if (to > from) {
          this.#startLineStart = from - start;
          this.#startLineEnd = to - start;
          for (let i = from; i < to; i++) this.#seenBits |= bytes[i];
        } else if (this.#startLineStart === 0) {
          note(deviations, "leading-crlf");
          this.#startLineStart = lf + 1 - start;
        } else {
          throw this.#malformed("more than one empty line before the start line");
        }
      } else if (to === from) {
        return this.#searched;
      } else {
        this.#line(bytes, from, to, start, deviations);
      }
    }
  }

  /**
   * The complete section, once {@linkcode advance} has told its length. Copies it out of `bytes`.
   */
  take(bytes: Uint8Array, start: number, length: number): FieldLines {
    const text = latin1Text(bytes, start, start + length, this.#seenBits < 0x80);
    return new FieldLines(text, this.#offsets.slice(0, this.#offsetCount), this.#known);
  }

  /**
   * Takes the lines that are there whole and as they should be, in one pass over their bytes. Lines
   * of which something was searched before are left: no byte is passed by more than twice.
   */
  #wholeLines(bytes: Uint8Array, start: number, end: number): void {
    let from = start + this.#lineStart;
    if (this.#searched !== this.#lineStart) return;
    for (;;) {
      let i = from;
      while (i < end && TOKEN_BYTES[bytes[i]] === 1) i++;
      const nameEnd = i;
      if (i === from || i === end || bytes[i] !== 0x3a) return;
      i++;
      while (i < end && isOws(bytes[i])) i++;
      const valueStart = i;
      let seen = 0;
      while (i < end && FIELD_VALUE_BYTES[bytes[i]] === 1) seen |= bytes[i++];
      if (i + 1 >= end || bytes[i] !== 0x0d || bytes[i + 1] !== 0x0a) return;
      let valueEnd = i;
      while (valueEnd > valueStart && isOws(bytes[valueEnd - 1])) valueEnd--;
      this.#seenBits |= seen;
      this.#add(bytes, start, from, nameEnd, valueStart, valueEnd);
      from = i + 2;
      this.#lineStart = this.#searched = from - start;
    }
  }

  #line(
    bytes: Uint8Array,
    from: number,
    to: number,
    start: number,
    deviations: Deviation[],
  ): void {
    if (isOws(bytes[from])) {
      this.#fold(bytes, from, to, start, deviations);
      return;
    }
    let nameEnd = from;
    while (nameEnd < to && TOKEN_BYTES[bytes[nameEnd]] === 1) nameEnd++;
    let colon = nameEnd;
    if (nameEnd === to || bytes[nameEnd] !== 0x3a || nameEnd === from) {
      colon = this.#oddName(bytes, from, to, nameEnd, deviations);
      if (colon === -1) return;
    }
    let i = colon + 1;
    while (i < to && isOws(bytes[i])) i++;
    let valueEnd = to;
    while (valueEnd > i && isOws(bytes[valueEnd - 1])) valueEnd--;
    const bad = this.#badByte(bytes, i, valueEnd);
    if (bad === -1) {
      this.#readCr(bytes, i, valueEnd, this.#offsetCount, deviations);
      this.#add(bytes, start, from, nameEnd, i, valueEnd);
      return;
    }
    const name = latin1Text(bytes, from, colon);
    if (!this.#leavesOut(name, bytes, from, to)) {
      throw this.#refused(name, valueFault(bytes[bad]), this.#lineCount + 1);
    }
    this.#leaveOut(name, "field-dropped", deviations);
  }

  #add(
    bytes: Uint8Array,
    start: number,
    from: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    this.#leftOut = null;
    const index = this.#offsetCount >> 2;
    if (index + this.#leftOutCount >= MAX_FIELD_LINES) {
      throw new HttpError("ERR_HEADERS_TOO_LARGE", `More than ${MAX_FIELD_LINES} field lines`, {
        phase: this.#options.phase,
      });
    }
    const at = this.#offsetCount;
    this.#offsets[at] = from - start;
    this.#offsets[at + 1] = nameEnd - start;
    this.#offsets[at + 2] = valueStart - start;
    this.#offsets[at + 3] = valueEnd - start;
    this.#offsetCount = at + 4;
    this.#known.look(bytes, from, nameEnd, index);
  }

  /** Field lines of the section so far, those that were left out included. */
  get #lineCount(): number {
    return (this.#offsetCount >> 2) + this.#leftOutCount;
  }

  /**
   * The name is not followed by a colon: the index of the colon, if that can be forgiven; -1 if the line
   * was left out.
   */
  #oddName(
    bytes: Uint8Array,
    from: number,
    to: number,
    nameEnd: number,
    deviations: Deviation[],
  ): number {
    let colon = nameEnd;
    while (colon < to && bytes[colon] !== 0x3a) colon++;
    // Without a name it may be a piece of a value, and is not shown.
    if (colon === to) throw this.#refused("", "no colon", this.#lineCount + 1);
    const name = latin1Text(bytes, from, colon);
    const lenient = this.#options.mode === "lenient";
    if (lenient && name === "" && !holdsNulOrCr(bytes, from, to)) {
      this.#leaveOut(name, "empty-field-name", deviations);
      return -1;
    }
    if (lenient && nameEnd > from && isAllOws(bytes, nameEnd, colon)) {
      note(deviations, "space-before-colon");
      this.#forgivenAt = this.#offsetCount;
      return colon;
    }
    if (!this.#leavesOut(name, bytes, from, to)) {
      throw this.#refused(name, nameFault(name), this.#lineCount + 1);
    }
    this.#leaveOut(name, "field-dropped", deviations);
    return -1;
  }

  /** Whether a line that is no field line is left out, in the place of refusing its section. */
  #leavesOut(name: string, bytes: Uint8Array, from: number, to: number): boolean {
    return this.#options.mode === "lenient" && mayBeLeftOut(name) && !holdsNulOrCr(bytes, from, to);
  }

  #leaveOut(name: string, deviation: Deviation, deviations: Deviation[]): void {
    note(deviations, deviation);
    this.#leftOut = name;
    this.#leftOutCount++;
    // Its bytes are unchecked: they may be above U+007F.
    this.#seenBits |= 0x80;
  }

  /** The first byte that may not stand in a value, or -1. CR is one only in `"strict"`. */
  #badByte(bytes: Uint8Array, from: number, to: number): number {
    let seen = 0;
    for (let i = from; i < to; i++) {
      const byte = bytes[i];
      seen |= byte;
      if (FIELD_VALUE_BYTES[byte] === 1) continue;
      if (byte !== 0x0d || this.#options.mode === "strict") return i;
    }
    this.#seenBits |= seen;
    return -1;
  }

  /** Reads each CR in a value as a space. */
  #readCr(
    bytes: Uint8Array,
    from: number,
    to: number,
    at: number,
    deviations: Deviation[],
  ): void {
    if (this.#options.mode === "strict") return;
    for (let i = from; i < to; i++) {
      if (bytes[i] !== 0x0d) continue;
      note(deviations, "bare-cr");
      bytes[i] = 0x20;
      this.#forgivenAt = at;
    }
  }

  /** Joins a continuation line to the value before it with one space, in place. */
  #fold(
    bytes: Uint8Array,
    from: number,
    to: number,
    start: number,
    deviations: Deviation[],
  ): void {
    if (this.#leftOut !== null) {
      if (holdsNulOrCr(bytes, from, to)) {
        throw this.#refused(this.#leftOut, "NUL or CR in its value", this.#lineCount);
      }
      note(deviations, "obs-fold");
      return;
    }
    const last = this.#offsetCount - 4;
    if (last < 0) throw this.#malformed("a continuation line before any field line");
    note(deviations, "obs-fold");
    let i = from;
    while (i < to && isOws(bytes[i])) i++;
    let end = to;
    while (end > i && isOws(bytes[end - 1])) end--;
    const bad = this.#badByte(bytes, i, end);
    if (bad !== -1) {
      const nameStart = start + this.#offsets[last];
      const name = latin1Text(bytes, nameStart, start + this.#offsets[last + 1]);
      if (this.#forgivenAt === last || !this.#leavesOut(name, bytes, from, to)) {
        throw this.#refused(name, valueFault(bytes[bad]), this.#lineCount);
      }
      this.#offsetCount = last;
      this.#leaveOut(name, "field-dropped", deviations);
      return;
    }
    this.#readCr(bytes, i, end, last, deviations);
    if (end === i) return;
    let at = start + this.#offsets[last + 3];
    // An empty value takes the continuation as it is; there is room, the line end lies between.
    if (this.#offsets[last + 2] !== this.#offsets[last + 3]) bytes[at++] = 0x20;
    bytes.copyWithin(at, i, end);
    this.#offsets[last + 3] = at + (end - i) - start;
  }

  /** Names the line that is refused; its value may be a secret. */
  #refused(name: string, what: string, position: number): HttpError {
    const section = this.#options.hasStartLine ? "" : "trailer ";
    const shown = name === "" ? "" : ` "${printable(name)}"`;
    return this.#error(` ${section}field ${position}${shown}: ${what}`);
  }

  #malformed(what: string): HttpError {
    return this.#error(`: ${what}`);
  }

  #error(what: string): HttpError {
    const { code, phase } = this.#options;
    const subject = code === "ERR_INVALID_REQUEST" ? "request" : "response";
    return new HttpError(code, `Malformed ${subject}${what}`, { phase });
  }
}

function isAllOws(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (!isOws(bytes[i])) return false;
  return true;
}

function holdsNulOrCr(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] === 0x00 || bytes[i] === 0x0d) return true;
  return false;
}
