/**
 * Sends the content of one message, for either role: of declared length or chunked, with trailers.
 *
 * @module
 */
import type { BufferedWriter } from "../conn/buffered_writer.ts";
import { HttpError } from "../conn/http_error.ts";
import type { ContentSource, OutgoingContent } from "../http/outgoing_request.ts";
import { CHUNK_END, chunkStart, lastChunk } from "./chunked_writer.ts";

/** Bytes. Pieces up to this size are copied together with their chunk framing into one write. */
const GATHER_BYTES = 64 * 1024;

/** Pieces. A source that gives more empty ones in a row never ends, and may keep the event loop. */
const MAX_EMPTY_PIECES = 1000;

/**
 * Sends one content. Owns: the source while it sends.
 *
 * @see RFC 9112 sections 6 and 7.1
 */
export class ContentSender {
  /** Settles when the content need not be held back any longer. */
  readonly mayProceed: Promise<void>;
  /** Whether {@linkcode mayProceed} has settled. */
  released: boolean = false;
  /**
   * Whether the last byte was given to the sink. The sink may not have said so yet, nor the source
   * that it has ended.
   */
  handedOver: boolean = false;
  /** Whether the error that {@linkcode send} threw came from the source, not from the sink. */
  sourceFailed: boolean = false;
  readonly #output: BufferedWriter;
  readonly #content: OutgoingContent;
  #source: ContentSource | null = null;
  #proceed: () => void = () => {};
  #stopped = false;
  /** The caller's array that is being written, and how long it was when that began. */
  #piece: Uint8Array | null = null;
  #pieceBytes = 0;

