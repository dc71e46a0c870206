/**
 * A progress bar on one line of a terminal. Knows the time only from its clock.
 *
 * @module
 */
import { bytesText, durationText } from "./amounts.ts";
import type { TextOutput } from "./cli_io.ts";

/** Milliseconds. A body that is there sooner needs no bar. */
const QUIET_MS = 500;

/** Milliseconds between two drawings. */
const REDRAW_MS = 100;

/** Carriage return, and erase to the end of the line. */
const ERASE = "\r\x1b[K";

/** Shows how much of a body has come. */
export class Progress {
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

  /** More bytes came. */
  add(bytes: number): void {
    this.#bytes += bytes;
    this.tick();
  }

  /** Time passed. Draws when it is time to. */
  tick(): void {
    const now = this.#now();
    if (now - this.#begunAt < QUIET_MS) return;
    if (this.#drawnAt !== null && now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.#output.write(`\r${this.#line(now)}\x1b[K`);
  }

  /** The body has ended: what was drawn is left as one last line. */
  finish(): void {
    if (this.#drawnAt === null) return;
    const elapsedMs = this.#now() - this.#begunAt;
    this.#drawnAt = null;
    this.#output.write(
      `${ERASE}${bytesText(this.#bytes)} in ${durationText(elapsedMs)}, ${this.#rate(elapsedMs)}\n`,
    );
  }

  /** The body failed: what was drawn is taken away, to make room for the message. */
  erase(): void {
    if (this.#drawnAt !== null) this.#output.write(ERASE);
    this.#drawnAt = null;
  }

  #line(now: number): string {
    const elapsedMs = now - this.#begunAt;
    const total = this.#lengthBytes;
    const amount = total === null
      ? bytesText(this.#bytes)
      : `${bytesText(this.#bytes)} of ${bytesText(total)}`;
    const parts = [amount, this.#rate(elapsedMs)];
    if (total !== null && total > 0 && this.#bytes > 0) {
      const leftMs = elapsedMs * (total - this.#bytes) / this.#bytes;
      parts.push(`${durationText(leftMs)} left`);
    }
    const text = parts.join("  ");
    // One column stays free: a full line would wrap.
    const room = this.#output.columns - 1;
    if (total === null || total === 0) return text.slice(0, room);
    const share = Math.min(1, this.#bytes / total);
    const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
    const barRoom = Math.min(30, room - percent.length - text.length - 6);
    if (barRoom < 5) return `${percent}  ${text}`.slice(0, room);
    const filled = Math.round(share * barRoom);
    return `${percent} [${"#".repeat(filled)}${"-".repeat(barRoom - filled)}]  ${text}`;
  }

  #rate(elapsedMs: number): string {
    return `${bytesText(Math.round(this.#bytes / Math.max(elapsedMs, 1) * 1000))}/s`;
  }
}
