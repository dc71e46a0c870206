/**
 * Connections that are kept ready for hosts that the caller has named: made before they are asked for,
 * and again where one is lost.
 *
 * @module
 */
import type { Clock } from "../clock.ts";
import type { Deadline, Deadlines } from "../deadlines.ts";
import type { HttpRequest } from "../message/http_request.ts";
import { type Tracer, tracerOf } from "../message/trace.ts";
import type { Route } from "../route/route.ts";
import type { PooledConnection } from "./carrier.ts";
import type { ConnectionSource, ConnectionWaiter } from "./connection_source.ts";
import type { Pool } from "./pool.ts";

/** How many connections to one host are kept ready. */
export interface WarmHost {
  /** Says where to, and is not sent. */
  readonly request: HttpRequest;
  /** Connections in use count too; 1 or more. */
  readonly count: number;
}

/** The transport's connections, as those need them that are kept ready. */
export interface WarmSource extends ConnectionSource {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly pool: Pool<PooledConnection, ConnectionWaiter>;
}

/** Milliseconds. From the first loss or failure to the next dial; never in the step that tells of it. */
const SOON_MS = 1;

/** Milliseconds. The wait after a second failure; twice as long after each one more. */
const FIRST_WAIT_MS = 500;

/** Milliseconds. It is never longer. */
const LONGEST_WAIT_MS = 60_000;

/** Milliseconds. A connection that is lost before, and was of no use, is a failure. */
const LEAST_LIFE_MS = 1_000;

/** One host. */
class Warm {
  readonly host: WarmHost;
  /** Null until it is known, which may be never. */
  route: Route | null = null;
  /** In a row. */
  failures = 0;
  /** Until it is looked at again; null: nothing is to be done. */
  deadline: Deadline | null = null;

  constructor(host: WarmHost) {
    this.host = host;
  }
}

/**
 * Owns: the deadlines until the next dials. A dial is one that nobody waits for: it does not keep the
 * process alive, and is given up after a second where it would.
 */
export class WarmConnections {
  readonly #warm: readonly Warm[];
  readonly #source: WarmSource;
  #isStopped = false;

  constructor(hosts: readonly WarmHost[], source: WarmSource) {
    this.#warm = hosts.map((host) => new Warm(host));
    this.#source = source;
    for (const warm of this.#warm) this.#fillIn(warm, SOON_MS);
  }

  /**
   * A connection has left the pool.
   *
   * @param bornAtMs Of one that was of no use; -Infinity: it was.
   */
  lost(key: string, bornAtMs: number): void {
    this.#eachOf(key, (warm) => {
      const isFailure = this.#source.clock.now() - bornAtMs < LEAST_LIFE_MS;
      warm.failures = isFailure ? warm.failures + 1 : 0;
      this.#later(warm);
    });
  }

  /** A connection could not be made. */
  dialFailed(key: string): void {
    this.#eachOf(key, (warm) => {
      warm.failures++;
      this.#later(warm);
    });
  }

  /** A connection was made: there may be room for the next. */
  dialled(key: string): void {
    this.#eachOf(key, (warm) => {
      if (warm.deadline === null) this.#fillIn(warm, SOON_MS);
    });
  }

  /** None are made from now on. */
  stop(): void {
    this.#isStopped = true;
    for (const warm of this.#warm) {
      this.#source.deadlines.clear(warm.deadline);
      warm.deadline = null;
    }
  }

  #eachOf(key: string, act: (warm: Warm) => void): void {
    if (this.#isStopped) return;
    for (const warm of this.#warm) if (warm.route?.key === key) act(warm);
  }

  /** After the time that its failures ask for. One that waits already waits on. */
  #later(warm: Warm): void {
    if (warm.deadline !== null) return;
    const { failures } = warm;
    const waitMs = failures < 2
      ? SOON_MS
      : Math.min(FIRST_WAIT_MS * 2 ** (failures - 2), LONGEST_WAIT_MS);
    this.#fillIn(warm, waitMs);
  }

  #fillIn(warm: Warm, delayMs: number): void {
    warm.deadline = this.#source.deadlines.set(delayMs, () => {
      warm.deadline = null;
      void this.#fill(warm);
    });
  }

  async #fill(warm: Warm): Promise<void> {
    try {
      // The way may be another than the last time: a server may have asked for HTTP/1.1.
      warm.route = await this.#source.route(warm.host.request);
    } catch {
      // Whoever sends a request there is told why.
      warm.failures++;
      if (!this.#isStopped) this.#later(warm);
      return;
    }
    if (this.#isStopped) return;
    const { pool } = this.#source;
    const { key } = warm.route;
    for (let dialing = -1; dialing < pool.counts(key).dialing;) {
      const counts = pool.counts(key);
      dialing = counts.dialing;
      if (counts.idle + counts.active + dialing >= warm.host.count) return;
      // One for which another host's had to go would be taken from it in turn.
      if (counts.waiting > 0 || !pool.hasPlace) return;
      this.#dial(warm.host.request, warm.route);
    }
  }

  /** Begins a dial, where the limits let it, and does not wait for it. */
  #dial(request: HttpRequest, route: Route): void {
    try {
      const ticket = this.#source.enqueue(new NobodyWaiting(request, route, this.#source));
      this.#source.cancel(ticket);
    } catch {
      // A hook has closed the transport, or too many wait: then a connection will come of that.
    }
  }
}

/** Has a connection made, and leaves it to others. */
class NobodyWaiting implements ConnectionWaiter {
  readonly request: HttpRequest;
  readonly route: Route;
  readonly tracer: Tracer | null;
  readonly waitsSinceMs: number;

  constructor(request: HttpRequest, route: Route, source: WarmSource) {
    this.request = request;
    this.route = route;
    this.tracer = tracerOf(source.options.trace, request, null);
    this.waitsSinceMs = source.clock.now();
  }

  dialStarted(): void {}

  /** Cancelled before. */
  connectionReady(): void {}

  /** Cancelled before. */
  dialFailed(): void {}
}
