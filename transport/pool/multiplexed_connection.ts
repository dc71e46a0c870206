/**
 * An HTTP/2 connection as the transport holds it: its protocol, its place in the pool, how long it
 * may be used and whether it is alive.
 *
 * @module
 */
import type { Conn } from "../../conn/conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import type { ExchangeEvents } from "../../http/exchange_events.ts";
import type { OutgoingRequest } from "../../http/outgoing_request.ts";
import {
  Http2Connection,
  type Http2ConnectionOptions,
  type Http2ConnectionOwner,
} from "../../http2/client_connection.ts";
import type { ClientStream } from "../../http2/client_stream.ts";
import { CANCEL } from "../../http2/http2_error.ts";
import type { PeerSettings } from "../../http2/settings.ts";
import type { Deadline } from "../deadlines.ts";
import { ListNode } from "../linked_list.ts";
import type { RoundTripIds } from "../message/http_request.ts";
import type { Dial } from "../route/dial.ts";
import type { Route } from "../route/route.ts";
import type { Carrier, ConnectionKeeper, PooledConnection } from "./carrier.ts";
import type { ConnectionLife } from "./persistent_connection.ts";
import type { Lease } from "./pool.ts";
import { type SharedConnection, StreamLease } from "./stream_lease.ts";

/** How HTTP/2 connections are kept alive. Milliseconds. */
export interface Liveness {
  /** How often a server that owes answers and says nothing is asked; 0: never. */
  readonly pingIntervalMs: number;
  /** How long it may take to answer that. */
  readonly pingTimeoutMs: number;
}

/** How an HTTP/2 connection works, and how long it may be used. */
export type MultiplexedOptions = Http2ConnectionOptions & {
  readonly life: ConnectionLife;
  readonly liveness: Liveness;
};

/** Milliseconds. How long the server may take to acknowledge the settings. */
const SETTINGS_MS = 10_000;

/** Milliseconds. How long it may take to show that it is there, after a request that ended without a word. */
const PROOF_OF_LIFE_MS = 2_000;

/** Milliseconds. How long the last words may take. */
const LEAVING_MS = 1_000;

/** Milliseconds. How long a connection is kept whose server takes no requests at the moment. */
const BARREN_MS = 30_000;

/** Milliseconds. How long a stream whose answer is complete may take to end without coming on. */
const FINISHING_MS = 5_000;

