/**
 * A body as a byte stream, pulled by its reader and nothing ahead of it.
 *
 * @module
 */

/** What a stream is pulled from. */
export interface StreamSource {
  /** Reads into the reader's own array. */
  read(p: Uint8Array): Promise<number | null>;
  /** Reads into an array that is given away. */
  readPiece(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Whether nothing is left to read, so that the stream can end with its last piece. */
  readonly isAtEnd: boolean;
  /** The reader gives the rest up. */
  close(): Promise<void>;
  /**
   * Whom to tell that it has broken off, with nothing left to read before the error. Absent: nobody
   * looks while nothing is read.
   */
  whenBroken?(broken: () => void): void;
  /** Perhaps nothing is read for a while. */
  rest?(): void;
}

/** Bytes. A piece of so many may be one of a row that comes as fast as it is read. */
const BULK_BYTES = 16 * 1024;

/** The bytes of `source` as a byte stream. */
export function byteStream(source: StreamSource): ReadableStream<Uint8Array<ArrayBuffer>> {
  const pulled = new PulledSource(source);
  pulled.stream = new ReadableStream(pulled, { highWaterMark: 0 });
  return pulled.stream as ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** What the platform pulls. Owns: the reading of its source. */
class PulledSource {
  readonly type: "bytes" = "bytes";
  stream: ReadableStream<unknown> | null = null;
  readonly #source: StreamSource;
  #isFeeding = false;
  /** A look at how the body broke off. */
  #look: Promise<void> | null = null;

  constructor(source: StreamSource) {
    this.#source = source;
  }

  start(controller: ReadableByteStreamController): void {
    this.#source.whenBroken?.(() => this.#broken(controller));
  }

  pull(controller: ReadableByteStreamController): Promise<void> {
    // That brings what is wanted here, or ends the stream.
    return this.#look ?? this.#feed(controller);
  }

  cancel(): Promise<void> {
    return this.#source.close();
  }

  /** A reader learns by its `closed` that the body broke off, also while it reads nothing. */
  #broken(controller: ReadableByteStreamController): void {
    if (this.#isFeeding || !this.stream!.locked) return;
    const look = this.#feed(controller).catch((error) => controller.error(error));
    this.#look = look.finally(() => this.#look = null);
  }

  async #feed(controller: ReadableByteStreamController): Promise<void> {
    this.#isFeeding = true;
    const source = this.#source;
    try {
      const request = controller.byobRequest;
      if (request === null) {
        const piece = await source.readPiece();
        if (piece !== null) controller.enqueue(piece);
        // A reader's own array that waits for more bytes has to be told by `respond()`.
        const mayEnd = source.isAtEnd && controller.byobRequest === null;
        if (piece === null || mayEnd) controller.close();
        else if (piece.length < BULK_BYTES) source.rest?.();
        return;
      }
      const view = request.view!;
      const n = await source.read(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
      if (n === null) controller.close();
      request.respond(n ?? 0);
      if (n !== null && n < BULK_BYTES) source.rest?.();
    } finally {
      this.#isFeeding = false;
    }
  }
}
