/**
 * How a connection of a tape goes on: what may be read by now, and whether what is written is what was
 * written then.
 *
 * @module
 */
import { bytesOf, latin1 } from "./latin1.ts";
import { type TapedConnection, TapeError, type TapeEvent } from "./tape.ts";
import type { Spans } from "./tape_mask.ts";

/** What a read comes to. */
export type PlayedStep =
  & {
    /** Milliseconds from what was before it. */
    readonly afterMs: number;
  }
  & (
    | { readonly kind: "in"; readonly bytes: Uint8Array }
    | { readonly kind: "end" }
    | { readonly kind: "error"; readonly code: string }
  );

/** One connection that is played. */
export interface Playback {
  /** What comes next; null: something has to be written first, or nothing comes any more. */
  next(): PlayedStep | null;
  /**
   * Something was written.
   *
   * @throws {TapeError} It was not on the tape.
   */
  wrote(p: Uint8Array): void;
}

/** Everything but HTTP/2: the bytes have to be the same. */
export class Http1Playback implements Playback {
  readonly #events: TapeEvent[];
  #lastAtMs: number;

  constructor({ events }: TapedConnection) {
    this.#events = [...events];
    this.#lastAtMs = events[0]?.atMs ?? 0;
  }

  /** Whether all of it was played. */
  get isOver(): boolean {
    return this.#events.length === 0;
  }

  next(): PlayedStep | null {
    const event = this.#events[0];
    if (event === undefined || event.kind === "out") return null;
    this.#events.shift();
    const afterMs = event.atMs - this.#lastAtMs;
    this.#lastAtMs = event.atMs;
    return event.kind === "in"
      ? { kind: "in", afterMs, bytes: bytesOf(event.bytes) }
      : { ...event, afterMs };
  }

  /** With what comes next on the tape to be written; boundaries of writes do not count. */
  wrote(p: Uint8Array): void {
    let text = latin1(p);
    while (text !== "") {
      const i = this.#events.findIndex((event) => event.kind === "out");
      if (i === -1) throw tooMuch(text);
      const event = this.#events[i] as TapeEvent & { kind: "out" };
      const length = Math.min(event.bytes.length, text.length);
      for (let at = 0; at < length; at++) {
        if (event.bytes[at] === text[at] || isMasked(event.masked, at)) continue;
        throw different(event.bytes, text, at);
      }
      text = text.slice(length);
      this.#lastAtMs = Math.max(this.#lastAtMs, event.atMs);
      if (length === event.bytes.length) this.#events.splice(i, 1);
      else {
        const masked = event.masked.flatMap(([start, bytes]): Spans => {
          const end = start + bytes - length;
          return end <= 0 ? [] : [[Math.max(0, start - length), Math.min(bytes, end)]];
        });
        this.#events[i] = { ...event, bytes: event.bytes.slice(length), masked };
      }
    }
  }
}

/** Whether a byte may be anything. */
export function isMasked(spans: readonly (readonly [number, number])[], at: number): boolean {
  return spans.some(([start, bytes]) => at >= start && at < start + bytes);
}

/** The error of bytes beyond those on the tape. */
export function tooMuch(text: string): TapeError {
  return new TapeError(`More is written than on the tape: ${JSON.stringify(cut(text))}`);
}

/** The error of bytes that differ from `at` on. */
export function different(taped: string, written: string, at: number): TapeError {
  const shown = (text: string): string => JSON.stringify(cut(text.slice(Math.max(0, at - 40))));
  return new TapeError(
    "Other bytes are written than on the tape\n" +
      `  on the tape: ${shown(taped)}\n` +
      `  written:     ${shown(written)}`,
  );
}

function cut(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}...` : text;
}
