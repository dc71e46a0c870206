/**
 * Ends a transfer that is too slow for too long: `--speed-limit`, `--speed-time`.
 *
 * @module
 */
import type { SpeedOption } from "./get_options.ts";
import { TooSlowError } from "./transfer_error.ts";

/** Milliseconds between two looks. */
const LOOK_MS = 1000;

/** Looks at the bytes of one transfer, sent and received. Owns: its timer. */
export class SpeedWatch {
  readonly #option: SpeedOption;
  readonly #controller: AbortController = new AbortController();
  #timer: ReturnType<typeof setInterval> | undefined;
  #bytes = 0;
  #lastBytes = 0;
  #lastMs: number;
  /** Since when it has been too slow, or null. */
  #slowSinceMs: number | null = null;

  /** @param nowMs Milliseconds from any beginning. */
  constructor(option: SpeedOption, nowMs: number) {
    this.#option = option;
    this.#lastMs = nowMs;
  }

  /** Aborts with a {@linkcode TooSlowError}. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Begins to look, until {@linkcode stop}. */
  start(): void {
    const everyMs = Math.min(LOOK_MS, this.#option.timeMs);
    this.#timer = setInterval(() => this.look(performance.now()), everyMs);
  }

  /** It is over. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Bytes have gone either way. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Looks at what has gone since the last look. */
  look(nowMs: number): void {
    const { leastBytesPerSecond, timeMs } = this.#option;
    const speed = (this.#bytes - this.#lastBytes) / Math.max(1, nowMs - this.#lastMs) * 1000;
    const begunMs = this.#lastMs;
    this.#lastBytes = this.#bytes;
    this.#lastMs = nowMs;
    if (speed >= leastBytesPerSecond) {
      this.#slowSinceMs = null;
      return;
    }
    this.#slowSinceMs ??= begunMs;
    if (nowMs - this.#slowSinceMs < timeMs) return;
    this.#controller.abort(new TooSlowError(leastBytesPerSecond, timeMs));
  }
}
