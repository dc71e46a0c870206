/**
 * Which connection serves which request. Bookkeeping only: no sockets, no timers; time is an
 * argument, connections and requests are opaque. Every operation is O(1), but for sweeps and
 * listings.
 *
 * @module
 */
import { LinkedList, ListNode } from "../linked_list.ts";

/** Limits of a pool. Counts and milliseconds; 0 is unlimited. */
export interface PoolLimits {
  readonly maxIdle: number;
  readonly maxIdlePerKey: number;
  /** Connections under one key: being made, in use and idle. */
  readonly maxConnsPerKey: number;
  /** Requests under one key that wait because they may not dial. */
  readonly maxWaitersPerKey: number;
  /** Connections under one key that are being made. */
  readonly maxDialsPerKey: number;
  readonly idleTimeoutMs: number;
}

/** Who acts on what the pool decides. Called synchronously. */
export interface PoolOwner<C, W> {
  /** Make a connection; report by `dialled` or `dialFailed`. */
  startDial(ticket: Ticket<W>): void;
  /** The connection is kept: it becomes idle, or goes to a request that waits. */
  kept(connection: C): void;
  /** The request has its connection. */
  deliver(waiter: W, lease: Lease<C>): void;
  /** Close the connection: it is not kept. It has left the pool. */
  discard(connection: C, why: DiscardReason): void;
}

/** Why a connection was not kept. */
export type DiscardReason = "expired" | "surplus" | "evicted" | "shut";

/** A request's place in the queues of its key. */
export interface Ticket<W> {
  readonly key: string;
  readonly waiter: W;
  /** Whether it still waits for a connection. */
  readonly isWaiting: boolean;
}

/** A connection's record in the pool. */
export interface Lease<C> {
  readonly key: string;
  readonly connection: C;
  /** When it became idle last; 0 before the first time. */
  readonly idleSinceMs: number;
  /** When it becomes too old to be idle. */
  readonly expiresAtMs: number;
  readonly isIdle: boolean;
}

/** The queues and counts of one key. */
class Host<C, W> {
  readonly key: string;
  readonly idle: LinkedList<Entry<C, W>> = new LinkedList();
  readonly idleWaiters: LinkedList<Place<C, W>> = new LinkedList();
  readonly dialWaiters: LinkedList<Place<C, W>> = new LinkedList();
  connCount = 0;
  dialCount = 0;
  /** Dials whose requests have been served by other connections. */
  spareDialCount = 0;

  constructor(key: string) {
    this.key = key;
  }

  get isEmpty(): boolean {
    return this.connCount === 0 && this.idleWaiters.size === 0;
  }
}

class Place<C, W> implements Ticket<W> {
  readonly host: Host<C, W>;
  readonly waiter: W;
  readonly asIdleWaiter: ListNode<Place<C, W>> = new ListNode(this);
  readonly asDialWaiter: ListNode<Place<C, W>> = new ListNode(this);
  dial: "none" | "own" | "spare" | "ended" = "none";

  constructor(host: Host<C, W>, waiter: W) {
    this.host = host;
    this.waiter = waiter;
  }

  get key(): string {
    return this.host.key;
  }

  get isWaiting(): boolean {
    return this.asIdleWaiter.list !== null;
  }
}

class Entry<C, W> implements Lease<C> {
  readonly host: Host<C, W>;
  readonly connection: C;
  readonly inHost: ListNode<Entry<C, W>> = new ListNode(this);
  readonly inLru: ListNode<Entry<C, W>> = new ListNode(this);
  idleSinceMs = 0;
  expiresAtMs = Infinity;
  gone = false;

  constructor(host: Host<C, W>, connection: C) {
    this.host = host;
    this.connection = connection;
  }

  get key(): string {
    return this.host.key;
  }

  get isIdle(): boolean {
    return this.inHost.list !== null;
  }
}

/** How many connections and requests there are under one key. */
export interface HostCounts {
  /** Waiting for a request. */
  idle: number;
  /** Held by an exchange, or by a caller. */
  active: number;
  /** Being made. */
  dialing: number;
  /** Requests that wait for a connection. */
  waiting: number;
}

/**
 * The five containers: idle connections and waiting requests per key, all idle connections by last
 * use, connections per key, requests per key that may not dial yet.
 *
 * @typeParam C A connection.
 * @typeParam W A request that waits.
 */
export class Pool<C, W> {
  readonly #limits: PoolLimits;
  readonly #owner: PoolOwner<C, W>;
  readonly #hosts: Map<string, Host<C, W>> = new Map();
  readonly #lru: LinkedList<Entry<C, W>> = new LinkedList();
  #shut = false;

