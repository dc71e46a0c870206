/**
 * One call of `roundTrip`: a request, the attempts that it took, and the response.
 *
 * @module
 */
import { type Attempt, HttpError, type HttpErrorPhase } from "../conn/http_error.ts";
import type { ExchangeEvents } from "../http1/client_exchange.ts";
import type { HttpHeaders } from "../http/http_headers.ts";
import type { IncomingContent } from "../http1/response_content.ts";
import type { ResponseHead } from "../http1/response_head.ts";
import { NEVER_SENT, withAttempt } from "./attempt.ts";
import { BodyEnd } from "./message/body_end.ts";
import type { DecodingLimits } from "./message/body_steps.ts";
import { shownKey } from "./connect_method.ts";
import type { ConnectionSource, ConnectionWaiter, OpenRoundTrip } from "./pool/connection_source.ts";
import type { Deadline } from "./deadlines.ts";
import type { Dial } from "./dial.ts";
import type { HttpRequest } from "./http_request.ts";
import {
  type HttpResponse,
  ReceivedResponse,
  type ResponseConnection,
  type ResponseExchange,
  type Timings,
} from "./message/http_response.ts";
import { type Outgoing, outgoingRequest } from "./message/outgoing.ts";
import type { PersistentConnection } from "./pool/persistent_connection.ts";
import type { Ticket } from "./pool/pool.ts";
import { discardBody, isReplayable } from "./request_body.ts";
import { mayReplayAfter } from "./retry.ts";
import { RoundTripTimes } from "./round_trip_times.ts";
import { connectionEnds, forwarderOf, type Route } from "./route/route.ts";
import { ListNode } from "./linked_list.ts";
import type { Sender } from "./pool/sending_turn.ts";
import { type ClientTrace, traces } from "./trace.ts";

/** Where the outcome of a round trip goes. */
export type Settlement = Pick<PromiseWithResolvers<HttpResponse>, "resolve" | "reject">;

