/**
 * Sends the content of a request on its stream, frame by frame, as the windows allow; trailers
 * behind it.
 *
 * @module
 */
import { HttpError } from "../conn/http_error.ts";
import type { ContentSource, OutgoingContent } from "../http/outgoing_request.ts";
import { realTime } from "../conn/real_time.ts";

/** The stream, as its content's sender sees it. @see RFC 9113 section 8.1 */
export interface BodySenderOwner {
  /** There is something to send: asks for a turn. */
  wantTurn(): void;
  /** Octets that one frame may have now. */
  readonly frameRoom: number;
  /**
   * Sends a part now.
   *
   * @param isLast Whether the stream can end with it. @param isCut Whether more could follow at once.
   */
  sendPart(part: Uint8Array, isLast: boolean, isCut: boolean): void;
  /** All of the content was handed over; trailers, if any, end the stream. */
  contentEnded(trailers: readonly (readonly [string, string])[] | null): void;
  /** The source failed, or gave more or less than declared. */
  contentFailed(error: unknown): void;
}

/**
 * The content of one request. Owns: its source while it sends.
 *
 * @see RFC 9113 section 8.1
 */
export class BodySender {
  readonly #content: OutgoingContent;
  readonly #owner: BodySenderOwner;
  #source: ContentSource | null = null;
  /** What was given and not sent, and how long it was then. */
  #piece: Uint8Array | null = null;
  #pieceBytes = 0;
  #at = 0;
  #givenBytes = 0;
  #isHeldBack: boolean;
  #hasStarted = false;
  #isOver = false;

  /** Makes a sender. */
  constructor(content: OutgoingContent, owner: BodySenderOwner, isHeldBack: boolean) {
    this.#content = content;
    this.#owner = owner;
    this.#isHeldBack = isHeldBack;
  }

  /** Whether the content waits for the server to ask for it. */
  get isHeldBack(): boolean {
    return this.#isHeldBack;
  }

  /** Whether nothing more will be sent. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Octets that can be sent at once. */
  get readyBytes(): number {
    return this.#piece === null ? 0 : this.#pieceBytes - this.#at;
  }

  /** Lets held-back content go; nothing happens where it is not. */
  proceed(): void {
    if (!this.#isHeldBack) return;
    this.#isHeldBack = false;
    this.start();
  }

  /** Begins, unless the content is held back. */
  start(): void {
    if (this.#isHeldBack || this.#isOver || this.#hasStarted) return;
    this.#hasStarted = true;
    const { bytes } = this.#content;
    if (bytes !== null) return this.#give(bytes);
    let source: ContentSource;
    try {
      source = this.#content.open();
    } catch (error) {
      // Not before whoever sends the request has been given its stream.
      realTime.queueMicrotask(() => this.#fail(error));
      return;
    }
    // Whoever was asked for it may have ended the stream.
    if (this.#isOver) return source.cancel();
    this.#source = source;
    void this.#ask();
  }

  /** Sends what one frame takes. @returns Whether more could follow at once. */
  turn(): boolean {
    if (this.#isOver || this.readyBytes === 0) return false;
    const part = this.#take(this.#owner.frameRoom);
    if (part === null) return false;
    const isLast = this.#source === null && this.#at === this.#pieceBytes;
    this.#owner.sendPart(part, isLast, this.readyBytes > 0);
    this.#taken();
    return this.readyBytes > 0;
  }

  /**
   * The next octets, at most `maxBytes` of them, which are sent now; or null: they are not there any
   * more, which has been told.
   */
  #take(maxBytes: number): Uint8Array | null {
    const piece = this.#piece!;
    if (piece.length !== this.#pieceBytes) {
      this.#fail(
        new HttpError(
          "ERR_INVALID_REQUEST",
          "An array of the body was taken away while it was sent",
          {
            phase: "request",
          },
        ),
      );
      return null;
    }
    const end = Math.min(piece.length, this.#at + maxBytes);
    const part = this.#at === 0 && end === piece.length ? piece : piece.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  /** What was taken was put into its frame: asks for more, or tells the end. */
  #taken(): void {
    if (this.#piece === null || this.#at < this.#pieceBytes) return;
    this.#piece = null;
    if (this.#source === null) this.#end(null);
    else void this.#ask();
  }

  /** Sends nothing more, and lets the source go. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#piece = null;
    const source = this.#source;
    this.#source = null;
    source?.cancel();
  }

  #give(piece: Uint8Array): void {
    this.#piece = piece;
    this.#pieceBytes = piece.length;
    this.#at = 0;
    this.#owner.wantTurn();
  }

  async #ask(): Promise<void> {
    try {
      for (;;) {
        const piece = await this.#source!.next();
        if (this.#isOver) return;
        if (piece === null) {
          this.#source = null;
          this.#checkLength(true);
          const trailers = this.#content.lengthBytes === null
            ? [...await this.#content.trailers()]
            : null;
          if (!this.#isOver) this.#end(trailers);
          return;
        }
        if (!(piece instanceof Uint8Array)) {
          throw new HttpError(
            "ERR_INVALID_REQUEST",
            "The body gave a piece that is no Uint8Array",
            { phase: "request" },
          );
        }
        if (piece.length === 0) continue;
        this.#givenBytes += piece.length;
        this.#checkLength(false);
        this.#give(piece);
        return;
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #checkLength(hasEnded: boolean): void {
    const { lengthBytes } = this.#content;
    if (lengthBytes === null || this.#givenBytes === lengthBytes) return;
    if (!hasEnded && this.#givenBytes < lengthBytes) return;
    const what = hasEnded ? `${this.#givenBytes} bytes instead of` : "more than";
    throw new HttpError(
      "ERR_BODY_LENGTH",
      `The body gave ${what} the declared ${lengthBytes} bytes`,
      { phase: "request" },
    );
  }

  #end(trailers: readonly (readonly [string, string])[] | null): void {
    // Trailers that cannot be sent fail the content.
    this.#owner.contentEnded(trailers);
    this.#isOver = true;
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.stop();
    this.#owner.contentFailed(error);
  }
}
