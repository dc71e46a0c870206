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
import { NEVER_SENT, withAttempts } from "./attempt.ts";
import type { Clock } from "./clock.ts";
import { shownKey } from "./route/connect_method.ts";
import type {
  Carrier,
  ConnectionHook,
  ConnectionKeeper,
  PooledConnection,
  WholeConnection,
} from "./pool/carrier.ts";
import type {
  ConnectionSource,
  ConnectionWaiter,
  OpenRoundTrip,
  RoundTripSettings,
} from "./pool/connection_source.ts";
import { Deadlines } from "./deadlines.ts";
import { Dial, type DialSettings } from "./route/dial.ts";
import { CalmKeys } from "./pool/calm_keys.ts";
import { waitForConnection } from "./pool/connection_wait.ts";
import { WarmConnections, type WarmHost } from "./pool/warm_connections.ts";
import { Dials } from "./pool/dials.ts";
import type { HttpRequest } from "./message/http_request.ts";
import type { HttpResponse } from "./message/http_response.ts";
import { IdleSweep } from "./pool/idle_sweep.ts";
import { LeakWatch } from "./pool/leak_watch.ts";
import { leaseConnection, type LeasedConnection } from "./pool/leased_connection.ts";
import { LinkedList, ListNode } from "./linked_list.ts";
import { connectAddress } from "./message/outgoing.ts";
import { loadedMultiplexed, loadMultiplexed } from "./pool/multiplexed.ts";
import { type ConnectionLife, PersistentConnection } from "./pool/persistent_connection.ts";
import { type DiscardReason, type Lease, Pool, type PoolOwner, type Ticket } from "./pool/pool.ts";
import { discardBody } from "./message/request_body.ts";
import { RoundTrip } from "./round_trip.ts";
import { forwarderOf, http1Route, type Route, type Router } from "./route/route.ts";
import { FRESH_MS, ProofQueue, type ProofWaiter } from "./pool/proof_queue.ts";
import { SendingTurn } from "./pool/sending_turn.ts";
import { tellHook } from "./message/trace.ts";
import { UnreadContents } from "./pool/unread_contents.ts";
import type { Http2Options } from "./transport_options.ts";
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
  readonly maxConns: number;
  readonly maxConnsPerKey: number;
  readonly maxWaitersPerKey: number;
  readonly maxDialsPerKey: number;
  readonly idleTimeoutMs: number;
  readonly protocol: ClientConnectionOptions & { life: ConnectionLife };
  /** Connections that are kept ready. */
  readonly warm: readonly WarmHost[];
  /** Null: HTTP/2 is not spoken. */
  readonly http2: Required<Http2Options> | null;
}

/** Milliseconds. How long others wait for a connection that may serve them all. */
const SLOW_DIAL_MS = 300;

/** Keys. Of how many it is remembered that their servers want HTTP/1.1. */
const MAX_HTTP1_KEYS = 1_000;

/** Streams. What a server takes is believed to be no more, before it says so itself. */
const MAX_ASSUMED = 100;

/** Requests. Where so many are under way, those of one turn of the event loop go together. */
const MANY = 24;

