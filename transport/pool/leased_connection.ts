/**
 * One connection under a caller's own control, as Go's `NewClientConn` gives it.
 *
 * @module
 */
import { abortable } from "../../conn/abortable.ts";
import { HttpError } from "../../conn/http_error.ts";
import { NEVER_SENT, withAttempt } from "../attempt.ts";
import type { Clock } from "../clock.ts";
import { connectMethodKey, shownKey } from "../connect_method.ts";
import type {
  ConnectionSource,
  ConnectionWaiter,
  OpenRoundTrip,
  RoundTripSettings,
} from "./connection_source.ts";
import type { Deadlines } from "../deadlines.ts";
import type { HttpRequest } from "../http_request.ts";
import type { HttpResponse } from "../message/http_response.ts";
import type { PersistentConnection } from "./persistent_connection.ts";
import type { Route, RoutedRequest } from "../route/route.ts";
import type { Ticket } from "./pool.ts";

/** A connection that serves one caller until it is released. */
export interface LeasedConnection extends AsyncDisposable {
  /** Integer from 1, unique within its transport. */
  readonly id: number;
  /** Whether it can take a request now. */
  readonly isUsable: boolean;
  /**
   * Sends one request on this very connection; it is never repeated on another.
   *
   * @throws {HttpError} As `Transport.roundTrip`. `ERR_INVALID_REQUEST`: for another scheme, host
   * or port, or while an exchange is under way. `ERR_CLOSED`: closed or released.
   */
  roundTrip(request: HttpRequest): Promise<HttpResponse>;
  /** Gives it to the pool, once an exchange under way is over. Idempotent. */
  release(): void;
  /** Closes it; an exchange under way fails. Idempotent. */
  close(): void;
}

/** The transport's connections, as a lease needs them. */
export interface LeaseSource extends ConnectionSource {
  /** Aborted when the transport ends at once. */
  readonly destroyed: AbortSignal;
  /** @throws Why the transport was closed, if it was. */
  checkOpen(): void;
  roundTrip(request: HttpRequest, source: ConnectionSource): Promise<HttpResponse>;
}

/**
 * Waits for a connection for `request`, which says where to and is not sent.
 *
 * Cancel: the request's signal.
 */
export function leaseConnection(
  request: HttpRequest,
  source: LeaseSource,
): Promise<LeasedConnection> {
  const route = source.route(request);
  if (!(route instanceof Promise)) return leaseRouted({ request, route }, source);
  const { signal } = request;
  const either = signal === null ? source.destroyed : AbortSignal.any([signal, source.destroyed]);
  return abortable(route, either, {}).then((found) => {
    source.checkOpen();
    return leaseRouted({ request, route: found }, source);
  });
}

function leaseRouted(wanted: RoutedRequest, source: LeaseSource): Promise<LeasedConnection> {
  return new Promise((resolve, reject) => {
    const waiting = new LeaseWaiter(wanted, source, (connection, error) => {
      if (connection === null) reject(error);
      else resolve(new Leased(connection, source));
    });
    waiting.start();
  });
}

class LeaseWaiter implements ConnectionWaiter {
  readonly request: HttpRequest;
  readonly route: Route;
  readonly waitsSinceMs: number;
  readonly #source: LeaseSource;
  readonly #settle: (connection: PersistentConnection | null, error?: unknown) => void;
  #ticket: Ticket<ConnectionWaiter> | null = null;

  constructor(
    wanted: RoutedRequest,
    source: LeaseSource,
    settle: (connection: PersistentConnection | null, error?: unknown) => void,
  ) {
    this.request = wanted.request;
    this.route = wanted.route;
    this.waitsSinceMs = source.clock.now();
    this.#source = source;
    this.#settle = settle;
  }

  start(): void {
    const { signal } = this.request;
    if (signal?.aborted) {
      this.#settle(null, signal.reason);
      return;
    }
    const idle = this.#source.take(this, this.#source.clock.now());
    if (idle !== undefined) {
      this.connectionReady(idle);
      return;
    }
    signal?.addEventListener("abort", this);
    try {
      const ticket = this.#source.enqueue(this);
      if (ticket.isWaiting) this.#ticket = ticket;
    } catch (error) {
      this.dialFailed(error);
    }
  }

