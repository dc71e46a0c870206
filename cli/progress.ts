/**
 * A progress bar on one line of a terminal. Knows the time only from its clock.
 *
 * @module
 */
import type { TextOutput } from "./cli_io.ts";
import { progressLine, QUIET_MS, summaryLine } from "./progress_line.ts";

/** Milliseconds between two drawings. */
export const REDRAW_MS = 100;

/** Carriage return, and erase to the end of the line. */
const ERASE = "\r\x1b[K";

/** Shows how much of a body has come. */
export interface ProgressBar {
  /** Whether anybody sees it. */
  readonly isDrawn: boolean;
  /** More bytes came. */
  add(bytes: number): void;
  /** Time passed. Draws when it is time to. */
  tick(): void;
  /** The body has ended: what was drawn is left as one last line. */
  finish(): void;
  /** The body failed: what was drawn is taken away, to make room for the message. */
  erase(): void;
}

/** Where nobody sees one. */
export const NO_BAR: ProgressBar = {
  isDrawn: false,
  add: () => {},
  tick: () => {},
  finish: () => {},
  erase: () => {},
};

/** The bar of one body, alone on the terminal. */
export class Progress implements ProgressBar {
  readonly isDrawn = true;
  readonly #output: TextOutput;
  readonly #lengthBytes: number | null;
  readonly #now: () => number;
  readonly #begunAt: number;
  #bytes = 0;
  #drawnAt: number | null = null;

  /**
   * @param lengthBytes Of the whole body, or null: unknown.
   * @param now Milliseconds.
   */
  constructor(
    output: TextOutput,
    lengthBytes: number | null,
    now: () => number = () => performance.now(),
  ) {
    this.#output = output;
    this.#lengthBytes = lengthBytes;
    this.#now = now;
    this.#begunAt = now();
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    this.tick();
  }

  tick(): void {
    const now = this.#now();
    if (now - this.#begunAt < QUIET_MS) return;
    if (this.#drawnAt !== null && now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    // One column stays free: a full line would wrap.
    const room = this.#output.columns - 1;
    const line = progressLine({ ...this.#amounts(now), lengthBytes: this.#lengthBytes }, room);
    this.#output.write(`\r${line}\x1b[K`);
  }

  finish(): void {
    if (this.#drawnAt === null) return;
    this.#drawnAt = null;
    this.#output.write(`${ERASE}${summaryLine(this.#amounts(this.#now()))}\n`);
  }

  erase(): void {
    if (this.#drawnAt !== null) this.#output.write(ERASE);
    this.#drawnAt = null;
  }

  #amounts(now: number): { bytes: number; elapsedMs: number } {
    return { bytes: this.#bytes, elapsedMs: now - this.#begunAt };
  }
}
