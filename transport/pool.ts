/**
 * Which idle connection serves which request. Bookkeeping only: no sockets, no clock; connections
 * are opaque.
 *
 * @module
 */

/** Limits of a pool. */
export interface PoolLimits {
  /** Idle connections in all; 0 is unlimited. */
  maxIdle: number;
  /** Idle connections under one key; 0 is unlimited. */
  maxIdlePerKey: number;
}

/**
 * The idle connections of a transport, newest first under each key, oldest use first over all.
 *
 * @typeParam C A connection.
 */
export class Pool<C> {
  readonly #limits: PoolLimits;
  readonly #idle: Map<string, C[]> = new Map();
  /** All idle connections in the order of their last use, with their keys. */
  readonly #lru: Map<C, string> = new Map();

  constructor(limits: PoolLimits) {
    this.#limits = limits;
  }

  /** How many connections are idle. */
  get idleCount(): number {
    return this.#lru.size;
  }

  /** The keys under which connections are idle. */
  keys(): Iterable<string> {
    return this.#idle.keys();
  }

  /** How many connections are idle under a key. */
  idleUnder(key: string): number {
    return this.#idle.get(key)?.length ?? 0;
  }

  /**
   * Takes the connection that became idle last, and removes it in the same step.
   *
   * @returns Undefined if none is idle under that key.
   */
  take(key: string): C | undefined {
    const stack = this.#idle.get(key);
    if (stack === undefined) return undefined;
    const connection = stack.pop()!;
    if (stack.length === 0) this.#idle.delete(key);
    this.#lru.delete(connection);
    return connection;
  }

  /**
   * Keeps a connection that has become idle.
   *
   * @returns The connection that must be closed instead: this one, or the one used least recently;
   * undefined if there is room.
   */
  giveBack(key: string, connection: C): C | undefined {
    const { maxIdle, maxIdlePerKey } = this.#limits;
    let stack = this.#idle.get(key);
    if (maxIdlePerKey > 0 && stack !== undefined && stack.length >= maxIdlePerKey) {
      return connection;
    }
    if (stack === undefined) this.#idle.set(key, stack = []);
    stack.push(connection);
    this.#lru.set(connection, key);
    if (maxIdle === 0 || this.#lru.size <= maxIdle) return undefined;
    const [oldest] = this.#lru.keys();
    this.remove(oldest);
    return oldest;
  }

  /** Forgets a connection that broke while idle; nothing happens if it is not here. */
  remove(connection: C): void {
    const key = this.#lru.get(connection);
    if (key === undefined) return;
    this.#lru.delete(connection);
    const stack = this.#idle.get(key)!;
    stack.splice(stack.indexOf(connection), 1);
    if (stack.length === 0) this.#idle.delete(key);
  }

  /** Removes and returns every idle connection. */
  clear(): C[] {
    const all = [...this.#lru.keys()];
    this.#lru.clear();
    this.#idle.clear();
    return all;
  }
}
