/**
 * Reads a section of field lines (a head's or a trailer's), however its bytes arrive. Works on
 * bytes; the text is made once, when the section is complete.
 *
 * @module
 */
import { HttpError, type HttpErrorCode, printable } from "../conn/http_error.ts";
import { FIELD_VALUE_BYTES, isOws, TOKEN_BYTES } from "../http/grammar.ts";
import { HttpHeaders } from "../http/http_headers.ts";

/**
 * How much a reader forgives; docs/wire.md lists what.
 *
 * @see RFC 9112 section 2.2
 */
export type ParserMode = "strict" | "lenient";

/**
 * What was accepted although the sender should not have sent it; reported in
 * `response.deviations`.
 *
 * @see RFC 9112 sections 2.2, 5.1, 5.2, 6.1 and 6.3
 */
export type Deviation =
  | "bare-lf"
  | "obs-fold"
  | "leading-crlf"
  | "duplicate-content-length"
  | "content-length-on-204"
  | "content-length-with-transfer-encoding"
  | "chunked-twice"
  | "chunked-in-http-1.0"
  | "bare-lf-in-chunk"
  | "space-before-colon"
  | "bare-cr"
  | "empty-field-name"
  | "http-version";

/** Lines. Most a section may hold. Bun takes 200, hyper 100; bytes are bounded apart from this. */
const MAX_FIELD_LINES = 1_000;

/** Bytes. How much of a buffer may be searched in vain before it pays to search a view of it. */
const SLACK_BYTES = 16 * 1024;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A complete section: its text, one character per byte, and where its lines lie.
 *
 * @see RFC 9112 section 5
 */
export class FieldLines {
  /** Start line, if any, and field lines. */
  readonly text: string;
  /** Four per line: where its name begins and ends, where its value begins and ends. */
  readonly offsets: readonly number[];
  /** Index of the first `Content-Length` line, -1 if there is none. */
  readonly contentLength: number;
  /** Index of the first `Transfer-Encoding` line, -1 if there is none. */
  readonly transferEncoding: number;
  /** Index of the first `Connection` line, -1 if there is none. */
  readonly connection: number;
  /** Index of the first `Content-Encoding` line, -1 if there is none. */
  readonly contentEncoding: number;
  /** Index of the first `Keep-Alive` line, -1 if there is none. */
  readonly keepAlive: number;
  /** Whether one of those fields has come on more than one line. */
  readonly isRepeated: boolean;
  #headers: HttpHeaders | null = null;

  /** Holds what a reader has found. */
  constructor(text: string, offsets: readonly number[], known: KnownLines) {
    this.text = text;
    this.offsets = offsets;
    this.contentLength = known.contentLength;
    this.transferEncoding = known.transferEncoding;
    this.connection = known.connection;
    this.contentEncoding = known.contentEncoding;
    this.keepAlive = known.keepAlive;
    this.isRepeated = known.isRepeated;
  }

  /** The lines as headers; made when first asked for. */
  get headers(): HttpHeaders {
    return this.#headers ??= HttpHeaders.fromWire(this.text, this.offsets);
  }

  /** The value of line `index`. */
  value(index: number): string {
    return this.text.slice(this.offsets[4 * index + 2], this.offsets[4 * index + 3]);
  }

  /** The values of line `first` and of every later line with the same name, in order. */
  valuesFrom(first: number): string[] {
    if (first === -1) return [];
    if (!this.isRepeated) return [this.value(first)];
    const name = this.text.slice(this.offsets[4 * first], this.offsets[4 * first + 1]);
    return this.headers.getAll(name);
  }
}

/**
 * Where the lines lie that decide how a message is read; -1 where there is none.
 *
 * @see RFC 9112 section 6
 */