  constructor(limits: PoolLimits, owner: PoolOwner<C, W>) {
    this.#limits = limits;
    this.#owner = owner;
  }

  /** How many connections are idle. */
  get idleCount(): number {
    return this.#lru.size;
  }

  /**
   * Takes the connection that became idle last. Taking and removing are one step.
   *
   * @returns Undefined if none is usable.
   */
  take(key: string, nowMs: number): Lease<C> | undefined {
    const host = this.#hosts.get(key);
    if (host === undefined) return undefined;
    for (let entry = host.idle.pop(); entry !== undefined; entry = host.idle.pop()) {
      this.#lru.remove(entry.inLru);
      if (entry.expiresAtMs > nowMs) return entry;
      this.#drop(entry, "expired");
    }
    return undefined;
  }

  /**
   * Queues a request: it gets whichever comes first, a connection that is given back or its own
   * dial, which starts at once if the limits allow and no dial is under way that nobody waits for.
   *
   * @returns Null: the queue of its key is full.
   */
  enqueue(key: string, waiter: W): Ticket<W> | null {
    let host = this.#hosts.get(key);
    if (host === undefined) this.#hosts.set(key, host = new Host(key));
    const { maxWaitersPerKey } = this.#limits;
    if (
      maxWaitersPerKey > 0 && host.dialWaiters.size >= maxWaitersPerKey && !this.#mayDial(host)
    ) return null;
    const place = new Place(host, waiter);
    host.idleWaiters.push(place.asIdleWaiter);
    host.dialWaiters.push(place.asDialWaiter);
    this.#startDials(host);
    return place;
  }

  /** The request no longer waits. Its dial, if any, goes on for others. */
  cancel(ticket: Ticket<W>): void {
    const place = ticket as Place<C, W>;
    this.#leaveQueues(place);
    this.#forgetIfEmpty(place.host);
  }

  /** Makes the record of the connection that the dial for `ticket` has made. */
  admit(ticket: Ticket<W>, connection: C): Lease<C> {
    return new Entry((ticket as Place<C, W>).host, connection);
  }

  /**
   * The dial for `ticket` has made a connection: it serves that request, or, if that was served or
   * cancelled meanwhile, the first one that waits, or becomes idle.
   *
   * @param expiresAtMs When it becomes too old to be idle.
   */
  dialled(
    ticket: Ticket<W>,
    lease: Lease<C>,
    nowMs: number,
    expiresAtMs: number = Infinity,
  ): void {
    const place = ticket as Place<C, W>;
    this.#dialEnded(place);
    if (place.isWaiting) {
      this.#leaveQueues(place);
      this.#owner.deliver(place.waiter, lease);
    } else {
      this.giveBack(lease, nowMs, expiresAtMs);
    }
    // Dials may be limited by themselves.
    this.#startDials(place.host);
  }

  /** The dial for `ticket` has failed; its slot goes to the next request that may not dial yet. */
  dialFailed(ticket: Ticket<W>): void {
    const place = ticket as Place<C, W>;
    const { host } = place;
    this.#dialEnded(place);
    this.#leaveQueues(place);
    this.#freeSlot(host);
  }

