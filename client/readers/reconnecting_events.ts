/**
 * Reads server-sent events, and asks again where the stream breaks off or ends.
 *
 * @module
 */
import { abortable } from "../../conn/abortable.ts";
import { callersOptions } from "../../conn/callers_options.ts";
import { tellRejection } from "../../conn/fault.ts";
import { HttpError, printable } from "../../conn/http_error.ts";
import { HttpHeaders } from "../../http/http_headers.ts";
import { HttpRequest } from "../../transport/message/http_request.ts";
import type { HttpResponse } from "../../transport/message/http_response.ts";
import { ProxyError } from "../../transport/route/proxy_error.ts";
import { isReplayable } from "../../transport/message/request_body.ts";
import type { RoundTripper } from "../../transport/transport.ts";
import { BackOff, type BackOffOptions, checkedAttempts } from "../recovery/back_off.ts";
import type { Client } from "../client.ts";
import { defaultClient } from "../default_client.ts";
import { EventSourceError } from "./event_source_error.ts";
import {
  EventParser,
  type EventStreamPosition,
  isEventStream,
  parsedEvents,
  type ServerSentEvent,
  type ServerSentEventsOptions,
} from "./server_sent_events.ts";

/** Before a stream is asked for again. */
export interface ReconnectEvent extends EventStreamPosition {
  /** How many connections in a row have brought no event: 0 where the last one has. */
  readonly failures: number;
  /** How long is waited. */
  readonly delayMs: number;
  /** What broke the stream off, or kept it from beginning; null: the server ended it. */
  readonly error: HttpError | null;
}

