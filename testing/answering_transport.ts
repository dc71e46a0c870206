/**
 * A transport that is answered in this process: each round trip goes through a real transport, to a
 * server in memory of its own, so that all that stands on responses sees real ones.
 *
 * @module
 */
import type { Clock } from "../transport/clock.ts";
import type { HttpRequest } from "../transport/message/http_request.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import { type RoundTripper, Transport } from "../transport/transport.ts";
import type { TransportOptions } from "../transport/transport_options.ts";
import { memoryDialer } from "./memory_network.ts";
import type { RecordedRequest } from "./recorded_request.ts";
import { type ServedAnswer, ServedConnection } from "./served_connection.ts";

/** One call of `roundTrip`, as who answers sees it. */
export interface AnsweredCall {
  /** What was asked for, as the transport sends it. */
  readonly recorded: RecordedRequest;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** What becomes of a call: an answer, an error to reject with, or a response of somebody else. */
export type CallOutcome =
  | { readonly answer: ServedAnswer }
  | { readonly error: unknown }
  | { readonly response: Promise<HttpResponse> };

/** How the calls are made. */
export interface AnsweringOptions {
  /** Options of the transport that sends; no dialer. */
  readonly transport: TransportOptions;
  /** Null: the runtime's. */
  readonly clock: Clock | null;
}

/** Makes such a transport. */
export function answeringTransport(
  answer: (call: AnsweredCall, request: HttpRequest) => Promise<CallOutcome>,
  options: AnsweringOptions,
): RoundTripper {
  return { roundTrip: (request) => roundTrip(request, answer, options) };
}

async function roundTrip(
  request: HttpRequest,
  answer: (call: AnsweredCall, request: HttpRequest) => Promise<CallOutcome>,
  options: AnsweringOptions,
): Promise<HttpResponse> {
  const { clock } = options;
  const http2 = options.transport.http2 !== undefined && options.transport.http2 !== false;
  const over = new AbortController();
  let outcome: Exclude<CallOutcome, { answer: ServedAnswer }> | null = null;
  let connectionCount = 0;
  const transport = new Transport({
    ...options.transport,
    ...(clock === null ? {} : { clock }),
    ...(http2 ? { http2: { priorKnowledge: true } } : {}),
    // Nothing is left when a response has been read but memory: it is collected with the transport.
    idleConnTimeoutMs: 0,
    dialer: memoryDialer({
      alpnProtocols: http2 ? ["h2", "http/1.1"] : ["http/1.1"],
      admit: () => "accept",
      admitTls: () => true,
      accepted: (accepted) => {
        const connection = new ServedConnection(accepted, {
          answer: async (recorded) => {
            const made = await answer({ recorded, signal: over.signal }, request)
              .catch((error) => ({ error }));
            if ("answer" in made) return made.answer;
            outcome = made;
            // Nobody else ends the round trip in HTTP/2.
            connection.close();
            throw made;
          },
          misused: (error) => {
            outcome = { error };
            connection.close();
          },
        }, { id: ++connectionCount, http2, clock });
        void connection.run();
      },
    }),
  });
  try {
    return await transport.roundTrip(request);
  } catch (error) {
    over.abort();
    transport.destroy();
    const made = outcome as Exclude<CallOutcome, { answer: ServedAnswer }> | null;
    if (made === null) throw error;
    if ("response" in made) return await made.response;
    throw made.error;
  }
}