  handleEvent(): void {
    this.dialFailed(this.request.signal!.reason);
  }

  dialStarted(): void {}

  connectionReady(connection: PersistentConnection): void {
    this.#stop();
    connection.held = true;
    this.#settle(connection);
  }

  dialFailed(error: unknown): void {
    // Where the transport ends, its place is still in the queues.
    if (this.#ticket?.isWaiting) this.#source.cancel(this.#ticket);
    this.#stop();
    const phase = error instanceof HttpError ? error.phase : "dial";
    this.#settle(null, withAttempt(error, phase, NEVER_SENT));
  }

  #stop(): void {
    this.#ticket = null;
    this.request.signal?.removeEventListener("abort", this);
  }
}

class Leased implements LeasedConnection, ConnectionSource {
  readonly options: RoundTripSettings;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly isShared = false;
  readonly #connection: PersistentConnection;
  readonly #source: LeaseSource;
  #released = false;
  #closed = false;
  /** How many requests it had been given when one was promised it that is not sent yet. */
  #takenAt = -1;

  constructor(connection: PersistentConnection, source: LeaseSource) {
    this.#connection = connection;
    this.#source = source;
    this.options = source.options;
    this.clock = source.clock;
    this.deadlines = source.deadlines;
  }

  get id(): number {
    return this.#connection.id;
  }

  get isUsable(): boolean {
    return !this.#released && this.#connection.isIdle && !this.#isTaken;
  }

  async roundTrip(request: HttpRequest): Promise<HttpResponse> {
    const { key, proxies } = this.#connection.route;
    if (connectMethodKey(request, proxies) !== key) {
      throw refused("ERR_INVALID_REQUEST", `it leads to ${shownKey(key)}`);
    }
    if (!this.isUsable) {
      const { state } = this.#connection;
      const inUse = this.#isTaken || state === "exchanging" || state === "draining";
      const busy = !this.#released && inUse;
      throw busy
        ? refused("ERR_INVALID_REQUEST", "an exchange is under way")
        : refused("ERR_CLOSED", "it is closed or was released");
    }
    return await this.#source.roundTrip(request, this);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#connection.held = false;
    if (this.#connection.isIdle && !this.#isTaken) this.#source.giveBack(this.#connection);
  }

  close(): void {
    this.#released = true;
    this.#closed = true;
    this.#connection.close(refused("ERR_CLOSED", "it was closed"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.release();
    return Promise.resolve();
  }

  route(): Route {
    return this.#connection.route;
  }

  take(): PersistentConnection | undefined {
    if (!this.#connection.isIdle || this.#isTaken) return undefined;
    this.#takenAt = this.#connection.exchangeCount;
    return this.#connection;
  }

  enqueue(): Ticket<ConnectionWaiter> {
    if (this.#closed) throw refused("ERR_CLOSED", "it was closed");
    throw refused("ERR_CONNECTION_LOST", "it was lost");
  }

  cancel(): void {}

  giveBack(connection: PersistentConnection): void {
    this.#takenAt = -1;
    connection.unref();
    if (this.#released) this.#source.giveBack(connection);
  }

  readonly sendingTurn: null = null;

  /** Whether a request has taken it and not been sent yet: the proof is under way. */
  get #isTaken(): boolean {
    return this.#takenAt === this.#connection.exchangeCount;
  }

  pollBarrier(connection: PersistentConnection, nowMs: number): Promise<void> | null {
    return this.#source.pollBarrier(connection, nowMs);
  }

  watch(content: object, roundTrip: OpenRoundTrip): void {
    this.#source.watch(content, roundTrip);
  }

  ended(roundTrip: OpenRoundTrip): void {
    this.#source.ended(roundTrip);
  }
}

function refused(
  code: "ERR_INVALID_REQUEST" | "ERR_CLOSED" | "ERR_CONNECTION_LOST",
  why: string,
): HttpError {
  return new HttpError(code, `Cannot use the leased connection: ${why}`, { phase: "queue" });
}
