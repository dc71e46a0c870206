/**
 * Turns whatever a caller gives as a body into content that the protocol can send.
 *
 * @module
 */
import type { Reader } from "../../conn/conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import { changedLength } from "../../http1/content_sender.ts";
import type { ContentSource } from "../../http/outgoing_request.ts";
import { bytesOfView, isArrayBuffer, isUint8Array } from "./buffer_brand.ts";
import { encodeMultipart, mediaType } from "./multipart.ts";

/**
 * What can be sent as a body. Bytes are not copied: do not change them until the response is there;
 * an array that is detached or resized before then ends the request with `ERR_BODY_LENGTH`.
 * A function is called once for each attempt, which makes a stream replayable. Pieces of streams are
 * `Uint8Array`s, those of iterables any bytes, or text. Streams and iterables are read once and let
 * go however the exchange ends, also where nothing of them was sent; a `Reader` is the caller's to
 * close. What was read from already is refused, also where another request took it first: it would
 * be sent without its beginning.
 */
export type BodySource =
  | string
  | Uint8Array
  | ArrayBuffer
  | Blob
  | FormData
  | URLSearchParams
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array | ArrayBuffer | ArrayBufferView | string>
  | Reader
  | (() => BodySource);

/** A body for one attempt. */
export interface RequestBody {
  /** All of it, or null: it comes from `open()`. */
  readonly bytes: Uint8Array | null;
  /** Null where only the end tells. */
  readonly lengthBytes: number | null;
  /** What to send as `Content-Type` unless the caller has said, or null. */
  readonly contentType: string | null;
  open(): ContentSource;
  /** Lets the source go; instead of `open()`. */
  discard(): void;
}

/** Bytes. How much is asked of a `Reader` at a time. */
const READ_BYTES = 64 * 1024;

/** Functions. How many may stand around a body, each returning the next. */
const MAX_FUNCTIONS = 16;

const encoder = new TextEncoder();

/** Whether the body can be sent a second time. */
export function isReplayable(source: BodySource | null): boolean {
  return source === null || typeof source === "string" || typeof source === "function" ||
    isBytes(source) || source instanceof Blob || source instanceof FormData ||
    source instanceof URLSearchParams;
}

/**
 * How many bytes a body has that is an array, else null.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: the array was detached, so that its bytes are gone.
 */
export function arrayBytes(source: BodySource | null): number | null {
  if (!isBytes(source)) return null;
  const { detached } = ("buffer" in source ? source.buffer : source) as { detached?: boolean };
  if (detached === true) throw invalid("Cannot send this body: its array is detached");
  return bytesNow(source);
}

/** None where it was detached, or reaches beyond what its buffer was shrunk to. */
function bytesNow(array: ArrayBuffer | ArrayBufferView): number {
  try {
    return array.byteLength;
  } catch {
    // A DataView throws where others say 0.
    return 0;
  }
}

/** Whether a stream is locked or was read from or cancelled, which only the platform can tell. */
export function isStreamUsed(stream: ReadableStream): boolean {
  if (stream.locked) return true;
  try {
    // Neither reads nor locks it.
    new Response(stream);
    return false;
  } catch {
    return true;
  }
}

/**
 * Lets a source go that nothing was read from: a stream is cancelled (also one of Node's), a
 * generator ended. An iterable that was not iterated, and a function that was not called, have
 * nothing to let go of.
 */
export function discardBody(source: BodySource | null): void {
  if (source instanceof ReadableStream) {
    // Whoever holds its lock answers for it.
    if (!source.locked) source.cancel().catch(() => {});
  } else if (typeof source === "object" && source !== null && Symbol.asyncIterator in source) {
    // Whoever was given it before is reading it.
    if (taken.has(source)) return;
    // Another request that was given it must not take it for an empty one.
    if (isIterator(source)) taken.add(source);
    void letGo(source as Partial<AsyncIterator<unknown>>);
    listenToErrors(source);
    destroy(source as NodeReadable);
  }
}

/**
 * Makes the body ready for one attempt.
 *
 * @param givenBytes How long it was when the caller gave it, where it is an array.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: not a {@linkcode BodySource}, or a stream that is in
 * use. `ERR_BODY_LENGTH`: an array that was detached or resized.
 */