/** Options of {@linkcode reconnectingEvents}. */
export interface ReconnectingEventsOptions extends BackOffOptions, ServerSentEventsOptions {
  /**
   * What sends the requests. A `Client` follows redirects and keeps cookies, a `RoundTripper` does
   * what it does.
   *
   * @default {defaultClient}
   */
  client?: Client | RoundTripper;
  /**
   * How many connections in a row may bring no event; then the error of the last one is thrown. 0:
   * any number.
   *
   * @default {0}
   */
  attempts?: number;
  /**
   * The wait before the first connection after an event is between 0 and this, beyond what the
   * stream asks for by `retry`; each further one may be twice as long.
   *
   * @default {1000}
   */
  baseDelayMs?: number;
  /** No wait is longer, beyond what the stream asks for. @default {30000} */
  maxDelayMs?: number;
  /** Called before each wait. */
  onReconnect?: (event: ReconnectEvent) => void;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof ReconnectingEventsOptions>([
  "client",
  "attempts",
  "onReconnect",
  "maxEventBytes",
  "baseDelayMs",
  "maxDelayMs",
  "clock",
  "random",
]);

/**
 * The events of a stream that is asked for again, from where it was, as often as it ends or breaks
 * off: `EventSource` as an iterable.
 *
 * Each request has `Accept: text/event-stream` and `Cache-Control: no-cache`, unless the caller's
 * own, and, once an `id` has come, `Last-Event-ID`; one of the caller's is where it begins. Between
 * two of them it waits for as long as the stream has said by `retry`, and for a random time that
 * grows while connections bring no event.
 *
 * Asked again is after errors of the network, also of TLS where the stream had once been there. A
 * `204` ends the iteration. Every other status than 200, and another content type, is an
 * {@linkcode EventSourceError}; so that 503 is tried again, give a client on a `RetryingTransport`.
 *
 * A request with another method than GET is sent again all the same, with its body, which a function
 * may make anew each time: whoever calls this has said that it may be.
 *
 * Each iteration is a reader of its own. Cancel: leaving it, also while it waits, or the request's
 * signal, whose reason is thrown, closes the connection and stops the timer. `timeoutMs` is for each
 * connection.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, a value it cannot have, or a body
 * that can be sent only once.
 * @see WHATWG HTML, "Server-sent events", section "Processing model".
 * @example
 * ```ts
 * import { HttpError, HttpRequest, reconnectingEvents } from "@roundtrip/http";
 *
 * const request = new HttpRequest("http://127.0.0.1:1/events", {
 *   signal: AbortSignal.timeout(60_000),
 * });
 * try {
 *   const events = reconnectingEvents(request, { attempts: 2, baseDelayMs: 1 });
 *   for await (const { type, data } of events) console.log(type, data);
 * } catch (error) {
 *   // Nobody listens there.
 *   if (!(error instanceof HttpError) || error.code !== "ERR_DIAL") throw error;
 * }
 * ```
 */
export function reconnectingEvents(
  request: HttpRequest | string | URL,
  options: ReconnectingEventsOptions = {},
): AsyncIterable<ServerSentEvent> {
  options = callersOptions(
    options,
    OPTIONS,
    (name) => invalid(`Unknown option "${printable(name)}" of events`),
  );
  const { client = defaultClient, attempts = 0, onReconnect, maxEventBytes } = options;
  if (onReconnect !== undefined && typeof onReconnect !== "function") {
    throw invalid("onReconnect is not a function");
  }
  const wanted = request instanceof HttpRequest ? request : new HttpRequest(request);
  if (!isReplayable(wanted.body)) {
    throw invalid("Cannot ask again with a body that can be sent only once: give a function");
  }
  const settings: Settings = {
    request: wanted.with({ headers: eventHeaders(wanted.headers), signal: undefined }),
    signal: wanted.signal,
    send: sender(client),
    attempts: attempts === 0 ? Infinity : checkedAttempts(attempts),
    backOff: new BackOff({
      ...options,
      baseDelayMs: options.baseDelayMs ?? 1_000,
      maxDelayMs: options.maxDelayMs ?? 30_000,
    }),
    onReconnect,
    parserOptions: { maxEventBytes },
    lastEventId: wanted.headers.get(LAST_EVENT_ID) ?? "",
  };
  // What is wrong with it is said now.
  new EventParser(settings.parserOptions);
  return { [Symbol.asyncIterator]: () => new EventReader(settings) };
}

const LAST_EVENT_ID = "Last-Event-ID";

/** The options, complete. */
interface Settings {
  /** Without `Last-Event-ID` and signal. */
  readonly request: HttpRequest;
  readonly signal: AbortSignal | null;
  readonly send: (request: HttpRequest) => Promise<HttpResponse>;
  readonly attempts: number;
  readonly backOff: BackOff;
  readonly onReconnect: ReconnectingEventsOptions["onReconnect"];
  readonly parserOptions: ServerSentEventsOptions;
  /** As it stands in the field. */
  readonly lastEventId: string;
}

/** The reason of those who leave. */
const LEFT = new Error("The events are not read any further");

/**
 * One iteration. A generator alone would not do: told to return while it waits, it goes on waiting.
 *
 * Owns: one listener on the caller's signal from the first `next()` to the end.
 */
class EventReader implements AsyncIterableIterator<ServerSentEvent, void> {
  readonly #settings: Settings;
  readonly #controller: AbortController = new AbortController();
  readonly #events: AsyncGenerator<ServerSentEvent, void> = this.#read();
  /** Whether the stream was there once: what its server shows was good enough then. */
  #wasOpen = false;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<ServerSentEvent, void>> {
    return this.#events.next();
  }

  return(): Promise<IteratorResult<ServerSentEvent, void>> {
    this.#controller.abort(LEFT);
    return this.#events.return();
  }

  async throw(error: unknown): Promise<IteratorResult<ServerSentEvent, void>> {
    await this.return();
    throw error;
  }

  /** The caller's signal was aborted. */
  handleEvent(): void {
    this.#controller.abort(this.#settings.signal!.reason);
  }