export interface KnownLines {
  /** `Content-Length`. */
  readonly contentLength: number;
  /** `Transfer-Encoding`. */
  readonly transferEncoding: number;
  /** `Connection`. */
  readonly connection: number;
  /** `Content-Encoding`. */
  readonly contentEncoding: number;
  /** `Keep-Alive`. */
  readonly keepAlive: number;
  /** Whether one of them has come more than once. */
  readonly isRepeated: boolean;
}

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
  /** Whether the line before was dropped, and its continuation is to be dropped with it. */
  #dropped = false;
  #ascii = 0;
  #startLineEnd = -1;
  #startLineStart = 0;
  #contentLength = -1;
  #transferEncoding = -1;
  #connection = -1;
  #contentEncoding = -1;
  #keepAlive = -1;
  #repeated = false;

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
    this.#dropped = false;
    this.#ascii = 0;
    this.#startLineEnd = -1;
    this.#startLineStart = 0;
    this.#contentLength = -1;
    this.#transferEncoding = -1;
    this.#connection = -1;
    this.#contentEncoding = -1;
    this.#keepAlive = -1;
    this.#repeated = false;
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
    const section = bytes.subarray(start, start + length);
    const text = this.#ascii < 0x80 && this.#startLineIsAscii(section)
      ? decoder.decode(section)
      : latin1(section);
    return new FieldLines(text, this.#offsets.slice(0, this.#offsetCount), {
      contentLength: this.#contentLength,
      transferEncoding: this.#transferEncoding,
      connection: this.#connection,
      contentEncoding: this.#contentEncoding,
      keepAlive: this.#keepAlive,
      isRepeated: this.#repeated,
    });
  }

  #startLineIsAscii(section: Uint8Array): boolean {
    for (let i = this.#startLineStart; i < this.#startLineEnd; i++) {
      if (section[i] >= 0x80) return false;
    }
    return true;
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
      this.#ascii |= seen;
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
    let i = from;
    while (i < to && TOKEN_BYTES[bytes[i]] === 1) i++;
    const nameEnd = i;
    if (i === to || bytes[i] !== 0x3a || i === from) {
      i = this.#oddName(bytes, from, to, i, deviations);
      if (nameEnd === from) return;
    }
    i++;
    while (i < to && isOws(bytes[i])) i++;
    let valueEnd = to;
    while (valueEnd > i && isOws(bytes[valueEnd - 1])) valueEnd--;
    this.#checkValue(bytes, i, valueEnd, deviations);
    this.#add(bytes, start, from, nameEnd, i, valueEnd);
  }

  #add(
    bytes: Uint8Array,
    start: number,
    from: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    this.#dropped = false;
    const index = this.#offsetCount >> 2;
    if (index === MAX_FIELD_LINES) {
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
    this.#recognise(bytes, from, nameEnd, index);
  }

  /** Remembers where the lines are that decide how the message is read. */
  #recognise(bytes: Uint8Array, from: number, nameEnd: number, index: number): void {
    switch (nameEnd - from) {
      case 10:
        if (isName(bytes, from, "keep-alive")) {
          if (this.#keepAlive === -1) this.#keepAlive = index;
          return;
        }
        if (!isName(bytes, from, "connection")) return;
        if (this.#connection === -1) this.#connection = index;
        else this.#repeated = true;
        return;
      case 14:
        if (!isName(bytes, from, "content-length")) return;
        if (this.#contentLength === -1) this.#contentLength = index;
        else this.#repeated = true;
        return;
      case 16:
        if (!isName(bytes, from, "content-encoding")) return;
        if (this.#contentEncoding === -1) this.#contentEncoding = index;
        else this.#repeated = true;
        return;
      case 17:
        if (!isName(bytes, from, "transfer-encoding")) return;
        if (this.#transferEncoding === -1) this.#transferEncoding = index;
        else this.#repeated = true;
    }
  }

  /** The name is not followed by a colon: the index of the colon, if that can be forgiven. */
  #oddName(
    bytes: Uint8Array,
    from: number,
    to: number,
    i: number,
    deviations: Deviation[],
  ): number {
    const lenient = this.#options.mode === "lenient";
    if (i === from && bytes[i] === 0x3a) {
      if (!lenient) throw this.#malformed("a field line without a name");
      note(deviations, "empty-field-name");
      this.#dropped = true;
      // The line is dropped with its bytes unchecked: they may be above U+007F.
      this.#ascii |= 0x80;
      return i;
    }
    let colon = i;
    while (colon < to && isOws(bytes[colon])) colon++;
    if (colon > i && i > from && bytes[colon] === 0x3a) {
      if (!lenient) {
        throw this.#malformed("white space before the colon", bytes.subarray(from, to));
      }
      note(deviations, "space-before-colon");
      return colon;
    }
    throw this.#malformed("not a field line", bytes.subarray(from, to));
  }

  #checkValue(bytes: Uint8Array, from: number, to: number, deviations: Deviation[]): void {
    let seen = 0;
    for (let i = from; i < to; i++) {
      const byte = bytes[i];
      seen |= byte;
      if (FIELD_VALUE_BYTES[byte] === 1) continue;
      if (byte === 0x0d && this.#options.mode === "lenient") {
        note(deviations, "bare-cr");
        bytes[i] = 0x20;
      } else {
        throw this.#malformed("a control character in a field value");
      }
    }
    this.#ascii |= seen;
  }

  /** Joins a continuation line to the value before it with one space, in place. */
  #fold(
    bytes: Uint8Array,
    from: number,
    to: number,
    start: number,
    deviations: Deviation[],
  ): void {
    if (this.#dropped) {
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
    this.#checkValue(bytes, i, end, deviations);
    if (end === i) return;
    let at = start + this.#offsets[last + 3];
    // An empty value takes the continuation as it is; there is room, the line end lies between.
    if (this.#offsets[last + 2] !== this.#offsets[last + 3]) bytes[at++] = 0x20;
    bytes.copyWithin(at, i, end);
    this.#offsets[last + 3] = at + (end - i) - start;
  }

  #malformed(what: string, line?: Uint8Array): HttpError {
    const subject = this.#options.code === "ERR_INVALID_REQUEST" ? "request" : "response";
    // Only what stands before the colon: a value may be a secret.
    const name = line && latin1(line.subarray(0, 160)).split(":", 1)[0];
    const shown = name === undefined ? "" : `: "${printable(name)}"`;
    return new HttpError(this.#options.code, `Malformed ${subject}: ${what}${shown}`, {
      phase: this.#options.phase,
    });
  }
}

/**
 * Bytes as text, one character each (ISO 8859-1).
 *
 * Pure.
 *
 * @see RFC 9110 section 5.5
 */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) {
    text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  }
  return text;
}

/**
 * Adds a deviation once.
 *
 * @see RFC 9112 section 2.2
 */
export function note(deviations: Deviation[], deviation: Deviation): void {
  if (!deviations.includes(deviation)) deviations.push(deviation);
}

/**
 * Whether what was forgiven rules out another exchange on the connection: everything that casts
 * doubt on where the message ended, and anything at all in `"lenient"`.
 *
 * Pure.
 *
 * @see RFC 9112 section 6.3
 */
export function forbidsReuse(deviations: readonly Deviation[], mode: ParserMode): boolean {
  return deviations.some((d) => mode === "lenient" || (d !== "bare-lf" && d !== "obs-fold"));
}

function isName(bytes: Uint8Array, from: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    // Names of one length that differ only in the 0x20 bit are equal without regard to case; the
    // one other pair, "-" and CR, cannot occur in a token.
    if ((bytes[from + i] | 0x20) !== name.charCodeAt(i)) return false;
  }
  return true;
}