/** Owns: every connection, dial, round trip and timer of its transport. */
export class Connections
  implements ConnectionSource, ConnectionKeeper, PoolOwner<PooledConnection, ConnectionWaiter> {
  readonly options: ConnectionsOptions;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly isShared = true;
  readonly pool: Pool<PooledConnection, ConnectionWaiter>;
  readonly unread: UnreadContents;
  readonly #leaks: LeakWatch = new LeakWatch();
  /**
   * Not a Set, as the others below: the tables that it leaves behind when it grows or shrinks point
   * to their successors, and so to what is long over, which the collector then takes for needed.
   */
  readonly #roundTrips: LinkedList<OpenRoundTrip> = new LinkedList();
  /** Every open connection, tunnels left out. */
  readonly #open: LinkedList<PooledConnection> = new LinkedList();
  /** Sockets that were closed and that the runtime has not let go of. */
  readonly #closing: LinkedList<Promise<void>> = new LinkedList();
  readonly holdsBack: boolean;
  /** Whether the dialer can tell that the kernel was polled. Asked once: it may be a caller's. */
  readonly #canPoll: boolean;
  readonly #dials: Dials = new Dials();
  readonly #calm: CalmKeys;
  /** Keys whose servers have asked for HTTP/1.1, the one that asked longest ago first. */
  readonly #http1Keys: Set<string> = new Set();
  readonly #turn: SendingTurn | null;
  readonly #proofs: ProofQueue;
  #nextId = 1;
  #closed: { reason: unknown } | null = null;
  /** Set once everything has been ended. */
  #ended: { reason: unknown } | null = null;
  /** Made when somebody listens: a transport may be made where the runtime permits no controller. */
  #ending: AbortController | null = null;
  /** Settles when no round trip is under way any more. */
  #quiet: PromiseWithResolvers<void> | null = null;
  readonly #sweep: IdleSweep;
  /** Null: none are kept ready. */
  readonly #warm: WarmConnections | null;

  constructor(options: ConnectionsOptions) {
    this.options = options;
    this.#canPoll = options.dialer.pollBarrier !== undefined;
    this.holdsBack = options.dialer.holdsBack === true;
    this.clock = options.clock;
    this.deadlines = new Deadlines(
      options.clock,
      () => options.dialer.pollBarrier?.() ?? null,
    );
    this.#calm = new CalmKeys(this.deadlines);
    this.unread = new UnreadContents(options.clock);
    this.#turn = options.clock.atEndOfTurn === undefined ? null : new SendingTurn(options.clock);
    this.#proofs = new ProofQueue(options.clock, (sure) => options.dialer.pollBarrier!(sure));
    const waitsWhenFull = options.http2?.whenFull === "wait";
    this.pool = new Pool({ ...options, waitsWhenFull }, this);
    this.#sweep = new IdleSweep(options.clock, (nowMs) => this.pool.sweep(nowMs));
    this.#warm = options.warm.length === 0 ? null : new WarmConnections(options.warm, this);
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
      const roundTrip = new RoundTrip(request, source, resolve, reject);
      this.#leaks.begin(roundTrip);
      this.#roundTrips.push(roundTrip.place);
      // The clock of a caller may have closed it.
      if (this.#closed === null) roundTrip.start();
      else roundTrip.abort(this.#closed.reason);
    });
  }

  /** Leases one connection for requests of the caller's own. */
  async connect(request: HttpRequest): Promise<LeasedConnection> {
    this.checkOpen();
    return await leaseConnection(request, this);
  }

  /** Has a connection made for later requests, unless one is there. */
  async preconnect(request: HttpRequest): Promise<void> {
    this.checkOpen();
    await waitForConnection(request, this, (route) => route, (carrier) => carrier.giveBack());
  }

  get destroyed(): AbortSignal {
    this.#ending ??= new AbortController();
    if (this.#ended !== null) this.#ending.abort(this.#ended.reason);
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
    const isForHttp1 = request.http2 === false || request.headers.has("upgrade") ||
      this.#http1Keys.has(route.key);
    return explanation(this, (isForHttp1 ? http1Route(route) : route).key);
  }

  closeIdle(): void {
    this.pool.closeIdle();
    // Those serve nobody either that can serve nobody at the moment.
    for (const connection of [...this.#open]) {
      const { taken, isIdle } = connection.lease!;
      if (taken === 0 && !isIdle) this.discard(connection, "shut");
    }
    this.options.sessions?.clear();
    this.#sweep.stop();
  }

  async close(): Promise<void> {
    this.#closed ??= { reason: closedError() };
    this.#warm?.stop();
    this.pool.shut();
    if (this.#roundTrips.size > 0) {
      this.#quiet ??= Promise.withResolvers<void>();
      await this.#quiet.promise;
    }
    this.#destroy(this.#closed.reason, false, (connection, why) => connection.closeOwn(why));
    await this.#dials.whenNone();
    await Promise.all(this.#closing);
  }

  destroy(given?: unknown): void {
    const reason = given === undefined ? closedError() : given;
    this.#destroy(reason, given === undefined, (connection, why) => connection.close(why));
  }

  /**
   * Ends everything.
   *
   * @param isOurs Whether the reason is ours, and not the caller's.
   */
  #destroy(
    reason: unknown,
    isOurs: boolean,
    close: (connection: PooledConnection, reason: unknown) => void,
  ): void {
    this.#closed ??= { reason };
    this.#warm?.stop();
    this.#ended ??= { reason };
    this.#ending?.abort(reason);
    this.pool.end();
    this.options.sessions?.clear();
    for (const roundTrip of [...this.#roundTrips]) {
      // A reason of the caller's is theirs.
      if (isOurs) roundTrip.fail(reason, "client");
      else roundTrip.abort(reason);
    }
    for (const waiter of [...this.pool.waiters()]) waiter.dialFailed(reason);
    for (const dial of [...this.#dials]) dial.abort(reason);
    for (const ticket of this.#calm.takeAll()) this.pool.dialFailed(ticket);
    this.deadlines.stop();
    for (const connection of [...this.#open]) close(connection, reason);
    this.#sweep.stop();
  }

  // ConnectionSource

  route(request: HttpRequest): Route | Promise<Route> {
    const { egress, router } = this.options;
    const route = router.route(request);
    if (egress === null && this.#http1Keys.size === 0) return route;
    return route instanceof Promise
      ? route.then((found) => this.permitted(request, found))
      : this.permitted(request, route);
  }

  permitted(request: HttpRequest, found: Route): Route {
    const { egress } = this.options;
    const route = this.#http1Keys.has(found.key) ? http1Route(found) : found;
    if (egress === null) return route;
    try {
      // Whoever is asked for a tunnel, or given a request, connects on our behalf.
      if (request.method === "CONNECT") checkEgress(egress, connectAddress(request));
      if (forwarderOf(request, route) !== null) {
        const { hostname, port } = request;
        checkEgress(egress, { transport: "tcp", hostname, port });
      }
    } catch (error) {
      throw withAttempts(error, "dial", [NEVER_SENT]);
    }
    return route;
  }

  needsHttp1(route: Route): Route {
    this.#http1Keys.delete(route.key);
    this.#http1Keys.add(route.key);
    if (this.#http1Keys.size > MAX_HTTP1_KEYS) {
      for (const oldest of this.#http1Keys) {
        this.#http1Keys.delete(oldest);
        break;
      }
    }
    return http1Route(route);
  }

  take({ tracer, route: { key } }: ConnectionWaiter, nowMs: number): Carrier | undefined {
    tracer?.tell("getConn", { key: shownKey(key) });
    const lease = this.pool.take(key, nowMs);
    if (lease === undefined) return undefined;
    const { connection } = lease;
    connection.kept = false;
    return connection.carrier(true);
  }

  enqueue(waiter: ConnectionWaiter): Ticket<ConnectionWaiter> {
    // A hook may have done it.
    if (this.#ended !== null) throw this.#ended.reason;
    const { key, versions } = waiter.route;
    const ticket = this.pool.enqueue(key, waiter, versions !== "http/1.1");
    if (ticket !== null) return ticket;
    throw new HttpError("ERR_QUEUE_FULL", "Too many requests wait for a connection", {
      phase: "queue",
    });
  }

  dialNow(ticket: Ticket<ConnectionWaiter>): boolean {
    return this.pool.dialNow(ticket);
  }

  cancel(ticket: Ticket<ConnectionWaiter>): void {
    this.pool.cancel(ticket);
  }

  giveBack(carrier: Carrier): void {
    carrier.giveBack();
  }

  isFresh(connection: Carrier, nowMs: number): boolean {
    return nowMs - connection.readAtMs <= FRESH_MS || !this.#canPoll;
  }

  get isProvingMany(): boolean {
    return this.#proofs.isCrowded;
  }

  prove(waiter: ProofWaiter, nowMs: number): void {
    this.#proofs.add(waiter, nowMs);
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

  connectionIdle(connection: WholeConnection, nowMs: number): void {
    if (connection.held) return connection.unref();
    if (this.options.closeAfterUse && connection.hasServed) {
      connection.close(closedError());
      return;
    }
    const { expiresAtMs } = connection;
    this.pool.giveBack(connection.lease!, nowMs, expiresAtMs);
    this.#sweepFor(connection.lease!);
    if (connection.kept) this.#rest(connection);
  }

  placeFreed(connection: PooledConnection, nowMs: number): void {
    const { capacity, expiresAtMs, isRetiring } = connection;
    this.pool.setCapacity(connection.lease!, capacity, nowMs, expiresAtMs, isRetiring);
    this.pool.giveBack(connection.lease!, nowMs, expiresAtMs);
    this.#sweepFor(connection.lease!);
    if (connection.kept) this.#rest(connection);
  }

  capacityChanged(connection: PooledConnection): void {
    const { capacity, usualCapacity, expiresAtMs, isRetiring } = connection;
    if (usualCapacity > 0) this.pool.learn(connection.route.key, usualCapacity);
    const nowMs = this.clock.now();
    this.pool.setCapacity(connection.lease!, capacity, nowMs, expiresAtMs, isRetiring);
    this.#sweepFor(connection.lease!);
  }

  connectionDoubted(connection: PooledConnection): void {
    this.pool.putLast(connection.lease!);
  }

  told(connection: PooledConnection, hook: ConnectionHook, event: object): void {
    if (this.options.trace === null) return;
    tellHook(this.options.trace, hook, event, connection.usedBy!);
  }

  calmRequested({ route: { key } }: PooledConnection): void {
    this.#calm.calm(key, this.clock.now());
  }

  /** Most that come free under load are taken again at once. */
  #rest(connection: PooledConnection): void {
    const turn = this.sendingTurn;
    if (turn === null) connection.unref();
    else turn.rest(connection);
  }

  connectionLeft(connection: PooledConnection): void {
    this.#open.remove(connection.place);
    this.pool.remove(connection.lease!);
    const { route: { key }, exchangeCount, bornAtMs } = connection;
    this.#warm?.lost(key, exchangeCount === 0 ? bornAtMs : -Infinity);
  }

  connectionGone(connection: PooledConnection, error: unknown): void {
    this.connectionLeft(connection);
    this.#awaitSocket(connection.conn);
    // That one was given back already.
    if (connection.kept || this.options.trace?.putIdleConn === undefined) return;
    const why = error instanceof HttpError ? error : closedError();
    const event = { id: connection.id, error: why };
    tellHook(this.options.trace, "putIdleConn", event, connection.usedBy!);
  }

  // PoolOwner

  startDial(ticket: Ticket<ConnectionWaiter>): void {
    const isPutOff = !this.#calm.isEmpty &&
      this.#calm.putOff(ticket, this.clock.now(), () => {
        if (ticket.isWaiting) void this.#dial(ticket);
        else this.pool.dialFailed(ticket);
      });
    if (!isPutOff) void this.#dial(ticket);
  }

  kept(connection: PooledConnection): void {
    connection.kept = true;
    if (this.options.trace === null) return;
    tellHook(this.options.trace, "putIdleConn", { id: connection.id }, connection.usedBy!);
  }

  dialsWanted(key: string): void {
    this.#dials.want(key);
  }

  dialsUnwanted(key: string): void {
    this.#dials.unwant(key);
  }

  deliver(waiter: ConnectionWaiter, { connection }: Lease<PooledConnection>): void {
    connection.kept = false;
    waiter.connectionReady(connection.carrier(false));
  }

  discard(connection: PooledConnection, why: DiscardReason): void {
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
    this.#dials.add(dial);
    waiter.dialStarted(dial);
    // One connection may be enough for all who wait: they wait for it, for a while.
    const slow = this.pool.sharingOf(ticket.key) === "single"
      ? null
      : this.deadlines.set(SLOW_DIAL_MS, () => this.pool.dialIsSlow(ticket));
    let connection: PooledConnection;
    try {
      if (dial.route.versions !== "http/1.1" && loadedMultiplexed() === null) {
        await loadMultiplexed();
        if (this.#ended !== null) throw this.#ended.reason;
      }
      connection = this.#connected(await dial.run(), dial);
    } catch (error) {
      // Served by another connection, the request may be waiting again, in another place.
      const wasWaiting = ticket.isWaiting;
      this.pool.dialFailed(ticket);
      this.#warm?.dialFailed(ticket.key);
      if (wasWaiting) waiter.dialFailed(error);
      return;
    } finally {
      this.deadlines.clear(slow);
      this.#dials.remove(dial);
    }
    connection.usedBy = waiter.tracer?.ids ?? null;
    this.#open.push(connection.place);
    const { capacity, protocol } = connection;
    connection.lease = this.pool.admit(ticket, connection, capacity, protocol === "h2");
    this.pool.dialled(ticket, connection.lease, this.clock.now(), connection.expiresAtMs);
    if (connection.kept) connection.unref();
    this.#sweepFor(connection.lease);
    this.#warm?.dialled(ticket.key);
  }

  /** What is known of the server from connections before; undefined: nothing. */
  #knownConcurrency(key: string): number | undefined {
    const places = this.pool.placesKnown(key);
    // Where there was one place its protocol may have been another.
    return places === undefined || places === 1 ? undefined : Math.min(places, MAX_ASSUMED);
  }

  #sweepFor(lease: Lease<PooledConnection>): void {
    if (lease.isIdle) this.#sweep.by(lease.expiresAtMs);
  }

  #connected(conn: Conn, madeBy: Dial): PooledConnection {
    const identity = { id: this.#nextId++, madeBy };
    try {
      const { http2, protocol } = this.options;
      if (madeBy.protocol === "http/1.1") {
        return new PersistentConnection(identity, conn, protocol, this);
      }
      // None is made where it is not spoken.
      const { maxConcurrentStreams, streamWindowBytes, connectionWindowBytes } = http2!;
      const { mode, maxResponseHeaderBytes, readBufferBytes, life } = protocol;
      const { MultiplexedConnection } = loadedMultiplexed()!;
      return new MultiplexedConnection(
        identity,
        conn,
        {
          mode,
          maxResponseHeaderBytes,
          readBufferBytes,
          maxConcurrentStreams,
          streamWindowBytes,
          connectionWindowBytes,
          assumedConcurrency: this.#knownConcurrency(madeBy.route.key),
          life: this.options.closeAfterUse ? { ...life, maxRequests: 1 } : life,
          liveness: http2!,
        },
        this,
      );
    } catch (error) {
      conn.close();
      throw error;
    }
  }
}

const DISCARD_TEXT: Record<DiscardReason, string> = {
  expired: "The connection was idle too long, or is too old",
  surplus: "Enough connections to its host are idle",
  evicted: "Enough connections are idle",
  displaced: "Its place was needed for a connection to another host",
  shut: "The transport closed its idle connections",
};

function closedError(): HttpError {
  return new HttpError("ERR_CLOSED", "The transport was closed", { phase: "client" });
}
