/**
 * Proof that the kernel has been polled, on Node: a whole turn of its event loop. A callback of
 * `setImmediate` runs in the loop's check phase, and one that is asked for there runs in the check
 * phase of the next turn; in between stands the phase that polls the kernel, without waiting, as
 * something is still to be done, and calls back for every socket that has something.
 *
 * This is libuv's: it asks for 1,024 sockets at once, and goes on asking while it gets so many, 48
 * times. Runtimes that play Node have other loops.
 *
 * @module
 */
import { realTime } from "../real_time.ts";
import { type Barrier, BarrierGroup } from "./barrier_group.ts";

/** The barrier of a dialer of Node. Owns nothing: a turn that is waited for keeps the process alive. */
export class TurnBarrier implements Barrier {
  readonly #tell: () => void;
  /** The callers after whom no turn has begun yet. */
  #next: BarrierGroup | null = null;

  /** @param tell Settles the reads for which something has come and that have not been told yet. */
  constructor(tell: () => void) {
    this.#tell = tell;
  }

  opened(): void {}

  closed(): void {}

  wait(sure?: () => void): Promise<void> {
    if (this.#next === null) {
      this.#next = new BarrierGroup();
      realTime.setImmediate(this.#begin);
    }
    return this.#next.add(sure);
  }

  readonly #begin = (): void => {
    const group = this.#next!;
    // Who calls from here on needs a later poll.
    this.#next = null;
    realTime.setImmediate(() => {
      this.#tell();
      group.done.resolve();
    });
    group.isSure();
  };
}
