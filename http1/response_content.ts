/**
 * The content of a response, and what its end, its failure or its being dropped means to the
 * connection that carries it.
 *
 * @module
 */
import type { BufferedReader } from "../conn/buffered_reader.ts";
import type { Conn } from "../conn/conn.ts";
import { copyPart, makePiece } from "../conn/piece.ts";
import { resizedError } from "../conn/conn_error.ts";
import { unguardedConn } from "../conn/guarded_conn.ts";
import { HttpError } from "../conn/http_error.ts";
import { withUnread } from "../conn/unread_conn.ts";
import type { AheadBudget, AheadEvents } from "../http/incoming_content.ts";
import { ContentAhead, MAX_AHEAD_BYTES } from "./content_ahead.ts";
import { ContentReader, type ContentReaderOptions } from "./content_reader.ts";
import { ContentRest, TRUSTED_SHARE } from "./content_rest.ts";
import type { Deviation } from "../http/deviation.ts";
import type { Framing } from "../http/incoming_content.ts";
import type { HttpHeaders } from "../http/http_headers.ts";
import type { IncomingContent, ReaderWatch } from "../http/incoming_content.ts";

/**
 * Bytes. Most that is read and dropped of a body that the caller does not want; Go's figure.
 *
 * @see RFC 9112 section 9.3
 */
export const MAX_DRAIN_BYTES: number = 256 * 1024;

/**
 * The connection, as its content sees it.
 *
 * @see RFC 9112 section 9.3
 */
