/**
 * The life of an HTTP/2 connection. Every transition is in the table below.
 *
 * @module
 */
import type { TransitionTable } from "../http/machine.ts";

/**
 * What a connection is doing: it waits for the peer's first SETTINGS, serves, takes no new streams
 * any more, or is gone.
 *
 * @see RFC 9113 sections 3.4 and 6.8
 */
export type Http2ConnectionState = "opening" | "open" | "retiring" | "closed";

/**
 * What happens to a connection.
 *
 * @see RFC 9113 sections 3.4, 5.4.1 and 6.8
 */
export type Http2ConnectionEvent =
  | "settingsReceived"
  | "goawayReceived"
  | "retired"
  | "lastStreamEnded"
  | "failed"
  | "peerClosed"
  | "closeRequested";

/**
 * `state → event → next state`.
 *
 * @see RFC 9113 sections 3.4, 5.4.1 and 6.8
 */
export const HTTP2_CONNECTION_TABLE: TransitionTable<Http2ConnectionState, Http2ConnectionEvent> = {
  opening: {
    settingsReceived: "open",
    retired: "retiring",
    failed: "closed",
    peerClosed: "closed",
    closeRequested: "closed",
  },
  open: {
    settingsReceived: "open",
    goawayReceived: "retiring",
    retired: "retiring",
    failed: "closed",
    peerClosed: "closed",
    closeRequested: "closed",
  },
  retiring: {
    settingsReceived: "retiring",
    goawayReceived: "retiring",
    retired: "retiring",
    lastStreamEnded: "closed",
    failed: "closed",
    peerClosed: "closed",
    closeRequested: "closed",
  },
  closed: {},
};
