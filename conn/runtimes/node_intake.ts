/**
 * How bytes come from a socket of Node.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Bytes. Most that one read of the kernel brings: of a download, three times what 64 KiB do. */
const intakeBytes = 256 * 1024;

/**
 * One for all connections: Node calls back in the same step in which it has read, and what came is
 * copied before the callback returns.
 */
const intakeBuffer = Buffer.allocUnsafeSlow(intakeBytes);

/** No `Buffer`: a `slice()` of one is no copy. */
let view: Uint8Array = new Uint8Array(intakeBuffer.buffer);

/** The first `count` bytes that came; one view for as long as that count does not change. */
export function intakeView(count: number): Uint8Array {
  if (view.length !== count) view = new Uint8Array(intakeBuffer.buffer, 0, count);
  return view;
}

/**
 * The `onread` option of a socket: Node reads into a buffer and calls back, without a stream of
 * chunks. It costs a fifth of what `"data"` events cost.
 *
 * Order: pause the socket until it has a taker.
 */
export class Intake {
  readonly buffer: Buffer = intakeBuffer;
  /** Who takes what comes; until there is somebody, what comes is lost. */
  taker: IntakeTaker | null = null;
  readonly callback = (count: number): boolean => this.taker !== null && this.taker.took(count);
}

/** Who takes what comes into an {@linkcode Intake}. */
export interface IntakeTaker {
  /**
   * Something has come.
   *
   * @param count How many bytes are in the buffer.
   * @returns false to pause the socket.
   */
  took(count: number): boolean;
}
