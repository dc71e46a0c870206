/**
 * The error of an answer that is no event stream.
 *
 * @module
 */
import { HttpError } from "../../conn/http_error.ts";
import type { HttpResponse } from "../../transport/message/http_response.ts";
import { isEventStream, typeText } from "./server_sent_events.ts";

/**
 * A server has answered with something else than an event stream, and is not asked again. Its code
 * is always `ERR_DECODE`.
 *
 * @example
 * ```ts
 * import { EventSourceError, reconnectingEvents } from "@roundtrip/http";
 *
 * try {
 *   for await (const { data } of reconnectingEvents("http://127.0.0.1:1/", { attempts: 1 })) {
 *     console.log(data);
 *   }
 * } catch (error) {
 *   if (error instanceof EventSourceError && error.response.status === 401) console.log("log in");
 * }
 * ```
 */
export class EventSourceError extends HttpError {
  /** What it has answered; the body is closed. */
  readonly response: HttpResponse;

  /** Makes an error. */
  constructor(response: HttpResponse) {
    const { status, headers } = response;
    const type = headers.get("content-type");
    const why = status === 200 && !isEventStream(type) ? typeText(type) : `the status is ${status}`;
    super("ERR_DECODE", `Cannot read events: ${why}`, { phase: "client" });
    this.response = response;
  }
}
