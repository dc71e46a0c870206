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
  /** Connections under all keys: being made, in use and idle. @default {0} */
  readonly maxConns?: number;
  /** Connections under one key: being made, in use and idle. */
  readonly maxConnsPerKey: number;
  /** Requests under one key that wait because they may not dial. */
  readonly maxWaitersPerKey: number;
  /** Connections under one key that are being made. */
  readonly maxDialsPerKey: number;
  /** Whether requests wait for a place while connections that have many of them have none left. */
  readonly waitsWhenFull?: boolean;
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
  /** Somebody waits for a connection under that key, where nobody did, and some are being made. */
  dialsWanted(key: string): void;
  /** Connections are being made under that key, and nobody waits for any. */
  dialsUnwanted(key: string): void;
}

/** Why a connection was not kept. */
export type DiscardReason = "expired" | "surplus" | "evicted" | "displaced" | "shut";

/** A request's place in the queues of its key. */
export interface Ticket<W> {
  readonly key: string;
  readonly waiter: W;
  /** Whether it still waits for a connection. */
  readonly isWaiting: boolean;
}

/** Whether connections under a key carry one exchange at a time, or many; not known before one is made. */
export type Sharing = "unknown" | "single" | "shared";

/** A connection's record in the pool. */
export interface Lease<C> {
  readonly key: string;
  readonly connection: C;
  /** How many requests it serves. */
  readonly taken: number;
  /** When it became idle last; 0 before the first time. */
  readonly idleSinceMs: number;
  /** When it becomes too old to be idle. */
  readonly expiresAtMs: number;
  readonly isIdle: boolean;
}

/** Keys. Of how many it is remembered what their connections can do. */
const REMEMBERED_KEYS = 1_000;

/** The queues and counts of one key. */
class Host<C, W> {
  readonly key: string;
  readonly idle: LinkedList<Entry<C, W>> = new LinkedList();
  /** Connections that serve requests and have places left, the oldest first, so that others run dry. */
  readonly open: LinkedList<Entry<C, W>> = new LinkedList();
  readonly idleWaiters: LinkedList<Place<C, W>> = new LinkedList();
  readonly dialWaiters: LinkedList<Place<C, W>> = new LinkedList();
  connCount = 0;
  dialCount = 0;
  /** Dials whose requests have been served by other connections. */
  spareDialCount = 0;
  /** Dials that have taken so long that others may start beside them. */
  slowDialCount = 0;
  /** Dials that have failed since the last one that did not. */
  failedDialCount = 0;
  /** Connections that can serve several requests at once, be it later, and are not about to end. */
  sharedCount = 0;
  /** Whether there can be any such. */
  readonly mayShare: boolean;
  /** Among the keys that want one more connection, and may not have it because there are too many in all. */
  readonly inTurn: ListNode<Host<C, W>> = new ListNode(this);

