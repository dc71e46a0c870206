/**
 * Turns whatever a caller gives as a body into content that the protocol can send.
 *
 * @module
 */
import type { Reader } from "../conn/conn.ts";
import { HttpError } from "../conn/http_error.ts";
import type { ContentSource } from "../http1/content_sender.ts";
import { encodeMultipart, mediaType } from "./message/multipart.ts";

/**
 * What can be sent as a body. Bytes are not copied: do not change them until the response is there.
 * A function is called once for each attempt, which makes a stream replayable. Streams and iterables
 * are read once and let go however the exchange ends, also where nothing of them was sent; a
 * `Reader` is the caller's to close.
 */
export type BodySource =
  | string
  | Uint8Array
  | ArrayBuffer
  | Blob
  | FormData
  | URLSearchParams
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
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

const encoder = new TextEncoder();

/** Whether the body can be sent a second time. */
export function isReplayable(source: BodySource | null): boolean {
  return source === null || typeof source === "string" || typeof source === "function" ||
    isBytes(source) || source instanceof Blob || source instanceof FormData ||
    source instanceof URLSearchParams;
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
    void letGo(source as Partial<AsyncIterator<unknown>>);
    (source as { destroy?: () => void }).destroy?.();
  }
}

/**
 * Makes the body ready for one attempt.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: not a {@linkcode BodySource}, or a stream that is in
 * use.
 */
export function requestBody(source: BodySource): RequestBody {
  if (typeof source === "function") return requestBody(source());
  if (typeof source === "string") {
    return whole(encoder.encode(source), "text/plain;charset=UTF-8");
  }
  if (source instanceof URLSearchParams) {
    const type = "application/x-www-form-urlencoded;charset=UTF-8";
    return whole(encoder.encode(source.toString()), type);
  }
  if (source instanceof Uint8Array) return whole(source, null);
  if (source instanceof ArrayBuffer) return whole(new Uint8Array(source), null);
  if (ArrayBuffer.isView(source)) {
    const view = source as ArrayBufferView;
    return whole(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), null);
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
    if (source.locked) throw invalid("Cannot send this body: the stream is locked");
    return streamed(source, () => fromStream(source));
  }
  if (typeof source === "object" && source !== null) {
    if (Symbol.asyncIterator in source) return streamed(source, () => fromIterable(source));
    if ("read" in source && typeof source.read === "function") {
      return streamed(source, () => fromReader(source));
    }
  }
  throw invalid("Cannot send this body: not bytes, text, a form, a stream or a function");
}

function isBytes(source: BodySource): boolean {
  return source instanceof ArrayBuffer || ArrayBuffer.isView(source);
}

function whole(bytes: Uint8Array, contentType: string | null): RequestBody {
  return {
    bytes,
    lengthBytes: bytes.length,
    contentType,
    open: () => fromParts([bytes]),
    discard: () => {},
  };
}

function streamed(source: BodySource, open: () => ContentSource): RequestBody {
  const discard = (): void => discardBody(source);
  return { bytes: null, lengthBytes: null, contentType: null, open, discard };
}

function fromStream(stream: ReadableStream<Uint8Array>): ContentSource {
  const reader = stream.getReader();
  return {
    next: async () => {
      const { done, value } = await reader.read();
      if (!done) return piece(value);
      reader.releaseLock();
      return null;
    },
    // Whether the stream's own clean-up fails is between the stream and its maker.
    cancel: () => void reader.cancel().catch(() => {}),
  };
}

function fromIterable(iterable: AsyncIterable<Uint8Array>): ContentSource {
  const iterator = iterable[Symbol.asyncIterator]();
  return {
    next: async () => {
      const { done, value } = await iterator.next();
      return done ? null : piece(value);
    },
    cancel: () => void letGo(iterator),
  };
}

/** What a source gave, which may not be what its type says: a null must not look like the end. */
function piece(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw invalid("The body gave a piece that is no Uint8Array");
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
      const n = await reader.read(buffer);
      if (n === null) return null;
      if (!(n >= 0 && n <= buffer.length)) throw invalid("The body's read() gave no count");
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
