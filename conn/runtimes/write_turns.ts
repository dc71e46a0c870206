/**
 * Keeps a writer from starving its reader: where the runtime accepts writes at once, a busy sender
 * would never let the event loop look for the answer that tells it to stop.
 *
 * @module
 */
import { realTime } from "../real_time.ts";

/** Bytes. What may be written in one turn of the event loop. */
const turnBytes = 64 * 1024;

/** Bytes. What a write counts for besides its length, so that many small ones are bounded too. */
const writeCostBytes = 1024;

/** Counts what one connection writes between two turns of the event loop. */
export class WriteTurns {
  #bytes = 0;

  /** The event loop has turned: something was read. */
  turned(): void {
    this.#bytes = 0;
  }

  /** Calls `done` for `count` bytes that were accepted at once: now, or when it is time to go on. */
  accepted(count: number, done: (count: number) => void): void {
    this.#bytes += count + writeCostBytes;
    if (this.#bytes < turnBytes) return done(count);
    this.#bytes = 0;
    // The first comes before the sockets are looked at, the second after.
    realTime.setImmediate(() => realTime.setImmediate(done, count));
  }
}
