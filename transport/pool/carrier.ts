/**
 * What a request is sent on, and what the pool holds: with HTTP/1.1 both are the connection, with
 * HTTP/2 a request has a stream of one. Interfaces only.
 *
 * @module
 */
import type { Conn } from "../../conn/conn.ts";
import type { Attempt } from "../../conn/http_error.ts";
import type { ExchangeEvents } from "../../http/exchange_events.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import type { OutgoingRequest } from "../../http/outgoing_request.ts";
import type { Clock } from "../clock.ts";
import type { Deadlines } from "../deadlines.ts";
import type { ListNode } from "../linked_list.ts";
import type { ClientTrace, RoundTripIds } from "../message/http_request.ts";
import type { Dial } from "../route/dial.ts";
import type { Route } from "../route/route.ts";
import type { Lease } from "./pool.ts";
import type { SendingTurn } from "./sending_turn.ts";

/** What is spoken on a connection, by its name in ALPN. */
export type Protocol = "http/1.1" | "h2";

/** An exchange on a carrier. Called synchronously. */
export interface ServedExchange extends ExchangeEvents {
  /** The carrier is about to be free for another: what it knows of this exchange ends here. */
  connectionFreed(carrier: Carrier): void;
}

/** What one request is sent on. */
export interface Carrier {
  /** Of the connection: integer from 1, unique within its transport. */
  readonly id: number;
  readonly conn: Conn;
  /** The way that the connection takes, and the key under which it is shared. */
  readonly route: Route;
  /** The dial that made the connection. */
  readonly madeBy: Dial;
  readonly protocol: Protocol;
  /** Integer from 1; null in HTTP/1.1, and before it is opened. */
  readonly streamId: number | null;
  /** The connection itself, where it carries nothing else; null where others share it. */
  readonly whole: WholeConnection | null;
  /** Who uses the connection; for the hooks of the transport, null where it has none. */
  usedBy: RoundTripIds | null;
  /** Whether a request can be sent on it. */
  readonly isIdle: boolean;
  /** Whether the connection was made this moment, and its server was asked for nothing. */
  readonly isNew: boolean;
  /** Whether the connection has served a request before. */
  readonly hasServed: boolean;
  /** Whether the exchange found the connection open: nothing was dialled for it. */
  readonly reused: boolean;
  /** Whether the connection waited for the request: it may have been lost meanwhile. */
  readonly wasIdle: boolean;
  /** From when on the connection could have been used. */
  readonly idleSinceMs: number;
  /** When bytes came last. */
  readonly receivedAtMs: number;
  /** What the kernel held for the connection then has been told; -Infinity: that is not known. */
  readonly readAtMs: number;
  /** What the kernel held for the connection at `atMs` has been told. */
  polled(atMs: number): void;
  /** Whether nothing has come that could be taken for the answer. Order: only while it is idle. */
  holdsNothing(nowMs: number): boolean;
  /** Sends a request; at most one is under way. */
  send(request: OutgoingRequest, events: ServedExchange, nowMs: number): void;
  /** Whether the exchange of `events` is the one under way. */
  serves(events: ExchangeEvents): boolean;
  /** Whether the content of the request is being sent, although the response may have come to its end. */
  readonly isSending: boolean;
  /** Whether the content of the request is being held back. */
  readonly awaitingContinue: boolean;
  /** Sends held-back content although nobody asked for it. */
  continueTimedOut(): void;
  /** Takes note of a `Keep-Alive` field. */
  hint(headers: HttpHeaders): void;
  /** Nobody else is given the connection from now on: who uses it may be known by it. */
  bind(): void;
  /** What is known of the exchange under way, or of the last one. */
  attempt(): Attempt;
  /** Whether a server that will not have had this request would have it from another connection. */
  readonly mayBeSentAgain: boolean;
  /** Bytes of the request that the runtime has accepted. */
  readonly requestBytes: number;
  /** Bytes that have come since the request began. */
  readonly responseBytes: number;
  /** Keeps the process alive. */
  ref(): void;
  /** It was taken, and is not used: others may have it. Nothing happens if it is closed. */
  giveBack(): void;
  /** Ends the exchange under way, which fails with `reason`; in HTTP/1.1 with the connection. */
  close(reason: unknown): void;
  /** The same, and the connection is given no other request. */
  giveUp(reason: unknown): void;
  /** Lets `abandon` end, within a time where the connection waits for it. */
  drain(abandon: () => Promise<void>): Promise<void>;
  /** What it carries is the caller's now. */
  leave(): void;
}

