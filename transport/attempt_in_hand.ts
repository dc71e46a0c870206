/**
 * The attempt of a round trip that is under way: the phase that it is in and how long that may take,
 * its connection, and what is known of it.
 *
 * @module
 */
import { tellFault } from "../conn/fault.ts";
import { type Attempt, HttpError, type HttpErrorPhase } from "../conn/http_error.ts";
import type { IncomingContent } from "../http/incoming_content.ts";
import type { ResponseHead } from "../http/response_head.ts";
import { attemptOf, NEVER_SENT, NO_ATTEMPTS } from "./attempt.ts";
import type { Deadline } from "./deadlines.ts";
import type { Timings } from "./message/http_response.ts";
import type { Outgoing } from "./message/outgoing.ts";
import { shownRequest } from "./message/shown_request.ts";
import type { Tracer } from "./message/trace.ts";
import type { Carrier, ServedExchange } from "./pool/carrier.ts";
import type { ConnectionSource } from "./pool/connection_source.ts";
import { bindsConnection } from "./route/connect_method.ts";
import type { Dial } from "./route/dial.ts";
import type { RoutedRequest } from "./route/route.ts";
import { RoundTripTimes } from "./round_trip_times.ts";

/** How often it is looked, in the time that sending may stand still, whether it does. */
const WRITE_LOOKS = 4;

/** The round trip, as its attempts see it. */
export interface AttemptOwner extends RoutedRequest {
  readonly tracer: Tracer | null;
  readonly isOver: boolean;
  /** Whether the caller has the response, and its body is the caller's to read. */
  readonly hasResponded: boolean;
  /** The server has answered. */
  answered(head: ResponseHead, content: IncomingContent): void;
  /** No response came. */
  attemptFailed(error: unknown): void;
  /** Of a round trip that is over: the request was sent on meanwhile, and has come to its end. */
  requestEnded(): void;
  abort(reason: unknown): void;
  fail(error: unknown, phase: HttpErrorPhase): void;
}

/**
 * One for the whole round trip: each attempt begins where the one before was given up. Owns: the
 * deadline of the phase.
 */
export class AttemptInHand implements ServedExchange {
  phase: HttpErrorPhase = "queue";
  readonly times: RoundTripTimes;
  /** Null until the request has been made ready. */
  outgoing: Outgoing | null = null;
  /** The one that is being made for it, or that made its connection; null: another's came first. */
  dial: Dial | null = null;
  /** Null until the request is given to one. */
  connection: Carrier | null = null;
  /** How many have been given a connection, this one included. */
  count: number = 0;
  /** Whether its connection had served before. */
  reused: boolean = false;
  /** Whether the connection of the one before was shared: others of its kind are as good as it was. */
  wasShared: boolean = false;
  /** Whether content that was held back was let go, in whichever attempt. */
  contentBegan: boolean = false;
  readonly #owner: AttemptOwner;
  readonly #source: ConnectionSource;
  #phaseDeadline: Deadline | null = null;
  /** Until it is looked again whether sending stands still. */
  #writeDeadline: Deadline | null = null;
  /** What was left before its stream had ended, of which the end is still to be told. */
  #left: Carrier | null = null;
  /** Attempts that were given up for another. */
  #earlier: readonly Attempt[] = NO_ATTEMPTS;
  // What is known of the attempt whose connection may be another's by now.
  #foundOpen = false;
  #requestBytes = 0;
  #responseBytes = 0;

  constructor(owner: AttemptOwner, source: ConnectionSource) {
    this.#owner = owner;
    this.#source = source;
    this.times = new RoundTripTimes(source.clock.now());
  }

  /** It waits for a connection. */
  queued(): void {
    this.phase = "queue";
    this.dial = null;
  }

  /** A connection is being made for it, which has its own time. */
  dialStarted(dial: Dial): void {
    this.dial = dial;
    this.phase = "dial";
    this.clearPhaseDeadline();
  }

