/**
 * The connections of one transport: which are idle, in use or being made, and for whom.
 *
 * @module
 */
import type { Address, Conn, Dialer, TlsOptions } from "../conn/conn.ts";
import { HttpError } from "../conn/http_error.ts";
import type { ClientConnectionOptions } from "../http1/client_exchange.ts";
import { connectMethodKey } from "./connect_method.ts";
import type { HttpRequest } from "./http_request.ts";
import type { HttpResponse } from "./http_response.ts";
import { type ConnectionKeeper, PersistentConnection } from "./persistent_connection.ts";
import { Pool } from "./pool.ts";
import { type ConnectionSource, MAX_TIMER_MS, RoundTrip } from "./round_trip.ts";
import type { ClientTrace } from "./trace.ts";

/** How many connections a transport has. */
export interface TransportStats {
  /** Waiting for a request. */
  idle: number;
  /** Held by an exchange. */
  active: number;
  /** Being made. */
  dialing: number;
  /** Requests that wait for a connection. */
  waiting: number;
  /** Connections: idle and active. */
  total: number;
  /** The same for each key. */
  perHost: Record<string, { idle: number; active: number; dialing: number }>;
}

/** The transport's options, complete. */
export interface ConnectionsOptions {
  readonly dialer: Dialer;
  readonly tls: TlsOptions;
  readonly localAddress: string | undefined;
  readonly compression: boolean;
  readonly closeAfterUse: boolean;
  readonly maxIdle: number;
  readonly maxIdlePerKey: number;
  readonly dialTimeoutMs: number;
  readonly tlsHandshakeTimeoutMs: number;
  readonly expectContinueTimeoutMs: number;
  readonly trace: ClientTrace | null;
  readonly protocol: ClientConnectionOptions;
}

/** Milliseconds. A connection that was read from this recently needs no proof before its next use. */
const FRESH_MS = 1;

