/**
 * Whether a connection is gone, as a promise that is made only when somebody asks.
 *
 * @module
 */
import { realTime } from "./real_time.ts";

/** The end of one connection; what `whenClosed()` waits for. */
export class Gone {
  #isGone = false;
  #waiters: PromiseWithResolvers<void> | null = null;

  /** Nothing of the connection is left. Idempotent. */
  settle(): void {
    this.#isGone = true;
    realTime.queueMicrotask(() => this.#waiters?.resolve());
  }

  /** Settles after {@linkcode Gone.settle}, behind what its caller settles in the same turn. */
  async when(): Promise<void> {
    if (this.#isGone) return;
    this.#waiters ??= Promise.withResolvers<void>();
    await this.#waiters.promise;
  }
}
