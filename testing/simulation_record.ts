/**
 * What every model of a simulation keeps: the log with its hash, the counts, the requests of callers
 * and which of them have not settled.
 *
 * @module
 */
import type { HttpError } from "../conn/http_error.ts";
import type { ClientTrace } from "../transport/message/http_request.ts";

/** What callers say of a request, and what is kept of it in every model. */
export interface CallersRequest {
  readonly id: number;
  readonly host: string;
  readonly method: string;
  /** Whether it may reach a server twice. */
  readonly isRepeatable: boolean;
  readonly isReplayable: boolean;
  /** When `roundTrip` must have settled. */
  readonly dueMs: number;
  aborted: boolean;
  settled: boolean;
}

/** Whom callers tell what they do and what came of it. */
export interface CallersModel {
  begin(request: CallersRequest): void;
  settled(request: CallersRequest, outcome: string): void;
  failed(request: CallersRequest, error: HttpError): void;
  /** A response has come. @returns Whether its body must be this request's. */
  answered(request: CallersRequest, number: number, id: number): boolean;
  traceOf(request: CallersRequest): ClientTrace;
  log(line: string): void;
  count(what: string): void;
  fail(what: string): void;
}

/** Milliseconds. What deadlines may be late by their slots. */
const SLOT_MS = 5;

/** The common half of the models. */
export class SimulationRecord<R extends CallersRequest> {
  /** The first thing that was wrong. */
  violation: string | null = null;
  step = 0;
  /** Of everything that was logged; the same for one seed on every runtime. */
  hash = 0x811c9dc5;
  readonly recent: string[] = [];
  readonly requests: Map<number, R> = new Map();
  readonly counts: Map<string, number> = new Map();
  protected readonly pending: Set<R> = new Set();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Requests whose call has not settled. */
  get pendingCount(): number {
    return this.pending.size;
  }

  log(line: string): void {
    const text = `${this.#nowMs()} ${line}`;
    for (let i = 0; i < text.length; i++) {
      this.hash = Math.imul(this.hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
    }
    this.recent.push(text);
    if (this.recent.length > 120) this.recent.splice(0, 60);
  }

  fail(what: string): void {
    this.violation ??= what;
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** A caller has a request. */
  protected track(request: R): void {
    this.requests.set(request.id, request);
    this.pending.add(request);
    this.log(`${request.method} ${request.id} to ${request.host}`);
  }

  /** Its call has settled. */
  protected untrack(request: R, outcome: string): void {
    if (request.settled) this.fail(`request ${request.id} settled twice`);
    request.settled = true;
    this.pending.delete(request);
    this.log(`${request.id} ${outcome}`);
    this.count(outcome);
  }

  /** Every request settles when it is aborted, and in its time. */
  protected checkPending(latenessMs: number): void {
    const nowMs = this.#nowMs();
    for (const request of this.pending) {
      if (request.aborted) this.fail(`request ${request.id} was aborted and has not settled`);
      if (nowMs > request.dueMs + SLOT_MS + latenessMs) {
        this.fail(`request ${request.id} has not settled in its time`);
      }
    }
  }
}