/** Owns: every connection, dial and round trip of its transport. */
export class Connections implements ConnectionSource, ConnectionKeeper {
  readonly #options: ConnectionsOptions;
  readonly #pool: Pool<PersistentConnection>;
  readonly #roundTrips: Set<RoundTrip> = new Set();
  readonly #active: Set<PersistentConnection> = new Set();
  readonly #dials: Map<AbortController, string> = new Map();
  #nextId = 1;
  #closed: { reason: unknown } | null = null;
  /** Settles when no round trip is under way any more. */
  #quiet: PromiseWithResolvers<void> | null = null;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#pool = new Pool(options);
  }

  get options(): ConnectionsOptions {
    return this.#options;
  }

  roundTrip(request: HttpRequest): Promise<HttpResponse> {
    if (this.#closed !== null) return Promise.reject(this.#closed.reason);
    const roundTrip = new RoundTrip(request, this);
    this.#roundTrips.add(roundTrip);
    roundTrip.start();
    return roundTrip.promise;
  }

  stats(): TransportStats {
    const perHost: TransportStats["perHost"] = {};
    const host = (key: string): TransportStats["perHost"][string] =>
      perHost[key] ??= { idle: 0, active: 0, dialing: 0 };
    for (const { key } of this.#active) host(key).active++;
    for (const key of this.#dials.values()) host(key).dialing++;
    for (const key of this.#pool.keys()) host(key).idle = this.#pool.idleUnder(key);
    const idle = this.#pool.idleCount;
    const active = this.#active.size;
    let waiting = 0;
    for (const roundTrip of this.#roundTrips) if (roundTrip.wantsConnection) waiting++;
    return { idle, active, dialing: this.#dials.size, waiting, total: idle + active, perHost };
  }

  closeIdle(): void {
    for (const connection of this.#pool.clear()) connection.close(closedError());
  }

  async close(): Promise<void> {
    this.#closed ??= { reason: closedError() };
    this.closeIdle();
    if (this.#roundTrips.size > 0) {
      this.#quiet ??= Promise.withResolvers<void>();
      await this.#quiet.promise;
    }
    this.destroy(this.#closed.reason);
  }

  destroy(reason: unknown = closedError()): void {
    this.#closed ??= { reason };
    this.closeIdle();
    for (const roundTrip of [...this.#roundTrips]) roundTrip.abort(reason);
    for (const dial of [...this.#dials.keys()]) dial.abort(reason);
    for (const connection of [...this.#active]) connection.close(reason);
  }

  take(request: HttpRequest): PersistentConnection | undefined {
    this.#each(request, (trace) => trace.getConn?.({ key: connectMethodKey(request) }));
    const connection = this.#pool.take(connectMethodKey(request));
    if (connection !== undefined) this.#active.add(connection);
    return connection;
  }

  giveBack(connection: PersistentConnection): void {
    connection.conn.unref();
    this.connectionIdle(connection);
  }

  pollBarrier(connection: PersistentConnection): Promise<void> | null {
    if (performance.now() - connection.idleSinceMs <= FRESH_MS) return null;
    return this.#options.dialer.pollBarrier?.() ?? null;
  }

  dial(roundTrip: RoundTrip): void {
    void this.#dial(roundTrip);
  }

  ended(roundTrip: RoundTrip): void {
    this.#roundTrips.delete(roundTrip);
    if (this.#roundTrips.size === 0) this.#quiet?.resolve();
  }

  connectionIdle(connection: PersistentConnection): void {
    this.#active.delete(connection);
    if (this.#closed !== null || this.#options.closeAfterUse) {
      connection.close(closedError());
      return;
    }
    const surplus = this.#pool.giveBack(connection.key, connection);
    this.#options.trace?.putIdleConn?.({ id: connection.id });
    surplus?.close(closedError());
  }

  connectionGone(connection: PersistentConnection, error: unknown): void {
    this.#active.delete(connection);
    this.#pool.remove(connection);
    if (this.#options.trace?.putIdleConn === undefined) return;
    const why = error instanceof HttpError ? error : closedError();
    this.#options.trace.putIdleConn({ id: connection.id, error: why });
  }

  async #dial(roundTrip: RoundTrip): Promise<void> {
    const { request } = roundTrip;
    const key = connectMethodKey(request);
    const controller = new AbortController();
    this.#dials.set(controller, key);
    let dialled: { conn: Conn; dialMs: number; tlsMs: number | null };
    try {
      dialled = await this.#connect(roundTrip, controller);
    } catch (error) {
      roundTrip.dialFailed(error);
      return;
    } finally {
      this.#dials.delete(controller);
    }
    const { conn, dialMs, tlsMs } = dialled;
    const connection = new PersistentConnection(
      { id: this.#nextId++, key },
      conn,
      this.#options.protocol,
      this,
    );
    if (roundTrip.wantsConnection) {
      this.#active.add(connection);
      roundTrip.dialled(connection, { dialMs, tlsMs });
    } else {
      this.giveBack(connection);
    }
  }

  async #connect(
    roundTrip: RoundTrip,
    controller: AbortController,
  ): Promise<{ conn: Conn; dialMs: number; tlsMs: number | null }> {
    const { request } = roundTrip;
    const { hostname, port } = request;
    const address: Address = { transport: "tcp", hostname, port };
    const begunAt = performance.now();
    this.#each(request, (trace) => trace.connectStart?.({ address }));
    let conn: Conn;
    try {
      conn = await this.#within(
        { limitMs: this.#options.dialTimeoutMs, phase: "dial" },
        controller,
        (signal) =>
          this.#options.dialer.dial(address, { signal, localAddress: this.#options.localAddress }),
      );
    } catch (error) {
      this.#each(request, (trace) => trace.connectDone?.({ address, error }));
      throw error;
    }
    this.#each(request, (trace) => trace.connectDone?.({ address }));
    const dialMs = performance.now() - begunAt;
    if (request.scheme === "http:") return { conn, dialMs, tlsMs: null };
    roundTrip.securing();
    this.#each(request, (trace) => trace.tlsHandshakeStart?.());
    try {
      conn = await this.#within(
        { limitMs: this.#options.tlsHandshakeTimeoutMs, phase: "tls" },
        controller,
        (signal) =>
          this.#options.dialer.startTls(
            conn,
            { ...this.#options.tls, serverName: this.#options.tls.serverName ?? hostname },
            signal,
          ),
      );
    } catch (error) {
      this.#each(request, (trace) => trace.tlsHandshakeDone?.({ error }));
      throw error;
    }
    this.#each(request, (trace) => trace.tlsHandshakeDone?.({ tls: conn.tls ?? undefined }));
    return { conn, dialMs, tlsMs: performance.now() - begunAt - dialMs };
  }

  /** Runs one step of a dial within its time. */
  async #within<T>(
    step: { limitMs: number; phase: "dial" | "tls" },
    controller: AbortController,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (step.limitMs === 0) return await run(controller.signal);
    const timer = setTimeout(() => {
      controller.abort(
        new HttpError(
          "ERR_TIMEOUT",
          step.phase === "dial"
            ? `Connecting took more than ${step.limitMs} ms`
            : `The TLS handshake took more than ${step.limitMs} ms`,
          { phase: step.phase },
        ),
      );
    }, Math.min(step.limitMs, MAX_TIMER_MS));
    try {
      return await run(controller.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #each(request: HttpRequest, call: (trace: ClientTrace) => void): void {
    if (this.#options.trace !== null) call(this.#options.trace);
    if (request.trace !== null) call(request.trace);
  }
}

function closedError(): HttpError {
  return new HttpError("ERR_CLOSED", "The transport was closed", { phase: "client" });
}
