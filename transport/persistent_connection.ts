/**
 * A connection as the transport holds it: its protocol, its place in the pool, its record.
 *
 * @module
 */
import type { Conn } from "../conn/conn.ts";
import type { Attempt } from "../conn/http_error.ts";
import { ClientConnection } from "../http1/client_connection.ts";
import type {
  ClientConnectionOptions,
  ConnectionOwner,
  ExchangeEvents,
  OutgoingRequest,
} from "../http1/client_exchange.ts";
import { attemptOf } from "./attempt.ts";

/** Who keeps the connections. Called synchronously. */
export interface ConnectionKeeper {
  /** The exchange is over; the connection may serve another. */
  connectionIdle(connection: PersistentConnection): void;
  /** The connection is closed, or belongs to the caller after an upgrade. */
  connectionGone(connection: PersistentConnection, error: unknown): void;
}

/** Milliseconds. How long a connection may take to become free once its response is done with. */
const DRAIN_MS = 50;

/** One connection and what the transport knows of it. */
export class PersistentConnection implements ConnectionOwner {
  /** Integer from 1, unique within its transport. */
  readonly id: number;
  /** Under which it is shared. */
  readonly key: string;
  readonly conn: Conn;
  /** When it last became idle, by `performance.now()`. */
  idleSinceMs: number = 0;
  readonly #client: ClientConnection;
  readonly #keeper: ConnectionKeeper;
  #exchanges = 0;
  #serving: ExchangeEvents | null = null;
  #writtenBefore = 0;
  #readBefore = 0;
  #gone = false;
  #finishTimer: ReturnType<typeof setTimeout> | undefined = undefined;

  constructor(
    identity: { id: number; key: string },
    conn: Conn,
    options: ClientConnectionOptions,
    keeper: ConnectionKeeper,
  ) {
    this.id = identity.id;
    this.key = identity.key;
    this.conn = conn;
    this.#keeper = keeper;
    this.#client = new ClientConnection(conn, options, this);
  }

  /** Whether it can be given to a request. */
  get isIdle(): boolean {
    return this.#client.state === "idle";
  }

  /** Whether the exchange under way, or the last one, was not its first. */
  get reused(): boolean {
    return this.#exchanges > 1;
  }

  /** Whether it has served a request before. */
  get hasServed(): boolean {
    return this.#exchanges > 0;
  }

  /** Whether the content of the request is being held back. */
  get awaitingContinue(): boolean {
    return this.#client.awaitingContinue;
  }

  /** Whether the exchange of `events` is the one under way. */
  serves(events: ExchangeEvents): boolean {
    return this.#serving === events;
  }

  /** Sends a request; see {@linkcode ClientConnection.send}. */
  send(request: OutgoingRequest, events: ExchangeEvents): void {
    this.#exchanges++;
    this.#serving = events;
    this.#writtenBefore = this.conn.bytesWritten;
    this.#readBefore = this.conn.bytesRead;
    this.conn.ref();
    this.#client.send(request, events);
  }

  /** Sends held-back content although nobody asked for it. */
  continueTimedOut(): void {
    this.#client.continueTimedOut();
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

  /** Closes it; an exchange under way fails with `reason`. */
  close(reason: unknown): void {
    this.#client.close(reason);
  }

  /** Lets `abandon` end within its time. */
  async drain(abandon: () => Promise<void>): Promise<void> {
    const timer = setTimeout(() => this.#client.drainLimitReached(), DRAIN_MS);
    try {
      await abandon();
    } finally {
      clearTimeout(timer);
    }
  }

  /** The connection is the caller's now. */
  leave(): void {
    this.#leave(undefined);
  }

  finishing(): void {
    this.#finishTimer ??= setTimeout(() => this.#client.sendLimitReached(), DRAIN_MS);
  }

  idle(): void {
    this.#clearFinishTimer();
    this.#serving = null;
    this.conn.unref();
    this.idleSinceMs = performance.now();
    this.#keeper.connectionIdle(this);
  }

  closed(error: unknown): void {
    this.#clearFinishTimer();
    this.#leave(error);
  }

  #clearFinishTimer(): void {
    if (this.#finishTimer === undefined) return;
    clearTimeout(this.#finishTimer);
    this.#finishTimer = undefined;
  }

  #leave(error: unknown): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#keeper.connectionGone(this, error);
  }
}
