/**
 * The life of a response that is being read. Every transition is in the table below.
 *
 * @module
 */
import type { TransitionTable } from "../http/machine.ts";

/**
 * States of an incoming response; the last three are terminal.
 *
 * @see RFC 9112 section 8
 */
export type ResponseState = "head" | "content" | "complete" | "incomplete" | "switched";

/**
 * What can happen to an incoming response.
 *
 * @see RFC 9112 sections 6.3 and 8, RFC 9110 section 15.2
 */
export type ResponseEvent =
  | "informationalReceived"
  | "finalHeadReceived"
  | "contentlessHeadReceived"
  | "switchingReceived"
  | "contentEnded"
  | "truncated"
  | "malformed";

/**
 * Every transition of an incoming response.
 *
 * @see RFC 9112 sections 6.3 and 8
 */
export const RESPONSE_TABLE: TransitionTable<ResponseState, ResponseEvent> = {
  head: {
    informationalReceived: "head",
    finalHeadReceived: "content",
    contentlessHeadReceived: "complete",
    switchingReceived: "switched",
    truncated: "incomplete",
    malformed: "incomplete",
  },
  content: {
    contentEnded: "complete",
    truncated: "incomplete",
    malformed: "incomplete",
  },
  complete: {},
  incomplete: {},
  switched: {},
};
