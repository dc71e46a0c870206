/**
 * Reads the content of one message by its framing, for either role.
 *
 * @module
 */
import type { BufferedReader } from "../conn/buffered_reader.ts";
import type { Conn, Reader } from "../conn/conn.ts";
import { HttpError, type HttpErrorCode } from "../conn/http_error.ts";
import { ChunkedReader } from "./chunked_reader.ts";
import type { Deviation, ParserMode } from "../http/deviation.ts";
import { FieldLinesReader } from "./field_lines_reader.ts";
import type { Framing } from "../http/incoming_content.ts";
import type { HttpHeaders } from "../http/http_headers.ts";

/**
 * What a {@linkcode ContentReader} needs to know of its message.
 *
 * @see RFC 9112 section 6
 */
export interface ContentReaderOptions {
  /** How the body ends. */
  framing: Framing;
  /** How much is forgiven. */
  mode: ParserMode;
  /** Collects what was forgiven. */
  deviations: Deviation[];
  /** Code of the errors about malformed content. */
  code: Extract<HttpErrorCode, "ERR_MALFORMED_RESPONSE" | "ERR_INVALID_REQUEST">;
  /** Bytes that the trailer section may take. */
  maxTrailerBytes: number;
}

/** Bytes. From this much room on, a read goes past the buffer into the caller's array. */
const DIRECT_READ_BYTES = 4 * 1024;

/**
 * The content of one message: its octets after the transfer coding.
 *
 * Owns: what the framing has left. Bytes that follow the message stay in the input.
 *
 * @see RFC 9112 section 6
 */
export class ContentReader implements Reader {
  /** The trailer section; null before the end and where there is none. */
  trailers: HttpHeaders | null = null;
  /** Where in the bytes of the input the last {@linkcode takeInPlace} has found content. */
  takenAt: number = 0;
  readonly #input: BufferedReader;
  readonly #source: Pick<Conn, "read" | "readChunk">;
  readonly #options: ContentReaderOptions;
  readonly #chunked: ChunkedReader | null = null;
  #left: number;
  #complete = false;
  #failure: { error: unknown } | null = null;

  /**
   * Makes the content of one message.
   *
   * @param input What has been buffered of the message, and what comes behind it.
   * @param source What `input` reads from; large reads bypass the buffer.
   */
  constructor(
    input: BufferedReader,
    source: Pick<Conn, "read" | "readChunk">,
    options: ContentReaderOptions,
  ) {
    this.#input = input;
    this.#source = source;
    this.#options = options;
    const { framing } = options;
    this.#left = framing.kind === "length" ? framing.bytes : 0;
    if (framing.kind === "chunked") {
      this.#chunked = new ChunkedReader(options.mode, options.deviations, options.code);
    }
    this.#complete = framing.kind === "none";
  }

  /** Whether the content, and its trailer section, have been read to their end. */
  get complete(): boolean {
    return this.#complete;
  }

  /** What is wrong behind the content that was taken last, and thrown by whatever is called next. */
  get failure(): { readonly error: unknown } | null {
    return this.#failure;
  }

