/**
 * Proof that the kernel has been polled: a byte sent to ourselves has come back, so whatever the
 * kernel held for other connections before has been delivered too. One `setImmediate` is no such
 * proof on any runtime.
 *
 * @module
 */
import type { Conn } from "../conn.ts";

/** One end of the loopback connection. */
export type BarrierEnd = Pick<Conn, "read" | "write" | "close" | "ref" | "unref">;

/**
 * Count. Without a loopback connection this many turns of the event loop stand in for it: the
 * scheduler under Deno looks at its sockets every 61 turns when it is busy.
 */
const fallbackTurns = 130;

/**
 * The barrier of one dialer.
 *
 * Owns: a loopback connection, made at the first wait and closed with the last connection of the
 * dialer, so that a program that has closed everything has nothing left open.
 */
export class PollBarrier {
  #makePair: () => Promise<[BarrierEnd, BarrierEnd] | null>;
  #tell: () => void;
  #connCount = 0;
  #pair: [BarrierEnd, BarrierEnd] | null = null;
  /** The callers whose byte has not been sent yet. */
  #next: PromiseWithResolvers<void> | null = null;
  #running = false;
  #byte: Uint8Array = new Uint8Array(1);

  /**
   * @param makePair Connects two ends, or gives null where that is not permitted. It has to check
   * that they belong together: for a moment anybody on this machine can connect.
   * @param tell Settles the reads for which something has come and that have not been told yet.
   */
  constructor(
    makePair: () => Promise<[BarrierEnd, BarrierEnd] | null>,
    tell: () => void = () => {},
  ) {
    this.#makePair = makePair;
    this.#tell = tell;
  }

  /** Counts a connection of the dialer in. */
  opened(): void {
    this.#connCount++;
  }

  /** Counts it out again. */
  closed(): void {
    this.#connCount--;
    this.#closeWhenUnused();
  }

  /** Settles once the kernel has been polled after this call. Callers of a turn share one poll. */
  wait(): Promise<void> {
    if (this.#next === null) {
      this.#next = Promise.withResolvers<void>();
      if (!this.#running) {
        this.#running = true;
        queueMicrotask(this.#run);
      }
    }
    return this.#next.promise;
  }

  #run = async (): Promise<void> => {
    while (this.#next !== null) {
      this.#pair ??= await this.#makePair().catch(() => null);
      // Who calls from here on needs a later poll.
      const group: PromiseWithResolvers<void> = this.#next;
      this.#next = null;
      const polled = this.#pair !== null && await this.#roundTrip(this.#pair);
      // The events of one poll come in no certain order: the others follow within this turn.
      await turns(polled ? 1 : fallbackTurns);
      this.#tell();
      group.resolve();
    }
    this.#running = false;
    this.#closeWhenUnused();
  };

  async #roundTrip([near, far]: [BarrierEnd, BarrierEnd]): Promise<boolean> {
    // Without this the process could exit while somebody waits.
    far.ref();
    try {
      const reading = far.read(this.#byte);
      reading.catch(() => {});
      await near.write(this.#byte);
      if (await reading === 1) return true;
    } catch {
      // Replaced at the next wait.
    } finally {
      far.unref();
    }
    this.#closePair();
    return false;
  }

  #closeWhenUnused(): void {
    if (this.#connCount === 0 && !this.#running) this.#closePair();
  }

  #closePair(): void {
    this.#pair?.[0].close();
    this.#pair?.[1].close();
    this.#pair = null;
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
