/**
 * Request bodies as `fetch` takes them.
 *
 * @module
 */
import { copyPiece } from "../../conn/piece.ts";
import {
  bytesOfView,
  isArrayBuffer,
  isSharedBuffer,
} from "../../transport/message/buffer_brand.ts";
import { type BodySource, isStreamUsed } from "../../transport/message/request_body.ts";

/** Whether it can be read only once. */
export function isStream(body: BodySource): boolean {
  return body instanceof ReadableStream ||
    (typeof body === "object" && Symbol.asyncIterator in body);
}

/**
 * The body for what stands in `init`. Bytes and forms are copied: the caller may change them at once.
 *
 * @throws {TypeError} A stream that is in use.
 */
export function fetchBody(body: unknown): BodySource {
  if (typeof body === "string") return body;
  if (body instanceof ReadableStream) {
    if (isStreamUsed(body)) throw new TypeError("fetch: the stream is locked or was read from");
    return body;
  }
  if (body instanceof Blob) return body;
  if (body instanceof FormData) return copied(body);
  if (body instanceof URLSearchParams) return new URLSearchParams(body);
  if (ArrayBuffer.isView(body)) return copyPiece(bytesOfView(body));
  if (isArrayBuffer(body) || isSharedBuffer(body)) return copyPiece(new Uint8Array(body));
  // Not of the standard, but every runtime beside the browsers takes them.
  if (typeof body === "object" && body !== null && Symbol.asyncIterator in body) {
    return body as AsyncIterable<Uint8Array>;
  }
  return `${body}`;
}

/** The files are the same ones: they cannot change. */
function copied(form: FormData): FormData {
  const copy = new FormData();
  for (const [name, value] of form) copy.append(name, value);
  return copy;
}