export function requestBody(source: BodySource, givenBytes: number | null = null): RequestBody {
  if (typeof source === "function") return requestBody(called(source));
  if (typeof source === "string") {
    return whole(encoder.encode(source), "text/plain;charset=UTF-8");
  }
  if (source instanceof URLSearchParams) {
    const type = "application/x-www-form-urlencoded;charset=UTF-8";
    return whole(encoder.encode(source.toString()), type);
  }
  if (isBytes(source)) {
    const bytes = bytesNow(source);
    const expected = givenBytes ?? arrayBytes(source)!;
    if (bytes !== expected) throw changedLength(bytes, expected);
    return whole(asBytes(source), null);
  }
  if (source instanceof Blob) {
    return {
      bytes: null,
      lengthBytes: source.size,
      contentType: mediaType(source),
      open: () => fromStream(source.stream()),
      discard: () => {},
    };
  }
  if (source instanceof FormData) {
    const { contentType, lengthBytes, parts } = encodeMultipart(source);
    return {
      bytes: null,
      lengthBytes,
      contentType,
      open: () => fromParts(parts),
      discard: () => {},
    };
  }
  if (source instanceof ReadableStream) {
    checkUnused(source);
    return streamed(source, () => {
      // It may be long ago.
      checkUnused(source);
      return fromStream(source);
    });
  }
  if (typeof source === "object" && source !== null) {
    if (Symbol.asyncIterator in source) {
      checkUntaken(source);
      listenToErrors(source);
      return streamed(source, () => fromIterable(source));
    }
    if ("read" in source && typeof source.read === "function") {
      return streamed(source, () => fromReader(source));
    }
    if ("then" in source && typeof source.then === "function") {
      // Nobody will hear of its failure.
      Promise.resolve(source).catch(() => {});
      throw invalid("Cannot send this body: a promise; await it first");
    }
  }
  throw invalid("Cannot send this body: not bytes, text, a form, a stream or a function");
}

/** What a function gives, and one that it gives, until it is none. */
function called(source: () => BodySource): BodySource {
  for (let i = 0; i < MAX_FUNCTIONS; i++) {
    const next = source();
    if (typeof next !== "function") return next;
    if (next === source) break;
    source = next;
  }
  throw invalid("Cannot send this body: a function that returns functions without end");
}

function isBytes(source: BodySource | null): source is ArrayBuffer | Uint8Array {
  return ArrayBuffer.isView(source) || isArrayBuffer(source);
}

function asBytes(array: ArrayBuffer | ArrayBufferView): Uint8Array {
  if (array instanceof Uint8Array) return array;
  return ArrayBuffer.isView(array) ? bytesOfView(array) : new Uint8Array(array);
}

function whole(bytes: Uint8Array, contentType: string | null): RequestBody {
  const lengthBytes = bytes.length;
  return {
    bytes,
    lengthBytes,
    contentType,
    open: () => {
      if (bytes.length !== lengthBytes) throw changedLength(bytes.length, lengthBytes);
      return fromParts([bytes]);
    },
    discard: () => {},
  };
}

function streamed(source: BodySource, open: () => ContentSource): RequestBody {
  const discard = (): void => discardBody(source);
  return { bytes: null, lengthBytes: null, contentType: null, open, discard };
}

function checkUnused(stream: ReadableStream): void {
  if (stream.locked) throw invalid("Cannot send this body: the stream is locked");
  if (isStreamUsed(stream)) {
    throw invalid("Cannot send this body: the stream was read from or cancelled already");
  }
}

function fromStream(stream: ReadableStream<Uint8Array>): ContentSource {
  const reader = stream.getReader();
  // Whether the stream's own clean-up fails is between the stream and its maker.
  const cancel = (): void => void reader.cancel().catch(() => {});
  return {
    next: async () => {
      const { done, value } = await reader.read();
      if (!done) return piece(value, cancel);
      reader.releaseLock();
      return null;
    },
    cancel,
  };
}

/** What has been iterated, and can be only once: generators, and the streams of Node. */
const taken: WeakSet<object> = new WeakSet();

/** What the streams of Node have besides. */
interface NodeReadable {
  destroy?: () => unknown;
  on?: (event: "error", listener: () => void) => unknown;
  off?: (event: "error", listener: () => void) => unknown;
  readonly readableEnded?: boolean;
  readonly destroyed?: boolean;
  readonly errored?: unknown;
}