export interface ContentOwner {
  /** The connection itself. */
  readonly conn: Conn;
  /**
   * Is lent what comes next, or told of the end by null; the bytes are valid until it returns.
   *
   * @returns False: it lends nothing, and nothing was begun.
   */
  startLoan(
    lent: (bytes: Uint8Array<ArrayBuffer> | null, isAll: boolean) => void,
    failed: (error: unknown) => void,
  ): boolean;
  /** More of the content has come this moment. @param isAll Whether nothing stood behind it. */
  contentCame(isAll: boolean): void;
  /**
   * The content was read to its end.
   *
   * @param wasJustRead Whether that came this moment: with the head, or as {@linkcode contentCame}
   * has told. Content that is read in another way may have come long before, and its last read takes
   * no more than what is missing: nothing is known of what waits behind it.
   */
  contentEnded(wasJustRead: boolean): void;
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
  readerWatch: ReaderWatch | null = null;
  readonly #connection: ContentOwner;
  readonly #input: BufferedReader;
  readonly #options: ContentReaderOptions | null;
  #reader: ContentReader | null = null;
  #reading = false;
  /** Content that was taken out of the buffer before it was asked for. */
  #ahead: Uint8Array<ArrayBuffer> | null = null;
  /** The same with what came behind it while nobody read, or null. */
  #taken: ContentAhead | null = null;
  #broken: (() => void) | null = null;
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
    // Never a shared one: whoever is given it may give it away, and it is of no use afterwards.
    if (framing.kind === "none") this.whole = new Uint8Array(0);
  }

  get trailers(): HttpHeaders | null {
    return this.#reader?.trailers ?? null;
  }

  get complete(): boolean {
    if (this.whole !== null) return true;
    if (this.framing.kind === "tunnel") return this.#tunnelTaken;
    return this.#reader !== null && this.#reader.complete && this.#isEmpty;
  }

  /** Whether nothing was taken that has not been read. */
  get #isEmpty(): boolean {
    return this.#ahead === null && (this.#taken === null || this.#taken.isEmpty);
  }

  /** Made when it is needed: content that came whole with its head does without. */
  get #content(): ContentReader | null {
    if (this.#options === null) return null;
    return this.#reader ??= new ContentReader(this.#input, this.#connection.conn, this.#options);
  }

  /**
   * Takes the content out of the buffer if all of it is there: the connection is free at once. A part
   * of it stays, unless it is in bytes that are lent; so does what is large, which whoever does not read
   * would keep.
   */
  takeBuffered(): void {
    const input = this.#input;
    const { framing } = this;
    const { buffered } = input;
    if (framing.kind === "length" && framing.bytes <= buffered) {
      if (framing.bytes > MAX_AHEAD_BYTES) return;
      const { start } = input;
      input.consume(framing.bytes);
      this.whole = copyPart(input.bytes, start, start + framing.bytes);
      this.#connection.contentEnded(true);
    } else if (framing.kind !== "none" && buffered > 0) {
      const bytes = framing.kind === "length" ? framing.bytes : buffered;
      if (bytes > MAX_AHEAD_BYTES) return;
      const isWhole = framing.kind === "chunked" && this.#lastChunkIsBuffered();
      if (isWhole || input.isLent) this.#takeInPlace(this.#content!);
    }
  }

  #takeInPlace(reader: ContentReader): void {
    try {
      const n = reader.takeInPlace();
      if (reader.complete) {
        this.whole = copyPart(this.#input.bytes, reader.takenAt, reader.takenAt + n);
        this.#connection.contentEnded(true);
      } else if (n > 0) {
        this.#ahead = this.#copyTaken(reader, n);
      }
    } catch (error) {
      // However the bytes were split, it is reading the content that fails, not getting the head.
      this.#failure = { error: this.#connection.contentFailed(error) };
    }
  }

  /** What was taken of a part, perhaps with room for the rest behind it. */
  #copyTaken(reader: ContentReader, n: number): Uint8Array<ArrayBuffer> {
    const { bytes } = this.#input;
    const { takenAt, leftBytes } = reader;
    const totalBytes = n + (leftBytes ?? Infinity);
    if (totalBytes > TRUSTED_SHARE * n) return copyPart(bytes, takenAt, takenAt + n);
    const room = makePiece(totalBytes);
    room.set(bytes.subarray(takenAt, takenAt + n));
    return room.subarray(0, n);
  }

  readRest(taken: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> | null {
    const reader = this.#content;
    const mayRead = reader !== null && this.whole === null && !reader.complete &&
      !this.#reading && this.#failure === null && this.#taken === null;
    if (!mayRead) return null;
    this.#readBegan();
    const held = this.#ahead;
    this.#ahead = null;
    this.#reading = true;
    const connection = this.#connection;
    const input = this.#input;
    return new ContentRest({ reader, input, connection, held, owner: this, taken }).read();
  }

  /** For the reading of the rest alone: something has come. */
  restCame(isAll: boolean): void {
    this.#connection.contentCame(isAll);
  }

  /** The same: all is there. */
  restEnded(wasJustRead: boolean): void {
    this.#reading = false;
    this.#connection.contentEnded(wasJustRead);
  }

  /** The same: it failed. Returns what to tell the reader. */
  restFailed(error: unknown): unknown {
    this.#reading = false;
    this.#failure = { error: this.#connection.contentFailed(error) };
    return this.#failure.error;
  }

  read(p: Uint8Array): Promise<number | null> {
    const obstacle = this.#obstacle();
    if (obstacle !== null) return obstacle;
    if (this.#ahead !== null) return Promise.resolve(this.#moveAhead(p));
    if (this.#mayHaveTaken) return this.#readTaken(p) as Promise<number | null>;
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
    if (this.#mayHaveTaken) return this.#readTaken(null) as Promise<Uint8Array<ArrayBuffer> | null>;
    return this.#watch(this.#reader!.readChunk());
  }

  takeAhead(budget: AheadBudget, events: AheadEvents): void {
    if (this.whole !== null || this.#reading || this.#failure !== null) return;
    const reader = this.#content;
    if (reader === null || reader.complete) return;
    if (this.#taken === null) {
      const connection = this.#connection;
      const held = this.#ahead;
      this.#taken = new ContentAhead({ content: this, reader, connection, budget, held });
      this.#ahead = null;
    }
    if (this.#taken.failure === null) this.#taken.take(events);
    else this.brokeOff();
  }

  whenBroken(broken: () => void): void {
    this.#broken = broken;
  }

  /** What was taken has failed. For {@linkcode ContentAhead} alone. */
  brokeOff(): void {
    if (this.#reading || this.#failure !== null || !this.#isEmpty) return;
    this.#broken?.();
  }

  get #mayHaveTaken(): boolean {
    const taken = this.#taken;
    return taken !== null && (!taken.isEmpty || taken.isTaking || taken.failure !== null);
  }

  /** Reads what was taken first, which a read may be under way for. */
  async #readTaken(p: Uint8Array | null): Promise<number | Uint8Array<ArrayBuffer> | null> {
    if (p?.length === 0) return 0;
    const taken = this.#taken!;
    const roomBytes = p?.length;
    this.#reading = true;
    try {
      if (taken.isEmpty) await taken.rest();
      // Closed, or the array given away, meanwhile.
      if (this.#failure !== null) throw this.#failure.error;
      if (p?.length !== roomBytes) throw resizedError("body");
      if (!taken.isEmpty) return p === null ? taken.give() : taken.moveInto(p);
      if (taken.failure !== null) throw (this.#failure = taken.failure).error;
    } finally {
      this.#reading = false;
    }
    if (this.#reader!.complete) return null;
    return await (p === null ? this.readChunk() : this.read(p));
  }

  /** What a read is told that is not made. */
  #obstacle(): Promise<null> | null {
    const reader = this.#content;
    if (reader === null || this.whole !== null) return Promise.resolve(null);
    this.#readBegan();
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
    return reader.complete && this.#isEmpty ? Promise.resolve(null) : null;
  }

  #readBegan(): void {
    if (this.readerWatch === null) return;
    this.readerWatch.readBegan();
    this.readerWatch = null;
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
    const taken = this.#taken;
    this.#readBegan();
    taken?.drop();
    if (reader === null || reader.complete || this.#failure !== null) return;
    if (taken !== null && taken.failure !== null) return;
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
      if (taken !== null && taken.isTaking) {
        await taken.rest();
        // It has told the connection how it ended.
        if (reader.complete || taken.failure !== null) return;
      }
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
    return withUnread(unguardedConn(this.#connection.conn), this.#connection.takeUnread());
  }

  #moveAhead(p: Uint8Array): number {
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
