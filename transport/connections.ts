/**
 * The connections of one transport: which are idle, in use or being made, and for whom. Joins the
 * pool, which decides, to what it decides about.
 *
 * @module
 */
import type { Conn } from "../conn/conn.ts";
import { checkEgress } from "../conn/names/egress.ts";
import { HttpError } from "../conn/http_error.ts";
import type { ClientConnectionOptions } from "../http1/client_exchange.ts";
import type { Clock, TimerHandle } from "./clock.ts";
import { shownKey } from "./connect_method.ts";
import type {
  ConnectionSource,
  ConnectionWaiter,
  OpenRoundTrip,
  RoundTripSettings,
} from "./pool/connection_source.ts";
import { Deadlines } from "./deadlines.ts";
import { Dial, type DialSettings } from "./dial.ts";
import type { HttpRequest } from "./http_request.ts";
import type { HttpResponse } from "./message/http_response.ts";
import { LeakWatch } from "./pool/leak_watch.ts";
import { leaseConnection, type LeasedConnection } from "./pool/leased_connection.ts";
import { LinkedList, ListNode } from "./linked_list.ts";
import { connectAddress } from "./message/outgoing.ts";
import {
  type ConnectionKeeper,
  type ConnectionLife,
  PersistentConnection,
} from "./pool/persistent_connection.ts";
import { type DiscardReason, type Lease, Pool, type PoolOwner, type Ticket } from "./pool/pool.ts";
import { discardBody } from "./request_body.ts";
import { RoundTrip } from "./round_trip.ts";
import type { Route, RoutedRequest, Router } from "./route/route.ts";
import { SendingTurn } from "./pool/sending_turn.ts";
import { traces } from "./trace.ts";
import {
  explanation,
  snapshot,
  stats,
  type TransportSnapshot,
  type TransportStats,
} from "./pool/snapshot.ts";

/** The transport's options, complete. */
export interface ConnectionsOptions extends DialSettings, RoundTripSettings {
  readonly clock: Clock;
  readonly router: Router;
  readonly maxIdle: number;
  readonly maxIdlePerKey: number;
  readonly maxConnsPerKey: number;
  readonly maxWaitersPerKey: number;
  readonly maxDialsPerKey: number;
  readonly idleTimeoutMs: number;
  readonly protocol: ClientConnectionOptions & { life: ConnectionLife };
}

/** Milliseconds. A connection that was read from this recently needs no proof before its next use. */
const FRESH_MS = 1;

/** Requests. Where so many are under way, those of one turn of the event loop go together. */
const MANY = 24;

