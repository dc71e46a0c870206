/**
 * Proof that the kernel has been polled: a byte sent to ourselves has come back, so whatever the
 * kernel held for other connections before has been delivered too. One `setImmediate` is no such
 * proof on any runtime, and on Deno and Bun no small number of them is.
 *
 * @module
 */
import type { Conn } from "../conn.ts";
import { type Barrier, BarrierGroup } from "./barrier_group.ts";
import { realTime } from "../real_time.ts";

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
export class PollBarrier implements Barrier {
  #makePair: () => Promise<[BarrierEnd, BarrierEnd] | null>;
  #tell: () => void;
  #connCount = 0;
  #pair: [BarrierEnd, BarrierEnd] | null = null;
  /** The callers whose byte has not been sent yet. */
  #next: BarrierGroup | null = null;
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

  opened(): void {
    this.#connCount++;
  }

  closed(): void {
    this.#connCount--;
    this.#closeWhenUnused();
  }

  wait(sure?: () => void): Promise<void> {
    if (this.#next === null) {
      this.#next = new BarrierGroup();
      if (!this.#running) {
        this.#running = true;
        realTime.queueMicrotask(this.#run);
      }
    }
    return this.#next.add(sure);
  }

  #run = async (): Promise<void> => {
    while (this.#next !== null) {
      this.#pair ??= await this.#makePair().catch(() => null);
      // Who calls from here on needs a later poll.
      const group: BarrierGroup = this.#next;
      this.#next = null;
      const polled = this.#pair !== null && await this.#roundTrip(this.#pair, group);
      group.close();
      // The events of one poll come in no certain order: the others follow within this turn.
      await turns(polled ? 1 : fallbackTurns);
      this.#tell();
      group.done.resolve();
    }
    this.#running = false;
    this.#closeWhenUnused();
  };

  async #roundTrip([near, far]: [BarrierEnd, BarrierEnd], group: BarrierGroup): Promise<boolean> {
    // Without this the process could exit while somebody waits.
    far.ref();
    try {
      const reading = far.read(this.#byte).finally(() => group.close());
      reading.catch(() => {});
      group.isSure();
      // The last that a busy turn does; the byte cannot have been seen before.
      realTime.setImmediate(group.isSure);
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
  for (let i = 0; i < count; i++) await new Promise((resolve) => realTime.setImmediate(resolve));
}
