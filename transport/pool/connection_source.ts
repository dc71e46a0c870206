/**
 * What stands between a request and its connection: who wants one, and who has them. Interfaces
 * only.
 *
 * @module
 */
import type { HttpErrorPhase } from "../../conn/http_error.ts";
import type { DecodingLimits } from "../message/body_steps.ts";
import type { Carrier } from "./carrier.ts";
import type { Clock } from "../clock.ts";
import type { Deadlines } from "../deadlines.ts";
import type { Dial } from "../route/dial.ts";
import type { ClientTrace, HttpRequest } from "../message/http_request.ts";
import type { Leakable } from "./leak_watch.ts";
import type { ListNode } from "../linked_list.ts";
import type { ProxyLogins } from "../route/proxy_login.ts";
import type { Route, RoutedRequest } from "../route/route.ts";
import type { ProofWaiter } from "./proof_queue.ts";
import type { SendingTurn } from "./sending_turn.ts";
import type { Ticket } from "./pool.ts";
import type { Tracer } from "../message/trace.ts";
import type { UnreadContents } from "./unread_contents.ts";

/** What every round trip of a transport has in common. Milliseconds; 0 is off. */
export interface RoundTripSettings {
  /** The codings asked for on the caller's behalf, as in the field; empty: none. */
  readonly acceptEncoding: string;
  readonly decoding: DecodingLimits;
  /** Of one body. */
  readonly maxResponseBytes: number;
  readonly closeAfterUse: boolean;
  /** Whether a `Proxy-Authorization` is for a proxy alone: there are proxies. */
  readonly usesProxies: boolean;
  /** What proxies are told of who asks, where they are given requests as they are. */
  readonly proxyLogins: ProxyLogins;
  readonly poolWaitTimeoutMs: number;
  readonly expectContinueTimeoutMs: number;
  readonly responseHeaderTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  readonly writeIdleTimeoutMs: number;
  /** Bytes. */
  readonly minBytesPerSecond: number;
  readonly trace: ClientTrace | null;
}

/** Whoever waits for a connection. Called synchronously. */
export interface ConnectionWaiter extends RoutedRequest {
  readonly waitsSinceMs: number;
  /** Who is told of what it waits for, or null. */
  readonly tracer: Tracer | null;
  /** A connection is being made because of it. */
  dialStarted(dial: Dial): void;
  /** Here it is. Not called again. */
  connectionReady(carrier: Carrier): void;
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
  /** The server wants HTTP/1.1, now and later. @returns The route for that. */
  needsHttp1(route: Route): Route;
  /** An idle connection, taken in the same step; undefined if there is none. */
  take(waiter: ConnectionWaiter, nowMs: number): Carrier | undefined;
  /**
   * Gets a connection for `waiter`: its own, or one that becomes free first.
   *
   * @throws {HttpError} `ERR_QUEUE_FULL`.
   */
  enqueue(waiter: ConnectionWaiter): Ticket<ConnectionWaiter>;
  /** It has waited for the dials of others: begins one of its own. @returns False: it may have none. */
  dialNow(ticket: Ticket<ConnectionWaiter>): boolean;
  /** The request does not want one any more. */
  cancel(ticket: Ticket<ConnectionWaiter>): void;
  /** Puts back a connection that was taken and not used. */
  giveBack(connection: Carrier): void;
  /** Whether an idle connection may hold what nobody can be asked for: see {@linkcode Dialer.holdsBack}. */
  readonly holdsBack: boolean;
  /** Whether nothing that the kernel held a moment ago could have been missed. */
  isFresh(connection: Carrier, nowMs: number): boolean;
  /** Whether more requests wait for {@linkcode prove} than can go by one proof. */
  readonly isProvingMany: boolean;
  /** Has the kernel polled, and tells `waiter`. */
  prove(waiter: ProofWaiter, nowMs: number): void;
  /** Where requests go together: calls `sender`, which has its connection, when they go. */
  readonly sendingTurn: SendingTurn | null;
  /** The body of `roundTrip` is open as long as `content` can be reached. */
  watch(content: object, roundTrip: OpenRoundTrip): void;
  /** Contents that have come in part, and that nobody may read. */
  readonly unread: UnreadContents;
  /** The round trip is over, its body read or closed. */
  ended(roundTrip: OpenRoundTrip): void;
}

/** A round trip that is not over. */
export interface OpenRoundTrip extends Leakable {
  /** Among those that are not over. */
  readonly place: ListNode<OpenRoundTrip>;
  /** Ends it: the call rejects, or the body fails. */
  abort(reason: unknown): void;
  /** Ends it with an error that is told of its attempts, and of the phase unless it knows them. */
  fail(error: unknown, phase: HttpErrorPhase): void;
}
