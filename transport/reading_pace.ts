/**
 * Whether a body comes as fast as it must, while somebody reads it.
 *
 * @module
 */
import type { Clock } from "./clock.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";

/** Milliseconds of reading over which the pace is taken. */
const WINDOW_MS = 10_000;

/** The pace of one body. Owns: the deadline while a read is under way. */
export class ReadingPace {
  readonly #minBytesPerSecond: number;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #tooSlow: (what: string) => void;
  /** Of this window. */
  #readMs = 0;
  #bytes = 0;
  /** When the read under way began. */
  #sinceMs = 0;
  #deadline: Deadline | null = null;

  /** @param tooSlow Told once, in words. */
  constructor(
    minBytesPerSecond: number,
    time: { clock: Clock; deadlines: Deadlines },
    tooSlow: (what: string) => void,
  ) {
    this.#minBytesPerSecond = minBytesPerSecond;
    this.#clock = time.clock;
    this.#deadlines = time.deadlines;
    this.#tooSlow = tooSlow;
  }

  /** Somebody waits for more. */
  readBegan(): void {
    this.#sinceMs = this.#clock.now();
    this.#deadline = this.#deadlines.set(WINDOW_MS - this.#readMs, this.#windowEnded, true);
  }

  /** Nobody does any more. */
  readEnded(bytes: number): void {
    this.stop();
    this.#readMs += this.#clock.now() - this.#sinceMs;
    this.#bytes += bytes;
    // The program was busy: how long the bytes have been there is not known.
    if (this.#readMs >= WINDOW_MS) this.#begin();
  }

  /** The body has ended. */
  stop(): void {
    this.#deadlines.clear(this.#deadline);
    this.#deadline = null;
  }

  #begin(): void {
    this.#readMs = 0;
    this.#bytes = 0;
  }

  readonly #windowEnded = (): void => {
    const bytesPerSecond = this.#bytes / WINDOW_MS * 1_000;
    if (bytesPerSecond >= this.#minBytesPerSecond) {
      this.#begin();
      this.readBegan();
    } else {
      this.#deadline = null;
      const least = `${this.#minBytesPerSecond} bytes a second`;
      this.#tooSlow(`The body came at ${Math.floor(bytesPerSecond)} and not ${least}`);
    }
  };
}
