/**
 * Whether hosts that wait for a place among all connections get one each in its turn: an account of
 * who was given a place while others waited.
 *
 * @module
 */

/** The hosts that wait. */
export class HostTurns {
  /** By each host that waits: who has been given a place since. */
  readonly #servedSince: Map<string, Set<string>> = new Map();
  /** By each host that waits: who was given a second one in this step. */
  readonly #passedFor: Map<string, string> = new Map();

  /** A connection to `host` begins to be made, or goes on to the next request. */
  given(host: string): void {
    this.#servedSince.delete(host);
    for (const [other, served] of this.#servedSince) {
      if (served.has(host)) this.#passedFor.set(other, host);
      served.add(host);
    }
  }

  /**
   * A request to `host` waits no longer, be it since earlier in this step: if it was the last, the host
   * has lost its turn.
   */
  left(host: string): void {
    this.#servedSince.delete(host);
    this.#passedFor.delete(host);
  }

  /**
   * After every step, of each host.
   *
   * @param waits Whether requests to it wait for nothing but their turn.
   * @returns What was wrong in this step, null if nothing was.
   */
  look(host: string, waits: boolean): string | null {
    const other = this.#passedFor.get(host);
    this.#passedFor.delete(host);
    if (!waits) this.#servedSince.delete(host);
    else if (!this.#servedSince.has(host)) this.#servedSince.set(host, new Set());
    return other === undefined ? null : `${host} was passed over for ${other}, which had its turn`;
  }
}
