/**
 * Arrays that are given away, one after the other.
 *
 * @module
 */

/** An array for a piece of a stream, which whoever reads it keeps. */
export function makePiece(bytes: number): Uint8Array<ArrayBuffer> {
  ballast(bytes);
  return new Uint8Array(bytes);
}

/** The same with a copy of `bytes` in it. */
export function copyPiece(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  ballast(bytes.length);
  return new Uint8Array(bytes);
}

/** A copy of `bytes[start..end)`, which whoever asked for a whole body keeps. */
export function copyPart(
  bytes: Uint8Array,
  start: number,
  end: number,
): Uint8Array<ArrayBuffer> {
  ballast(end - start);
  return bytes.slice(start, end) as Uint8Array<ArrayBuffer>;
}

/** Bytes. What is smaller is not worth the call: the objects around it weigh as much. */
const SMALL_BYTES = 2 * 1024;

/** Bytes. What is larger needs the more for it: those objects count for little then. */
const LARGE_BYTES = 16 * 1024;

/** The engine of Bun collects in time. */
const needsBallast = !("Bun" in globalThis);

/** Copied from: 64 KiB of V8's heap, the ballast of 128 KiB. */
const ballastElements: readonly number[] = new Array(8 * 1024).fill(0);

/**
 * Throws a half of `bytes` of V8's own heap away, a quarter if they are few. V8 collects young
 * garbage whenever that heap has grown by a little, and of a piece it sees there an object of a
 * hundred bytes: 60 MiB of pieces wait to be freed, and then the whole heap is marked because of
 * them (docs/decisions/0023).
 *
 * A copy of a part, because a compiler leaves out a new array that nobody uses.
 */
function ballast(bytes: number): void {
  if (bytes <= SMALL_BYTES || !needsBallast) return;
  ballastElements.slice(0, bytes >> (bytes > LARGE_BYTES ? 4 : 5));
}
