/**
 * Many deadlines on one timer.
 *
 * @module
 */
import type { Clock, TimerHandle } from "./clock.ts";
import { LinkedList, ListNode } from "./linked_list.ts";

/** Milliseconds. Deadlines are kept in slots of this width: none fires early, each may fire late by it. */
const SLOT_MS = 5;

/** Milliseconds. Timers beyond fire at once on every runtime. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Milliseconds. A look at the kernel that takes longer has nothing to say. */
const MAX_LOOK_MS = 500;

/** Count. Promises between a read and whoever clears a deadline because of it, at the most. */
const MAX_STEPS = 64;

/** A deadline that was set. */
export interface Deadline {
  /** Whether it is still to come. */
  readonly isSet: boolean;
}

/** @param lateMs How long after its time it was noticed that a deadline had passed. */
export type Expire = (lateMs: number) => void;

class Entry implements Deadline {
  readonly slot: number;
  readonly expire: Expire;
  readonly looksFirst: boolean;
  readonly node: ListNode<Entry> = new ListNode(this);

  constructor(slot: number, expire: Expire, looksFirst: boolean) {
    this.slot = slot;
    this.expire = expire;
    this.looksFirst = looksFirst;
  }

  get isSet(): boolean {
    return this.node.list !== null;
  }
}

/** A look at the kernel, and the deadlines that are due and wait for it. */
interface Look {
  readonly due: LinkedList<Entry>;
  readonly startedAtMs: number;
  /** Settles when all that the kernel held has been told; null: nothing is held back. */
  readonly told: Promise<void> | null;
  /** Bounds it. */
  timer: TimerHandle;
}

/**
 * Deadlines of a transport. Setting and clearing one is O(1); however many there are, at most one
 * timer runs, and none while there are none. (A look at the kernel has a timer of its own.)
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #poll: () => Promise<void> | null;
  readonly #slots: Map<number, LinkedList<Entry>> = new Map();
  #timer: TimerHandle = null;
  #timerSlot = Infinity;
  readonly #looks: Map<LinkedList<Entry>, Look> = new Map();

  /**
   * @param poll Has the kernel polled; what it held has reached the pending reads when this settles.
   * Null: nothing is held back. May throw, reject or hang.
   */
  constructor(clock: Clock, poll: () => Promise<void> | null = () => null) {
    this.#clock = clock;
    this.#poll = poll;
  }

  /** How many deadlines are to come. */
  get size(): number {
    let size = 0;
    for (const due of this.#looks.keys()) size += due.size;
    for (const slot of this.#slots.values()) size += slot.size;
    return size;
  }

  /**
   * Calls `expire` once `delayMs` have passed, unless cleared before.
   *
   * @param delayMs Above 0.
   * @param looksFirst Whether the kernel is looked at once more when they have: the program may have
   * been busy while what clears the deadline came.
   */
  set(delayMs: number, expire: Expire, looksFirst: boolean = false): Deadline {
    const slot = Math.ceil((this.#clock.now() + delayMs) / SLOT_MS);
    const entry = new Entry(slot, expire, looksFirst);
    let list = this.#slots.get(slot);
    if (list === undefined) this.#slots.set(slot, list = new LinkedList());
    list.push(entry.node);
    if (slot < this.#timerSlot) this.#arm(slot);
    return entry;
  }

  /** Forgets a deadline; nothing happens if there is none or it has passed. */
  clear(deadline: Deadline | null): void {
    if (deadline === null) return;
    const entry = deadline as Entry;
    const list = entry.node.list;
    if (list === null) return;
    list.remove(entry.node);
    if (list.size > 0) return;
    const look = this.#looks.get(list);
    if (look !== undefined) return this.#forget(look);
    if (this.#slots.get(entry.slot) !== list) return;
    this.#slots.delete(entry.slot);
    if (this.#slots.size === 0) this.#disarm();
  }

  /** Forgets everything. */
  stop(): void {
    this.#slots.clear();
    this.#disarm();
    for (const look of [...this.#looks.values()]) this.#forget(look);
  }

  #arm(slot: number): void {
    this.#disarm();
    this.#timerSlot = slot;
    const delayMs = Math.max(0, slot * SLOT_MS - this.#clock.now());
    this.#timer = this.#clock.startTimer(this.#fire, Math.min(delayMs, MAX_TIMER_MS));
  }

  #disarm(): void {
    if (this.#timerSlot === Infinity) return;
    this.#clock.stopTimer(this.#timer);
    this.#timerSlot = Infinity;
  }

  readonly #fire = (): void => {
    this.#timerSlot = Infinity;
    const nowMs = this.#clock.now();
    try {
      let look: Look | null = null;
      for (const slot of [...this.#slots.keys()].sort((a, b) => a - b)) {
        if (slot * SLOT_MS > nowMs) break;
        look = this.#expire(slot, nowMs, look);
      }
    } finally {
      // One that throws must not keep the others from firing.
      let next = Infinity;
      for (const slot of this.#slots.keys()) next = Math.min(next, slot);
      if (next < this.#timerSlot) this.#arm(next);
    }
  };

  /** @returns The look that those wait for which are due now. */
  #expire(slot: number, nowMs: number, look: Look | null): Look | null {
    // Looked up again for each: one that fires may clear others, or stop all.
    for (let list = this.#slots.get(slot); list !== undefined; list = this.#slots.get(slot)) {
      const entry = list.shift()!;
      if (list.size === 0) this.#slots.delete(slot);
      if (entry.looksFirst) look = this.#expireAfter(look ?? this.#startLook(nowMs), entry);
      else entry.expire(nowMs - slot * SLOT_MS);
    }
    return look;
  }

  #expireAfter(look: Look, entry: Entry): Look {
    if (look.told === null) {
      entry.expire(look.startedAtMs - entry.slot * SLOT_MS);
      return look;
    }
    look.due.push(entry.node);
    if (this.#looks.has(look.due)) return look;
    this.#looks.set(look.due, look);
    const declare = (): void => this.#declare(look);
    look.timer = this.#clock.startTimer(declare, MAX_LOOK_MS);
    look.told.then(declare, declare);
    return look;
  }

  #startLook(startedAtMs: number): Look {
    const due: LinkedList<Entry> = new LinkedList();
    try {
      const polled = this.#poll();
      return { due, startedAtMs, told: polled && this.#told(polled), timer: null };
    } catch {
      return { due, startedAtMs, told: null, timer: null };
    }
  }

  /** Gives what has come its turn. */
  async #told(polled: Promise<void>): Promise<void> {
    await polled;
    const clock = this.#clock;
    if (clock.atEndOfTurn !== undefined) {
      await new Promise<void>((resolve) => clock.atEndOfTurn!(resolve));
    }
    for (let step = 0; step < MAX_STEPS; step++) await null;
  }

  #declare(look: Look): void {
    const { due } = look;
    try {
      // One that fires may clear others, or stop all.
      while (this.#looks.has(due) && due.size > 0) {
        const entry = due.shift()!;
        entry.expire(look.startedAtMs - entry.slot * SLOT_MS);
      }
    } finally {
      if (due.size > 0 && this.#looks.has(due)) this.#declare(look);
      else this.#forget(look);
    }
  }

  #forget(look: Look): void {
    if (this.#looks.delete(look.due)) this.#clock.stopTimer(look.timer);
  }
}