/** A round trip under way. Owns: its attempts, its timer, its listener on the signal. */
export class RoundTrip
  implements ExchangeEvents, ResponseExchange, ConnectionWaiter, OpenRoundTrip, Sender {
  readonly request: HttpRequest;
  readonly place: ListNode<OpenRoundTrip> = new ListNode<OpenRoundTrip>(this);
  isWatched: boolean = false;
  /** Whether anybody is told of what happens. */
  readonly #isTraced: boolean;
  readonly #connections: ConnectionSource;
  /** Null once used: it would keep the response from being collected. */
  #settlement: Settlement | null;
  #phase: HttpErrorPhase = "queue";
  #route: Route | null = null;
  #connection: PersistentConnection | null = null;
  /** Taken, but not proven to be alive yet. */
  #candidate: PersistentConnection | null = null;
  #outgoing: Outgoing | null = null;
  #attempts = 0;
  /** Whether content that was held back was let go. */
  #contentBegan = false;
  #answered: Attempt | null = null;
  #failure: { error: unknown } | null = null;
  #responded = false;
  #over = false;
  /** While it waits for a connection. */
  #ticket: Ticket<ConnectionWaiter> | null = null;
  #dial: Dial | null = null;
  /** For everything. */
  #deadline: Deadline | null = null;
  /** For the phase that it is in. */
  #phaseDeadline: Deadline | null = null;
  readonly #bodyEnd: BodyEnd = new BodyEnd();
  #reused = false;
  readonly #times: RoundTripTimes;

  constructor(request: HttpRequest, connections: ConnectionSource, settlement: Settlement) {
    this.request = request;
    this.#connections = connections;
    this.#settlement = settlement;
    this.#isTraced = connections.options.trace !== null || request.trace !== null;
    this.#times = new RoundTripTimes(connections.clock.now());
  }

  /** Begins. */
  start(): void {
    const { signal, timeoutMs } = this.request;
    if (signal?.aborted) {
      this.abort(signal.reason);
      return;
    }
    signal?.addEventListener("abort", this);
    if (timeoutMs > 0) {
      const what = `The exchange took more than ${timeoutMs} ms`;
      const expire = (): void => this.#expire(this.#dialPhase ?? this.#phase, what);
      this.#deadline = this.#connections.deadlines.set(timeoutMs, expire);
    }
    try {
      const route = this.#connections.route(this.request);
      if (route instanceof Promise) this.#await(route);
      else if (!this.#over) this.#go(route, this.#times.startedAt);
    } catch (error) {
      this.abort(withAttempt(error, "request", NEVER_SENT));
    }
  }

  async #await(route: Promise<Route>): Promise<void> {
    try {
      const found = await route;
      if (!this.#over) this.#go(found, this.#connections.clock.now());
    } catch (error) {
      this.abort(withAttempt(error, "request", NEVER_SENT));
    }
  }

  #go(route: Route, now: number): void {
    this.#route = route;
    if (this.#prepare(false)) this.#acquire(now);
  }

  // ConnectionWaiter

  get route(): Route {
    return this.#route!;
  }

  get waitsSinceMs(): number {
    return this.#times.startedAt;
  }

  dialStarted(dial: Dial): void {
    this.#dial = dial;
    this.#phase = "dial";
    // It has its own time.
    this.#clearPhaseDeadline();
  }

  connectionReady(connection: PersistentConnection): void {
    this.#ticket = null;
    this.#clearPhaseDeadline();
    // Another's connection came first: what its own dial costs is not this request's.
    if (connection.madeBy !== this.#dial) this.#dial = null;
    this.#useProven(connection, this.#connections.clock.now());
  }

  dialFailed(error: unknown): void {
    this.#ticket = null;
    const phase = error instanceof HttpError ? error.phase : "dial";
    if (error instanceof HttpError && error.code === "ERR_TIMEOUT") {
      this.#expire(phase, error.message);
    } else {
      this.abort(withAttempt(error, phase, NEVER_SENT));
    }
  }

  // Leakable

  get label(): string {
    return `${this.request.method} ${shownKey(this.route.key)}`;
  }

  leaked(): boolean {
    if (this.#over) return false;
    const { id } = this.#connection!;
    // Content that came whole, with codings to take off, has given its connection back.
    const holdsConnection = this.#connection!.serves(this);
    const why = "The response was dropped with its body unread";
    this.abort(new HttpError("ERR_BODY_CLOSED", why, { phase: "body" }));
    if (holdsConnection) this.#each((trace) => trace.bodyLeaked?.({ id }));
    return holdsConnection;
  }

  /** Ends the round trip, in any phase: the call rejects, or the body fails. */
  abort(reason: unknown): void {
    if (this.#over) return;
    this.#failure = { error: reason };
    this.#end(reason, null);
    this.#settlement?.reject(reason);
    this.#settlement = null;
    if (this.#ticket !== null) this.#connections.cancel(this.#ticket);
    this.#ticket = null;
    if (this.#candidate?.isIdle) this.#connections.giveBack(this.#candidate);
    // Its exchange may be over, and the connection be another's.
    if (this.#connection?.serves(this)) this.#connection.close(reason);
  }

  /** @returns False: a hook of the caller's, or the function that makes the body, has ended it. */
  #prepare(withoutExpect: boolean): boolean {
    const { acceptEncoding, closeAfterUse, usesProxies } = this.#connections.options;
    const forwarder = forwarderOf(this.request, this.route);
    this.#outgoing = outgoingRequest(this.request, {
      acceptEncoding,
      close: closeAfterUse,
      withoutExpect,
      forwarder,
      withoutProxyAuthorization: usesProxies && forwarder === null,
    });
    if (this.#over) this.#outgoing.content?.discard();
    return !this.#over;
  }

  #acquire(now: number): void {
    const connection = this.#connections.take(this, now);
    if (connection !== undefined) this.#useProven(connection, now);
    else if (!this.#over) this.#wait();
  }

  #useProven(connection: PersistentConnection, now: number): void {
    if (this.#over) return this.#connections.giveBack(connection);
    const barrier = this.#connections.pollBarrier(connection, now);
    const turn = this.#connections.sendingTurn;
    if (barrier === null && turn === null) return this.#use(connection, now);
    this.#candidate = connection;
    if (barrier !== null) this.#prove(connection, barrier);
    else turn!.add(this, now);
  }

  /** Waits for whichever comes first: a connection that becomes free, or one of its own. */
  #wait(): void {
    this.#phase = "queue";
    this.#dial = null;
    const { poolWaitTimeoutMs } = this.#connections.options;
    try {
      const ticket = this.#connections.enqueue(this);
      if (this.#over) this.#connections.cancel(ticket);
      else if (ticket.isWaiting) this.#ticket = ticket;
    } catch (error) {
      this.abort(withAttempt(error, "queue", NEVER_SENT));
    }
    // A dial has its own time.
    if (this.#ticket !== null && this.#phase === "queue") {
      this.#setPhaseDeadline(poolWaitTimeoutMs, "queue", "Waiting for a connection");
    }
  }

  /**
   * What the kernel holds for the connection (its end, or bytes that answer nothing) must be seen
   * before the request is written: it could be taken for the answer.
   */
  async #prove(connection: PersistentConnection, barrier: Promise<void>): Promise<void> {
    // A connection that waits does not keep the process alive; this request must.
    connection.ref();
    try {
      await barrier;
    } catch (error) {
      // Given up meanwhile, it may be another's.
      if (!this.#over) connection.close(error);
    }
    this.#useCandidate(this.#connections.clock.now());
  }

  turnEnded(now: number): void {
    if (this.#over) return;
    const connection = this.#candidate!;
    // The turn may have been long.
    const barrier = this.#connections.pollBarrier(connection, now);
    if (barrier === null) this.#useCandidate(now);
    else this.#prove(connection, barrier);
  }

  #useCandidate(now: number): void {
    if (this.#over) return;
    const connection = this.#candidate!;
    this.#candidate = null;
    if (connection.isIdle) this.#use(connection, now);
    else this.#acquire(now);
  }

  #use(connection: PersistentConnection, now: number): void {
    this.#connection = connection;
    this.#phase = "request";
    this.#attempts++;
    this.#times.gotConnAt = now;
    this.#reused = connection.hasServed;
    if (this.#isTraced) {
      const { id, hasServed: reused, wasIdle, idleSinceMs } = connection;
      const idleMs = wasIdle ? now - idleSinceMs : 0;
      this.#each((trace) => trace.gotConn?.({ id, reused, wasIdle, idleMs }));
    }
    // A hook may have ended it.
    if (this.#over) this.#connections.giveBack(connection);
    else connection.send(this.#outgoing!, this);
  }

  /** The signal was aborted. */
  handleEvent(): void {
    this.abort(this.request.signal!.reason);
  }

  #setPhaseDeadline(limitMs: number, phase: HttpErrorPhase, what: string): void {
    if (limitMs === 0) return;
    this.#phaseDeadline = this.#connections.deadlines.set(
      limitMs,
      () => this.#expire(phase, `${what} took more than ${limitMs} ms`),
    );
  }

  #clearPhaseDeadline(): void {
    this.#connections.deadlines.clear(this.#phaseDeadline);
    this.#phaseDeadline = null;
  }

  #expire(phase: HttpErrorPhase, what: string): void {
    const spent = this.#times.spent(this.#dial, this.#connections.clock.now());
    const attempt = this.#attempt();
    this.abort(new HttpError("ERR_TIMEOUT", `${what} (${spent})`, { phase, attempt }));
  }

  get #dialPhase(): HttpErrorPhase | null {
    return this.#phase === "dial" && this.#dial !== null ? this.#dial.phase : null;
  }

  #attempt(): Attempt {
    return this.#answered ?? this.#connection?.attempt() ?? NEVER_SENT;
  }

  // ExchangeEvents

  wroteHead(): void {
    if (this.#isTraced) this.#each((trace) => trace.wroteHeaders?.());
    if (!this.#connection!.awaitingContinue) return;
    this.#each((trace) => trace.wait100Continue?.());
    const { expectContinueTimeoutMs } = this.#connections.options;
    if (expectContinueTimeoutMs === 0 || this.#over) return;
    const connection = this.#connection!;
    this.#phaseDeadline = this.#connections.deadlines.set(expectContinueTimeoutMs, () => {
      this.#contentBegan = true;
      connection.continueTimedOut();
    });
  }

  wroteRequest(error: unknown): void {
    this.#times.wroteAt = this.#connections.clock.now();
    // Of a body that is read already, it is the reader's.
    if (!this.#responded) this.#clearPhaseDeadline();
    if (!this.#responded && !this.#over && error === undefined) {
      this.#phase = "response-header";
      const { responseHeaderTimeoutMs } = this.#connections.options;
      const what = "Waiting for the response";
      this.#setPhaseDeadline(responseHeaderTimeoutMs, "response-header", what);
    }
    if (this.#isTraced) this.#each((trace) => trace.wroteRequest?.({ error }));
  }

  firstByte(): void {
    this.#times.firstByteAt = this.#connection!.receivedAtMs;
    if (this.#isTraced) this.#each((trace) => trace.gotFirstResponseByte?.());
  }

  informational(head: ResponseHead): void {
    if (head.statusCode === 100) {
      if (this.#phase === "request") this.#clearPhaseDeadline();
      this.#contentBegan = true;
      this.#each((trace) => trace.got100Continue?.());
    }
    // These may throw: the exchange fails with it.
    this.#connections.options.trace?.got1xxResponse?.(head.statusCode, head.headers);
    this.request.trace?.got1xxResponse?.(head.statusCode, head.headers);
  }

  finalHead(head: ResponseHead): void {
    // Before the connection can become idle: it may be given up earlier for it.
    if (head.fields.keepAlive !== -1) this.#connection!.hint(head.headers);
  }

  response(head: ResponseHead, content: IncomingContent): void {
    if (this.#over) return;
    this.#clearPhaseDeadline();
    const mayRepeat = this.#connections.isShared &&
      (!this.#contentBegan || isReplayable(this.request.body));
    if (head.statusCode === 417 && this.#outgoing!.expectContinue && mayRepeat) {
      this.#withoutExpect(content);
      return;
    }
    this.#times.headAt = this.#connection!.receivedAtMs;
    this.#phase = "body";
    this.#responded = content.framing.kind !== "tunnel";
    if (content.framing.kind === "tunnel") this.#connection!.leave();
    const response = new ReceivedResponse(head, content, this);
    this.#settlement!.resolve(response);
    this.#settlement = null;
    if (content.framing.kind === "tunnel") this.#end(undefined, null);
    else if (content.whole !== null) this.#bodyIsWhole(content, response.isProcessed);
    else this.#connections.watch(content, this);
  }

  #bodyIsWhole(content: IncomingContent, isProcessed: boolean): void {
    this.#bodyEnd.wireBytes = content.whole!.length;
    if (!isProcessed) {
      this.#end(undefined, content.trailers, this.#times.headAt!);
    } else {
      // The round trip outlives its hold on the connection.
      this.#answered = this.#connection!.attempt();
      this.#connections.watch(content, this);
    }
  }

  failed(error: unknown): void {
    if (this.#over) return;
    this.#clearPhaseDeadline();
    const located = withAttempt(error, this.#phase, this.#attempt());
    const mayRetry = this.#attempts === 1 && this.#connections.isShared;
    if (mayRetry && mayReplayAfter(located, this.request)) {
      this.#retry(located as HttpError, false);
      return;
    }
    this.abort(located);
  }

  /** The server refuses to be asked first (RFC 9110 section 15.5.18): once more without asking. */
  #withoutExpect(content: IncomingContent): void {
    const connection = this.#connection!;
    this.#connection = null;
    const refused = new HttpError("ERR_CONNECTION_LOST", "The server answered 417", {
      phase: "response-header",
      attempt: connection.attempt(),
    });
    connection.drain(() => content.abandon());
    this.#retry(refused, true);
  }

  #retry(error: HttpError, withoutExpect: boolean): void {
    this.#connection = null;
    this.#each((trace) => trace.retry?.({ attempt: this.#attempts + 1, error }));
    // A factory makes another; anything else is used again.
    if (typeof this.request.body === "function") this.#outgoing!.content!.discard();
    try {
      if (this.#prepare(withoutExpect || !this.#outgoing!.expectContinue)) this.#wait();
    } catch (prepareError) {
      this.abort(withAttempt(prepareError, "request", NEVER_SENT));
    }
  }

  // ResponseExchange

  get connectionInfo(): ResponseConnection {
    const { id, conn, route } = this.#connection!;
    return { id, reused: this.#reused, ...connectionEnds(this.request, route, conn) };
  }

  get decoding(): DecodingLimits | null {
    const decodes = this.request.decompress ?? this.#outgoing!.asksForCoding;
    return decodes !== false ? this.#connections.options.decoding : null;
  }

  get timings(): Timings {
    return this.#times.timings(this.#dial, null);
  }

  get ended(): Promise<HttpHeaders | null> {
    return this.#bodyEnd.trailers;
  }

  bodyDone(error: unknown, trailers: HttpHeaders | null): void {
    if (this.#over) return;
    this.#end(error, trailers);
  }

  get failure(): { error: unknown } | null {
    return this.#failure;
  }

  bodyError(error: unknown): unknown {
    return withAttempt(error, "body", this.#attempt());
  }

  readBegan(): void {
    const { bodyIdleTimeoutMs } = this.#connections.options;
    this.#setPhaseDeadline(bodyIdleTimeoutMs, "body", "Waiting for more of the body");
  }

  readEnded(wireBytes: number): void {
    this.#bodyEnd.wireBytes += wireBytes;
    this.#clearPhaseDeadline();
  }

  drain(abandon: () => Promise<void>): Promise<void> {
    return this.#connection!.drain(abandon);
  }

  #end(
    error: unknown,
    trailers: HttpHeaders | null,
    endedAt: number = this.#connections.clock.now(),
  ): void {
    this.#over = true;
    this.#times.endedAt = endedAt;
    this.#connections.deadlines.clear(this.#deadline);
    this.#clearPhaseDeadline();
    this.request.signal?.removeEventListener("abort", this);
    if (this.#outgoing === null) discardBody(this.request.body);
    else this.#outgoing.content?.discard();
    this.#bodyEnd.settle(error, trailers);
    this.#connections.ended(this);
    if (!this.#responded || !this.#isTraced) return;
    this.#each((trace) => trace.bodyDone?.({ bytes: this.#bodyEnd.wireBytes, error }));
  }

  #each(call: (trace: ClientTrace) => void): void {
    traces(this.#connections.options.trace, this.request.trace, call);
  }
}
