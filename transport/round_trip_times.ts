/**
 * When the phases of a round trip began and ended.
 *
 * @module
 */
import type { Timings } from "./message/http_response.ts";

/** Milliseconds that making a connection took; null where it did not happen. */
export interface DialTimes {
  readonly dialMs: number | null;
  readonly proxyMs: number | null;
  readonly tlsMs: number | null;
}

/** Of a request that was served by a connection that was there. */
const NO_DIAL: DialTimes = { dialMs: null, proxyMs: null, tlsMs: null };

/** The marks of one round trip, by the clock of its transport; null: not reached. */
export class RoundTripTimes {
  readonly startedAt: number;
  gotConnAt: number | null = null;
  wroteAt: number | null = null;
  firstByteAt: number | null = null;
  headAt: number | null = null;
  endedAt: number | null = null;

  constructor(now: number) {
    this.startedAt = now;
  }

  /**
   * The durations of the phases.
   *
   * @param now Where the phase under way ends; null: it has no end yet.
   */
  timings(dial: DialTimes | null, now: number | null): Timings {
    const { dialMs, proxyMs, tlsMs } = dial ?? NO_DIAL;
    const spentMs = (dialMs ?? 0) + (proxyMs ?? 0) + (tlsMs ?? 0);
    return {
      queueMs: between(this.startedAt + spentMs, this.gotConnAt ?? now),
      dialMs,
      proxyMs,
      tlsMs,
      requestMs: between(this.gotConnAt, this.wroteAt ?? now),
      waitMs: between(this.wroteAt, this.firstByteAt ?? now),
      bodyMs: between(this.headAt, this.endedAt),
    };
  }

  /** Where the time went, for the text of an error. */
  spent(dial: DialTimes | null, now: number): string {
    const { queueMs, dialMs, proxyMs, tlsMs, requestMs, waitMs } = this.timings(dial, now);
    return Object.entries({
      queue: queueMs,
      dial: dialMs,
      proxy: proxyMs,
      TLS: tlsMs,
      request: requestMs,
      wait: waitMs,
      body: between(this.headAt, now),
    }).filter(([, ms]) => ms !== null).map(([name, ms]) => `${name} ${Math.round(ms!)} ms`)
      .join(", ");
  }
}

function between(from: number | null, to: number | null): number | null {
  return from === null || to === null ? null : Math.max(0, to - from);
}
