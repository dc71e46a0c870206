/**
 * An HTTP/1.1 connection as the transport holds it: its protocol, its place in the pool, its record.
 *
 * @module
 */
import type { Conn } from "../../conn/conn.ts";
import type { Attempt } from "../../conn/http_error.ts";
import { ClientConnection } from "../../http1/client_connection.ts";
import type { ClientConnectionOptions, ConnectionOwner } from "../../http1/client_exchange.ts";
import type { ExchangeEvents } from "../../http/exchange_events.ts";
import type { OutgoingRequest } from "../../http/outgoing_request.ts";
import { parseDigits } from "../../http/grammar.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import { connectionLost } from "../../http1/response_error.ts";
import { attemptOf } from "../attempt.ts";
import type { Deadline } from "../deadlines.ts";
import type { Dial } from "../route/dial.ts";
import type { RoundTripIds } from "../message/http_request.ts";
import { ListNode } from "../linked_list.ts";
import type {
  Carrier,
  ConnectionKeeper,
  PooledConnection,
  ServedExchange,
  WholeConnection,
} from "./carrier.ts";
import type { Lease } from "./pool.ts";
import type { Route } from "../route/route.ts";

/** How long a connection may be used. 0 is unlimited. */
export interface ConnectionLife {
  readonly maxRequests: number;
  /** Milliseconds; up to a tenth less, so that connections made together do not end together. */
  readonly maxAgeMs: number;
}

/** Milliseconds. How long a connection may take to become free once its response is done with. */
const DRAIN_MS = 50;

/** Milliseconds. How long a response is waited for when the request could not be written. */
const ANSWER_MS = 5_000;

/** Milliseconds. How much earlier than the server says an idle connection is given up. */
const HINT_MARGIN_MS = 1_000;

/** One connection and what the transport knows of it. */
export class PersistentConnection implements WholeConnection, ConnectionOwner {
  readonly protocol = "http/1.1";
  readonly streamId = null;
  readonly streamCount = null;
  readonly roundTripMs = null;
  readonly capacity = 1;
  readonly usualCapacity = 1;
  readonly isRetiring = false;
  /** A response that has come to its end ends the request too. */
  readonly isSending = false;
  readonly mayBeSentAgain = true;
  /** Integer from 1, unique within its transport. */
  readonly id: number;
  /** The way that it takes, and the key under which it is shared. */
  readonly route: Route;
  readonly conn: Conn;
  /** Among the open connections. */
  readonly place: ListNode<PooledConnection> = new ListNode<PooledConnection>(this);
  /** The dial that made it. */
  readonly madeBy: Dial;
  readonly bornAtMs: number;
  /** Its record in the pool. */
  lease: Lease<PooledConnection> | null = null;
  /** Who used it last, or had it made; for the hooks of the transport, null where it has none. */
  usedBy: RoundTripIds | null = null;
  /** Whether a caller holds it for requests of its own: it is not given to others. */
  held: boolean = false;
  /** Whether nobody else is given it: who uses it may be known by it. */
  servesOneCaller: boolean;
  /** Whether the pool keeps it: it waits for a request. */
  kept: boolean = false;
  /** Whether it waited for the request that it was given last: it may have been lost meanwhile. */
  wasIdle: boolean = false;
  /** From when on it could have been used: the end of its last exchange, or else its making. */
  idleSinceMs: number;
  /** When bytes came last for a head: one look at the clock for all that happens in that step. */
  receivedAtMs: number;
  /** What the kernel held for it then has been told; -Infinity: that is not known. */
  readAtMs: number;
  readonly #client: ClientConnection;
  readonly #keeper: ConnectionKeeper;
  readonly #life: ConnectionLife;
  readonly #retiresAtMs: number;
  #isRef = true;
  #exchanges = 0;
  #serving: ServedExchange | null = null;
  #sentAtMs = 0;
  #writtenBefore = 0;
  #readBefore = 0;
  #gone = false;
  /** What the server's last `Keep-Alive` field said. */
  #hintedIdleMs = Infinity;
  #hintedRequests = Infinity;
  /** For the last that is waited for: the word that all was written, or an answer where it was not. */
  #endDeadline: Deadline | null = null;