  /** Sends the request. The connection is given back where its body has ended the round trip. */
  send(connection: Carrier, now: number): void {
    this.count++;
    this.reused = connection.hasServed;
    const outgoing = this.outgoing!;
    const obstacle = outgoing.protocol !== null && connection.protocol !== "h2"
      ? withoutHttp2()
      : outgoing.content?.obstacle ?? null;
    if (obstacle !== null) this.#owner.fail(obstacle, "request");
    if (this.#owner.isOver) return this.#source.giveBack(connection);
    // Not before: what it knows until then is the exchange of another.
    this.connection = connection;
    const { writeIdleTimeoutMs } = this.#source.options;
    if (writeIdleTimeoutMs > 0) this.#watchWrites(connection, writeIdleTimeoutMs);
    try {
      connection.send(outgoing, this, now);
    } catch (error) {
      // A connection of the caller's: whoever freed it must not be told, nor the others that wait.
      connection.close(error);
      this.#owner.fail(error, "request");
    }
  }

  /** The connection is left to the end of the exchange, of which nothing more is heard. */
  leave(): void {
    const connection = this.connection!;
    this.stopWatchingWrites();
    this.wasShared = connection.whole === null;
    if (this.wasShared && connection.serves(this)) this.#left = connection;
    this.connection = null;
  }

  /** The next one begins: this is given up for it, as `attempts` tell. */
  again(attempts: readonly Attempt[]): void {
    if (this.connection !== null) this.leave();
    this.#earlier = attempts;
    this.times.again();
  }

  /** Whether the connection is this round trip's still, and no other's. */
  get holdsConnection(): boolean {
    return this.connection !== null && this.connection.serves(this);
  }

  // Its time

  /** @param otherwise What is done instead of ending the round trip; false: there is nothing. */
  setPhaseDeadline(
    limitMs: number,
    phase: HttpErrorPhase,
    what: string,
    otherwise: (() => boolean) | null = null,
  ): void {
    if (limitMs === 0) return;
    this.#phaseDeadline = this.#source.deadlines.set(
      limitMs,
      () => {
        if (otherwise?.() === true) return;
        this.expire(phase, `${what} took more than ${limitMs} ms`);
      },
      true,
    );
  }

  clearPhaseDeadline(): void {
    this.#source.deadlines.clear(this.#phaseDeadline);
    this.#phaseDeadline = null;
  }