  /** Octets of content still to come, or null where only the end tells. */
  get leftBytes(): number | null {
    if (this.#complete) return 0;
    return this.#options.framing.kind === "length" ? this.#left : null;
  }

  /**
   * Moves buffered content into `p` without waiting.
   *
   * @returns How much was moved. 0: more bytes are needed, or {@linkcode complete}.
   * @throws {HttpError} As {@linkcode read}.
   */
  take(p: Uint8Array): number {
    if (this.#complete) return 0;
    const input = this.#input;
    if (this.#chunked !== null) {
      return this.#decode(this.#chunked, p);
    }
    const n = input.take(this.#room(p));
    this.#count(n);
    return n;
  }

  /**
   * Takes all content that is buffered, where it lies: it is in the `bytes` of the input from
   * {@linkcode takenAt} on, until more is read.
   *
   * @returns How much it is. 0: more bytes are needed, or {@linkcode complete}.
   * @throws {HttpError} As {@linkcode read}.
   */
  takeInPlace(): number {
    const input = this.#input;
    this.#throwFailure();
    if (this.#complete || input.buffered === 0) return 0;
    if (this.#chunked !== null) return this.#decodeInPlace(this.#chunked);
    const n = Math.min(input.buffered, this.#maxBytes);
    this.takenAt = input.start;
    input.consume(n);
    this.#count(n);
    return n;
  }

  /**
   * The source has ended: so has the content, if that is what ends it.
   *
   * @throws {HttpError} `ERR_INCOMPLETE_BODY`.
   */
  sourceEnded(): void {
    this.#ended();
  }

  /**
   * Reads at least one octet of content.
   *
   * Cancel: close the connection; there is no other way.
   *
   * @returns 1..`p.length`, or null at the end of the content.
   * @throws {HttpError} `ERR_INCOMPLETE_BODY`: the stream ended too early.
   * `ERR_MALFORMED_RESPONSE` (or the code of the options): not the chunked coding.
   * `ERR_HEADERS_TOO_LARGE`: the trailer section. And what the source throws.
   */
  async read(p: Uint8Array): Promise<number | null> {
    if (p.length === 0) return 0;
    for (;;) {
      const n = this.take(p);
      if (n > 0) return n;
      if (this.#complete) return null;
      if (p.length < DIRECT_READ_BYTES || !this.#mayBypass) {
        if (await this.#input.fill() === null) return this.#ended();
        continue;
      }
      const came = await this.#source.read(this.#room(p));
      if (came === null) return this.#ended();
      const produced = this.came(p, came);
      if (produced > 0) return produced;
    }
  }

  /** Whether the source makes arrays of its own: what {@linkcode readChunk} needs. */
  get bringsChunks(): boolean {
    return this.#source.readChunk !== undefined;
  }

  /**
   * Reads at least one octet of content into an array that is the caller's. In all else as
   * {@linkcode read}. Nothing but content is in it, though its buffer may hold some of the coding.
   *
   * Order: only where {@linkcode bringsChunks}.
   */
  async readChunk(): Promise<Uint8Array<ArrayBuffer> | null> {
    const input = this.#input;
    for (;;) {
      if (this.#complete) return null;
      this.#throwFailure();
      if (input.buffered > 0) {
        const p = new Uint8Array(input.buffered);
        const n = this.take(p);
        if (n > 0) return n === p.length ? p : p.slice(0, n);
        if (this.#complete) return null;
      }
      if (!this.#mayBypass) {
        if (await input.fill() === null) return this.#ended();
        continue;
      }
      const chunk = await this.#source.readChunk!(this.#maxBytes);
      if (chunk === null) return this.#ended();
      const produced = this.came(chunk, chunk.length);
      if (produced === chunk.length) return chunk;
      // Behind the last chunk there may be what is nobody's content.
      const isLast = this.#complete || input.buffered > 0;
      if (produced > 0) return isLast ? chunk.slice(0, produced) : chunk.subarray(0, produced);
    }
  }

  /** Whether bytes may be read past the buffer. Those of a trailer section belong in it. */
  get #mayBypass(): boolean {
    return this.#chunked === null || this.#input.buffered === 0;
  }

  /** How much may be read at once without reading what is not content. */
  get #maxBytes(): number {
    return this.#options.framing.kind === "length" ? this.#left : Infinity;
  }

  #room(p: Uint8Array): Uint8Array {
    const maxBytes = this.#maxBytes;
    return maxBytes < p.length ? p.subarray(0, maxBytes) : p;
  }

  /**
   * Takes `n` bytes that were read past the buffer into `p`, where their content begins then.
   *
   * @returns How many of them are content.
   * @throws {HttpError} As {@linkcode read}.
   */
  came(p: Uint8Array, n: number): number {
    const chunked = this.#chunked;
    if (chunked !== null) {
      try {
        chunked.decode(p, 0, n, p, 0);
        const { consumed } = chunked;
        if (consumed < n) this.#input.put(p.subarray(consumed, n));
        if (chunked.state === "trailer") this.#trailer(chunked);
      } catch (error) {
        this.#failAfter(chunked.produced, error);
      }
      return chunked.produced;
    }
    this.#count(n);
    return n;
  }

  /** `n` octets of what the framing has left have come. */
  #count(n: number): void {
    if (this.#options.framing.kind !== "length") return;
    this.#left -= n;
    if (this.#left === 0) this.#complete = true;
  }

  /** The source has ended. */
  #ended(): null {
    if (this.#options.framing.kind !== "closeDelimited") throw this.#incomplete();
    this.#complete = true;
    return null;
  }

  #decode(chunked: ChunkedReader, p: Uint8Array): number {
    const input = this.#input;
    this.#throwFailure();
    try {
      chunked.decode(input.bytes, input.start, input.end, p, 0);
      input.consume(chunked.consumed);
      if (chunked.state === "trailer") this.#trailer(chunked);
    } catch (error) {
      this.#failAfter(chunked.produced, error);
    }
    return chunked.produced;
  }

  #decodeInPlace(chunked: ChunkedReader): number {
    const input = this.#input;
    try {
      chunked.decodeInPlace(input.bytes, input.start, input.end);
      this.takenAt = chunked.producedAt;
      input.consume(chunked.consumed);
      if (chunked.state === "trailer") this.#trailer(chunked);
    } catch (error) {
      this.takenAt = chunked.producedAt;
      this.#failAfter(chunked.produced, error);
    }
    return chunked.produced;
  }

  /** What came before something malformed is given first, however the bytes were split. */
  #failAfter(produced: number, error: unknown): void {
    this.#failure = { error };
    if (produced === 0) throw error;
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  #lines: FieldLinesReader | null = null;

  #trailer(chunked: ChunkedReader): void {
    const input = this.#input;
    if (input.buffered === 0) return;
    const { mode, code, deviations, maxTrailerBytes } = this.#options;
    const lines = this.#lines ??= new FieldLinesReader({
      mode,
      code,
      phase: code === "ERR_INVALID_REQUEST" ? "request" : "body",
      hasStartLine: false,
    });
    const length = lines.advance(input.bytes, input.start, input.end, deviations);
    // The empty line alone is no trailer field; the head may have used up all that was allowed.
    if ((length === -1 ? input.buffered : length) > Math.max(maxTrailerBytes, 2)) {
      throw new HttpError("ERR_HEADERS_TOO_LARGE", "The trailer section is too large", {
        phase: "body",
      });
    }
    if (length === -1) return;
    // Without fields there is nothing to keep, which is the common case.
    if (length > 2) this.trailers = lines.take(input.bytes, input.start, length).headers;
    input.consume(length);
    chunked.trailerEnded();
    this.#complete = true;
  }

  #incomplete(): HttpError {
    const { framing } = this.#options;
    const missing = framing.kind === "length" ? `, ${this.#left} bytes short` : " inside a chunk";
    return new HttpError("ERR_INCOMPLETE_BODY", `The body ended too early${missing}`, {
      phase: "body",
    });
  }
}
