/**
 * A socket of Node that can still be read after a write has failed.
 *
 * @module
 */
import { Socket } from "node:net";

/**
 * Node destroys a socket whose write fails, and with it what the peer said before it closed: the very
 * answer that explains why. This one stays open for reading until the stream ends, reading fails, or
 * somebody closes it.
 */
export class LastingSocket extends Socket {
  /** Called at the end of the stream after a failed write; Node itself tells of none then. */
  onLateEnd: (() => void) | null = null;
  #writeFailed = false;

  /** Whether a write has failed and only reading goes on. */
  get writeFailed(): boolean {
    return this.#writeFailed;
  }

  override destroy(error?: Error): this {
    const syscall = (error as (Error & { syscall?: string }) | undefined)?.syscall;
    if (this.onLateEnd !== null && syscall === "write") {
      this.#writeFailed = true;
      return this;
    }
    return super.destroy(error);
  }

  override push(chunk: Uint8Array | string | null, encoding?: BufferEncoding): boolean {
    if (chunk === null && this.#writeFailed) this.onLateEnd?.();
    return super.push(chunk, encoding);
  }
}
