/**
 * The content of a response, and what its end, its failure or its being dropped means to the
 * connection that carries it.
 *
 * @module
 */
import type { BufferedReader } from "../conn/buffered_reader.ts";
import type { Conn } from "../conn/conn.ts";
import { HttpError } from "../conn/http_error.ts";
import { withUnread } from "../conn/unread_conn.ts";
import { ContentReader, type ContentReaderOptions } from "./content_reader.ts";
import type { Deviation } from "./field_lines_reader.ts";
import type { Framing } from "./framing.ts";
import type { HttpHeaders } from "../http/http_headers.ts";

/**
 * Bytes. Most that is read and dropped of a body that the caller does not want; Go's figure.
 *
 * @see RFC 9112 section 9.3
 */
export const MAX_DRAIN_BYTES: number = 256 * 1024;

/**
 * The content of a response.
 *
 * @see RFC 9112 section 6
 */
export interface IncomingContent {
  /** All of the content, if it came whole with the head; the connection is free already. */
  readonly whole: Uint8Array<ArrayBuffer> | null;
  /** How it ends. */
  readonly framing: Framing;
  /** What was forgiven in the whole response so far. */
  readonly deviations: readonly Deviation[];
  /** Null until the content has been read, and where there is none. */
  readonly trailers: HttpHeaders | null;
  /** Whether everything has been read, or the connection was taken over. */
  readonly complete: boolean;
  /** As `ContentReader.read`. */
  read(p: Uint8Array): Promise<number | null>;
  /** Whether the connection makes arrays of its own, so that `readChunk` is there. Absent: false. */
  readonly bringsChunks?: boolean;
  /** As `ContentReader.readChunk`. */
  readChunk?(): Promise<Uint8Array<ArrayBuffer> | null>;
  /**
   * Gives the rest up: it is read and dropped if that is cheap, else the connection is closed.
   * Settles when either is done.
   */
  abandon(): Promise<void>;
  /** The connection itself, after 101 or 2xx to CONNECT, with unread bytes first. */
  takeOver(): Conn;
}

/**
 * The connection, as its content sees it.
 *
 * @see RFC 9112 section 9.3
 */
export interface ContentOwner {
  /** The connection itself. */
  readonly conn: Conn;
  /**
   * The content was read to its end.
   *
   * @param withHead Whether it came with the head, which was read just now. Content that is read
   * later may have come long before, and its last read takes no more than what is missing: either
   * way nothing is known of what waits behind it.
   */
  contentEnded(withHead: boolean): void;
  /** Reading failed; closes the connection. Returns what to tell the reader. */
  contentFailed(error: unknown): unknown;
  /** The caller gave up the rest: whether it should be drained. If not, the connection is closed. */
  contentAbandoned(leftBytes: number | null): boolean;
  /** Draining took too much; closes the connection. */
  drainLimitReached(): void;
  /** Bytes behind the head that switched the protocol. */
  takeUnread(): Uint8Array<ArrayBuffer>;
  /** Closes the connection; whoever reads is told `reason`. */
  close(reason: unknown): void;
}

/** An empty body, shared: nobody can write into it. */
const NOTHING: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/**
 * The content of one response.
 *
 * @see RFC 9112 section 6
 */
export class ResponseContent implements IncomingContent {
  whole: Uint8Array<ArrayBuffer> | null = null;
  /** How it ends. */
  readonly framing: Framing;
  /** What was forgiven in the whole response so far. */
  readonly deviations: readonly Deviation[];
  readonly #connection: ContentOwner;
  readonly #input: BufferedReader;
  readonly #options: ContentReaderOptions | null;
  #reader: ContentReader | null = null;
  #reading = false;
  /** Content that was taken out of the buffer before it was asked for. */
  #ahead: Uint8Array | null = null;
  #failure: { error: unknown } | null = null;
  #tunnelTaken = false;

  /** Makes the content of a response. */
  constructor(
    connection: ContentOwner,
    input: BufferedReader,
    framing: Framing,
    options: ContentReaderOptions | null,
  ) {
    this.#connection = connection;
    this.#input = input;
    this.framing = framing;
    this.deviations = options?.deviations ?? [];
    this.#options = options;
    if (framing.kind === "none") this.whole = NOTHING;
  }

  get trailers(): HttpHeaders | null {
    return this.#reader?.trailers ?? null;
  }

  get complete(): boolean {
    if (this.whole !== null) return true;
    if (this.framing.kind === "tunnel") return this.#tunnelTaken;
    return this.#reader !== null && this.#reader.complete && this.#ahead === null;
  }

  /** Made when it is needed: content that came whole with its head does without. */
  get #content(): ContentReader | null {
    if (this.#options === null) return null;
    return this.#reader ??= new ContentReader(this.#input, this.#connection.conn, this.#options);
  }

  /** Takes the content out of the buffer if all of it is there: the connection is free at once. */
  takeBuffered(): void {
    const input = this.#input;
    if (this.framing.kind === "length") {
      const { bytes } = this.framing;
      if (bytes > input.buffered) return;
      this.whole = input.bytes.slice(input.start, input.start + bytes);
      input.consume(bytes);
      this.#connection.contentEnded(true);
    } else if (this.framing.kind === "chunked" && this.#lastChunkIsBuffered()) {
      this.#takeChunks(this.#content!);
    }
  }

