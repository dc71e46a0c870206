/**
 * Coded content that is gathered as long as it may be decoded in one call, and else given piece by
 * piece from its beginning.
 *
 * @module
 */
import type { Reader } from "../../conn/conn.ts";

/** Bytes. Room for content of unknown length, before it is found to be more. */
const ROOM_BYTES = 16 * 1024;

/** Coded content, for decoders. */
export class GatheredContent implements Reader {
  readonly #source: Reader;
  #room: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #length = 0;
  /** How much of it has been read. */
  #at = 0;
  /** The gathering, as long as it may bring more. */
  #gathering: Promise<void> | null = null;
  #isStopped = false;

  constructor(source: Reader) {
    this.#source = source;
  }

  /** All that was gathered. Order: nothing has been read. */
  get all(): Uint8Array<ArrayBuffer> {
    return this.#room.subarray(0, this.#length);
  }

  /** Bytes that came and have not been read. */
  get aheadBytes(): number {
    return this.#length - this.#at;
  }

  /** Content that is there already, all of it. */
  hold(content: Uint8Array<ArrayBuffer>): void {
    this.#room = content;
    this.#length = content.length;
  }

  /**
   * Reads up to the end of the content, or until it is more than `maxBytes`. Once.
   *
   * @param lengthBytes What was declared, at most `maxBytes`, or null.
   * @param hasEnded Whether the last read was the last of all.
   * @throws What the source throws; whoever reads is told it too.
   */
  async gather(
    lengthBytes: number | null,
    maxBytes: number,
    hasEnded: () => boolean,
  ): Promise<void> {
    this.#room = new Uint8Array(lengthBytes ?? Math.min(ROOM_BYTES, maxBytes));
    const gathering = this.#readOn(maxBytes, hasEnded);
    this.#gathering = gathering;
    // Whoever gathers may have stopped waiting; whoever reads is told.
    gathering.catch(() => {});
    await gathering;
  }

  /** Gathers no more than the read that is under way brings. */
  stop(): void {
    this.#isStopped = true;
  }

  /** As the source does, what was gathered first. */
  async read(p: Uint8Array): Promise<number | null> {
    if (this.aheadBytes === 0) {
      if (this.#gathering === null) return await this.#source.read(p);
      await this.#gathering;
      this.#gathering = null;
      return await this.read(p);
    }
    const n = Math.min(p.length, this.aheadBytes);
    p.set(this.#room.subarray(this.#at, this.#at + n));
    this.#at += n;
    return n;
  }

  async #readOn(maxBytes: number, hasEnded: () => boolean): Promise<void> {
    do {
      if (this.#length === this.#room.length) {
        const larger = new Uint8Array(2 * this.#length);
        larger.set(this.#room);
        this.#room = larger;
      }
      const n = await this.#source.read(this.#room.subarray(this.#length));
      if (n === null) return;
      this.#length += n;
    } while (!hasEnded() && !this.#isStopped && this.#length < maxBytes);
  }
}
