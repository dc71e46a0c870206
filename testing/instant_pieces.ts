/**
 * A stream in pieces that do not depend on the runtime: what is there at one time of a world is one piece.
 *
 * @module
 */
import type { Clock } from "../transport/clock.ts";
import { concat } from "./joined_bytes.ts";
import { wait } from "./simulated_waiting.ts";

/** Most bytes of a piece. */
const MOST_BYTES = 1 << 20;

/** @returns The whole, if it is there at once; else what comes, as it comes. */
export async function byInstants(
  stream: ReadableStream<Uint8Array>,
  clock: Clock,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const intake = new Intake(stream.getReader());
  await wait(clock, 0);
  return intake.isComplete ? intake.take() : pieces(intake, clock);
}

async function* pieces(intake: Intake, clock: Clock): AsyncIterable<Uint8Array> {
  try {
    for (;;) {
      await intake.more();
      await wait(clock, 0);
      const piece = intake.take();
      if (piece.length === 0) return;
      yield piece;
    }
  } finally {
    intake.stop();
  }
}

/** What has come of a stream and is not taken yet. */
class Intake {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #held: Uint8Array[] = [];
  #bytes = 0;
  #isOver = false;
  #failure: { readonly error: unknown } | null = null;
  /** Something has come, or something was taken. */
  #wake: () => void = () => {};

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>) {
    this.#reader = reader;
    void this.#fill();
  }

  /** Whether all of it is there, and fits into a piece. */
  get isComplete(): boolean {
    return this.#isOver && this.#failure === null && this.#bytes <= MOST_BYTES;
  }

  /** Settles when something is there, or the end. */
  async more(): Promise<void> {
    while (this.#bytes === 0 && !this.#isOver) await this.#change();
    if (this.#bytes === 0 && this.#failure !== null) throw this.#failure.error;
  }

  /** What is there; nothing: it is over. */
  take(): Uint8Array {
    const all = concat(this.#held);
    const piece = all.subarray(0, MOST_BYTES);
    this.#held = [all.subarray(piece.length)];
    this.#bytes -= piece.length;
    this.#wake();
    return piece;
  }

  /** Nobody wants the rest. */
  stop(): void {
    if (!this.#isOver) this.#reader.cancel().catch(() => {});
    this.#isOver = true;
    this.#wake();
  }

  async #fill(): Promise<void> {
    try {
      while (!this.#isOver) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        this.#held.push(value);
        this.#bytes += value.length;
        this.#wake();
        while (this.#bytes > MOST_BYTES && !this.#isOver) await this.#change();
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#isOver = true;
    this.#wake();
  }

  #change(): Promise<void> {
    const before = this.#wake;
    return new Promise((resolve) => {
      this.#wake = () => {
        before();
        resolve();
      };
    });
  }
}
