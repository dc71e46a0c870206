/**
 * A complete section of field lines: its text, and where its lines lie in it. Whoever reads a head
 * or a trailer section makes one.
 *
 * @module
 */
import { HttpHeaders } from "./http_headers.ts";

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
  /** Index of the last `Content-Type` line, -1 if there is none. */
  readonly contentType: number;
  /** Whether a field whose first line is known has come on more than one. */
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
    this.contentType = known.contentType;
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
  /** `Content-Type`: the last. */
  readonly contentType: number;
  /** Whether one of them, but for the last two, has come more than once. */
  readonly isRepeated: boolean;
}
