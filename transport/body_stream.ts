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
}

/** The bytes of `source` as a byte stream. */
export function byteStream(source: StreamSource): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    type: "bytes",
    pull: (controller: ReadableByteStreamController) => feed(controller, source),
    cancel: () => source.close(),
  }, { highWaterMark: 0 }) as ReadableStream<Uint8Array<ArrayBuffer>>;
}

async function feed(
  controller: ReadableByteStreamController,
  source: StreamSource,
): Promise<void> {
  const request = controller.byobRequest;
  if (request === null) {
    const piece = await source.readPiece();
    if (piece !== null) controller.enqueue(piece);
    // A reader's own array that waits for more bytes has to be told by `respond()`.
    const mayEnd = source.isAtEnd && controller.byobRequest === null;
    if (piece === null || mayEnd) controller.close();
    return;
  }
  const view = request.view!;
  const n = await source.read(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  if (n === null) controller.close();
  request.respond(n ?? 0);
}
