/**
 * The way of a request to a connection that is proven to be alive: one that is idle, one that comes
 * free, or one that is made.
 *
 * @module
 */
import { type Attempt, HttpError, type HttpErrorPhase } from "../conn/http_error.ts";
import { NO_ATTEMPTS } from "./attempt.ts";
import type { AttemptInHand } from "./attempt_in_hand.ts";
import type { HttpRequest } from "./message/http_request.ts";
import type { Tracer } from "./message/trace.ts";
import type { Carrier } from "./pool/carrier.ts";
import type { ConnectionSource, ConnectionWaiter } from "./pool/connection_source.ts";
import type { Ticket } from "./pool/pool.ts";
import type { ProofWaiter } from "./pool/proof_queue.ts";
import type { Sender } from "./pool/sending_turn.ts";
import type { Dial } from "./route/dial.ts";
import { mayBeSentTwice } from "./retry.ts";
import type { Route, RoutedRequest } from "./route/route.ts";

/** Count. Proofs of a leased connection that may be too old: no other can take the place of it. */
const MAX_LEASED_PROOFS = 25;

/** Connections. How many that have served may be given up for one that has not. */
const MAX_PASSED_OVER = 3;

/** The round trip, as the quest for its connection sees it. */
export interface ConnectionSeeker extends RoutedRequest {
  readonly tracer: Tracer | null;
  readonly isOver: boolean;
  abort(reason: unknown): void;
  fail(error: unknown, phase: HttpErrorPhase): void;
}

/**
 * Gives the attempt in hand its connection, as often as there are attempts. Owns: the place in the
 * queues, the connection that is taken and not in use yet.
 */
export class ConnectionQuest implements ConnectionWaiter, Sender, ProofWaiter {
  /** Whether a server has said that it is not the one to ask: others that served may say so too. */
  isMisdirected: boolean = false;
  readonly #seeker: ConnectionSeeker;
  readonly #source: ConnectionSource;
  readonly #attempt: AttemptInHand;
  /** While it waits for a connection. */
  #ticket: Ticket<ConnectionWaiter> | null = null;
  /** Taken, but not proven to be alive yet. */
  #candidate: Carrier | null = null;
  /** Of which `gotConn` has told, and that is not in use yet. */
  #announced: Carrier | null = null;
  /** How often a proof that was made for it was too old when it was to be used. */
  #staleProofs = 0;
  /** Connections that had served already, and were passed over since. */
  #passedOver = 0;

  constructor(seeker: ConnectionSeeker, source: ConnectionSource, attempt: AttemptInHand) {
    this.#seeker = seeker;
    this.#source = source;
    this.#attempt = attempt;
  }

