/**
 * The life of a persistent connection. Every transition is in the table below; the one line that
 * decides reuse is {@linkcode mayReuse}.
 *
 * @module
 */
import type { TransitionTable } from "../http/machine.ts";
import type { RequestState } from "./request_state.ts";
import type { ResponseState } from "./response_state.ts";

/**
 * States of a connection. `idle`: no outstanding request. `exchanging`: one outstanding request.
 * `draining`: the caller dropped the content, the rest is read within a budget. `tunnel`: the bytes
 * belong to the caller. `closed`: terminal.
 *
 * @see RFC 9112 section 9
 */
export type ConnectionState = "idle" | "exchanging" | "draining" | "tunnel" | "closed";

/**
 * What can happen to a connection.
 *
 * @see RFC 9112 section 9
 */
export type ConnectionEvent =
  | "requestStarted"
  | "exchangeCompleted"
  | "lastExchangeCompleted"
  | "contentAbandoned"
  | "drainLimitReached"
  | "protocolSwitched"
  | "unsolicitedDataReceived"
  | "idleTimedOut"
  | "peerClosed"
  | "failed"
  | "closeRequested";

/**
 * Every transition of a connection.
 *
 * @see RFC 9112 section 9.3
 */
export const CONNECTION_TABLE: TransitionTable<ConnectionState, ConnectionEvent> = {
  idle: {
    requestStarted: "exchanging",
    unsolicitedDataReceived: "closed",
    peerClosed: "closed",
    idleTimedOut: "closed",
    failed: "closed",
    closeRequested: "closed",
  },
  exchanging: {
    exchangeCompleted: "idle",
    lastExchangeCompleted: "closed",
    contentAbandoned: "draining",
    protocolSwitched: "tunnel",
    peerClosed: "closed",
    failed: "closed",
    closeRequested: "closed",
  },
  draining: {
    exchangeCompleted: "idle",
    lastExchangeCompleted: "closed",
    drainLimitReached: "closed",
    peerClosed: "closed",
    failed: "closed",
    closeRequested: "closed",
  },
  tunnel: {
    peerClosed: "closed",
    failed: "closed",
    closeRequested: "closed",
  },
  closed: {},
};

/**
 * Whether a connection may carry another request: the only place that decides it.
 *
 * Pure.
 *
 * @param persistent Neither side has sent `close`, and the framing allows it.
 * @param unreadBytes Bytes received behind the end of the response.
 * @see RFC 9112 section 9.3
 */
export function mayReuse(
  request: RequestState,
  response: ResponseState,
  persistent: boolean,
  unreadBytes: number,
): boolean {
  return request === "complete" && response === "complete" && persistent && unreadBytes === 0;
}
