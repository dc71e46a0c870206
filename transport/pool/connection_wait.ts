/**
 * Waiting for a connection that is not for a request of the pool's own: one that is leased, or made
 * ready for later.
 *
 * @module
 */
import { abortable } from "../../conn/abortable.ts";
import { tellFault } from "../../conn/fault.ts";
import { HttpError } from "../../conn/http_error.ts";
import { NEVER_SENT, withAttempts } from "../attempt.ts";
import type { HttpRequest } from "../message/http_request.ts";
import { type Tracer, tracerOf } from "../message/trace.ts";
import type { Route, RoutedRequest } from "../route/route.ts";
import type { Carrier } from "./carrier.ts";
import type { ConnectionSource, ConnectionWaiter } from "./connection_source.ts";
import type { Ticket } from "./pool.ts";

/** The transport's connections, as whoever waits needs them. */
export interface WaitSource extends ConnectionSource {
  /** Aborted when the transport ends at once. */
  readonly destroyed: AbortSignal;
  /** @throws Why the transport was closed, if it was. */
  checkOpen(): void;
}

/**
 * Waits for a connection for `request`, which says where to and is not sent.
 *
 * Cancel: the request's signal.
 *
 * @param choose Which of the ways there is to be taken.
 * @param taken Called with the connection, in the step in which it is there.
 */
export function waitForConnection<T>(
  request: HttpRequest,
  source: WaitSource,
  choose: (route: Route) => Route,
  taken: (carrier: Carrier) => T,
): Promise<T> {
  const route = source.route(request);
  if (!(route instanceof Promise)) {
    return waitOn({ request, route: choose(route) }, source, taken);
  }
  // Should the signal be none that can be joined to another.
  route.catch(() => {});
  const { signal } = request;
  const either = signal === null ? source.destroyed : AbortSignal.any([signal, source.destroyed]);
  return abortable(route, either, {}).then((found) =>
    waitOn({ request, route: choose(found) }, source, taken)
  );
}

function waitOn<T>(
  wanted: RoutedRequest,
  source: WaitSource,
  taken: (carrier: Carrier) => T,
): Promise<T> {
  // Whoever chose the proxy may have closed the transport.
  source.checkOpen();
  return new Promise((resolve, reject) => {
    const wait = new ConnectionWait(wanted, source, (carrier, error) => {
      if (carrier === null) reject(error);
      else resolve(taken(carrier));
    });
    wait.start();
  });
}

class ConnectionWait implements ConnectionWaiter {
  readonly request: HttpRequest;
  readonly route: Route;
  readonly waitsSinceMs: number;
  readonly tracer: Tracer | null;
  readonly #source: WaitSource;
  readonly #settle: (carrier: Carrier | null, error?: unknown) => void;
  #ticket: Ticket<ConnectionWaiter> | null = null;
  #isOver = false;

  constructor(
    wanted: RoutedRequest,
    source: WaitSource,
    settle: (carrier: Carrier | null, error?: unknown) => void,
  ) {
    this.request = wanted.request;
    this.route = wanted.route;
    this.waitsSinceMs = source.clock.now();
    // What the caller gives for it has no hooks of its own.
    this.tracer = tracerOf(source.options.trace, this.request, null);
    this.#source = source;
    this.#settle = settle;
  }

  start(): void {
    const { signal } = this.request;
    if (signal?.aborted) {
      this.#settle(null, signal.reason);
      return;
    }
    const idle = this.#source.take(this, this.#source.clock.now());
    if (idle !== undefined) {
      this.connectionReady(idle);
      return;
    }
    // A hook may have aborted it.
    if (signal?.aborted) return this.dialFailed(signal.reason);
    signal?.addEventListener("abort", this);
    try {
      const ticket = this.#source.enqueue(this);
      // The dialer, or a hook, may have ended it.
      if (this.#isOver) this.#source.cancel(ticket);
      else if (ticket.isWaiting) this.#ticket = ticket;
    } catch (error) {
      this.dialFailed(error);
    }
  }

  handleEvent(): void {
    this.dialFailed(this.request.signal!.reason);
  }

  dialStarted(): void {}

  connectionReady(carrier: Carrier): void {
    if (this.#isOver) return this.#source.giveBack(carrier);
    this.#stop();
    this.#settle(carrier);
  }

  dialFailed(error: unknown): void {
    if (this.#isOver) return;
    // Where the transport ends, its place is still in the queues.
    if (this.#ticket?.isWaiting) this.#source.cancel(this.#ticket);
    this.#stop();
    const phase = error instanceof HttpError ? error.phase : "dial";
    this.#settle(null, withAttempts(error, phase, [NEVER_SENT]));
  }

  #stop(): void {
    this.#isOver = true;
    this.#ticket = null;
    try {
      this.request.signal?.removeEventListener("abort", this);
    } catch (error) {
      tellFault("The signal of a request failed", error);
    }
  }
}