  /** Takes one that is idle, or waits. */
  acquire(now: number): void {
    const connection = this.#source.take(this, now);
    if (connection !== undefined && this.#isDoubtful(connection)) this.#pass(connection);
    else if (connection !== undefined) this.#useProven(connection, this.#after(now));
    else if (!this.#seeker.isOver) this.wait();
  }

  /**
   * For one more attempt: takes one that is shared, or waits for one that is not.
   *
   * @param wasAnswered Whether the one before was, so that its connection is as good as another.
   */
  again(wasAnswered: boolean): void {
    this.#attempt.queued();
    const mayBeAny = (wasAnswered || this.#attempt.wasShared) && !this.isMisdirected;
    if (mayBeAny) this.acquire(this.#source.clock.now());
    else this.wait();
  }

  /** Waits for whichever comes first: a connection that becomes free, or one of its own. */
  wait(): void {
    this.#attempt.queued();
    const { poolWaitTimeoutMs } = this.#source.options;
    try {
      const ticket = this.#source.enqueue(this);
      if (this.#seeker.isOver) this.#source.cancel(ticket);
      else if (ticket.isWaiting) this.#ticket = ticket;
    } catch (error) {
      this.#seeker.fail(error, "queue");
    }
    if (poolWaitTimeoutMs === 0) return;
    const ticket = this.#ticket;
    // A dial has its own time. One that may serve all is waited for, but not for longer.
    if (ticket !== null && this.#attempt.phase === "queue") {
      const what = "Waiting for a connection";
      const dial = (): boolean => this.#source.dialNow(ticket);
      this.#attempt.setPhaseDeadline(poolWaitTimeoutMs, "queue", what, dial);
    }
  }

  /** The round trip is over: leaves the queues, and gives back what it has not used. */
  giveUp(): void {
    if (this.#ticket !== null) this.#source.cancel(this.#ticket);
    this.#ticket = null;
    if (this.#candidate !== null) this.#source.giveBack(this.#candidate);
    this.#candidate = null;
  }

  // ConnectionWaiter

  get request(): HttpRequest {
    return this.#seeker.request;
  }

  get route(): Route {
    return this.#seeker.route;
  }

  get tracer(): Tracer | null {
    return this.#seeker.tracer;
  }

  get waitsSinceMs(): number {
    return this.#attempt.times.startedAt;
  }

  dialStarted(dial: Dial): void {
    this.#attempt.dialStarted(dial);
  }

  connectionReady(connection: Carrier): void {
    this.#ticket = null;
    this.#attempt.clearPhaseDeadline();
    if (this.isMisdirected && connection.hasServed && this.#passedOver < MAX_PASSED_OVER) {
      this.#passedOver++;
      connection.giveUp(misdirected(NO_ATTEMPTS));
      return this.wait();
    }
    if (this.#isDoubtful(connection)) return this.#pass(connection);
    // Another's connection came first: what its own dial costs is not this request's.
    if (connection.madeBy !== this.#attempt.dial) this.#attempt.dial = null;
    const now = this.#source.clock.now();
    if (connection.isNew && !this.#seeker.isOver) this.#use(connection, now);
    else this.#useProven(connection, now);
  }

  dialFailed(error: unknown): void {
    this.#ticket = null;
    const phase = error instanceof HttpError ? error.phase : "dial";
    if (error instanceof HttpError && error.code === "ERR_TIMEOUT") {
      this.#attempt.expire(phase, error.message);
    } else {
      this.#seeker.fail(error, phase);
    }
  }

  // ProofWaiter

  polled(polledAtMs: number, now: number, isFutile: boolean): void {
    // Given up meanwhile, it may be another's.
    if (!this.#seeker.isOver) this.#candidate!.polled(polledAtMs);
    this.#useCandidate(now, isFutile);
  }

  pollFailed(error: unknown, now: number): void {
    if (!this.#seeker.isOver) this.#candidate!.close(error);
    this.#useCandidate(now, true);
  }

  // Sender

  turnEnded(now: number): void {
    this.#useCandidate(now, false);
  }

  abort(reason: unknown): void {
    this.#seeker.abort(reason);
  }

  /** Whether its end may have come unseen, and the request can be lost on it for good. */
  #isDoubtful(connection: Carrier): boolean {
    return this.#source.holdsBack && connection.protocol === "http/1.1" && !connection.isNew &&
      !mayBeSentTwice(this.#seeker.request);
  }

  /** Waits for another connection in its place. */
  #pass(connection: Carrier): void {
    connection.giveUp(unproven());
    if (!this.#seeker.isOver) this.wait();
  }

  /** The time after code of the caller's has run, which may have taken long. */
  #after(now: number): number {
    const ranForeignCode = this.#seeker.tracer !== null ||
      this.#attempt.outgoing!.content !== null || this.#source.options.usesProxies;
    return ranForeignCode ? this.#source.clock.now() : now;
  }

  #useProven(connection: Carrier, now: number): void {
    if (this.#seeker.isOver) return this.#source.giveBack(connection);
    if (!this.#source.isFresh(connection, now)) return this.#prove(connection, now);
    // Those who came before it go first, or the proof that they wait for would become old again.
    const mustQueue = this.#source.isProvingMany && connection.protocol === "http/1.1";
    if (mustQueue) return this.#prove(connection, now);
    const turn = this.#source.sendingTurn;
    // Who has had trouble to prove one must not let it become old again.
    if (turn === null || this.#staleProofs > 0) return this.#use(connection, now);
    this.#candidate = connection;
    turn.add(this, now);
  }

  /**
   * What the kernel holds for the connection (its end, or bytes that answer nothing) must be seen
   * before the request is written: it could be taken for the answer.
   */
  #prove(connection: Carrier, now: number): void {
    this.#candidate = connection;
    // A connection that waits does not keep the process alive; this request must.
    connection.ref();
    this.#source.prove(this, now);
  }

  /** @param isFutile Whether no proof is to be hoped for, should it have none now. */
  #useCandidate(now: number, isFutile: boolean): void {
    if (this.#seeker.isOver) return;
    const connection = this.#candidate!;
    this.#candidate = null;
    if (!connection.isIdle) return this.#another(connection, now);
    if (this.#source.isFresh(connection, now)) this.#use(connection, now);
    else this.#becameOld(connection, now, isFutile);
  }

  /** The program was busy: what has come since the kernel was polled is not known. */
  #becameOld(connection: Carrier, now: number, isFutile: boolean): void {
    if (connection.holdsNothing(now)) return this.#use(connection, now);
    if (!connection.isIdle) return this.#another(connection, now);
    this.#staleProofs++;
    const givesUp = this.#source.isShared ? isFutile : this.#staleProofs >= MAX_LEASED_PROOFS;
    if (!givesUp) return this.#prove(connection, now);
    // Nothing can wait for a connection that is made now.
    connection.close(unproven());
    this.wait();
  }

  /** It cannot be sent on any more: it was closed, or takes no more requests. */
  #another(connection: Carrier, now: number): void {
    this.#source.giveBack(connection);
    this.acquire(now);
  }

  #use(connection: Carrier, now: number): void {
    const { tracer } = this.#seeker;
    this.#attempt.phase = "request";
    this.#attempt.times.gotConnAt = now;
    if (tracer !== null && this.#announced !== connection) {
      this.#announced = connection;
      connection.usedBy = tracer.ids;
      const { id, protocol, hasServed: reused, wasIdle, idleSinceMs, isNew } = connection;
      const idleMs = wasIdle ? now - idleSinceMs : 0;
      tracer.tell("gotConn", { id, protocol, reused, wasIdle, idleMs });
      // A hook may have ended it, or taken its time.
      if (this.#seeker.isOver) return this.#source.giveBack(connection);
      const later = this.#source.clock.now();
      if (!connection.isIdle) return this.#another(connection, later);
      if (!isNew && !this.#source.isFresh(connection, later)) {
        return this.#becameOld(connection, later, false);
      }
    }
    this.#announced = null;
    this.#staleProofs = 0;
    this.#attempt.send(connection, now);
  }
}

/** Whoever is at the other end does not speak for the origin that was asked for. */
export function misdirected(attempts: readonly Attempt[]): HttpError {
  return new HttpError("ERR_CONNECTION_LOST", "The server answered 421", {
    phase: "response-header",
    attempts,
  });
}

function unproven(): HttpError {
  const why = "It was not known in time whether something had come on an idle connection";
  return new HttpError("ERR_CONNECTION_LOST", why, { phase: "queue" });
}
