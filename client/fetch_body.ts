/**
 * Request bodies as `fetch` takes them.
 *
 * @module
 */
import type { BodySource } from "../transport/request_body.ts";

/** Bytes. How much of a `Request`'s body is read to learn whether it is all there. */
const AHEAD_BYTES = 1024 * 1024;

/** Whether it can be read only once. */
export function isStream(body: BodySource): boolean {
  return body instanceof ReadableStream ||
    (typeof body === "object" && Symbol.asyncIterator in body);
}

/**
 * The body for what stands in `init`. Bytes are copied: the caller may change them at once.
 *
 * @throws {TypeError} A stream that is in use.
 */
export function fetchBody(body: unknown): BodySource {
  if (typeof body === "string") return body;
  if (body instanceof ReadableStream) {
    if (body.locked) throw new TypeError("fetch: the stream is locked");
    return body;
  }
  if (body instanceof Blob || body instanceof FormData) return body;
  if (body instanceof URLSearchParams) return new URLSearchParams(body);
  if (ArrayBuffer.isView(body)) {
    return new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice();
  }
  if (body instanceof ArrayBuffer || isSharedBuffer(body)) return new Uint8Array(body).slice();
  // Not of the standard, but every runtime beside the browsers takes them.
  if (typeof body === "object" && body !== null && Symbol.asyncIterator in body) {
    return body as AsyncIterable<Uint8Array>;
  }
  return `${body}`;
}

function isSharedBuffer(body: unknown): body is SharedArrayBuffer {
  return typeof SharedArrayBuffer === "function" && body instanceof SharedArrayBuffer;
}

/**
 * The body of a `Request`, which shows it only as a stream. One that is there at once is sent as
 * bytes: with a length, and again where a redirect asks for that. Any other stays a stream.
 *
 * Waits one turn of the event loop at most.
 */
export async function readAhead(
  stream: ReadableStream<Uint8Array>,
): Promise<Uint8Array | ReadableStream<Uint8Array>> {
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const turn = new Promise<null>((resolve) => timer = setTimeout(() => resolve(null)));
  try {
    for (;;) {
      const read = reader.read();
      const result = await Promise.race([read, turn]);
      if (result === null) return rest(pieces, read, reader);
      if (result.done) return joined(pieces, length);
      // What is no Uint8Array is refused where it is sent.
      pieces.push(result.value);
      length += result.value.length;
      if (!(length <= AHEAD_BYTES)) return rest(pieces, reader.read(), reader);
    }
  } finally {
    clearTimeout(timer);
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** The pieces that were read, the one that is being read, and what comes behind. */
function rest(
  pieces: readonly Uint8Array[],
  read: ReturnType<typeof reader.read>,
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  // It is waited for when it is its turn.
  read.catch(() => {});
  let i = 0;
  let pending: typeof read | null = read;
  return new ReadableStream({
    pull: async (controller) => {
      if (i < pieces.length) {
        controller.enqueue(pieces[i++]);
        return;
      }
      const { done, value } = await (pending ?? reader.read());
      pending = null;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
