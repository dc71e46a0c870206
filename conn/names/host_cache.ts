/**
 * A bounded memory of what was looked up by name. No timers: what is too old is seen when it is
 * asked for.
 *
 * @module
 */
import type { Clock } from "../clock.ts";

/**
 * Milliseconds for which a lookup that is under way is waited for by others. After that they start
 * one of their own, so that an answer that never comes does not block the name.
 */
const SHARED_LOOKUP_MS = 5_000;

/** How long and how much to remember. */
export interface HostCacheOptions {
  /** Milliseconds for which an answer is used again; 0: not at all. */
  readonly ttlMs: number;
  /** Names at most; the oldest goes first. */
  readonly maxHosts: number;
  /** Tells the time. */
  readonly clock: Clock;
}

interface Entry<T> {
  readonly answer: Promise<T>;
  validUntilMs: number;
}

/** Answers by name. One lookup serves all who ask while it is under way; failures are forgotten. */
export class HostCache<T> {
  readonly #options: HostCacheOptions;
  /** Oldest first. */
  readonly #entries: Map<string, Entry<T>> = new Map();

  constructor(options: HostCacheOptions) {
    this.#options = options;
  }

  /** How many names it holds, with those being looked up. */
  get size(): number {
    return this.#entries.size;
  }

  /** The answer for a name: a remembered one, or what `lookUp` finds. */
  get(name: string, lookUp: () => Promise<T>): Promise<T> {
    const { ttlMs, maxHosts, clock } = this.#options;
    const known = this.#entries.get(name);
    if (known !== undefined && clock.now() < known.validUntilMs) return known.answer;
    const entry: Entry<T> = {
      answer: lookUp(),
      validUntilMs: clock.now() + SHARED_LOOKUP_MS,
    };
    const forget = () => {
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
    };
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    if (this.#entries.size > maxHosts) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    entry.answer.then(() => {
      if (ttlMs === 0) forget();
      else entry.validUntilMs = clock.now() + ttlMs;
    }, forget);
    return entry.answer;
  }
}
