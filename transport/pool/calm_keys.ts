/**
 * Servers that have had too much: connections to them are not made at once.
 *
 * @see RFC 9113 section 7, ENHANCE_YOUR_CALM
 * @module
 */
import type { Deadline, Deadlines } from "../deadlines.ts";
import type { ConnectionWaiter } from "./connection_source.ts";
import type { Ticket } from "./pool.ts";

/** Milliseconds. How long such a server is left alone. */
const CALM_MS = 1_000;

/** Owns: the dials that are put off. */
export class CalmKeys {
  readonly #deadlines: Deadlines;
  /** When each key may be dialled again. */
  readonly #untilMs: Map<string, number> = new Map();
  readonly #putOff: Map<Ticket<ConnectionWaiter>, Deadline> = new Map();

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  /** The server under that key has had too much. */
  calm(key: string, nowMs: number): void {
    // Those of long ago are in front.
    for (const [old, untilMs] of this.#untilMs) {
      if (untilMs > nowMs) break;
      this.#untilMs.delete(old);
    }
    this.#untilMs.delete(key);
    this.#untilMs.set(key, nowMs + CALM_MS);
  }

  /** Whether no server was so lately: nothing needs to be asked. */
  get isEmpty(): boolean {
    return this.#untilMs.size === 0;
  }

  /** Calls `start` when the server may be dialled. @returns False: it may be now. */
  putOff(ticket: Ticket<ConnectionWaiter>, nowMs: number, start: () => void): boolean {
    const untilMs = this.#untilMs.get(ticket.key) ?? nowMs;
    if (untilMs <= nowMs) return false;
    const deadline = this.#deadlines.set(untilMs - nowMs, () => {
      this.#putOff.delete(ticket);
      start();
    });
    this.#putOff.set(ticket, deadline);
    return true;
  }

  /** Those that were put off, which will not be dialled. */
  takeAll(): Iterable<Ticket<ConnectionWaiter>> {
    const tickets = [...this.#putOff.keys()];
    for (const deadline of this.#putOff.values()) this.#deadlines.clear(deadline);
    this.#putOff.clear();
    return tickets;
  }
}