/** A connection as the pool holds it. */
export interface PooledConnection {
  readonly id: number;
  readonly route: Route;
  readonly conn: Conn;
  readonly protocol: Protocol;
  /** Among the open connections. */
  readonly place: ListNode<PooledConnection>;
  readonly bornAtMs: number;
  /** Its record in the pool. */
  lease: Lease<PooledConnection> | null;
  /** Who used it last, or had it made; for the hooks of the transport, null where it has none. */
  usedBy: RoundTripIds | null;
  /** Whether the pool keeps it: it waits for a request. */
  kept: boolean;
  /** State of its protocol, for inspection. */
  readonly state: string;
  /** How many requests it has been given. */
  readonly exchangeCount: number;
  /** How many it can be given at once now. */
  readonly capacity: number;
  /** Whether it will never be given others than those that it has. */
  readonly isRetiring: boolean;
  /** How many another one to its server can be expected to be given at once; 0: that is not known. */
  readonly usualCapacity: number;
  /** How many streams are open; null where there are none in its protocol. */
  readonly streamCount: number | null;
  /** Milliseconds that the last PING took; null: none was answered. */
  readonly roundTripMs: number | null;
  /** When it may no longer be idle, besides the pool's own time-out. */
  readonly expiresAtMs: number;
  /**
   * What the request is sent on to which the pool has given a place.
   *
   * @param waited Whether the connection waited for it.
   */
  carrier(waited: boolean): Carrier;
  /** Lets the process exit. */
  unref(): void;
  /** Closes it; exchanges under way fail with `reason`. */
  close(reason: unknown): void;
  /** The same, but what of it was handed over to callers goes on to its end. */
  closeOwn(reason: unknown): void;
}

/** A connection that carries one request at a time. */
export interface WholeConnection extends Carrier, PooledConnection {
  /** Whether a caller holds it for requests of its own: it is not given to others. */
  held: boolean;
}

/** Hooks that tell of a connection which many requests share. */
export type ConnectionHook = "settingsReceived" | "goAway" | "pingDone";

/** Who keeps the connections. Called synchronously. */
export interface ConnectionKeeper {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** Null: few requests are under way. */
  readonly sendingTurn: SendingTurn | null;
  /** The exchange is over; the connection may serve another, and need not keep the process alive. */
  connectionIdle(connection: WholeConnection, nowMs: number): void;
  /** An exchange of a shared connection is over, or was not begun: its place is free. */
  placeFreed(connection: PooledConnection, nowMs: number): void;
  /** A shared connection can be given more requests than before, or fewer. */
  capacityChanged(connection: PooledConnection): void;
  /** Others are to be preferred to it for now: it may have been lost. */
  connectionDoubted(connection: PooledConnection): void;
  /** The server wants no new connection for a while. */
  calmRequested(connection: PooledConnection): void;
  /** Something that is about the connection, not one request: the hooks of the transport hear of it. */
  told<Hook extends ConnectionHook>(
    connection: PooledConnection,
    hook: Hook,
    event: Parameters<Required<ClientTrace>[Hook]>[0],
  ): void;
  /** The connection is closed. */
  connectionGone(connection: PooledConnection, error: unknown): void;
  /** The connection belongs to the caller now, after an upgrade. */
  connectionLeft(connection: PooledConnection): void;
}