  constructor(
    identity: { id: number; madeBy: Dial },
    conn: Conn,
    options: ClientConnectionOptions & { life: ConnectionLife },
    keeper: ConnectionKeeper,
  ) {
    this.id = identity.id;
    this.madeBy = identity.madeBy;
    this.route = identity.madeBy.route;
    this.servesOneCaller = this.route.sharing === "caller";
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

  /** It carries nothing else. */
  get whole(): PersistentConnection {
    return this;
  }

  /** It is its own: one request has all of it. */
  carrier(waited: boolean): Carrier {
    if (waited) this.wasIdle = true;
    return this;
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

  /** Whether it was made this moment, for whoever is given it: its server was asked for nothing. */
  get isNew(): boolean {
    return this.#exchanges === 0 && !this.wasIdle;
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
    if (this.servesOneCaller && this.hasServed) return 0;
    return Math.min(this.#retiresAtMs, this.idleSinceMs + this.#hintedIdleMs);
  }

  /** Whether the exchange of `events` is the one under way. */
  serves(events: ExchangeEvents): boolean {
    return this.#serving === events;
  }

  /** Sends a request; see {@linkcode ClientConnection.send}. */
  send(request: OutgoingRequest, events: ServedExchange, nowMs: number): void {
    this.#exchanges++;
    this.#sentAtMs = nowMs;
    // A response without the field does not take back what the last one said.
    this.#hintedRequests--;
    this.#serving = events;
    this.#writtenBefore = this.conn.bytesWritten;
    this.#readBefore = this.conn.bytesRead;
    this.ref();
    this.#client.send(request, events);
  }

  giveBack(): void {
    // One that is closed has left the pool.
    if (!this.isIdle) return;
    // Whoever held it may have held it for long.
    this.wasIdle = true;
    this.#keeper.connectionIdle(this, this.#keeper.clock.now());
  }

  bind(): void {
    this.servesOneCaller = true;
  }

  giveUp(reason: unknown): void {
    this.close(reason);
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
      bytesWritten: this.requestBytes,
      writePending: state === "head" || state === "content",
      requestComplete: state === "complete",
      responseBytes: this.responseBytes,
    });
  }

  /** Bytes of the request under way, or of the last one, that the runtime has accepted. */
  get requestBytes(): number {
    return this.conn.bytesWritten - this.#writtenBefore;
  }

  /** Bytes that have come since then. */
  get responseBytes(): number {
    return this.conn.bytesRead - this.#readBefore;
  }

  /** What the kernel held for it at `atMs` has been told. */
  polled(atMs: number): void {
    if (atMs > this.readAtMs) this.readAtMs = atMs;
  }

  /**
   * Looks whether nothing has come since, without waiting. Something that has come closes it.
   *
   * Order: only while it is idle.
   *
   * @returns False also where that cannot be seen.
   */
  holdsNothing(nowMs: number): boolean {
    if (this.readAtMs === -Infinity) return false;
    let isEmpty: boolean | null | undefined;
    try {
      isEmpty = this.conn.kernelIsEmpty?.();
    } catch {
      // A connection of a caller's dialer: it does not know.
    }
    if (isEmpty === true) this.readAtMs = nowMs;
    if (isEmpty === false) this.close(connectionLost("Something came on an idle connection"));
    return isEmpty === true;
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

  /** One that was handed over is left to its owner. */
  closeOwn(reason: unknown): void {
    this.close(reason);
  }

  /** Lets `abandon` end within its time. */
  async drain(abandon: () => Promise<void>): Promise<void> {
    const { deadlines } = this.#keeper;
    const deadline = deadlines.set(DRAIN_MS, () => this.#client.drainLimitReached(), true);
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
    this.#clearEndDeadline();
    this.#serving = null;
    this.#keeper.connectionLeft(this);
  }

  finishing(): void {
    this.#endDeadline ??= this.#keeper.deadlines.set(
      DRAIN_MS,
      () => this.#client.sendLimitReached(),
      true,
    );
  }

  unanswered(): void {
    this.#endDeadline ??= this.#keeper.deadlines.set(
      ANSWER_MS,
      () => this.#client.answerLimitReached(),
      true,
    );
  }

  received(): void {
    this.receivedAtMs = this.#keeper.clock.now();
  }

  idle(wasJustRead: boolean): void {
    this.#serving?.connectionFreed(this);
    this.wasIdle = false;
    this.#clearEndDeadline();
    this.#serving = null;
    this.idleSinceMs = wasJustRead ? this.receivedAtMs : this.#keeper.clock.now();
    const readAll = wasJustRead && !this.conn.readsInParts;
    this.readAtMs = !readAll ? -Infinity : this.#wasToldLate ? this.#sentAtMs : this.idleSinceMs;
    this.#keeper.connectionIdle(this, this.idleSinceMs);
  }

  /**
   * Whether the answer may have been read long before it was told: all that is known is that it came
   * after its request. Where many requests share the turns, no read could ever pass for a proof then.
   */
  get #wasToldLate(): boolean {
    return this.conn.tellsLate === true && this.#keeper.sendingTurn === null;
  }

  closed(error: unknown): void {
    this.#clearEndDeadline();
    if (this.#gone) return;
    this.#gone = true;
    this.#serving = null;
    this.#keeper.connectionGone(this, error);
  }

  #clearEndDeadline(): void {
    this.#keeper.deadlines.clear(this.#endDeadline);
    this.#endDeadline = null;
  }
}
