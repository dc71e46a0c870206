/**
 * One call of `roundTrip`: a request, the attempts that it took, and the response.
 *
 * @module
 */
import { type AsyncContext, within } from "../conn/runtimes/async_context.ts";
import { tellFault } from "../conn/fault.ts";
import { type Attempt, HttpError, type HttpErrorPhase } from "../conn/http_error.ts";
import type { Challenge } from "../http/challenge.ts";
import type { DigestSession } from "../http/digest_session.ts";
import type { AheadEvents } from "../http/incoming_content.ts";
import type { HttpHeaders } from "../http/http_headers.ts";
import type { IncomingContent } from "../http/incoming_content.ts";
import type { ResponseHead } from "../http/response_head.ts";
import { withAttempts } from "./attempt.ts";
import { AttemptInHand, type AttemptOwner } from "./attempt_in_hand.ts";
import { ConnectionQuest, type ConnectionSeeker, misdirected } from "./connection_quest.ts";
import { BodyEnd } from "./message/body_end.ts";
import type { DecodingLimits } from "./message/body_steps.ts";
import { callersContext } from "./message/callers_context.ts";
import { connectMethodKey, shownKey } from "./route/connect_method.ts";
import type { ConnectionSource, OpenRoundTrip } from "./pool/connection_source.ts";
import type { Deadline } from "./deadlines.ts";
import type { HttpRequest } from "./message/http_request.ts";
import {
  type HttpResponse,
  ReceivedResponse,
  type ResponseConnection,
  type ResponseExchange,
  type Timings,
} from "./message/http_response.ts";
import { type Forwarder, outgoingRequest, requestTarget } from "./message/outgoing.ts";
import { discardBody, isReplayable } from "./message/request_body.ts";
import { ReadingPace } from "./reading_pace.ts";
import { mayReplayAfter } from "./retry.ts";
import { MAX_PROXY_ANSWERS, type ProxyLogin, type ProxyProof } from "./route/proxy_login.ts";
import type { ProxyServer } from "./route/proxy_server.ts";
import { connectionEnds, forwarderOf, http1Route, type Route } from "./route/route.ts";
import type { LeakedHold } from "./pool/leak_watch.ts";
import { ListNode } from "./linked_list.ts";
import { type Tracer, tracerOf } from "./message/trace.ts";

/** Milliseconds. Content that takes longer is decoded as it comes. */
const LATE_MS = 100;

