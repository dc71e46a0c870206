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

/** A deadline that was set. */
export interface Deadline {
  /** Whether it is still to come. */
  readonly isSet: boolean;
}

class Entry implements Deadline {
  readonly slot: number;
  readonly expire: () => void;
  readonly node: ListNode<Entry> = new ListNode(this);

  constructor(slot: number, expire: () => void) {
    this.slot = slot;
    this.expire = expire;
  }

  get isSet(): boolean {
    return this.node.list !== null;
  }
}

/**
 * Deadlines of a transport. Setting and clearing one is O(1); however many there are, at most one
 * timer runs, and none while there are none.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #slots: Map<number, LinkedList<Entry>> = new Map();
  #timer: TimerHandle = null;
  #timerSlot = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many deadlines are to come. */
  get size(): number {
    let size = 0;
    for (const slot of this.#slots.values()) size += slot.size;
    return size;
  }

  /**
   * Calls `expire` once `delayMs` have passed, unless cleared before.
   *
   * @param delayMs Above 0.
   */
  set(delayMs: number, expire: () => void): Deadline {
    const slot = Math.ceil((this.#clock.now() + delayMs) / SLOT_MS);
    const entry = new Entry(slot, expire);
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
    if (list.size > 0 || this.#slots.get(entry.slot) !== list) return;
    this.#slots.delete(entry.slot);
    if (this.#slots.size === 0) this.#disarm();
  }

  /** Forgets everything. */
  stop(): void {
    this.#slots.clear();
    this.#disarm();
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
      for (const slot of [...this.#slots.keys()].sort((a, b) => a - b)) {
        if (slot * SLOT_MS > nowMs) break;
        this.#expire(slot);
      }
    } finally {
      // One that throws must not keep the others from firing.
      let next = Infinity;
      for (const slot of this.#slots.keys()) next = Math.min(next, slot);
      if (next < this.#timerSlot) this.#arm(next);
    }
  };

  #expire(slot: number): void {
    // Looked up again for each: one that fires may clear others, or stop all.
    for (let list = this.#slots.get(slot); list !== undefined; list = this.#slots.get(slot)) {
      const entry = list.shift();
      if (list.size === 0) this.#slots.delete(slot);
      entry?.expire();
    }
  }
}