/** Milliseconds. Timers beyond fire at once on every runtime. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Owns: every connection, dial, round trip and timer of its transport. */
export class Connections
  implements ConnectionSource, ConnectionKeeper, PoolOwner<PersistentConnection, ConnectionWaiter> {
  readonly options: ConnectionsOptions;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly isShared = true;
  readonly pool: Pool<PersistentConnection, ConnectionWaiter>;
  readonly #leaks: LeakWatch = new LeakWatch();
  /**
   * Not a Set, as the others below: the tables that it leaves behind when it grows or shrinks point
   * to their successors, and so to what is long over, which the collector then takes for needed.
   */
  readonly #roundTrips: LinkedList<OpenRoundTrip> = new LinkedList();
  /** Every open connection, tunnels left out. */
  readonly #open: LinkedList<PersistentConnection> = new LinkedList();
  /** Sockets that were closed and that the runtime has not let go of. */
  readonly #closing: LinkedList<Promise<void>> = new LinkedList();
  readonly #dials: LinkedList<Dial> = new LinkedList();
  readonly #turn: SendingTurn | null;
  #nextId = 1;
  #closed: { reason: unknown } | null = null;
  readonly #ending: AbortController = new AbortController();
  /** Settles when no round trip is under way any more. */
  #quiet: PromiseWithResolvers<void> | null = null;
  /** Settles when no dial is under way any more. */
  #undialled: PromiseWithResolvers<void> | null = null;
  #sweepTimer: TimerHandle = null;
  #sweepsAtMs = Infinity;

  constructor(options: ConnectionsOptions) {
    this.options = options;
    this.clock = options.clock;
    this.deadlines = new Deadlines(options.clock);
    this.#turn = options.clock.atEndOfTurn === undefined ? null : new SendingTurn(options.clock);
    this.pool = new Pool(options, this);
  }

  get leakedCount(): number {
    return this.#leaks.count;
  }

  roundTrip(
    request: HttpRequest,
    source: ConnectionSource = this,
  ): Promise<HttpResponse> {
    if (this.#closed !== null) {
      discardBody(request.body);
      return Promise.reject(this.#closed.reason);
    }
    return new Promise((resolve, reject) => {
      const roundTrip = new RoundTrip(request, source, { resolve, reject });
      this.#leaks.begin(roundTrip);
      this.#roundTrips.push(roundTrip.place);
      roundTrip.start();
    });
  }

  /** Leases one connection for requests of the caller's own. */
  async connect(request: HttpRequest): Promise<LeasedConnection> {
    this.checkOpen();
    return await leaseConnection(request, this);
  }

  get destroyed(): AbortSignal {
    return this.#ending.signal;
  }

  checkOpen(): void {
    if (this.#closed !== null) throw this.#closed.reason;
  }

  stats(): TransportStats {
    return stats(this);
  }

  inspect(): TransportSnapshot {
    return snapshot(this, this.#open, this.pool.waiters(), this.#dials);
  }

  explain(request: HttpRequest): string {
    if (this.#closed !== null) return "would be refused: the transport is closed";
    const route = this.options.router.route(request);
    if (route instanceof Promise) {
      route.catch(() => {});
      return "cannot be said: its proxy is still being chosen";
    }
    return explanation(this, route.key);
  }

  closeIdle(): void {
    this.pool.closeIdle();
    this.#stopSweeping();
  }

  async close(): Promise<void> {
    this.#closed ??= { reason: closedError() };
    this.pool.shut();
    if (this.#roundTrips.size > 0) {
      this.#quiet ??= Promise.withResolvers<void>();
      await this.#quiet.promise;
    }
    this.destroy(this.#closed.reason);
    if (this.#dials.size > 0) {
      this.#undialled ??= Promise.withResolvers<void>();
      await this.#undialled.promise;
    }
    await Promise.all(this.#closing);
  }

  destroy(reason: unknown = closedError()): void {
    this.#closed ??= { reason };
    this.#ending.abort(reason);
    this.pool.shut();
    for (const roundTrip of [...this.#roundTrips]) roundTrip.abort(reason);
    for (const waiter of [...this.pool.waiters()]) waiter.dialFailed(reason);
    for (const dial of [...this.#dials]) dial.abort(reason);
    for (const connection of [...this.#open]) connection.close(reason);
    this.deadlines.stop();
    this.#stopSweeping();
  }

  // ConnectionSource

  route(request: HttpRequest): Route | Promise<Route> {
    const { egress } = this.options;
    // Whoever is asked for a tunnel connects on our behalf.
    if (egress !== null && request.method === "CONNECT") {
      checkEgress(egress, connectAddress(request));
    }
    return this.options.router.route(request);
  }

  take(
    { request, route: { key } }: RoutedRequest,
    nowMs: number,
  ): PersistentConnection | undefined {
    const { trace } = this.options;
    if (trace !== null || request.trace !== null) {
      traces(trace, request.trace, (trace) => trace.getConn?.({ key: shownKey(key) }));
    }
    const lease = this.pool.take(key, nowMs);
    if (lease === undefined) return undefined;
    const { connection } = lease;
    connection.kept = false;
    connection.wasIdle = true;
    return connection;
  }

  enqueue(waiter: ConnectionWaiter): Ticket<ConnectionWaiter> {
    const ticket = this.pool.enqueue(waiter.route.key, waiter);
    if (ticket !== null) return ticket;
    throw new HttpError("ERR_QUEUE_FULL", "Too many requests wait for a connection", {
      phase: "queue",
    });
  }

  cancel(ticket: Ticket<ConnectionWaiter>): void {
    this.pool.cancel(ticket);
  }

  giveBack(connection: PersistentConnection): void {
    // Whoever held it may have held it for long.
    connection.wasIdle = true;
    this.connectionIdle(connection, this.clock.now());
  }

  pollBarrier(connection: PersistentConnection, nowMs: number): Promise<void> | null {
    if (nowMs - connection.readAtMs <= FRESH_MS) return null;
    return this.options.dialer.pollBarrier?.() ?? null;
  }

  get sendingTurn(): SendingTurn | null {
    return this.#roundTrips.size < MANY ? null : this.#turn;
  }

  watch(content: object, roundTrip: OpenRoundTrip): void {
    this.#leaks.watch(content, roundTrip);
  }

  ended(roundTrip: OpenRoundTrip): void {
    this.#leaks.end(roundTrip);
    this.#roundTrips.remove(roundTrip.place);
    if (this.#roundTrips.size === 0) this.#quiet?.resolve();
  }

  // ConnectionKeeper

  connectionIdle(connection: PersistentConnection, nowMs: number): void {
    if (connection.held) return connection.unref();
    if (this.options.closeAfterUse && connection.hasServed) {
      connection.close(closedError());
      return;
    }
    const { expiresAtMs } = connection;
    this.pool.giveBack(connection.lease!, nowMs, expiresAtMs);
    this.#sweepBy(connection.lease!);
    if (!connection.kept) return;
    // Most that come free under load are taken again at once.
    const turn = this.sendingTurn;
    if (turn === null) connection.unref();
    else turn.rest(connection);
  }

  connectionLeft(connection: PersistentConnection): void {
    this.#open.remove(connection.place);
    this.pool.remove(connection.lease!);
  }

  connectionGone(connection: PersistentConnection, error: unknown): void {
    this.connectionLeft(connection);
    this.#awaitSocket(connection.conn);
    // That one was given back already.
    if (connection.kept || this.options.trace?.putIdleConn === undefined) return;
    const why = error instanceof HttpError ? error : closedError();
    traces(this.options.trace, null, (trace) => {
      trace.putIdleConn?.({ id: connection.id, error: why });
    });
  }

  // PoolOwner

  startDial(ticket: Ticket<ConnectionWaiter>): void {
    void this.#dial(ticket);
  }

  kept(connection: PersistentConnection): void {
    connection.kept = true;
    if (this.options.trace === null) return;
    traces(this.options.trace, null, (trace) => trace.putIdleConn?.({ id: connection.id }));
  }

  deliver(waiter: ConnectionWaiter, lease: Lease<PersistentConnection>): void {
    lease.connection.kept = false;
    lease.connection.lease = lease;
    waiter.connectionReady(lease.connection);
  }

  discard(connection: PersistentConnection, why: DiscardReason): void {
    connection.close(
      new HttpError("ERR_CLOSED", DISCARD_TEXT[why], { phase: "client" }),
    );
  }

  #awaitSocket(conn: Conn): void {
    const closed = conn.whenClosed?.();
    if (closed === undefined) return;
    const place = new ListNode(closed);
    this.#closing.push(place);
    closed.then(() => this.#closing.remove(place));
  }

  async #dial(ticket: Ticket<ConnectionWaiter>): Promise<void> {
    const { waiter } = ticket;
    const dial = new Dial(waiter, this.options, this);
    this.#dials.push(dial.place);
    waiter.dialStarted(dial);
    let conn: Conn;
    try {
      conn = await dial.run();
    } catch (error) {
      // Served by another connection, the request may be waiting again, in another place.
      const wasWaiting = ticket.isWaiting;
      this.pool.dialFailed(ticket);
      if (wasWaiting) waiter.dialFailed(error);
      return;
    } finally {
      this.#dials.remove(dial.place);
      if (this.#dials.size === 0) this.#undialled?.resolve();
    }
    const connection = new PersistentConnection(
      { id: this.#nextId++, madeBy: dial },
      conn,
      this.options.protocol,
      this,
    );
    this.#open.push(connection.place);
    connection.lease = this.pool.admit(ticket, connection);
    this.pool.dialled(ticket, connection.lease, this.clock.now(), connection.expiresAtMs);
    if (connection.kept) connection.unref();
    this.#sweepBy(connection.lease);
  }

  // Idle connections that become too old are closed by one timer for all of them.

  #sweepBy(lease: Lease<PersistentConnection>): void {
    if (lease.expiresAtMs < this.#sweepsAtMs && lease.isIdle) this.#startSweep(lease.expiresAtMs);
  }

  #startSweep(atMs: number): void {
    this.#stopSweeping();
    this.#sweepsAtMs = atMs;
    const delayMs = Math.min(Math.max(0, atMs - this.clock.now()), MAX_TIMER_MS);
    this.#sweepTimer = this.clock.startTimer(() => {
      this.#sweepsAtMs = Infinity;
      const nextMs = this.pool.sweep(this.clock.now());
      if (nextMs < Infinity) this.#startSweep(nextMs);
    }, Math.ceil(delayMs));
  }

  #stopSweeping(): void {
    if (this.#sweepsAtMs < Infinity) this.clock.stopTimer(this.#sweepTimer);
    this.#sweepsAtMs = Infinity;
  }
}

const DISCARD_TEXT: Record<DiscardReason, string> = {
  expired: "The connection was idle too long, or is too old",
  surplus: "Enough connections to its host are idle",
  evicted: "Enough connections are idle",
  shut: "The transport closed its idle connections",
};

function closedError(): HttpError {
  return new HttpError("ERR_CLOSED", "The transport was closed", { phase: "client" });
}
