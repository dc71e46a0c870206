/**
 * The life of a stream, for either end. Every transition is in the table below.
 *
 * @module
 */
import type { TransitionTable } from "../http/machine.ts";

/**
 * What a stream is doing. Those that a server promises do not occur: they are refused.
 *
 * @see RFC 9113 section 5.1
 */
export type StreamState = "idle" | "open" | "halfClosedLocal" | "halfClosedRemote" | "closed";

/**
 * What happens to a stream.
 *
 * @see RFC 9113 section 5.1
 */
export type StreamEvent =
  | "headersSent"
  | "headersReceived"
  | "endSent"
  | "endReceived"
  | "resetSent"
  | "resetReceived"
  | "connectionEnded";

/**
 * `state → event → next state`. HEADERS that end the stream are two events.
 *
 * @see RFC 9113 section 5.1
 */
export const STREAM_TABLE: TransitionTable<StreamState, StreamEvent> = {
  idle: {
    headersSent: "open",
    headersReceived: "open",
    connectionEnded: "closed",
  },
  open: {
    headersSent: "open",
    headersReceived: "open",
    endSent: "halfClosedLocal",
    endReceived: "halfClosedRemote",
    resetSent: "closed",
    resetReceived: "closed",
    connectionEnded: "closed",
  },
  halfClosedLocal: {
    headersReceived: "halfClosedLocal",
    endReceived: "closed",
    resetSent: "closed",
    resetReceived: "closed",
    connectionEnded: "closed",
  },
  halfClosedRemote: {
    headersSent: "halfClosedRemote",
    endSent: "closed",
    resetSent: "closed",
    resetReceived: "closed",
    connectionEnded: "closed",
  },
  closed: {},
};
