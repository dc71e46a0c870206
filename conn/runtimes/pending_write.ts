/**
 * The write of a connection that its socket has not accepted yet.
 *
 * @module
 */
import type { HttpError } from "../http_error.ts";

/** The pending write, and what came of those before. Its owner is told last in each step. */
export class PendingWrite {
  /** Bytes that the socket has accepted, of all writes. */
  writtenBytes: number = 0;
  /** The caller's array; null: no write is pending. */
  array: Uint8Array | null = null;
  /** Bytes of the array that the socket has accepted. */
  offset: number = 0;
  /** How long the array was at the call: its owner may give it away meanwhile. */
  length: number = 0;
  /** Why the socket takes nothing any more, while it can still be read. */
  failure: HttpError | null = null;
  #done!: (count: number) => void;
  #failed!: (error: unknown) => void;

  /** Order: none is pending. */
  start(p: Uint8Array, done: (count: number) => void, failed: (error: unknown) => void): void {
    this.array = p;
    this.offset = 0;
    this.length = p.length;
    this.#done = done;
    this.#failed = failed;
  }

  /** The socket has accepted so much more of it. */
  advance(count: number): void {
    this.offset += count;
    this.writtenBytes += count;
  }

  /** Nothing is pending any more, and whoever called has to tell it. */
  drop(): void {
    this.array = null;
  }

  /** All of it is accepted. No effect when none is pending. */
  succeed(): void {
    if (this.array === null) return;
    this.array = null;
    this.#done(this.length);
  }

  /** It fails. No effect when none is pending. */
  fail(error: unknown): void {
    if (this.array === null) return;
    this.array = null;
    this.#failed(error);
  }
}