  /** Makes a sender. */
  constructor(output: BufferedWriter, content: OutgoingContent) {
    this.#output = output;
    this.#content = content;
    this.mayProceed = new Promise((resolve) => this.#proceed = resolve);
  }

  /** Whether {@linkcode stop} was called. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Lets held-back content go. */
  proceed(): void {
    this.released = true;
    this.#proceed();
  }

  /** Sends nothing more and lets the source go; a write under way is not taken back. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.proceed();
    this.#source?.cancel();
    this.#source = null;
  }

  /**
   * Sends everything.
   *
   * @throws {HttpError} `ERR_BODY_LENGTH`: the source gave more or less than declared, or an array
   * became shorter or longer before it was written; nothing beyond the declared length is written.
   * `ERR_INVALID_REQUEST`: the source gave what is no piece, or empty ones without end. And what
   * source and sink throw.
   */
  async send(): Promise<void> {
    const { bytes, lengthBytes } = this.#content;
    try {
      if (bytes === null) {
        await this.#sendPieces(lengthBytes);
      } else {
        this.#take(bytes, lengthBytes ?? bytes.length);
        this.handedOver = true;
        await this.#write(bytes);
        this.#checkTaken();
      }
    } catch (error) {
      // The sink may have failed because of it.
      const changed = !this.sourceFailed && this.#hasChanged;
      // A source that failed has nothing to let go of.
      if (!this.sourceFailed) this.#source?.cancel();
      this.#source = null;
      throw changed ? this.#changedLength() : error;
    }
  }

  async #sendPieces(lengthBytes: number | null): Promise<void> {
    this.#open();
    if (this.#stopped) return;
    let sentBytes = 0;
    let emptyPieces = 0;
    for (;;) {
      const piece = await this.#next();
      if (this.#stopped) return;
      if (piece === null) break;
      const pieceBytes = piece.length;
      if (pieceBytes === 0) {
        if (++emptyPieces > MAX_EMPTY_PIECES) throw this.#endlesslyEmpty();
        continue;
      }
      emptyPieces = 0;
      sentBytes += pieceBytes;
      if (lengthBytes !== null && sentBytes > lengthBytes) {
        throw this.#wrongLength(sentBytes, lengthBytes);
      }
      this.#take(piece, pieceBytes);
      if (lengthBytes === null) {
        await this.#writeChunk(piece);
      } else {
        this.handedOver = sentBytes === lengthBytes;
        await this.#write(piece);
        this.#checkTaken();
      }
      if (this.#stopped) return;
      // Once the next one is asked for it is the source's again.
      this.#piece = null;
    }
    this.#source = null;
    if (lengthBytes === null) {
      this.#output.text(lastChunk(await this.#trailers()));
      this.handedOver = true;
      if (!this.#stopped) await this.#output.flush();
    } else if (sentBytes !== lengthBytes) {
      throw this.#wrongLength(sentBytes, lengthBytes);
    }
  }

  #open(): void {
    try {
      this.#source = this.#content.open();
    } catch (error) {
      this.sourceFailed = true;
      throw error;
    }
    // What opens it is a caller's, and may have ended the exchange.
    if (this.#stopped) this.#giveUp();
  }

  async #next(): Promise<Uint8Array | null> {
    try {
      const piece = await this.#source!.next();
      if (piece !== null && !(piece instanceof Uint8Array)) {
        this.#giveUp();
        throw new HttpError("ERR_INVALID_REQUEST", "The body gave a piece that is no Uint8Array", {
          phase: "request",
        });
      }
      return piece;
    } catch (error) {
      this.sourceFailed = true;
      throw error;
    }
  }

  async #trailers(): Promise<Iterable<readonly [string, string]>> {
    try {
      return await this.#content.trailers();
    } catch (error) {
      this.sourceFailed = true;
      throw error;
    }
  }

  async #writeChunk(piece: Uint8Array): Promise<void> {
    const output = this.#output;
    output.text(chunkStart(this.#pieceBytes));
    if (this.#pieceBytes <= GATHER_BYTES) {
      output.add(piece);
      this.#piece = null;
    } else {
      await output.flush();
      // Its size has been said: what has become shorter must not be followed by anything.
      this.#checkTaken();
      await this.#write(piece);
      this.#checkTaken();
    }
    output.text(CHUNK_END);
    await output.flush();
  }

  #write(piece: Uint8Array): Promise<void> {
    // What fits is copied at once.
    if (piece.length <= this.#output.available) this.#piece = null;
    return this.#output.write(piece);
  }

  /** Takes an array of the caller's, who may give its bytes to another thread, or shrink it. */
  #take(piece: Uint8Array, lengthBytes: number): void {
    this.#piece = piece;
    this.#pieceBytes = lengthBytes;
    this.#checkTaken();
  }

  #checkTaken(): void {
    if (this.#hasChanged) throw this.#changedLength();
  }

  get #hasChanged(): boolean {
    return this.#piece !== null && this.#piece.length !== this.#pieceBytes;
  }

  #changedLength(): HttpError {
    this.#giveUp();
    return changedLength(this.#piece!.length, this.#pieceBytes);
  }

  #endlesslyEmpty(): HttpError {
    this.#giveUp();
    return new HttpError(
      "ERR_INVALID_REQUEST",
      `The body gave more than ${MAX_EMPTY_PIECES} empty pieces in a row`,
      { phase: "request" },
    );
  }

  /** Lets the source go: what it gave cannot be sent. */
  #giveUp(): void {
    this.sourceFailed = true;
    this.#source?.cancel();
    this.#source = null;
  }

  #wrongLength(sentBytes: number, lengthBytes: number): HttpError {
    this.#giveUp();
    const what = sentBytes > lengthBytes ? "more than" : `${sentBytes} bytes instead of`;
    return new HttpError(
      "ERR_BODY_LENGTH",
      `The body gave ${what} the declared ${lengthBytes} bytes`,
      { phase: "request" },
    );
  }
}

/**
 * The error for an array of a body that has another length than when it was given.
 *
 * @see RFC 9110 section 8.6
 */
export function changedLength(bytes: number, givenBytes: number): HttpError {
  return new HttpError(
    "ERR_BODY_LENGTH",
    `An array of the body has ${bytes} bytes now instead of ${givenBytes}: it was detached or resized`,
    { phase: "request" },
  );
}