/** One connection and what the transport knows of it. */
export class MultiplexedConnection
  implements PooledConnection, SharedConnection, Http2ConnectionOwner {
  readonly protocol = "h2";
  readonly id: number;
  readonly route: Route;
  readonly conn: Conn;
  readonly place: ListNode<PooledConnection> = new ListNode<PooledConnection>(this);
  /** The dial that made it. */
  readonly madeBy: Dial;
  readonly bornAtMs: number;
  lease: Lease<PooledConnection> | null = null;
  usedBy: RoundTripIds | null = null;
  kept: boolean = false;
  /** When its last stream ended, or else its making. */
  idleSinceMs: number;
  /** When bytes came last. */
  receivedAtMs: number;
  /** What the kernel held for it then has been told. */
  readAtMs: number;
  exchangeCount: number = 0;
  readonly expiresAtMs: number;
  readonly #http2: Http2Connection;
  readonly #keeper: ConnectionKeeper;
  readonly #life: ConnectionLife;
  readonly #liveness: Liveness;
  #isRef = true;
  #settingsDeadline: Deadline | null = null;
  /** When the server is asked whether it is there, or must have shown it. */
  #lifeDeadline: Deadline | null = null;
  #looksAtMs = 0;
  /** When it was asked; null: it is not being asked. */
  #askedAtMs: number | null = null;
  /** Whether it has said anything since. */
  #isHeard = false;
  #askedBy = 0;
  /** Since when it has owed an answer to anything. */
  #owesSinceMs = 0;
  #roundTripMs: number | null = null;
  /** Streams whose answers are complete and that do not end, and how far the request of each had come. */
  readonly #finishing: Map<ClientStream, number> = new Map();
  #finishDeadline: Deadline | null = null;
  /** Who waits for the server's settings, or then for room. */
  #unsettled: (() => void)[] = [];
  /** For the time in which it serves nobody, and can serve nobody. */
  #barrenDeadline: Deadline | null = null;
  #ageDeadline: Deadline | null = null;

  constructor(
    identity: { id: number; madeBy: Dial },
    conn: Conn,
    options: MultiplexedOptions,
    keeper: ConnectionKeeper,
  ) {
    this.id = identity.id;
    this.madeBy = identity.madeBy;
    this.route = identity.madeBy.route;
    this.conn = conn;
    this.#keeper = keeper;
    this.#life = options.life;
    this.#liveness = options.liveness;
    this.bornAtMs = keeper.clock.now();
    this.idleSinceMs = this.bornAtMs;
    this.receivedAtMs = this.bornAtMs;
    this.readAtMs = this.bornAtMs;
    const { maxAgeMs } = options.life;
    this.expiresAtMs = maxAgeMs === 0
      ? Infinity
      : this.bornAtMs + maxAgeMs * (1 - Math.random() / 10);
    this.#http2 = new Http2Connection(conn, options, this);
    const unacknowledged = (): void => this.#http2.settingsTimedOut();
    this.#settingsDeadline = keeper.deadlines.set(SETTINGS_MS, unacknowledged, true);
    if (this.expiresAtMs < Infinity) {
      const restMs = Math.max(1, this.expiresAtMs - this.bornAtMs);
      this.#ageDeadline = keeper.deadlines.set(restMs, () => this.retire());
    }
  }

  get state(): string {
    const { state, streamCount } = this.#http2;
    if (state !== "open" && state !== "opening") return state;
    return streamCount > 0 ? "exchanging" : "idle";
  }

  get streamCount(): number {
    return this.#http2.streamCount;
  }

  get capacity(): number {
    const { capacity, streamCount } = this.#http2;
    const { maxRequests } = this.#life;
    if (maxRequests === 0) return capacity;
    return Math.min(capacity, streamCount + Math.max(0, maxRequests - this.exchangeCount));
  }

  get usualCapacity(): number {
    const { concurrency } = this.#http2;
    const { maxRequests } = this.#life;
    return maxRequests === 0 ? concurrency : Math.min(concurrency, maxRequests);
  }

  get isRetiring(): boolean {
    const { state } = this.#http2;
    return state === "retiring" || state === "closed";
  }

  get roundTripMs(): number | null {
    return this.#roundTripMs;
  }

  get hasRoom(): boolean {
    return this.#http2.streamCount < this.#http2.capacity;
  }

  get takesProtocols(): boolean | null {
    return this.#http2.takesProtocols;
  }

  whenSettled(callback: () => void): void {
    this.ref();
    this.#unsettled.push(callback);
  }

  #settled(): void {
    const callbacks = this.#unsettled;
    this.#unsettled = [];
    for (const callback of callbacks) callback();
  }

  carrier(waited: boolean): Carrier {
    return new StreamLease(this, waited);
  }

  send(request: OutgoingRequest, events: ExchangeEvents, nowMs: number): ClientStream {
    this.exchangeCount++;
    this.ref();
    if (this.streamCount === 0) this.#owesFrom(nowMs);
    let stream: ClientStream;
    try {
      stream = this.#http2.send(request, events);
    } catch (error) {
      // The server has not seen anything of it.
      this.exchangeCount--;
      this.placeFreed();
      throw error;
    }
    const { maxRequests } = this.#life;
    if (
      request.close || (maxRequests > 0 && this.exchangeCount >= maxRequests) ||
      this.expiresAtMs <= nowMs
    ) this.retire();
    return stream;
  }

  cancel(stream: ClientStream, reason: unknown, sentAtMs: number): void {
    // Where nothing has come since, the server may not be there any more.
    const isSilent = stream.handedBytes > 0 && this.receivedAtMs <= sentAtMs;
    stream.cancel(CANCEL, reason);
    stream.dropUnread();
    if (!isSilent || this.#http2.state === "closed") return;
    this.#ask(PROOF_OF_LIFE_MS);
    this.#keeper.connectionDoubted(this);
  }

  retire(): void {
    this.#http2.retire();
  }

  polled(atMs: number): void {
    if (atMs > this.readAtMs) this.readAtMs = atMs;
  }

  ref(): void {
    if (this.#isRef) return;
    this.#isRef = true;
    this.conn.ref();
  }

  unref(): void {
    if (!this.#isRef) return;
    this.#isRef = false;
    this.conn.unref();
  }

  close(reason: unknown): void {
    this.#http2.close(reason);
  }

  closeOwn(reason: unknown): void {
    if (this.#http2.hasTunnels) this.retire();
    else this.close(reason);
  }

  placeFreed(): void {
    this.#keeper.placeFreed(this, this.#keeper.clock.now());
  }

  // Http2ConnectionOwner

  capacityChanged(): void {
    // What comes in the step in which it is made is seen when it is given to the pool.
    if (this.lease !== null) this.#keeper.capacityChanged(this);
    this.#seeWhetherBarren();
    if (this.#unsettled.length === 0) return;
    if (this.takesProtocols !== null || this.isRetiring) this.#settled();
  }

  /** Whether there is nothing to do on it, and nothing can be begun, until the server says otherwise. */
  #seeWhetherBarren(): void {
    const { state, capacity, streamCount } = this.#http2;
    const isBarren = capacity === 0 && streamCount === 0 && state === "open";
    if (isBarren === (this.#barrenDeadline !== null)) return;
    if (isBarren) {
      if (this.#unsettled.length === 0) this.unref();
      this.#barrenDeadline = this.#keeper.deadlines.set(BARREN_MS, () => this.retire(), true);
    } else {
      this.#keeper.deadlines.clear(this.#barrenDeadline);
      this.#barrenDeadline = null;
    }
  }

  settingsReceived(
    { maxConcurrentStreams, initialWindowBytes, maxFrameBytes }: PeerSettings,
  ): void {
    const { id } = this;
    const event = { id, maxConcurrentStreams, initialWindowBytes, maxFrameBytes };
    this.#keeper.told(this, "settingsReceived", event);
  }

  goaway(about: { lastStreamId: number; code: string; debugData: string }): void {
    this.#keeper.told(this, "goAway", { id: this.id, ...about });
    if (about.code === "ENHANCE_YOUR_CALM") this.#keeper.calmRequested(this);
  }

  streamClosed(stream: ClientStream): void {
    this.idleSinceMs = this.#keeper.clock.now();
    if (this.#finishing.size > 0) this.#finishing.delete(stream);
    // Those who have a place already go first.
    if (this.#unsettled.length > 0 && this.takesProtocols !== null) this.#settled();
    this.#keeper.placeFreed(this, this.idleSinceMs);
    if (this.streamCount === 0) this.#seeWhetherBarren();
  }

  received(): void {
    this.receivedAtMs = this.#keeper.clock.now();
    this.readAtMs = this.receivedAtMs;
    this.#isHeard = true;
  }

  settingsAcknowledged(): void {
    this.#keeper.deadlines.clear(this.#settingsDeadline);
    this.#settingsDeadline = null;
  }

  pingAnswered(number: number): void {
    if (number !== this.#askedBy || this.#askedAtMs === null) return;
    this.#roundTripMs = this.receivedAtMs - this.#askedAtMs;
    this.#keeper.told(this, "pingDone", { id: this.id, roundTripMs: this.#roundTripMs });
  }

  finishing(stream: ClientStream): void {
    this.#finishing.set(stream, stream.framedBytes);
    this.#finishDeadline ??= this.#keeper.deadlines.set(FINISHING_MS, this.#endFinishing, true);
  }

  closed(error: unknown): void {
    const { clock, deadlines } = this.#keeper;
    deadlines.clear(this.#settingsDeadline);
    deadlines.clear(this.#lifeDeadline);
    deadlines.clear(this.#finishDeadline);
    deadlines.clear(this.#barrenDeadline);
    deadlines.clear(this.#ageDeadline);
    // No deadline of the transport's, which end with it: that may be now.
    const leaving = clock.startTimer(() => this.#http2.leaveNow(), LEAVING_MS);
    this.conn.whenClosed?.().then(() => clock.stopTimer(leaving));
    this.#settled();
    this.#keeper.connectionGone(this, error);
  }

  /** Ends the streams that have not come on for as long. */
  readonly #endFinishing = (): void => {
    this.#finishDeadline = null;
    for (const [stream, framedBytes] of [...this.#finishing]) {
      if (stream.isStalled && stream.framedBytes === framedBytes) stream.finishLimitReached();
      else this.#finishing.set(stream, stream.framedBytes);
    }
    if (this.#finishing.size === 0) return;
    this.#finishDeadline = this.#keeper.deadlines.set(FINISHING_MS, this.#endFinishing, true);
  };

  // Whether the server is there.

  #owesFrom(nowMs: number): void {
    this.#owesSinceMs = nowMs;
    const { pingIntervalMs } = this.#liveness;
    if (pingIntervalMs > 0 && this.#lifeDeadline === null) this.#lookIn(pingIntervalMs);
  }

  #lookIn(delayMs: number): void {
    this.#looksAtMs = this.#keeper.clock.now() + delayMs;
    this.#lifeDeadline = this.#keeper.deadlines.set(delayMs, this.#lookForLife, true);
  }

  readonly #lookForLife = (): void => {
    this.#lifeDeadline = null;
    if (this.#askedAtMs !== null && !this.#isHeard) {
      return this.#http2.failed(
        new HttpError("ERR_CONNECTION_LOST", "The server does not answer any more", {
          phase: "response-header",
        }),
      );
    }
    this.#askedAtMs = null;
    const { pingIntervalMs, pingTimeoutMs } = this.#liveness;
    if (pingIntervalMs === 0 || this.streamCount === 0) return;
    const silentMs = this.#keeper.clock.now() - Math.max(this.receivedAtMs, this.#owesSinceMs);
    if (silentMs < pingIntervalMs) this.#lookIn(pingIntervalMs - silentMs);
    else this.#ask(pingTimeoutMs);
  };

  #ask(limitMs: number): void {
    const nowMs = this.#keeper.clock.now();
    const isAsked = this.#askedAtMs !== null && !this.#isHeard;
    if (isAsked && this.#looksAtMs <= nowMs + limitMs) return;
    this.#keeper.deadlines.clear(this.#lifeDeadline);
    this.#lookIn(limitMs);
    if (isAsked) return;
    this.#askedAtMs = nowMs;
    this.#isHeard = false;
    this.#askedBy = this.#http2.ping();
  }
}