  #takeChunks(reader: ContentReader): void {
    const room = new Uint8Array(this.#input.buffered);
    try {
      const n = reader.take(room);
      if (reader.complete) {
        this.whole = room.slice(0, n);
        this.#connection.contentEnded(true);
      } else if (n > 0) {
        this.#ahead = room.subarray(0, n);
      }
    } catch (error) {
      // However the bytes were split, it is reading the content that fails, not getting the head.
      this.#failure = { error: this.#connection.contentFailed(error) };
    }
  }

  read(p: Uint8Array): Promise<number | null> {
    const obstacle = this.#obstacle();
    if (obstacle !== null) return obstacle;
    if (this.#ahead !== null) return Promise.resolve(this.#takeAhead(p));
    return this.#watch(this.#reader!.read(p));
  }

  get bringsChunks(): boolean {
    return this.whole === null && this.#content?.bringsChunks === true;
  }

  readChunk(): Promise<Uint8Array<ArrayBuffer> | null> {
    const obstacle = this.#obstacle();
    if (obstacle !== null) return obstacle;
    const ahead = this.#ahead;
    if (ahead !== null) {
      this.#ahead = null;
      return Promise.resolve(ahead.slice());
    }
    return this.#watch(this.#reader!.readChunk());
  }

  /** What a read is told that is not made. */
  #obstacle(): Promise<null> | null {
    const reader = this.#content;
    if (reader === null || this.whole !== null) return Promise.resolve(null);
    if (this.#reading) {
      const error = new HttpError(
        "ERR_INVALID_REQUEST",
        "Cannot read: a read is already under way",
        { phase: "body" },
      );
      return Promise.reject(error);
    }
    if (this.#failure !== null) return Promise.reject(this.#failure.error);
    // The connection may serve another exchange by now: it must not be told a second time.
    return this.#ahead === null && reader.complete ? Promise.resolve(null) : null;
  }

  /** Tells the connection what a read of the content came to. */
  async #watch<T>(reading: Promise<T>): Promise<T> {
    this.#reading = true;
    try {
      const brought = await reading;
      if (this.#reader!.complete) this.#connection.contentEnded(false);
      return brought;
    } catch (error) {
      this.#failure = { error: this.#connection.contentFailed(error) };
      throw this.#failure.error;
    } finally {
      this.#reading = false;
    }
  }

  async abandon(): Promise<void> {
    if (this.whole !== null) return;
    if (this.framing.kind === "tunnel" && !this.#tunnelTaken) {
      this.#tunnelTaken = true;
      this.#connection.close(bodyClosed());
      return;
    }
    const reader = this.#content;
    if (reader === null || reader.complete || this.#failure !== null) return;
    // Never beside a read of the caller's: it owns the stream until it settles.
    if (this.#reading) {
      this.#connection.close(bodyClosed());
      return;
    }
    if (!this.#connection.contentAbandoned(reader.leftBytes)) return;
    this.#failure = { error: bodyClosed() };
    const scratch = new Uint8Array(16 * 1024);
    let drainedBytes = 0;
    try {
      while (!reader.complete) {
        drainedBytes += await reader.read(scratch) ?? 0;
        if (drainedBytes > MAX_DRAIN_BYTES) {
          this.#connection.drainLimitReached();
          return;
        }
      }
      this.#connection.contentEnded(false);
    } catch (error) {
      // Nobody waits for these bytes: all that matters is that the connection is closed.
      this.#connection.contentFailed(error);
    }
  }

  takeOver(): Conn {
    if (this.framing.kind !== "tunnel" || this.#tunnelTaken) {
      throw new HttpError(
        "ERR_INVALID_REQUEST",
        this.#tunnelTaken
          ? "Cannot take the connection over: it was taken before"
          : "Cannot take the connection over: the protocol was not switched",
        { phase: "body" },
      );
    }
    this.#tunnelTaken = true;
    return withUnread(this.#connection.conn, this.#connection.takeUnread());
  }

  #takeAhead(p: Uint8Array): number {
    const ahead = this.#ahead!;
    const n = Math.min(p.length, ahead.length);
    p.set(ahead.subarray(0, n));
    this.#ahead = n === ahead.length ? null : ahead.subarray(n);
    return n;
  }

  /** Whether what is buffered looks like ending in the last chunk, so that decoding it pays. */
  #lastChunkIsBuffered(): boolean {
    const { bytes, start, end } = this.#input;
    return end - start >= LAST_CHUNK.length &&
      LAST_CHUNK.every((byte, i) => bytes[end - LAST_CHUNK.length + i] === byte);
  }
}

/** `0 CRLF CRLF` */
const LAST_CHUNK = [0x30, 0x0d, 0x0a, 0x0d, 0x0a];

/**
 * The error of whoever reads a body that was closed.
 *
 * @see RFC 9112 section 9.3
 */
export function bodyClosed(): HttpError {
  return new HttpError("ERR_BODY_CLOSED", "The body was closed before its end", { phase: "body" });
}