  constructor(key: string, mayShare: boolean) {
    this.key = key;
    this.mayShare = mayShare;
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
  isSlow = false;
  /** Whether there was no connection when its dial began. */
  wasFirst = false;

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
  /** In the list of the idle ones, or of the open ones, of its host; or of the useless ones of all. */
  readonly inHost: ListNode<Entry<C, W>> = new ListNode(this);
  readonly inLru: ListNode<Entry<C, W>> = new ListNode(this);
  readonly inLeaving: ListNode<Entry<C, W>> = new ListNode(this);
  /** Requests that it can serve at once. */
  capacity: number;
  taken = 0;
  /** Whether it is counted in {@linkcode Host.sharedCount}. */
  isCounted = false;
  idleSinceMs = 0;
  expiresAtMs = Infinity;
  gone = false;

  constructor(host: Host<C, W>, connection: C, capacity: number) {
    this.host = host;
    this.connection = connection;
    this.capacity = capacity;
  }

  get key(): string {
    return this.host.key;
  }

  get isIdle(): boolean {
    return this.inLru.list !== null;
  }

  /** Whether it serves no others, so that another key can have its place. */
  get isLeaving(): boolean {
    return this.inLeaving.list !== null;
  }

  /** Whether it can be given one more request. */
  get hasRoom(): boolean {
    return this.taken < this.capacity && !this.isLeaving;
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
  /** Connections that serve nobody and can serve nobody now, which is not to be idle. */
  readonly #useless: LinkedList<Entry<C, W>> = new LinkedList();
  /** Connections under all keys. */
  #connCount = 0;
  /** Keys that wait for a place among {@linkcode PoolLimits.maxConns}: each gets one in its turn. */
  readonly #turns: LinkedList<Host<C, W>> = new LinkedList();
  /** Connections that go when the last of their requests ends, at most one for each key that waits. */
  readonly #leaving: LinkedList<Entry<C, W>> = new LinkedList();
  /**
   * How many requests connections under a key could serve at once last, the key that was told longest
   * ago first.
   */
  readonly #places: Map<string, number> = new Map();
  #shut = false;
  #ended = false;

  constructor(limits: PoolLimits, owner: PoolOwner<C, W>) {
    this.#limits = limits;
    this.#owner = owner;
  }

  /** How many connections there are, those that are being made too. */
  get connCount(): number {
    return this.#connCount;
  }

  /** Whether there may be one more, without another that goes for it. */
  get hasPlace(): boolean {
    return !this.#isLimited || this.#connCount < this.#limits.maxConns!;
  }

  /** How many connections are idle. */
  get idleCount(): number {
    return this.#lru.size;
  }

  /**
   * Takes a place: on a connection that serves others, or else on the one that became idle last.
   * Finding and taking are one step.
   *
   * @returns Undefined if none is usable.
   */
  take(key: string, nowMs: number): Lease<C> | undefined {
    const host = this.#hosts.get(key);
    if (host === undefined) return undefined;
    const shared = host.open.first;
    if (shared !== undefined) {
      this.#occupy(shared);
      return shared;
    }
    for (let entry = host.idle.pop(); entry !== undefined; entry = host.idle.pop()) {
      this.#lru.remove(entry.inLru);
      if (entry.expiresAtMs > nowMs) {
        this.#occupy(entry);
        return entry;
      }
      this.#drop(entry, "expired");
    }
    return undefined;
  }

  /** Takes one more place of an entry that stands in no list, or in that of the open ones. */
  #occupy(entry: Entry<C, W>): void {
    entry.taken++;
    if (entry.capacity > 1) this.#list(entry);
  }

  /** Puts an entry that is not idle into the list of the open ones, or takes it out. */
  #list(entry: Entry<C, W>): void {
    const { open } = entry.host;
    const isOpen = entry.taken > 0 && entry.hasRoom;
    if (isOpen === (entry.inHost.list !== null)) return;
    if (isOpen) open.push(entry.inHost);
    else open.remove(entry.inHost);
  }

