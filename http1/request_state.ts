/**
 * The life of a request that is being sent. Every transition is in the table below.
 *
 * @module
 */
import type { TransitionTable } from "../http/machine.ts";

/**
 * States of an outgoing request. `withheld`: declared content was not (fully) sent, on purpose: the
 * response is good, the connection is not. `aborted`: sending failed; a response may still come.
 *
 * @see RFC 9110 section 10.1.1
 */
export type RequestState =
  | "head"
  | "awaitingContinue"
  | "content"
  | "complete"
  | "withheld"
  | "aborted";

/**
 * What can happen to an outgoing request.
 *
 * @see RFC 9110 section 10.1.1
 */
export type RequestEvent =
  | "headSentNoContent"
  | "headSentExpectingContinue"
  | "headSent"
  | "continueReceived"
  | "continueTimedOut"
  | "finalResponseReceived"
  | "sendingStopped"
  | "contentEnded"
  | "contentFailed"
  | "writeFailed";

/**
 * Every transition of an outgoing request.
 *
 * @see RFC 9110 section 10.1.1, RFC 9112 section 9.5
 */
export const REQUEST_TABLE: TransitionTable<RequestState, RequestEvent> = {
  head: {
    headSentNoContent: "complete",
    headSentExpectingContinue: "awaitingContinue",
    headSent: "content",
    finalResponseReceived: "head",
    sendingStopped: "withheld",
    writeFailed: "aborted",
  },
  awaitingContinue: {
    continueReceived: "content",
    continueTimedOut: "content",
    finalResponseReceived: "withheld",
    writeFailed: "aborted",
  },
  content: {
    finalResponseReceived: "content",
    sendingStopped: "withheld",
    contentEnded: "complete",
    contentFailed: "aborted",
    writeFailed: "aborted",
  },
  complete: {
    finalResponseReceived: "complete",
  },
  withheld: {},
  aborted: {
    finalResponseReceived: "aborted",
  },
};
