/**
 * Random numbers from a seed, the same on every runtime.
 *
 * @module
 */

/** A stream of random numbers (mulberry32). Streams made by {@linkcode SeededRandom.fork} are independent. */
export class SeededRandom {
  #state: number;

  /** Makes the stream of a seed. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A stream of its own for one actor, so that nobody's draws depend on the order of others. */
  fork(label: number): SeededRandom {
    return new SeededRandom(mix(this.#state ^ mix(label + 0x9e3779b9)));
  }

  /** A number from 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    return mix(this.#state) / 2 ** 32;
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** True with that probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of them. */
  pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.next() * choices.length)];
  }

  /** Milliseconds from 0 to `mostMs`, a multiple of 1/8 so that sums are exact; short ones are likelier. */
  delay(mostMs: number): number {
    return Math.floor(this.next() * this.next() * mostMs * 8) / 8;
  }
}

function mix(value: number): number {
  let t = value >>> 0;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return (t ^ (t >>> 14)) >>> 0;
}