  /**
   * Queues a request: it gets whichever comes first, a connection that is given back or its own
   * dial, which starts at once if the limits allow and no dial is under way that nobody waits for.
   *
   * @param mayShare Whether connections under the key may carry many exchanges at a time. Then a burst
   * of requests under a key of which nothing is known begins with one dial.
   * @returns Null: the queue of its key is full.
   */
  enqueue(key: string, waiter: W, mayShare: boolean = false): Ticket<W> | null {
    let host = this.#hosts.get(key);
    if (host === undefined) this.#hosts.set(key, host = new Host(key, mayShare));
    const { maxWaitersPerKey } = this.#limits;
    if (
      maxWaitersPerKey > 0 && host.dialWaiters.size >= maxWaitersPerKey + this.#awaited(host) &&
      (!this.#mayDial(host) || this.#isFull || this.#waitsForRoom(host))
    ) return null;
    const place = new Place(host, waiter);
    const isFirst = host.idleWaiters.size === 0;
    host.idleWaiters.push(place.asIdleWaiter);
    if (isFirst && host.dialCount > 0) this.#owner.dialsWanted(key);
    host.dialWaiters.push(place.asDialWaiter);
    this.#startDials(host);
    return place;
  }

  /**
   * A request has waited long enough for what others have dialled: begins a dial of its own.
   *
   * @returns False: it has one, or may have none.
   */
  dialNow(ticket: Ticket<W>): boolean {
    const place = ticket as Place<C, W>;
    const { host } = place;
    if (!host.mayShare || !this.#mayDial(host) || this.#waitsForRoom(host)) return false;
    if (this.#isFull) return false;
    if (!host.dialWaiters.remove(place.asDialWaiter)) return false;
    this.#startDial(place);
    return true;
  }

  /** The request no longer waits. Its dial, if any, goes on for others. */
  cancel(ticket: Ticket<W>): void {
    const place = ticket as Place<C, W>;
    this.#leaveQueues(place);
    this.#forgetIfEmpty(place.host);
    if (this.#leaving.size > 0) this.#keepLeaving();
  }

  /**
   * Makes the record of the connection that the dial for `ticket` has made.
   *
   * @param capacity How many requests it can serve at once.
   * @param isShared Whether it can be more of them later.
   */
  admit(
    ticket: Ticket<W>,
    connection: C,
    capacity: number = 1,
    isShared: boolean = capacity !== 1,
  ): Lease<C> {
    const { host } = ticket as Place<C, W>;
    if (host.mayShare) this.learn(host.key, capacity);
    const entry = new Entry(host, connection, capacity);
    this.#count(entry, isShared);
    return entry;
  }

  /**
   * The dial for `ticket` has made a connection: it serves that request, or, if that was served or
   * cancelled meanwhile, the first one that waits, or becomes idle; as many others as it has places
   * for are served too.
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
    const { host } = place;
    this.#dialEnded(place);
    host.failedDialCount = 0;
    const entry = lease as Entry<C, W>;
    if (place.isWaiting) {
      this.#leaveQueues(place);
      this.#occupy(entry);
      this.#owner.deliver(place.waiter, lease);
      this.#serveWaiters(entry);
    } else if (place.wasFirst && host.sharedCount > 1 && this.#hasSharedPlace(host)) {
      // It was to serve all; another does.
      this.#drop(entry, "surplus");
    } else {
      // Where others wait under its key, it is what they got in their turn.
      this.#free(entry, nowMs, expiresAtMs, host.idleWaiters.size === 0);
    }
    // Dials may be limited by themselves.
    this.#startDials(host);
  }

  /** The dial for `ticket` has failed; its slot goes to the next request that may not dial yet. */
  dialFailed(ticket: Ticket<W>): void {
    const place = ticket as Place<C, W>;
    const { host } = place;
    this.#dialEnded(place);
    host.failedDialCount++;
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
    entry.taken--;
    this.#free(entry, nowMs, expiresAtMs);
  }

  /** A place of a connection is free, or all of them are. */
  #free(entry: Entry<C, W>, nowMs: number, expiresAtMs: number, mayYield: boolean = true): void {
    const { host } = entry;
    if (entry.taken === 0) {
      if (this.#shut) return this.#drop(entry, "shut");
      if (expiresAtMs <= nowMs) return this.#drop(entry, "expired");
    }
    if (mayYield && this.#turns.size > 0 && this.#isAnothersTurn(host)) {
      if (entry.taken === 0) return this.#drop(entry, "displaced");
      this.#leave(entry);
    }
    if (entry.taken === 0) this.#leaving.remove(entry.inLeaving);
    if (entry.hasRoom && host.idleWaiters.size > 0) {
      if (entry.taken === 0) this.#owner.kept(entry.connection);
      this.#serveWaiters(entry);
      if (this.#isLimited) this.#startDials(host);
      return;
    }
    if (entry.taken > 0) {
      this.#list(entry);
      if (this.#isLimited) this.#startDials(host);
      return;
    }
    // It was among those with places left.
    host.open.remove(entry.inHost);
    if (entry.capacity === 0) return this.#setAside(entry);
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

  /** Gives the places of a connection to those who wait. */
  #serveWaiters(entry: Entry<C, W>): void {
    const { host } = entry;
    for (
      let place = host.idleWaiters.first;
      place !== undefined && entry.hasRoom && !entry.gone;
      place = host.idleWaiters.first
    ) {
      this.#leaveQueues(place);
      if (place.dial === "own") {
        place.dial = "spare";
        host.spareDialCount++;
      }
      this.#occupy(entry);
      this.#owner.deliver(place.waiter, entry);
    }
  }

  /**
   * A connection can serve more requests at once, or fewer, than before; 0: none besides those that
   * it serves.
   *
   * @param expiresAtMs As for {@linkcode giveBack}.
   * @param isLast Whether it will never serve others.
   */
  setCapacity(
    lease: Lease<C>,
    capacity: number,
    nowMs: number,
    expiresAtMs: number = Infinity,
    isLast: boolean = capacity === 0,
  ): void {
    const entry = lease as Entry<C, W>;
    if (entry.gone || (entry.capacity === capacity && entry.isCounted !== isLast)) return;
    this.#count(entry, !isLast);
    entry.capacity = capacity;
    if (entry.isIdle) {
      // It waits, but not for a request.
      if (capacity === 0) {
        this.#leaveLists(entry);
        this.#setAside(entry);
      }
    } else if (entry.taken > 0) {
      this.#list(entry);
      this.#serveWaiters(entry);
    } else if (capacity > 0) {
      this.#useless.remove(entry.inHost);
      this.#free(entry, nowMs, expiresAtMs);
    }
    this.#startDials(entry.host);
  }

  /** The dial for `ticket` takes long: others may start beside it. */
  dialIsSlow(ticket: Ticket<W>): void {
    const place = ticket as Place<C, W>;
    if (place.isSlow || (place.dial !== "own" && place.dial !== "spare")) return;
    place.isSlow = true;
    place.host.slowDialCount++;
    this.#startDials(place.host);
  }

  /** What is known of the connections under a key for which there are requests or connections. */
  sharingOf(key: string): Sharing {
    const host = this.#hosts.get(key);
    const places = host === undefined ? 1 : this.#placesOf(host);
    return places === 1 ? "single" : places === Infinity ? "unknown" : "shared";
  }

  /** How many requests a connection under a key could serve at once last; undefined: not known. */
  placesKnown(key: string): number | undefined {
    return this.#places.get(key);
  }

  /** How many requests one that is made can be expected to serve at once; Infinity: not known. */
  #placesOf({ key, mayShare }: Host<C, W>): number {
    return mayShare ? this.#places.get(key) ?? Infinity : 1;
  }

  /** Connections of others are given away before this one. */
  putLast(lease: Lease<C>): void {
    const { host, inHost } = lease as Entry<C, W>;
    if (host.open.remove(inHost)) host.open.push(inHost);
    // Of the idle ones the last is taken first.
    else if (host.idle.remove(inHost)) host.idle.unshift(inHost);
  }

  /** Connections under a key serve so many requests at once; above 0. */
  learn(key: string, places: number): void {
    this.#places.delete(key);
    this.#places.set(key, places);
    if (this.#places.size <= REMEMBERED_KEYS) return;
    for (const oldest of this.#places.keys()) {
      this.#places.delete(oldest);
      break;
    }
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

  /** From now on no dial is begun either: those that wait are ended by whoever calls this. */
  end(): void {
    this.#ended = true;
    this.shut();
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
    const host = this.#hosts.get(key);
    const shared = host?.open.first;
    if (shared !== undefined) return shared;
    const entry = host?.idle.last;
    return entry !== undefined && entry.expiresAtMs > nowMs ? entry : undefined;
  }

  /** How many requests under that key may not dial yet. */
  queuedCount(key: string): number {
    return this.#hosts.get(key)?.dialWaiters.size ?? 0;
  }

  /** Whether one more request under that key would dial at once. */
  mayDial(key: string): boolean {
    const host = this.#hosts.get(key);
    if (this.#isFull) return false;
    return host === undefined ||
      (this.#mayDial(host) && this.#needsDial(host, host.dialWaiters.size + 1));
  }

  /** Whether the connections under all keys are limited. */
  get #isLimited(): boolean {
    return (this.#limits.maxConns ?? 0) > 0;
  }

  /** Whether there are as many as may be, and none of them can go for another. */
  get #isFull(): boolean {
    return this.#isLimited && this.#connCount >= this.#limits.maxConns! &&
      this.#lru.size + this.#useless.size === 0;
  }

  /** As far as the limits of its key say. */
  #mayDial(host: Host<C, W>): boolean {
    const { maxConnsPerKey, maxDialsPerKey } = this.#limits;
    return !this.#ended && (maxConnsPerKey === 0 || host.connCount < maxConnsPerKey) &&
      (maxDialsPerKey === 0 || host.dialCount < maxDialsPerKey);
  }

  /**
   * Whether so many requests without a dial want more than the dials that nobody waits for. Where no
   * connection is in use, nothing tells that anything will ever come: a dial may hang, and a request
   * that is sent again waits beside idle connections.
   */
  #needsDial(host: Host<C, W>, waiterCount: number): boolean {
    if (host.mayShare) {
      // One connection may be enough for all of them: what it can do is not known before it is made.
      const awaitedCount = host.dialCount - host.slowDialCount;
      const places = this.#placesOf(host);
      const waiting = host.idleWaiters.size + waiterCount - host.dialWaiters.size;
      const isEnough = places > 1 && awaitedCount * places >= waiting;
      // Where one has failed others need not wait for the next by itself.
      if (awaitedCount > host.failedDialCount && isEnough) return false;
      if (this.#waitsForRoom(host)) return false;
    }
    return waiterCount > host.spareDialCount ||
      host.connCount - host.dialCount === host.idle.size;
  }

  /** Whether requests are to wait for places on the connections that there are. */
  #waitsForRoom(host: Host<C, W>): boolean {
    return this.#limits.waitsWhenFull === true && host.sharedCount > 0 &&
      !this.#hasSharedPlace(host);
  }

  /** How many requests can be expected to be served by what is being dialled, besides its own. */
  #awaited(host: Host<C, W>): number {
    const places = this.#placesOf(host);
    return places === Infinity ? 0 : host.dialCount * (places - 1);
  }

  /** Whether a connection that can serve several requests at once has a place left. */
  #hasSharedPlace({ open, idle, sharedCount }: Host<C, W>): boolean {
    return sharedCount > 0 && open.size + idle.size > 0;
  }

  #wantsDial(host: Host<C, W>): boolean {
    return host.dialWaiters.size > 0 && this.#mayDial(host) &&
      this.#needsDial(host, host.dialWaiters.size);
  }

  #startDials(host: Host<C, W>): void {
    if (this.#isLimited) {
      this.#joinTurns(host);
      this.#serveTurns();
    } else {
      while (this.#wantsDial(host)) this.#startDial(host.dialWaiters.shift()!);
    }
  }

  #startDial(place: Place<C, W>): void {
    const { host } = place;
    place.dial = "own";
    place.wasFirst = host.connCount === host.dialCount;
    host.connCount++;
    host.dialCount++;
    this.#connCount++;
    if (this.#isLimited) {
      // Before whatever is called: nobody else is to have the place, or the turn.
      this.#joinTurns(host);
      if (this.#connCount > this.#limits.maxConns!) {
        this.#drop(this.#lru.first ?? this.#useless.first!, "displaced");
      }
    }
    this.#owner.startDial(place);
  }

  /** Behind the others, if it wants a connection. */
  #joinTurns(host: Host<C, W>): void {
    if (host.inTurn.list === null && this.#wantsDial(host)) this.#turns.push(host.inTurn);
  }

  /** The key whose turn it is. */
  #nextInTurn(): Host<C, W> | undefined {
    for (let host = this.#turns.first; host !== undefined; host = this.#turns.first) {
      if (this.#wantsDial(host)) return host;
      this.#turns.remove(host.inTurn);
    }
    return undefined;
  }

  #serveTurns(): void {
    while (!this.#isFull) {
      const host = this.#nextInTurn();
      if (host === undefined) break;
      this.#turns.remove(host.inTurn);
      this.#startDial(host.dialWaiters.shift()!);
    }
    if (this.#leaving.size > 0) this.#keepLeaving();
  }

  /**
   * Whether the place that a connection of `host` has is to be given to another key. If not, and it was
   * the turn of `host`, it has had it.
   */
  #isAnothersTurn(host: Host<C, W>): boolean {
    const next = this.#nextInTurn();
    if (next === host) this.#turns.remove(host.inTurn);
    return next !== undefined && next !== host;
  }

  /** A connection that many requests share is given no others: it would never be free. */
  #leave(entry: Entry<C, W>): void {
    if (entry.isLeaving || this.#leaving.size >= this.#turns.size) return;
    this.#leaving.push(entry.inLeaving);
    this.#list(entry);
  }

  /** Those stay whose place nobody wants any more, or whose own key has the next turn. */
  #keepLeaving(): void {
    for (const entry of [...this.#leaving]) {
      const next = this.#nextInTurn();
      if (!entry.isLeaving) continue;
      if (next !== entry.host && this.#leaving.size <= this.#turns.size) continue;
      this.#leaving.remove(entry.inLeaving);
      if (next === entry.host) this.#turns.remove(entry.host.inTurn);
      this.#list(entry);
      this.#serveWaiters(entry);
      this.#joinTurns(entry.host);
    }
  }

  #setAside(entry: Entry<C, W>): void {
    if (!this.#isLimited) return;
    this.#useless.push(entry.inHost);
    this.#serveTurns();
  }

  #dialEnded(place: Place<C, W>): void {
    if (place.dial === "spare") place.host.spareDialCount--;
    if (place.isSlow) place.host.slowDialCount--;
    place.dial = "ended";
    place.host.dialCount--;
  }

  #leaveQueues(place: Place<C, W>): void {
    const { host } = place;
    host.dialWaiters.remove(place.asDialWaiter);
    if (host.dialWaiters.size === 0) this.#turns.remove(host.inTurn);
    if (!host.idleWaiters.remove(place.asIdleWaiter)) return;
    if (host.idleWaiters.size === 0 && host.dialCount > 0) this.#owner.dialsUnwanted(host.key);
  }

  #drop(entry: Entry<C, W>, why: DiscardReason): void {
    if (entry.gone) return;
    this.#detach(entry);
    this.#owner.discard(entry.connection, why);
  }

  #detach(entry: Entry<C, W>): void {
    if (entry.gone) return;
    entry.gone = true;
    this.#leaveLists(entry);
    this.#count(entry, false);
    this.#freeSlot(entry.host);
  }

  #count(entry: Entry<C, W>, isShared: boolean): void {
    if (entry.isCounted === isShared) return;
    entry.isCounted = isShared;
    entry.host.sharedCount += isShared ? 1 : -1;
  }

  #leaveLists(entry: Entry<C, W>): void {
    entry.inHost.list?.remove(entry.inHost);
    this.#lru.remove(entry.inLru);
    this.#leaving.remove(entry.inLeaving);
  }

  #freeSlot(host: Host<C, W>): void {
    host.connCount--;
    this.#connCount--;
    this.#startDials(host);
    this.#forgetIfEmpty(host);
  }

  #forgetIfEmpty(host: Host<C, W>): void {
    if (host.isEmpty) this.#hosts.delete(host.key);
  }
}