  /** Ends the round trip where no byte of the request is accepted for so long. */
  #watchWrites(connection: Carrier, limitMs: number): void {
    const { content } = this.outgoing!;
    content?.watch();
    let acceptedBytes = 0;
    let idleLooks = 0;
    const look = (): void => {
      const { requestBytes, awaitingContinue } = connection;
      const isIdle = requestBytes === acceptedBytes && !awaitingContinue &&
        content?.isOwed !== true;
      idleLooks = isIdle ? idleLooks + 1 : 0;
      acceptedBytes = requestBytes;
      if (idleLooks < WRITE_LOOKS) wait();
      else this.expire("request", `Sending stood still for more than ${limitMs} ms`);
    };
    const wait = (): void => {
      this.#writeDeadline = this.#source.deadlines.set(limitMs / WRITE_LOOKS, look, true);
    };
    wait();
  }

  /** The request was sent, or is given up. */
  stopWatchingWrites(): void {
    this.#source.deadlines.clear(this.#writeDeadline);
    this.#writeDeadline = null;
  }

  /** Ends the round trip, and says where its time went. */
  expire(phase: HttpErrorPhase, what: string): void {
    const spent = this.times.spent(this.dial, this.#source.clock.now());
    const text = `${shownRequest(this.#owner.request)}: ${what} (${spent})`;
    this.#owner.fail(new HttpError("ERR_TIMEOUT", text, { phase }), phase);
  }

  /** The phase, as far as the dial tells it. */
  get nearestPhase(): HttpErrorPhase {
    return (this.phase === "dial" ? this.dial?.phase : null) ?? this.phase;
  }

  get timings(): Timings {
    return this.times.timings(this.dial, null);
  }

  // What is known of it

  /** All attempts so far: those that were given up, and the one under way, or the last one. */
  get attempts(): readonly Attempt[] {
    return [...this.#earlier, this.record()];
  }

  /** What is known of the attempt under way, or of the last one. */
  record(): Attempt {
    if (this.#responseBytes === 0) return this.connection?.attempt() ?? NEVER_SENT;
    return attemptOf({
      reused: this.#foundOpen,
      bytesWritten: this.#requestBytes,
      writePending: false,
      requestComplete: true,
      responseBytes: this.#responseBytes,
    });
  }

  // ServedExchange

  connectionFreed(connection: Carrier): void {
    // One that is drained after a 417 was left before.
    if (connection !== this.connection) return;
    this.#foundOpen = connection.reused;
    this.#requestBytes = connection.requestBytes;
    this.#responseBytes = connection.responseBytes;
  }

  wroteHead(): void {
    const { tracer } = this.#owner;
    if (tracer !== null) {
      const { id, streamId } = this.connection!;
      if (streamId !== null) tracer.tell("streamOpened", { id, streamId });
      tracer.tell("wroteHeaders");
    }
    if (!this.connection!.awaitingContinue) return;
    this.times.heldBackAt = this.#source.clock.now();
    tracer?.tell("wait100Continue");
    const { expectContinueTimeoutMs } = this.#source.options;
    if (expectContinueTimeoutMs === 0 || this.#owner.isOver) return;
    const connection = this.connection!;
    this.#phaseDeadline = this.#source.deadlines.set(expectContinueTimeoutMs, () => {
      this.contentBegan = true;
      this.times.letGo(this.#source.clock.now());
      connection.continueTimedOut();
    }, true);
  }

  wroteRequest(error: unknown): void {
    const owner = this.#owner;
    this.times.wroteAt = this.#source.clock.now();
    this.stopWatchingWrites();
    // Of a body that is read already, it is the reader's.
    if (!owner.hasResponded) this.clearPhaseDeadline();
    if (!owner.hasResponded && !owner.isOver && error === undefined) {
      this.phase = "response-header";
      const { responseHeaderTimeoutMs } = this.#source.options;
      const what = "Waiting for the response";
      this.setPhaseDeadline(responseHeaderTimeoutMs, "response-header", what);
    }
    owner.tracer?.tell("wroteRequest", { error });
    if (owner.isOver) owner.requestEnded();
  }

  firstByte(): void {
    this.times.firstByteAt = this.connection!.receivedAtMs;
    this.#owner.tracer?.tell("gotFirstResponseByte");
  }

  nextFirstByte(): void {
    this.times.firstByteAt = this.connection!.receivedAtMs;
  }

  streamReset(streamId: number, code: string, from: "peer" | "here"): void {
    const { tracer } = this.#owner;
    const carrier = this.#left?.streamId === streamId ? this.#left : this.connection;
    this.#left = null;
    // One that ended before it was known here has not been told of either.
    if (tracer === null || carrier?.streamId !== streamId) return;
    tracer.tell("streamReset", { id: carrier.id, streamId, code, from });
  }

  informational(head: ResponseHead): void {
    const owner = this.#owner;
    // The final head is still to come.
    this.times.firstByteAt = null;
    if (head.statusCode === 100) {
      if (this.outgoing!.expectContinue) this.times.letGo(this.connection!.receivedAtMs);
      if (this.phase === "request") this.clearPhaseDeadline();
      this.contentBegan = true;
      owner.tracer?.tell("got100Continue");
    }
    // These may throw: the exchange fails with it.
    owner.tracer?.tellInformational(head.statusCode, head.headers, (error) => {
      // Of an async function: too late for this step, not for the exchange.
      if (owner.isOver || owner.hasResponded) tellFault("A hook of a trace failed", error);
      else owner.abort(error);
    });
  }

  finalHead(head: ResponseHead): void {
    // Before the connection can become idle: it may be given up earlier for it.
    if (head.fields.keepAlive !== -1) this.connection!.hint(head.headers);
    if (this.#owner.route.sharing === "proxy" && bindsConnection(head.headers)) {
      this.connection!.bind();
    }
  }

  response(head: ResponseHead, content: IncomingContent): void {
    if (this.#owner.isOver) return;
    this.clearPhaseDeadline();
    this.#owner.answered(head, content);
  }

  /** The response is the final one, and the caller's. */
  headTaken(): void {
    this.times.headAt = this.connection!.receivedAtMs;
    if (this.outgoing!.expectContinue) this.times.letGo(this.times.firstByteAt!);
    this.phase = "body";
  }

  failed(error: unknown): void {
    if (this.#owner.isOver) return;
    this.clearPhaseDeadline();
    this.#owner.attemptFailed(error);
  }
}

/** Nothing else carries CONNECT with a protocol. */
function withoutHttp2(): HttpError {
  const why = "The server does not speak HTTP/2, which a request with protocol needs";
  return new HttpError("ERR_INVALID_REQUEST", why, { phase: "request" });
}