function isNodeReadable(source: object): source is Required<NodeReadable> {
  const { on, off, destroy } = source as NodeReadable;
  return typeof on === "function" && typeof off === "function" && typeof destroy === "function";
}

/** Refuses what gives nothing any more, or only the rest: it would look like a shorter body. */
function checkUntaken(iterable: object): void {
  if (taken.has(iterable)) throw invalid("Cannot send this body: it was sent before");
  if (!isNodeReadable(iterable)) return;
  // One that failed says so when it is read.
  if (iterable.readableEnded || (iterable.destroyed && !iterable.errored)) {
    throw invalid("Cannot send this body: the stream was read or destroyed already");
  }
}

/**
 * A stream of Node's that fails while nobody listens ends the process. It may fail while it waits
 * for a connection, and when it is let go; who reads it is told all the same.
 */
function listenToErrors(source: object): void {
  if (!isNodeReadable(source)) return;
  source.off("error", ignoreError);
  source.on("error", ignoreError);
}

function ignoreError(): void {}

function destroy(source: NodeReadable): void {
  try {
    source.destroy?.();
  } catch {
    // Between the stream and its maker.
  }
}

function fromIterable(iterable: AsyncIterable<unknown>): ContentSource {
  checkUntaken(iterable);
  const iterator: unknown = iterable[Symbol.asyncIterator]();
  if (!isIterator(iterator)) throw invalid("Cannot send this body: its iterator has no next()");
  if (taken.has(iterator)) throw invalid("Cannot send this body: it was sent before");
  taken.add(iterator);
  if (isNodeReadable(iterable)) taken.add(iterable);
  const cancel = (): void => void letGo(iterator);
  return {
    next: async () => {
      const result: unknown = await iterator.next();
      if (typeof result !== "object" || result === null) {
        cancel();
        throw invalid("The next() of the body gave no result");
      }
      const { done, value } = result as IteratorResult<unknown>;
      return done ? null : iteratedPiece(value, cancel);
    },
    cancel,
  };
}

function isIterator(value: unknown): value is AsyncIterator<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as Partial<AsyncIterator<unknown>>).next === "function";
}

/** What a source gave, which may not be what its type says: a null must not look like the end. */
function piece(value: unknown, cancel: () => void): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (isUint8Array(value)) return bytesOfView(value);
  cancel();
  throw invalid("The body gave a piece that is no Uint8Array");
}

/** What a generator gave: bytes in any shape, or text. */
function iteratedPiece(value: unknown, cancel: () => void): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return encoder.encode(value);
  if (ArrayBuffer.isView(value)) return bytesOfView(value);
  if (isArrayBuffer(value)) return new Uint8Array(value);
  cancel();
  throw invalid("The body gave a piece that is neither bytes nor text");
}

/** Whether an iterator's own clean-up fails is between the iterator and its maker. */
async function letGo(iterator: Partial<AsyncIterator<unknown>>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // As above.
  }
}

function fromReader(reader: Reader): ContentSource {
  const buffer = new Uint8Array(READ_BYTES);
  return {
    next: async () => {
      const n: unknown = await reader.read(buffer);
      if (n === null) return null;
      // An array that the reader has given away has no bytes.
      if (typeof n !== "number" || !Number.isInteger(n) || n < 0 || n > buffer.length) {
        const what = typeof n === "number" ? n : `a value of the type ${typeof n}`;
        throw invalid(`The read() of the body gave ${what}: not 0..${buffer.length}`);
      }
      return buffer.subarray(0, n);
    },
    // A Reader has no way to be told.
    cancel: () => {},
  };
}

function fromParts(parts: readonly (Uint8Array | Blob)[]): ContentSource {
  let i = 0;
  let file: ContentSource | null = null;
  return {
    next: async () => {
      for (;;) {
        if (file !== null) {
          const piece = await file.next();
          if (piece !== null) return piece;
          file = null;
        }
        if (i === parts.length) return null;
        const part = parts[i++];
        if (!(part instanceof Blob)) return part;
        file = fromStream(part.stream());
      }
    },
    cancel: () => file?.cancel(),
  };
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "request" });
}
