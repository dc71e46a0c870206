/**
 * Sends the content of one message, for either role: of declared length or chunked, with trailers.
 *
 * @module
 */
import type { BufferedWriter } from "../conn/buffered_writer.ts";
import { HttpError } from "../conn/http_error.ts";
import { CHUNK_END, chunkStart, lastChunk } from "./chunked_writer.ts";

/** Bytes. Pieces up to this size are copied together with their chunk framing into one write. */
const GATHER_BYTES = 64 * 1024;

/**
 * Content that is ready to be sent.
 *
 * @see RFC 9112 section 6
 */
export interface OutgoingContent {
  /** All of it, or null: it comes from `open()`. */
  readonly bytes: Uint8Array | null;
  /** Declared length, integer >= 0, or null: chunked. */
  readonly lengthBytes: number | null;
  /** Begins to produce it; called at most once an attempt, when sending begins. */
  open(): ContentSource;
  /** Checked trailer fields; asked for when the content has ended. Only where it is chunked. */
  trailers(): Promise<Iterable<readonly [string, string]>>;
}

/**
 * Where content comes from, piece by piece.
 *
 * @see RFC 9112 section 6
 */
export interface ContentSource {
  /** The next piece, or null at the end. The piece may be reused once the next is asked for. */
  next(): Promise<Uint8Array | null>;
  /** Nothing more will be asked for. Never throws. */
  cancel(): void;
}

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
   * @throws {HttpError} `ERR_BODY_LENGTH`: the source gave more or less than declared; nothing
   * beyond the declared length is written. And what source and sink throw.
   */
  async send(): Promise<void> {
    const { bytes, lengthBytes } = this.#content;
    if (bytes !== null) {
      this.handedOver = true;
      await this.#output.write(bytes);
      return;
    }
    this.#source = this.#content.open();
    try {
      await this.#sendPieces(lengthBytes);
    } catch (error) {
      // A source that failed has nothing to let go of.
      if (!this.sourceFailed) this.#source?.cancel();
      this.#source = null;
      throw error;
    }
  }

  async #sendPieces(lengthBytes: number | null): Promise<void> {
    let sentBytes = 0;
    for (;;) {
      const piece = await this.#next();
      if (this.#stopped) return;
      if (piece === null) break;
      if (piece.length === 0) continue;
      sentBytes += piece.length;
      if (lengthBytes === null) await this.#writeChunk(piece);
      else if (sentBytes > lengthBytes) throw this.#wrongLength(sentBytes, lengthBytes);
      else {
        this.handedOver = sentBytes === lengthBytes;
        await this.#output.write(piece);
      }
      if (this.#stopped) return;
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

  async #next(): Promise<Uint8Array | null> {
    try {
      const piece = await this.#source!.next();
      if (piece !== null && !(piece instanceof Uint8Array)) {
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
    output.text(chunkStart(piece.length));
    if (piece.length <= GATHER_BYTES) {
      output.add(piece);
    } else {
      await output.write(piece);
    }
    output.text(CHUNK_END);
    await output.flush();
  }

  #wrongLength(sentBytes: number, lengthBytes: number): HttpError {
    this.sourceFailed = true;
    this.#source?.cancel();
    this.#source = null;
    const what = sentBytes > lengthBytes ? "more than" : `${sentBytes} bytes instead of`;
    return new HttpError(
      "ERR_BODY_LENGTH",
      `The body gave ${what} the declared ${lengthBytes} bytes`,
      { phase: "request" },
    );
  }
}
