/**
 * What a transport says of itself: counts, a listing, and what it would do with a request.
 *
 * @module
 */
import type { Address } from "../../conn/conn.ts";
import type { HttpErrorPhase } from "../../conn/http_error.ts";
import type { Clock } from "../clock.ts";
import { shownKey } from "../route/connect_method.ts";
import type { Dial } from "../route/dial.ts";
import type { PooledConnection } from "./carrier.ts";
import type { HostCounts, Pool } from "./pool.ts";
import type { ConnectionWaiter } from "./connection_source.ts";

/** How many connections a transport has. */
export interface TransportStats {
  /** Waiting for a request. */
  idle: number;
  /** Held by an exchange, or by a caller. */
  active: number;
  /** Being made. */
  dialing: number;
  /** Requests that wait for a connection. */
  waiting: number;
  /** Connections: idle and active. */
  total: number;
  /** The same for each key. */
  perHost: Record<string, HostCounts>;
}

/** Everything that a transport holds, as plain data. Milliseconds. */
export interface TransportSnapshot {
  /** Every open connection; not those that were handed over after an upgrade. */
  connections: {
    id: number;
    key: string;
    /** What is spoken on it. */
    protocol: "http/1.1" | "h2";
    /** State of its protocol: `idle`, `exchanging`, `draining`; in HTTP/2 `retiring`, not `draining`. */
    state: string;
    /** Of HTTP/2; null of others. */
    streams: {
      /** Requests under way. */
      open: number;
      /** How many there may be now. */
      allowed: number;
      /** Milliseconds that the last PING took; null: none was answered. */
      roundTripMs: number | null;
    } | null;
    ageMs: number;
    /** Null while it is in use. */
    idleMs: number | null;
    requests: number;
    localAddr: Address;
    remoteAddr: Address;
  }[];
  /** Every request that waits for a connection. */
  waiters: { key: string; method: string; waitedMs: number }[];
  /** Every connection that is being made. */
  dials: { key: string; phase: HttpErrorPhase; elapsedMs: number }[];
  /** Responses that were dropped with their bodies unread, as far as they were found. */
  leakedCount: number;
}

/** What is read here of a transport. */
export interface Inspected {
  readonly clock: Clock;
  readonly pool: Pool<PooledConnection, ConnectionWaiter>;
  readonly leakedCount: number;
  readonly options: {
    readonly maxConns: number;
    readonly maxConnsPerKey: number;
    readonly maxWaitersPerKey: number;
  };
}

/** The counts. */
export function stats({ pool }: Inspected): TransportStats {
  const perHost: Record<string, HostCounts> = {};
  const sum: HostCounts = { idle: 0, active: 0, dialing: 0, waiting: 0 };
  for (const key of pool.keys()) {
    const counts = pool.counts(key);
    // Keys that differ in credentials alone are shown as one.
    const shown = perHost[shownKey(key)] ??= { idle: 0, active: 0, dialing: 0, waiting: 0 };
    add(shown, counts);
    add(sum, counts);
  }
  return { ...sum, total: sum.idle + sum.active, perHost };
}

function add(sum: HostCounts, counts: HostCounts): void {
  sum.idle += counts.idle;
  sum.active += counts.active;
  sum.dialing += counts.dialing;
  sum.waiting += counts.waiting;
}

/** The listing. */
export function snapshot(
  { clock, leakedCount }: Inspected,
  connections: Iterable<PooledConnection>,
  waiters: Iterable<ConnectionWaiter>,
  dials: Iterable<Dial>,
): TransportSnapshot {
  const nowMs = clock.now();
  return {
    connections: [...connections].map((connection) => ({
      id: connection.id,
      key: shownKey(connection.route.key),
      protocol: connection.protocol,
      state: connection.state,
      streams: connection.streamCount === null ? null : {
        open: connection.streamCount,
        allowed: connection.capacity,
        roundTripMs: connection.roundTripMs,
      },
      ageMs: nowMs - connection.bornAtMs,
      idleMs: connection.lease!.isIdle ? nowMs - connection.lease!.idleSinceMs : null,
      requests: connection.exchangeCount,
      localAddr: connection.conn.localAddr,
      remoteAddr: connection.conn.remoteAddr,
    })),
    waiters: [...waiters].map(({ route, request, waitsSinceMs }) => ({
      key: shownKey(route.key),
      method: request.method,
      waitedMs: nowMs - waitsSinceMs,
    })),
    dials: [...dials].map(({ route, phase, startedAtMs }) => ({
      key: shownKey(route.key),
      phase,
      elapsedMs: nowMs - startedAtMs,
    })),
    leakedCount,
  };
}

/** What would happen now to a request under `key`. */
export function explanation({ clock, pool, options }: Inspected, key: string): string {
  const nowMs = clock.now();
  const lease = pool.peek(key, nowMs);
  if (lease !== undefined && !lease.isIdle) {
    const { id, streamCount, capacity } = lease.connection;
    return `would share #${id}: ${streamCount} of ${capacity} streams are open`;
  }
  if (lease !== undefined) {
    const seconds = ((nowMs - lease.idleSinceMs) / 1000).toFixed(1);
    return `would reuse #${lease.connection.id}, idle ${seconds} s`;
  }
  const { active, dialing } = pool.counts(key);
  if (pool.mayDial(key)) return "would dial: no idle connection";
  const { maxConns, maxConnsPerKey, maxWaitersPerKey } = options;
  const ahead = pool.queuedCount(key);
  if (maxWaitersPerKey > 0 && ahead >= maxWaitersPerKey) {
    return `would be refused: ${ahead} of ${maxWaitersPerKey} are waiting`;
  }
  const full = maxConnsPerKey > 0 && active + dialing >= maxConnsPerKey;
  const why = full
    ? `${active + dialing} of ${maxConnsPerKey} busy`
    : maxConns > 0 && pool.connCount >= maxConns
    ? `${pool.connCount} of ${maxConns} to all hosts busy`
    : `${dialing} dials are under way`;
  return `would wait: ${why}, ${ahead} ahead`;
}