  async *#read(): AsyncGenerator<ServerSentEvent, void> {
    const { signal } = this.#settings;
    if (signal?.aborted) throw signal.reason;
    signal?.addEventListener("abort", this);
    try {
      yield* this.#connections();
    } catch (error) {
      if (error !== LEFT) throw error;
    } finally {
      signal?.removeEventListener("abort", this);
    }
  }

  async *#connections(): AsyncGenerator<ServerSentEvent, void> {
    const { attempts, backOff, onReconnect, parserOptions, lastEventId } = this.#settings;
    const { signal } = this.#controller;
    let position: EventStreamPosition = { lastEventId: utf8Text(lastEventId), retryMs: null };
    for (let failures = 0;;) {
      const parser = new EventParser(parserOptions, position);
      let error: HttpError | null = null;
      failures++;
      try {
        const body = await this.#open(position.lastEventId);
        if (body === null) return;
        for await (const event of parsedEvents(body, parser)) {
          failures = 0;
          yield event;
          // What has come with it is not told to those who want no more.
          signal.throwIfAborted();
        }
      } catch (failure) {
        if (signal.aborted) throw signal.reason;
        if (!this.#mayPass(failure)) throw failure;
        error = failure;
      }
      if (failures >= attempts) throw error ?? noEvents(failures);
      position = parser.position;
      const delayMs = (position.retryMs ?? 0) + backOff.delayMs(Math.max(1, failures));
      tellRejection(
        "onReconnect failed",
        onReconnect?.({ ...position, failures, delayMs, error }) as unknown,
      );
      await backOff.wait(delayMs, signal);
    }
  }

  /**
   * Asks for the stream.
   *
   * @returns Its bytes; null: the server wants not to be asked again.
   */
  async #open(lastEventId: string): Promise<HttpResponse["body"] | null> {
    const { request, send } = this.#settings;
    const { signal } = this.#controller;
    const headers = new HttpHeaders(request.headers);
    if (lastEventId !== "") headers.append(LAST_EVENT_ID, utf8Bytes(lastEventId));
    const response = await abortable(send(request.with({ headers, signal })), signal, {
      discard: (late) => void late.body.close().catch(() => {}),
    });
    const { status } = response;
    if (status === 200 && isEventStream(response.headers.get("content-type"))) {
      this.#wasOpen = true;
      return response.body;
    }
    await response.body.close();
    if (status === 204) return null;
    throw new EventSourceError(response);
  }

  /** Whether it may go better the next time. */
  #mayPass(error: unknown): error is HttpError {
    if (!(error instanceof HttpError)) return false;
    if (error instanceof ProxyError && error.response !== null) {
      return PASSING_STATUSES.has(error.response.status);
    }
    if (error.code === "ERR_TLS") return this.#wasOpen;
    if (error.code === "ERR_MALFORMED_RESPONSE") return error.phase === "body";
    return PASSING.has(error.code);
  }
}

/** Errors of the network; what else there is would be the same again. */
const PASSING: ReadonlySet<string> = new Set([
  "ERR_DIAL",
  "ERR_PROXY",
  "ERR_CONNECTION_LOST",
  "ERR_INCOMPLETE_BODY",
  "ERR_TIMEOUT",
]);

/** With which a proxy refuses for the moment. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([429, 502, 503, 504]);

function sender(client: Client | RoundTripper): Settings["send"] {
  if (typeof (client as Partial<Client> | null)?.do === "function") {
    return (request) => (client as Client).do(request);
  }
  if (typeof (client as Partial<RoundTripper> | null)?.roundTrip === "function") {
    return (request) => (client as RoundTripper).roundTrip(request);
  }
  throw invalid("client is neither a Client nor a transport");
}

/** What every request says. */
function eventHeaders(given: HttpHeaders): HttpHeaders {
  const headers = new HttpHeaders(given);
  headers.delete(LAST_EVENT_ID);
  if (!headers.has("accept")) headers.append("Accept", "text/event-stream");
  if (!headers.has("cache-control")) headers.append("Cache-Control", "no-cache");
  return headers;
}

/** An id as it stands in a field: UTF-8, a character for each byte. */
function utf8Bytes(id: string): string {
  return Array.from(new TextEncoder().encode(id), (byte) => String.fromCharCode(byte)).join("");
}

/** An id that stands so in a field. */
function utf8Text(field: string): string {
  return new TextDecoder().decode(Uint8Array.from(field, (c) => c.charCodeAt(0)));
}

function noEvents(connections: number): HttpError {
  const message = `The event stream ended ${connections} times in a row without an event`;
  return new HttpError("ERR_CONNECTION_LOST", message, { phase: "client" });
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
