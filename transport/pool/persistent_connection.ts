/**
 * A connection as the transport holds it: its protocol, its place in the pool, its record.
 *
 * @module
 */
import type { Conn } from "../../conn/conn.ts";
import type { Attempt } from "../../conn/http_error.ts";
import { ClientConnection } from "../../http1/client_connection.ts";
import type {
  ClientConnectionOptions,
  ConnectionOwner,
  ExchangeEvents,
  OutgoingRequest,
} from "../../http1/client_exchange.ts";
import { parseDigits } from "../../http/grammar.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import { attemptOf } from "../attempt.ts";
import type { Clock } from "../clock.ts";
import type { Deadline, Deadlines } from "../deadlines.ts";
import type { Dial } from "../dial.ts";
import { ListNode } from "../linked_list.ts";
import type { Lease } from "./pool.ts";
import type { Route } from "../route/route.ts";

/** Who keeps the connections. Called synchronously. */
export interface ConnectionKeeper {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** The exchange is over; the connection may serve another, and need not keep the process alive. */
  connectionIdle(connection: PersistentConnection, nowMs: number): void;
  /** The connection is closed. */
  connectionGone(connection: PersistentConnection, error: unknown): void;
  /** The connection belongs to the caller now, after an upgrade. */
  connectionLeft(connection: PersistentConnection): void;
}

/** How long a connection may be used. 0 is unlimited. */
export interface ConnectionLife {
  readonly maxRequests: number;
  /** Milliseconds; up to a tenth less, so that connections made together do not end together. */
  readonly maxAgeMs: number;
}

/** Milliseconds. How long a connection may take to become free once its response is done with. */
const DRAIN_MS = 50;

/** Milliseconds. How much earlier than the server says an idle connection is given up. */
const HINT_MARGIN_MS = 1_000;

/** One connection and what the transport knows of it. */
export class PersistentConnection implements ConnectionOwner {
  /** Integer from 1, unique within its transport. */
  readonly id: number;
  /** The way that it takes, and the key under which it is shared. */
  readonly route: Route;
  readonly conn: Conn;
  /** Among the open connections. */
  readonly place: ListNode<PersistentConnection> = new ListNode<PersistentConnection>(this);
  /** The dial that made it. */
  readonly madeBy: Dial;
  readonly bornAtMs: number;
  /** Its record in the pool. */
  lease: Lease<PersistentConnection> | null = null;
  /** Whether a caller holds it for requests of its own: it is not given to others. */
  held: boolean = false;
  /** Whether the pool keeps it: it waits for a request. */
  kept: boolean = false;
  /** Whether it waited for the request that it was given last: it may have been lost meanwhile. */
  wasIdle: boolean = false;
  /** From when on it could have been used: the end of its last exchange, or else its making. */
  idleSinceMs: number;
  /** When bytes came last for a head: one look at the clock for all that happens in that step. */
  receivedAtMs: number;
  /** When it was last read from until nothing was left, as far as that is known. */
  readAtMs: number;
  readonly #client: ClientConnection;
  readonly #keeper: ConnectionKeeper;
  readonly #life: ConnectionLife;
  readonly #retiresAtMs: number;
  #isRef = true;
  #exchanges = 0;
  #serving: ExchangeEvents | null = null;
  #writtenBefore = 0;
  #readBefore = 0;
  #gone = false;
  /** What the server's last `Keep-Alive` field said. */
  #hintedIdleMs = Infinity;
  #hintedRequests = Infinity;
  #finishDeadline: Deadline | null = null;

  constructor(
    identity: { id: number; madeBy: Dial },
    conn: Conn,
    options: ClientConnectionOptions & { life: ConnectionLife },
    keeper: ConnectionKeeper,
  ) {
    this.id = identity.id;
    this.madeBy = identity.madeBy;
    this.route = identity.madeBy.route;
    this.conn = conn;
    this.#keeper = keeper;
    this.#life = options.life;
    this.bornAtMs = keeper.clock.now();
    this.idleSinceMs = this.bornAtMs;
    this.readAtMs = this.bornAtMs;
    this.receivedAtMs = this.bornAtMs;
    this.#retiresAtMs = options.life.maxAgeMs === 0
      ? Infinity
      : this.bornAtMs + options.life.maxAgeMs * (1 - Math.random() / 10);
    this.#client = new ClientConnection(conn, options, this);
  }

  /** Whether it can be given to a request. */
  get isIdle(): boolean {
    return this.#client.state === "idle";
  }

  /** State of its protocol, for inspection. */
  get state(): string {
    return this.#client.state;
  }

