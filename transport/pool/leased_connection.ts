/**
 * One connection under a caller's own control, as Go's `NewClientConn` gives it.
 *
 * @module
 */
import { HttpError } from "../../conn/http_error.ts";
import type { Clock } from "../clock.ts";
import { connectMethodKey, forwardedMethod, shownKey } from "../route/connect_method.ts";
import type { Carrier, WholeConnection } from "./carrier.ts";
import type {
  ConnectionSource,
  ConnectionWaiter,
  OpenRoundTrip,
  RoundTripSettings,
} from "./connection_source.ts";
import type { Deadlines } from "../deadlines.ts";
import { type HttpRequest, isRequest, notARequest } from "../message/http_request.ts";
import type { HttpResponse } from "../message/http_response.ts";
import { http1Route, type Route } from "../route/route.ts";
import type { Ticket } from "./pool.ts";
import type { ProofWaiter } from "./proof_queue.ts";
import type { UnreadContents } from "./unread_contents.ts";
import { waitForConnection, type WaitSource } from "./connection_wait.ts";

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
export interface LeaseSource extends WaitSource {
  roundTrip(request: HttpRequest, source: ConnectionSource): Promise<HttpResponse>;
  /**
   * The route, where the egress policy permits the request to take it.
   *
   * @throws {HttpError} `ERR_BLOCKED`.
   */
  permitted(request: HttpRequest, route: Route): Route;
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
  return waitForConnection(request, source, http1Route, (carrier) => {
    // Its route is one of HTTP/1.1.
    const connection = carrier.whole!;
    connection.held = true;
    return new Leased(connection, request, source);
  });
}

class Leased implements LeasedConnection, ConnectionSource {
  readonly options: RoundTripSettings;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly unread: UnreadContents;
  readonly isShared = false;
  readonly #connection: WholeConnection;
  /** Whither its requests go: scheme, host and port, and the way there. */
  readonly #leadsTo: string;
  readonly #source: LeaseSource;
  #released = false;
  #closed = false;
  /** How many requests it had been given when one was promised it that is not sent yet. */
  #takenAt = -1;

  constructor(connection: WholeConnection, wanted: HttpRequest, source: LeaseSource) {
    this.#connection = connection;
    this.#leadsTo = connectMethodKey(wanted, connection.route.proxies);
    this.#source = source;
    this.options = source.options;
    this.clock = source.clock;
    this.deadlines = source.deadlines;
    this.unread = source.unread;
  }

  get id(): number {
    return this.#connection.id;
  }

  get isUsable(): boolean {
    return !this.#released && this.#connection.isIdle && !this.#isTaken;
  }

  async roundTrip(request: HttpRequest): Promise<HttpResponse> {
    if (!isRequest(request)) throw notARequest("roundTrip", request);
    const { key, proxies, sharing } = this.#connection.route;
    if (connectMethodKey(request, proxies) !== this.#leadsTo) {
      throw refused("ERR_INVALID_REQUEST", `it leads to ${shownKey(this.#leadsTo)}`);
    }
    if (!this.isUsable) {
      const { state } = this.#connection;
      const inUse = this.#isTaken || state === "exchanging" || state === "draining";
      const busy = !this.#released && inUse;
      throw busy
        ? refused("ERR_INVALID_REQUEST", "an exchange is under way")
        : refused("ERR_CLOSED", "it is closed or was released");
    }
    // What another caller would not share is not left to others with the connection.
    if (sharing === "proxy" && forwardedMethod(request, proxies).key !== key) {
      this.#connection.bind();
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

  route(request: HttpRequest): Route {
    return this.#source.permitted(request, this.#connection.route);
  }

  take(): WholeConnection | undefined {
    if (!this.#connection.isIdle || this.#isTaken) return undefined;
    this.#takenAt = this.#connection.exchangeCount;
    return this.#connection;
  }

  enqueue(): Ticket<ConnectionWaiter> {
    if (this.#closed) throw refused("ERR_CLOSED", "it was closed");
    throw refused("ERR_CONNECTION_LOST", "it was lost");
  }

  dialNow(): boolean {
    return false;
  }

  cancel(): void {}

  needsHttp1(route: Route): Route {
    return route;
  }

  giveBack(): void {
    this.#takenAt = -1;
    this.#connection.unref();
    if (this.#released) this.#source.giveBack(this.#connection);
  }

  readonly sendingTurn: null = null;
  /** No other can take its place. */
  readonly holdsBack = false;
  readonly isProvingMany = false;

  /** Whether a request has taken it and not been sent yet: the proof is under way. */
  get #isTaken(): boolean {
    return this.#takenAt === this.#connection.exchangeCount;
  }

  isFresh(connection: Carrier, nowMs: number): boolean {
    return this.#source.isFresh(connection, nowMs);
  }

  prove(waiter: ProofWaiter, nowMs: number): void {
    this.#source.prove(waiter, nowMs);
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
