/**
 * What stands between a request and its connection: who wants one, and who has them. Interfaces
 * only.
 *
 * @module
 */
import type { DecodingLimits } from "../message/body_steps.ts";
import type { Clock } from "../clock.ts";
import type { Deadlines } from "../deadlines.ts";
import type { Dial } from "../dial.ts";
import type { HttpRequest } from "../http_request.ts";
import type { Leakable } from "./leak_watch.ts";
import type { ListNode } from "../linked_list.ts";
import type { PersistentConnection } from "./persistent_connection.ts";
import type { Route, RoutedRequest } from "../route/route.ts";
import type { SendingTurn } from "./sending_turn.ts";
import type { Ticket } from "./pool.ts";
import type { ClientTrace } from "../trace.ts";

/** What every round trip of a transport has in common. Milliseconds; 0 is off. */
export interface RoundTripSettings {
  /** The codings asked for on the caller's behalf, as in the field; empty: none. */
  readonly acceptEncoding: string;
  readonly decoding: DecodingLimits;
  readonly closeAfterUse: boolean;
  /** Whether a `Proxy-Authorization` is for a proxy alone: there are proxies. */
  readonly usesProxies: boolean;
  readonly poolWaitTimeoutMs: number;
  readonly expectContinueTimeoutMs: number;
  readonly responseHeaderTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  readonly trace: ClientTrace | null;
}

/** Whoever waits for a connection. Called synchronously. */
export interface ConnectionWaiter extends RoutedRequest {
  readonly waitsSinceMs: number;
  /** A connection is being made because of it. */
  dialStarted(dial: Dial): void;
  /** Here it is. Not called again. */
  connectionReady(connection: PersistentConnection): void;
  /** There will be none. Not called after `connectionReady`. */
  dialFailed(error: unknown): void;
}

/** Where a round trip gets its connections. */
export interface ConnectionSource {
  readonly options: RoundTripSettings;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** Whether it can have more than one connection. */
  readonly isShared: boolean;
  /**
   * How the request reaches its server.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`, `ERR_PROXY`.
   */
  route(request: HttpRequest): Route | Promise<Route>;
  /** An idle connection, taken in the same step; undefined if there is none. */
  take(wanted: RoutedRequest, nowMs: number): PersistentConnection | undefined;
  /**
   * Gets a connection for `waiter`: its own, or one that becomes free first.
   *
   * @throws {HttpError} `ERR_QUEUE_FULL`.
   */
  enqueue(waiter: ConnectionWaiter): Ticket<ConnectionWaiter>;
  /** The request does not want one any more. */
  cancel(ticket: Ticket<ConnectionWaiter>): void;
  /** Puts back a connection that was taken and not used. */
  giveBack(connection: PersistentConnection): void;
  /** Null: nothing that the kernel holds could be missed. */
  pollBarrier(connection: PersistentConnection, nowMs: number): Promise<void> | null;
  /** Where requests go together: calls `sender`, which has its connection, when they go. */
  readonly sendingTurn: SendingTurn | null;
  /** The body of `roundTrip` is open as long as `content` can be reached. */
  watch(content: object, roundTrip: OpenRoundTrip): void;
  /** The round trip is over, its body read or closed. */
  ended(roundTrip: OpenRoundTrip): void;
}

/** A round trip that is not over. */
export interface OpenRoundTrip extends Leakable {
  /** Among those that are not over. */
  readonly place: ListNode<OpenRoundTrip>;
  /** Ends it: the call rejects, or the body fails. */
  abort(reason: unknown): void;
}