/** A round trip under way. Owns: its attempts, the deadline for all of it, its listener on the signal. */
export class RoundTrip
  implements AheadEvents, ResponseExchange, OpenRoundTrip, AttemptOwner, ConnectionSeeker {
  readonly request: HttpRequest;
  readonly place: ListNode<OpenRoundTrip> = new ListNode<OpenRoundTrip>(this);
  isWatched: boolean = false;
  /** For the request's own callbacks. */
  readonly context: AsyncContext | null;
  readonly tracer: Tracer | null;
  readonly #connections: ConnectionSource;
  // Where the outcome goes. Null once used: they would keep the response from being collected.
  #resolve: ((response: HttpResponse) => void) | null;
  #reject: ((reason: unknown) => void) | null;
  #route: Route | null = null;
  #failure: { error: unknown } | null = null;
  #hasResponded = false;
  /** Whether only reading the body tells whether it is good. */
  #isChecked = false;
  #isOver = false;
  /** Whether the body has ended before the request has: both can be ended as before. */
  #isSending = false;
  /** For everything. */
  #deadline: Deadline | null = null;
  /** Where the request is given to a proxy that has credentials, what it was told last. */
  #login: { readonly of: ProxyLogin; readonly said: ProxyProof } | null = null;
  /** How often the proxy wanted to know who asks, and is told. */
  #proxyAnswers = 0;
  readonly #attempt: AttemptInHand;
  readonly #quest: ConnectionQuest;
  readonly #bodyEnd: BodyEnd = new BodyEnd();
  /** Null: the body may come as slowly as it does. */
  #pace: ReadingPace | null = null;

  constructor(
    request: HttpRequest,
    connections: ConnectionSource,
    resolve: (response: HttpResponse) => void,
    reject: (reason: unknown) => void,
  ) {
    this.request = request;
    this.#connections = connections;
    this.#resolve = resolve;
    this.#reject = reject;
    this.context = callersContext(request);
    this.tracer = tracerOf(connections.options.trace, request, this.context);
    this.#attempt = new AttemptInHand(this, connections);
    this.#quest = new ConnectionQuest(this, connections, this.#attempt);
  }

  /** Begins. */
  start(): void {
    try {
      this.#begin();
    } catch (error) {
      this.fail(error, "request");
    }
  }

  #begin(): void {
    const { signal, timeoutMs } = this.request;
    if (signal?.aborted) {
      this.abort(signal.reason);
      return;
    }
    signal?.addEventListener("abort", this);
    if (timeoutMs > 0) {
      const what = `The exchange took more than ${timeoutMs} ms`;
      const expire = (): void => this.#attempt.expire(this.#attempt.nearestPhase, what);
      this.#deadline = this.#connections.deadlines.set(timeoutMs, expire);
    }
    const route = this.#connections.route(this.request);
    if (route instanceof Promise) this.#await(route);
    else if (!this.#isOver) this.#go(route, this.#attempt.times.startedAt);
  }

  async #await(route: Promise<Route>): Promise<void> {
    try {
      const found = await route;
      if (!this.#isOver) this.#go(found, this.#connections.clock.now());
    } catch (error) {
      this.fail(error, "request");
    }
  }

  #go(route: Route, now: number): void {
    this.#route = route;
    if (!this.#prepare(false)) return;
    // Neither an upgrade nor a request that forbids it has a place on HTTP/2.
    const isForHttp1 = this.request.http2 === false || this.#attempt.outgoing!.upgrade;
    if (isForHttp1) this.#route = http1Route(route);
    this.#quest.acquire(now);
  }

  // AttemptOwner, ConnectionSeeker

  get route(): Route {
    return this.#route!;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get hasResponded(): boolean {
    return this.#hasResponded;
  }

  // Leakable

  get label(): string {
    const { request, route } = this;
    return `${request.method} ${shownKey(connectMethodKey(request, route.proxies))}`;
  }

  leaked(): LeakedHold | null {
    if (this.#isOver) return null;
    const { id, whole } = this.#attempt.connection!;
    // Content that is here in full, and is checked when it is read, has given its connection back.
    const { holdsConnection } = this.#attempt;
    const why = "The response was dropped with its body unread";
    this.fail(new HttpError("ERR_BODY_CLOSED", why, { phase: "body" }), "body");
    if (holdsConnection) {
      this.tracer?.tellIds("bodyLeaked", { id });
    }
    if (!holdsConnection) return null;
    return whole === null ? "stream" : "connection";
  }

  /** Ends the round trip, in any phase: the call rejects, or the body fails. */
  abort(reason: unknown): void {
    if (this.#isOver) {
      if (this.#isSending) this.#attempt.connection!.close(reason);
      return;
    }
    this.#failure = { error: reason };
    this.#end(reason, null);
    this.#reject?.(reason);
    this.#resolve = this.#reject = null;
    this.#quest.giveUp();
    // Its exchange may be over, and the connection be another's.
    if (this.#attempt.holdsConnection) this.#attempt.connection!.close(reason);
  }

  fail(error: unknown, phase: HttpErrorPhase): void {
    this.abort(withAttempts(error, phase, this.attempts));
  }

  /** @returns False: a hook of the caller's, or the function that makes the body, has ended it. */
  #prepare(withoutExpect: boolean, proof: DigestSession | null = null): boolean {
    const { acceptEncoding, closeAfterUse, usesProxies } = this.#connections.options;
    const proxy = forwarderOf(this.request, this.route);
    const forwarder = proxy === null ? null : this.#tellProxy(proxy, proof);
    const outgoing = outgoingRequest(this.request, {
      acceptEncoding,
      close: closeAfterUse,
      withoutExpect,
      forwarder,
      withoutProxyAuthorization: usesProxies && forwarder === null,
    }, this.context);
    this.#attempt.outgoing = outgoing;
    if (this.#isOver) outgoing.content?.discard();
    return !this.#isOver;
  }

  /** Says who asks, unless the caller does. */
  #tellProxy(proxy: ProxyServer, proof: DigestSession | null): Forwarder {
    const { headers, method } = this.request;
    const login = headers.has("proxy-authorization")
      ? null
      : this.#connections.options.proxyLogins.of(proxy);
    if (login === null) return proxy;
    const said = login.proof(method, () => requestTarget(this.request, proxy), proof);
    this.#login = { of: login, said };
    return { credentials: said.value };
  }

  /** The signal was aborted. */
  handleEvent(): void {
    this.abort(this.request.signal!.reason);
  }

  answered(head: ResponseHead, content: IncomingContent): void {
    const attempt = this.#attempt;
    const mayRepeat = this.#connections.isShared &&
      (!attempt.contentBegan || isReplayable(this.request.body));
    if (head.statusCode === 417 && attempt.outgoing!.expectContinue && mayRepeat) {
      this.#withoutExpect(content);
      return;
    }
    if (
      head.statusCode === 421 && this.request.retriesMisdirected && !this.#quest.isMisdirected &&
      this.#connections.isShared && isReplayable(this.request.body)
    ) return this.#elsewhere();
    if (this.#login !== null) {
      const { of: login, said } = this.#login;
      const challenges = head.statusCode === 407 && this.#mayAnswerProxy
        ? login.challenges(head.headers, said)
        : null;
      if (challenges !== null) {
        this.#answerProxy(login, challenges, content);
        return;
      }
      if (head.statusCode !== 407) login.accepted(said, head.headers);
    }
    attempt.headTaken();
    this.#hasResponded = content.framing.kind !== "tunnel";
    if (content.framing.kind === "tunnel") attempt.connection!.leave();
    const response = new ReceivedResponse(head, content, this);
    this.#resolve!(response);
    this.#resolve = this.#reject = null;
    if (content.framing.kind === "tunnel") this.#end(undefined, null);
    else if (content.whole !== null) this.#bodyIsWhole(content, response.isProcessed);
    else {
      this.#isChecked = response.isProcessed;
      this.#keepPace();
      this.#connections.watch(content, this);
      this.bodyRests(content);
    }
  }

  #keepPace(): void {
    const { deadlines, clock, options: { minBytesPerSecond } } = this.#connections;
    if (minBytesPerSecond === 0) return;
    this.#pace = new ReadingPace(minBytesPerSecond, { clock, deadlines }, (what) => {
      this.#attempt.expire("body", what);
    });
  }

  #bodyIsWhole(content: IncomingContent, isProcessed: boolean): void {
    this.#bodyEnd.wireBytes = content.whole!.length;
    if (!isProcessed) {
      this.#end(undefined, content.trailers, this.#attempt.times.headAt!);
    } else {
      // The round trip outlives its hold on the connection.
      this.#connections.watch(content, this);
    }
  }

  attemptFailed(error: unknown): void {
    const attempt = this.#attempt;
    // What a proxy has answered went no further.
    const mayRetry = attempt.count - this.#proxyAnswers === 1 && this.#connections.isShared &&
      attempt.connection!.mayBeSentAgain;
    const wasShared = attempt.connection!.whole === null;
    if (mayRetry && mayReplayAfter(error, attempt.record(), this.request, wasShared)) {
      if ((error as HttpError).http2?.code === "HTTP_1_1_REQUIRED") {
        this.#route = this.#connections.needsHttp1(this.route);
      }
      this.#retry(withAttempts(error, attempt.phase, attempt.attempts) as HttpError, false);
    } else {
      this.fail(error, attempt.phase);
    }
  }

  /** The server refuses to be asked first (RFC 9110 section 15.5.18): once more without asking. */
  #withoutExpect(content: IncomingContent): void {
    const connection = this.#attempt.connection!;
    const refused = new HttpError("ERR_CONNECTION_LOST", "The server answered 417", {
      phase: "response-header",
      attempts: this.attempts,
    });
    // Before it is free again, which may be now.
    this.#attempt.leave();
    connection.drain(() => content.abandon());
    this.#retry(refused, true);
  }

  /** Whoever is at the other end does not speak for this origin (RFC 9110 section 15.5.20). */
  #elsewhere(): void {
    const refused = misdirected(this.attempts);
    this.#quest.isMisdirected = true;
    this.#attempt.connection!.giveUp(refused);
    this.#retry(refused, false);
  }

  get #mayAnswerProxy(): boolean {
    const { outgoing, contentBegan } = this.#attempt;
    const isHeldBack = outgoing!.expectContinue && !contentBegan;
    return this.#proxyAnswers < MAX_PROXY_ANSWERS && this.#connections.isShared &&
      (isHeldBack || isReplayable(this.request.body));
  }

  /** The proxy that is given the request wants a proof of who asks (RFC 9110 section 11.7.1). */
  async #answerProxy(
    login: ProxyLogin,
    challenges: readonly Challenge[],
    content: IncomingContent,
  ): Promise<void> {
    const attempt = this.#attempt;
    const connection = attempt.connection!;
    const refused = new HttpError("ERR_PROXY", "The proxy wants to know who asks", {
      phase: "proxy",
      attempts: this.attempts,
    });
    this.#proxyAnswers++;
    // Before it is free again, which may be now.
    attempt.leave();
    attempt.again(refused.attempts);
    const drained = connection.drain(() => content.abandon());
    try {
      const proof = await login.answer(challenges);
      // The connection is free then, and none has to be made for it.
      await drained;
      if (this.#isOver) return;
      if (proof === null) this.fail(refused, "proxy");
      else this.#retry(refused, false, proof);
    } catch (error) {
      this.fail(error, "proxy");
    }
  }

  /** @param proof What a proxy is told that wants to know who asks; null: it is not about that. */
  #retry(error: HttpError, withoutExpect: boolean, proof: DigestSession | null = null): void {
    const attempt = this.#attempt;
    attempt.again(error.attempts);
    this.tracer?.tell("retry", { attempt: attempt.count + 1, error });
    // A factory makes another; anything else is used again.
    if (typeof this.request.body === "function") attempt.outgoing!.content!.discard();
    const asksNot = withoutExpect || !attempt.outgoing!.expectContinue;
    try {
      if (this.#prepare(asksNot, proof)) this.#quest.again(proof !== null);
    } catch (prepareError) {
      this.fail(prepareError, "request");
    }
  }

  // AheadEvents

  contentTaken(aheadBytes: number, trailers: HttpHeaders | null): void {
    if (this.#isOver || this.#isChecked) return;
    this.#bodyEnd.wireBytes += aheadBytes;
    this.#end(undefined, trailers);
  }

  // ResponseExchange

  get connectionInfo(): ResponseConnection {
    const { connection, reused } = this.#attempt;
    const { id, conn, protocol, route, streamId } = connection!;
    return { id, reused, protocol, streamId, ...connectionEnds(this.request, route, conn) };
  }

  get decoding(): DecodingLimits | null {
    const decodes = this.request.decompress ?? this.#attempt.outgoing!.asksForCoding;
    return decodes !== false ? this.#connections.options.decoding : null;
  }

  get maxBodyBytes(): number {
    const { maxResponseBytes } = this.#connections.options;
    return (this.request.maxResponseBytes ?? maxResponseBytes) || Infinity;
  }

  get timings(): Timings {
    return this.#attempt.timings;
  }

  get attempts(): readonly Attempt[] {
    return this.#attempt.attempts;
  }

  get ended(): Promise<HttpHeaders | null> {
    return this.#bodyEnd.trailers;
  }

  bodyDone(error: unknown, trailers: HttpHeaders | null): void {
    if (this.#isOver) return;
    this.#end(error, trailers);
  }

  get failure(): { error: unknown } | null {
    return this.#failure;
  }

  bodyError(error: unknown): unknown {
    // It was ended, and this is how the read that was under way heard of it.
    if (this.#failure !== null) return this.#failure.error;
    return withAttempts(error, "body", this.attempts);
  }

  bodyRests(content: IncomingContent): void {
    if (!this.#isOver) this.#connections.unread.add(content, this);
  }

  readBegan(): void {
    const { bodyIdleTimeoutMs } = this.#connections.options;
    this.#attempt.setPhaseDeadline(bodyIdleTimeoutMs, "body", "Waiting for more of the body");
    this.#pace?.readBegan();
  }

  readEnded(wireBytes: number): void {
    this.#bodyEnd.wireBytes += wireBytes;
    this.#attempt.clearPhaseDeadline();
    this.#pace?.readEnded(wireBytes);
  }

  whenLate(late: () => void): () => void {
    const { deadlines } = this.#connections;
    const deadline = deadlines.set(LATE_MS, late);
    return () => deadlines.clear(deadline);
  }

  drain(abandon: () => Promise<void>): Promise<void> {
    return this.#attempt.connection!.drain(abandon);
  }

  #end(
    error: unknown,
    trailers: HttpHeaders | null,
    endedAt: number = this.#connections.clock.now(),
  ): void {
    this.#isOver = true;
    this.#attempt.times.endedAt = endedAt;
    this.#attempt.clearPhaseDeadline();
    this.#pace?.stop();
    this.#isSending = this.#hasResponded && this.#failure === null &&
      this.#attempt.connection!.isSending;
    if (!this.#isSending) this.#forgetLimits();
    const { outgoing } = this.#attempt;
    if (outgoing === null) within(this.context, discardBody, this.request.body);
    else outgoing.content?.discard();
    this.#bodyEnd.settle(error, trailers);
    if (!this.#isSending) this.#connections.ended(this);
    if (!this.#hasResponded) return;
    const bytes = this.#bodyEnd.wireBytes;
    this.tracer?.tell("bodyDone", { bytes, error });
  }

  requestEnded(): void {
    if (!this.#isSending) return;
    this.#isSending = false;
    this.#forgetLimits();
    this.#connections.ended(this);
  }

  #forgetLimits(): void {
    this.#attempt.stopWatchingWrites();
    this.#connections.deadlines.clear(this.#deadline);
    this.#leaveSignal();
  }

  #leaveSignal(): void {
    try {
      this.request.signal?.removeEventListener("abort", this);
    } catch (error) {
      tellFault("The signal of a request failed", error);
    }
  }
}
