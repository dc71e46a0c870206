/**
 * How much may be tried again, so that retries do not bury a server that is down.
 *
 * @module
 */

/** A bucket of tokens: each retry takes one, each request that ends well puts a part of one in. */
export class RetryBudget {
  readonly #capacity: number;
  readonly #refill: number;
  #tokens: number;

  /**
   * @param capacity How many the bucket holds; it begins full.
   * @param refill What a request puts in that needs no retry.
   */
  constructor(capacity: number, refill: number) {
    this.#capacity = capacity;
    this.#refill = refill;
    this.#tokens = capacity;
  }

  /** Takes a token, if there is one. */
  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** A request has ended well. */
  succeeded(): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + this.#refill);
  }
}
