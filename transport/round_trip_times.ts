/**
 * When the phases of a round trip began and ended.
 *
 * @module
 */
import type { Timings } from "./message/http_response.ts";
import type { DialTimes } from "./route/dial.ts";

/** Of a request that was served by a connection that was there. */
const NO_DIAL: DialTimes = { dialMs: null, proxyMs: null, tlsMs: null };

/** The marks of one round trip, by the clock of its transport; null: not reached. */
export class RoundTripTimes {
  readonly startedAt: number;
  gotConnAt: number | null = null;
  /** When the content began to be held back, and when that ended but by a final response. */
  heldBackAt: number | null = null;
  letGoAt: number | null = null;
  wroteAt: number | null = null;
  /** When the first byte came of the head that is, or may be, the final one. */
  firstByteAt: number | null = null;
  headAt: number | null = null;
  endedAt: number | null = null;

  constructor(now: number) {
    this.startedAt = now;
  }

  /** The attempt is lost: what it took counts as waiting for the connection of the next. */
  again(): void {
    this.gotConnAt = null;
    this.heldBackAt = null;
    this.letGoAt = null;
    this.wroteAt = null;
    this.firstByteAt = null;
  }

  /** The content need not be held back any more. */
  letGo(now: number): void {
    // The server may have asked before the runtime had said that the head was written.
    this.heldBackAt ??= now;
    this.letGoAt ??= now;
  }

  /**
   * The durations of the phases.
   *
   * @param now Where the phase under way ends; null: it has no end yet.
   */
  timings(dial: DialTimes | null, now: number | null): Timings {
    const { dialMs, proxyMs, tlsMs } = dial ?? NO_DIAL;
    const spentMs = (dialMs ?? 0) + (proxyMs ?? 0) + (tlsMs ?? 0);
    const { gotConnAt, heldBackAt, firstByteAt } = this;
    const continueMs = between(heldBackAt, this.letGoAt ?? firstByteAt ?? now);
    const sentAt = this.#sentAt;
    const sendingMs = between(gotConnAt, sentAt ?? now);
    return {
      queueMs: between(this.startedAt + spentMs, gotConnAt ?? now),
      dialMs,
      proxyMs,
      tlsMs,
      requestMs: sendingMs === null ? null : Math.max(0, sendingMs - (continueMs ?? 0)),
      continueMs,
      waitMs: between(sentAt, firstByteAt ?? now),
      bodyMs: between(firstByteAt, this.endedAt),
    };
  }

  /** Where the time went, for the text of an error. */
  spent(dial: DialTimes | null, now: number): string {
    const times = this.timings(dial, now);
    const lastMs = between(this.firstByteAt, now);
    return Object.entries({
      queue: times.queueMs,
      dial: times.dialMs,
      proxy: times.proxyMs,
      TLS: times.tlsMs,
      request: times.requestMs,
      continue: times.continueMs,
      wait: times.waitMs,
      [this.headAt === null ? "head" : "body"]: lastMs,
    }).filter(([, ms]) => ms !== null).map(([name, ms]) => `${name} ${Math.round(ms!)} ms`)
      .join(", ");
  }

  /**
   * When sending no longer counts: the runtime may say later that all is written, and content may go
   * on beside the response.
   */
  get #sentAt(): number | null {
    const { wroteAt, firstByteAt } = this;
    if (wroteAt === null || firstByteAt === null) return wroteAt ?? firstByteAt;
    return Math.min(wroteAt, firstByteAt);
  }
}

function between(from: number | null, to: number | null): number | null {
  return from === null || to === null ? null : Math.max(0, to - from);
}
