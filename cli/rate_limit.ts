/**
 * Bytes in a second, at most: `--limit-rate`.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { BodySource } from "../transport/message/request_body.ts";

/** Bytes. No larger piece goes at once, however high the limit is. */
const PIECE_BYTES = 16 * 1024;

/** Keeps to a rate since it was made: who is too early waits. */
export class RateLimit {
  readonly #bytesPerSecond: number;
  readonly #begunAt: number = performance.now();
  #bytes = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /**
   * Counts bytes that have gone, and waits until they were due.
   *
   * @throws The signal's reason.
   */
  async spend(bytes: number, signal?: AbortSignal): Promise<void> {
    this.#bytes += bytes;
    const dueMs = this.#bytes / this.#bytesPerSecond * 1000;
    const earlyMs = dueMs - (performance.now() - this.#begunAt);
    if (earlyMs < 1) return;
    try {
      await sleep(earlyMs, undefined, { signal });
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  }

  /** How many bytes to take at a time, of `most`: about a tenth of a second's. */
  pieceBytes(most: number): number {
    return Math.max(1, Math.min(most, PIECE_BYTES, Math.ceil(this.#bytesPerSecond / 10)));
  }
}

/** A body that is sent no faster. Each attempt begins to count anew. */
export function limitedBody(source: BodySource, bytesPerSecond: number): BodySource {
  if (source instanceof Uint8Array) {
    return () => limited([source], bytesPerSecond);
  }
  if (typeof source === "function") {
    return () => limited(source() as AsyncIterable<Uint8Array>, bytesPerSecond);
  }
  return limited(source as AsyncIterable<Uint8Array>, bytesPerSecond);
}

async function* limited(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  bytesPerSecond: number,
): AsyncGenerator<Uint8Array> {
  const limit = new RateLimit(bytesPerSecond);
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + limit.pieceBytes(piece.length));
      yield part;
      at += part.length;
      await limit.spend(part.length);
    }
  }
}