  /**
   * A connection may carry another request: it serves the first one that waits, or becomes idle,
   * or, where that is over a limit, is discarded.
   *
   * @param expiresAtMs When it becomes too old to be idle, besides the idle time-out.
   */
  giveBack(lease: Lease<C>, nowMs: number, expiresAtMs: number = Infinity): void {
    const entry = lease as Entry<C, W>;
    if (entry.gone) return;
    const { host } = entry;
    if (this.#shut) return this.#drop(entry, "shut");
    if (expiresAtMs <= nowMs) return this.#drop(entry, "expired");
    const place = host.idleWaiters.first;
    if (place !== undefined) {
      this.#leaveQueues(place);
      if (place.dial === "own") {
        place.dial = "spare";
        host.spareDialCount++;
      }
      this.#owner.kept(entry.connection);
      this.#owner.deliver(place.waiter, entry);
      return;
    }
    const { maxIdle, maxIdlePerKey, idleTimeoutMs } = this.#limits;
    if (maxIdlePerKey > 0 && host.idle.size >= maxIdlePerKey) return this.#drop(entry, "surplus");
    entry.idleSinceMs = nowMs;
    entry.expiresAtMs = idleTimeoutMs > 0
      ? Math.min(nowMs + idleTimeoutMs, expiresAtMs)
      : expiresAtMs;
    host.idle.push(entry.inHost);
    this.#lru.push(entry.inLru);
    this.#owner.kept(entry.connection);
    if (maxIdle > 0 && this.#lru.size > maxIdle) this.#drop(this.#lru.first!, "evicted");
  }

  /** A connection, idle or not, is closed or the caller's own; its slot goes to the next request. */
  remove(lease: Lease<C>): void {
    this.#detach(lease as Entry<C, W>);
  }

  /**
   * Discards the idle connections that are too old.
   *
   * @returns When the next one will be; Infinity if none will.
   */
  sweep(nowMs: number): number {
    let nextMs = Infinity;
    for (const entry of [...this.#lru]) {
      if (entry.expiresAtMs <= nowMs) this.#drop(entry, "expired");
      else nextMs = Math.min(nextMs, entry.expiresAtMs);
    }
    return nextMs;
  }

  /** Discards all idle connections. */
  closeIdle(): void {
    for (let entry = this.#lru.first; entry !== undefined; entry = this.#lru.first) {
      this.#drop(entry, "shut");
    }
  }

  /** From now on nothing is kept. */
  shut(): void {
    this.#shut = true;
    this.closeIdle();
  }

  /** The keys that have connections or requests. */
  keys(): Iterable<string> {
    return this.#hosts.keys();
  }

  /** The requests that wait, those under one key in the order in which they came. */
  *waiters(): IterableIterator<W> {
    for (const { idleWaiters } of this.#hosts.values()) {
      for (const { waiter } of idleWaiters) yield waiter;
    }
  }

  /** Counts under one key. */
  counts(key: string): HostCounts {
    const host = this.#hosts.get(key);
    if (host === undefined) return { idle: 0, active: 0, dialing: 0, waiting: 0 };
    const idle = host.idle.size;
    return {
      idle,
      active: host.connCount - host.dialCount - idle,
      dialing: host.dialCount,
      waiting: host.idleWaiters.size,
    };
  }

  /** The connection that {@linkcode take} would give, left where it is. */
  peek(key: string, nowMs: number): Lease<C> | undefined {
    const entry = this.#hosts.get(key)?.idle.last;
    return entry !== undefined && entry.expiresAtMs > nowMs ? entry : undefined;
  }

  /** How many requests under that key may not dial yet. */
  queuedCount(key: string): number {
    return this.#hosts.get(key)?.dialWaiters.size ?? 0;
  }

  /** Whether one more request under that key would dial at once. */
  mayDial(key: string): boolean {
    const host = this.#hosts.get(key);
    return host === undefined ||
      (this.#mayDial(host) && this.#needsDial(host, host.dialWaiters.size + 1));
  }

  #mayDial(host: Host<C, W>): boolean {
    const { maxConnsPerKey, maxDialsPerKey } = this.#limits;
    return (maxConnsPerKey === 0 || host.connCount < maxConnsPerKey) &&
      (maxDialsPerKey === 0 || host.dialCount < maxDialsPerKey);
  }

  /**
   * Whether so many requests without a dial want more than the dials that nobody waits for. Where no
   * connection is in use, nothing tells that anything will ever come: a dial may hang, and a request
   * that is sent again waits beside idle connections.
   */
  #needsDial(host: Host<C, W>, waiterCount: number): boolean {
    return waiterCount > host.spareDialCount ||
      host.connCount - host.dialCount === host.idle.size;
  }

  #startDials(host: Host<C, W>): void {
    while (
      host.dialWaiters.size > 0 && this.#mayDial(host) &&
      this.#needsDial(host, host.dialWaiters.size)
    ) {
      const place = host.dialWaiters.shift()!;
      place.dial = "own";
      host.connCount++;
      host.dialCount++;
      this.#owner.startDial(place);
    }
  }

  #dialEnded(place: Place<C, W>): void {
    if (place.dial === "spare") place.host.spareDialCount--;
    place.dial = "ended";
    place.host.dialCount--;
  }

  #leaveQueues(place: Place<C, W>): void {
    place.host.idleWaiters.remove(place.asIdleWaiter);
    place.host.dialWaiters.remove(place.asDialWaiter);
  }

  #drop(entry: Entry<C, W>, why: DiscardReason): void {
    this.#detach(entry);
    this.#owner.discard(entry.connection, why);
  }

  #detach(entry: Entry<C, W>): void {
    if (entry.gone) return;
    entry.gone = true;
    entry.host.idle.remove(entry.inHost);
    this.#lru.remove(entry.inLru);
    this.#freeSlot(entry.host);
  }

  #freeSlot(host: Host<C, W>): void {
    host.connCount--;
    this.#startDials(host);
    this.#forgetIfEmpty(host);
  }

  #forgetIfEmpty(host: Host<C, W>): void {
    if (host.isEmpty) this.#hosts.delete(host.key);
  }
}
