/**
 * What the proofs that the kernel has been polled have in common.
 *
 * @module
 */

/** How one dialer comes to the proof. */
export interface Barrier {
  /** Counts a connection of the dialer in. */
  opened(): void;
  /** Counts it out again. */
  closed(): void;
  /**
   * Settles once the kernel has been polled after this call. Callers of a turn share one poll.
   *
   * @param sure As for {@linkcode Dialer.pollBarrier}.
   */
  wait(sure?: () => void): Promise<void>;
}

/** Those who wait for the same poll. */
export class BarrierGroup {
  readonly done: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #sure: (() => void)[] = [];

  add(sure: (() => void) | undefined): Promise<void> {
    if (sure !== undefined) this.#sure.push(sure);
    return this.done.promise;
  }

  /** What the kernel holds now will have been delivered when they are told. */
  readonly isSure = (): void => {
    for (const sure of this.#sure) sure();
  };

  /** What the kernel holds from now on may not have been. */
  close(): void {
    this.#sure = [];
  }
}
