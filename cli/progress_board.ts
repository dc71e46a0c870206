/**
 * The bars of several transfers, one below the other. Knows the time only from its clock.
 *
 * @module
 */
import type { TextOutput } from "./cli_io.ts";
import { type ProgressBar, REDRAW_MS } from "./progress.ts";
import { progressLine, QUIET_MS, summaryLine } from "./progress_line.ts";

/** Lines at most; of more transfers only the number is shown. */
const MAX_BARS = 20;

/** Characters of a name at most. */
const NAME_ROOM = 16;

/** Draws bars at the end of a terminal; what is finished moves up. */
export class ProgressBoard {
  readonly #output: TextOutput;
  readonly #now: () => number;
  readonly #bars: Set<BoardBar> = new Set();
  #lines = 0;
  #drawnAt = -Infinity;

  /** @param now Milliseconds. */
  constructor(output: TextOutput, now: () => number = () => performance.now()) {
    this.#output = output;
    this.#now = now;
  }

  /** A bar for one more transfer. */
  begin(name: string, lengthBytes: number | null): ProgressBar {
    const bar = new BoardBar(this, name, lengthBytes, this.#now);
    this.#bars.add(bar);
    return bar;
  }

  /** Writes a line above the bars. */
  write(text: string): void {
    this.#draw(text);
  }

  /** Draws when it is time to. */
  tick(): void {
    if (this.#now() - this.#drawnAt < REDRAW_MS) return;
    if (this.#lines === 0 && this.#shown().length === 0) return;
    this.#draw("");
  }

  /** A transfer has ended; a line of it is left, or null: none. */
  end(bar: BoardBar, line: string | null): void {
    if (!this.#bars.delete(bar)) return;
    if (line === null) {
      if (this.#lines > 0) this.#draw("");
    } else this.#draw(`${line}\n`);
  }

  /** One column stays free: a full line would wrap. */
  get room(): number {
    return this.#output.columns - 1;
  }

  #shown(): BoardBar[] {
    return [...this.#bars].filter((bar) => bar.isDue);
  }

  #draw(above: string): void {
    this.#drawnAt = this.#now();
    const shown = this.#shown();
    const lines = shown.slice(0, MAX_BARS).map((bar) => bar.line);
    if (shown.length > MAX_BARS) lines.push(`and ${shown.length - MAX_BARS} more`);
    const up = this.#lines === 0 ? "" : `\x1b[${this.#lines}A\r\x1b[J`;
    this.#lines = lines.length;
    this.#output.write(up + above + lines.map((line) => `${line}\n`).join(""));
  }
}

class BoardBar implements ProgressBar {
  readonly isDrawn = true;
  readonly #board: ProgressBoard;
  readonly #name: string;
  readonly #lengthBytes: number | null;
  readonly #now: () => number;
  readonly #begunAt: number;
  #bytes = 0;

  constructor(
    board: ProgressBoard,
    name: string,
    lengthBytes: number | null,
    now: () => number,
  ) {
    this.#board = board;
    this.#name = name.length > NAME_ROOM ? `…${name.slice(1 - NAME_ROOM)}` : name;
    this.#lengthBytes = lengthBytes;
    this.#now = now;
    this.#begunAt = now();
  }

  /** Whether it has gone on for so long that somebody may wonder. */
  get isDue(): boolean {
    return this.#now() - this.#begunAt >= QUIET_MS;
  }

  get line(): string {
    const name = this.#name.padEnd(NAME_ROOM);
    const came = { ...this.#came, lengthBytes: this.#lengthBytes };
    const room = this.#board.room;
    return `${name} ${progressLine(came, Math.max(0, room - NAME_ROOM - 1), true)}`.slice(0, room);
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    this.tick();
  }

  tick(): void {
    this.#board.tick();
  }

  finish(): void {
    const line = `${this.#name.padEnd(NAME_ROOM)} ${summaryLine(this.#came)}`;
    this.#board.end(this, this.isDue ? line.slice(0, this.#board.room) : null);
  }

  erase(): void {
    this.#board.end(this, null);
  }

  get #came(): { bytes: number; elapsedMs: number } {
    return { bytes: this.#bytes, elapsedMs: this.#now() - this.#begunAt };
  }
}
