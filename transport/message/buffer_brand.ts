/**
 * Buffers told by what they are and not by their class: those of another realm (a `vm` context, a
 * frame) are of other classes.
 *
 * @module
 */

/** Whether it is an `ArrayBuffer`, of whatever realm. Pure. */
export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  return hasBrand(value, "ArrayBuffer", ArrayBuffer.prototype);
}

/** Whether it is a `SharedArrayBuffer`, of whatever realm. Pure. */
export function isSharedBuffer(value: unknown): value is SharedArrayBuffer {
  return typeof SharedArrayBuffer === "function" &&
    hasBrand(value, "SharedArrayBuffer", SharedArrayBuffer.prototype);
}

/** Whether it is a `Uint8Array` or of a class below it, of whatever realm. Pure. */
export function isUint8Array(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array ||
    (ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === "[object Uint8Array]");
}

/** The bytes of a view, as an array of this realm. Bytes: the same. */
export function bytesOfView({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The name is quick to ask for, and can be forged; what only such an object has cannot. */
function hasBrand(value: unknown, name: string, prototype: object): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Object.prototype.toString.call(value) !== `[object ${name}]`) return false;
  try {
    Object.getOwnPropertyDescriptor(prototype, "byteLength")!.get!.call(value);
    return true;
  } catch {
    return false;
  }
}