  /** How many requests it has been given. */
  get exchangeCount(): number {
    return this.#exchanges;
  }

  /** Whether the exchange under way, or the last one, found it open: nothing was dialled for it. */
  get reused(): boolean {
    return this.#exchanges > 1 || this.wasIdle;
  }

  /** Whether it has served a request before. */
  get hasServed(): boolean {
    return this.#exchanges > 0;
  }

  /** Whether the content of the request is being held back. */
  get awaitingContinue(): boolean {
    return this.#client.awaitingContinue;
  }

  /** When it may no longer be idle, besides the pool's own time-out. */
  get expiresAtMs(): number {
    const { maxRequests } = this.#life;
    if (maxRequests > 0 && this.#exchanges >= maxRequests) return 0;
    if (this.#hintedRequests <= 0) return 0;
    return Math.min(this.#retiresAtMs, this.idleSinceMs + this.#hintedIdleMs);
  }

  /** Whether the exchange of `events` is the one under way. */
  serves(events: ExchangeEvents): boolean {
    return this.#serving === events;
  }

  /** Sends a request; see {@linkcode ClientConnection.send}. */
  send(request: OutgoingRequest, events: ExchangeEvents): void {
    this.#exchanges++;
    // A response without the field does not take back what the last one said.
    this.#hintedRequests--;
    this.#serving = events;
    this.#writtenBefore = this.conn.bytesWritten;
    this.#readBefore = this.conn.bytesRead;
    this.ref();
    this.#client.send(request, events);
  }

  /** Sends held-back content although nobody asked for it. */
  continueTimedOut(): void {
    this.#client.continueTimedOut();
  }

  /** Takes note of a `Keep-Alive` field: `timeout` in seconds, `max` requests still to come. */
  hint(headers: HttpHeaders): void {
    for (const member of (headers.get("keep-alive") ?? "").split(",")) {
      const [name, text] = member.split("=", 2).map((part) => part.trim().toLowerCase());
      const value = text === undefined ? null : parseDigits(text);
      if (value === null) continue;
      if (name === "timeout") this.#hintedIdleMs = Math.max(0, value * 1_000 - HINT_MARGIN_MS);
      if (name === "max") this.#hintedRequests = value;
    }
  }

  /** What is known of the exchange under way, or of the last one. */
  attempt(): Attempt {
    const state = this.#client.requestState;
    return attemptOf({
      reused: this.reused,
      bytesWritten: this.conn.bytesWritten - this.#writtenBefore,
      writePending: state === "head" || state === "content",
      requestComplete: state === "complete",
      responseBytes: this.conn.bytesRead - this.#readBefore,
    });
  }

  /** Keeps the process alive. */
  ref(): void {
    if (this.#isRef) return;
    this.#isRef = true;
    this.conn.ref();
  }

  /** Lets the process exit. */
  unref(): void {
    if (!this.#isRef) return;
    this.#isRef = false;
    this.conn.unref();
  }

  /** Closes it; an exchange under way fails with `reason`. */
  close(reason: unknown): void {
    this.#client.close(reason);
  }

  /** Lets `abandon` end within its time. */
  async drain(abandon: () => Promise<void>): Promise<void> {
    const { deadlines } = this.#keeper;
    const deadline = deadlines.set(DRAIN_MS, () => this.#client.drainLimitReached());
    try {
      await abandon();
    } finally {
      deadlines.clear(deadline);
    }
  }

  /** The connection is the caller's now. */
  leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#serving = null;
    this.#keeper.connectionLeft(this);
  }

  finishing(): void {
    this.#finishDeadline ??= this.#keeper.deadlines.set(
      DRAIN_MS,
      () => this.#client.sendLimitReached(),
    );
  }

  received(): void {
    this.receivedAtMs = this.#keeper.clock.now();
  }

  idle(wasJustRead: boolean): void {
    this.wasIdle = false;
    this.#clearFinishDeadline();
    this.#serving = null;
    this.idleSinceMs = wasJustRead ? this.receivedAtMs : this.#keeper.clock.now();
    const readAll = wasJustRead && !this.conn.readsInParts;
    this.readAtMs = readAll ? this.idleSinceMs : -Infinity;
    this.#keeper.connectionIdle(this, this.idleSinceMs);
  }

  closed(error: unknown): void {
    this.#clearFinishDeadline();
    if (this.#gone) return;
    this.#gone = true;
    this.#serving = null;
    this.#keeper.connectionGone(this, error);
  }

  #clearFinishDeadline(): void {
    this.#keeper.deadlines.clear(this.#finishDeadline);
    this.#finishDeadline = null;
  }
}
