/**
 * What must hold while a transport is simulated over HTTP/2: of each request and stream, of the
 * counts, and of what errors say. Knows nothing of the transport but what it says in public.
 *
 * @module
 */
import type { HttpError } from "../conn/http_error.ts";
import type { ClientTrace } from "../transport/message/http_request.ts";
import type { TransportSnapshot, TransportStats } from "../transport/pool/snapshot.ts";
import type { SimulatedConn } from "./simulated_conn.ts";
import type { Http2Ledger } from "./simulated_http2_server.ts";
import type { SimulatedNetwork } from "./simulated_network.ts";
import { type CallersModel, type CallersRequest, SimulationRecord } from "./simulation_record.ts";
import type { SimulationWorld } from "./simulation_world.ts";

interface TrackedRequest extends CallersRequest {
  /** How often a server has begun to work on it. */
  processed: number;
  /** How often it was asked for again, without Expect. */
  unexpected: number;
}

/** The checks, and the accounts that they compare. */
export class Http2SimulationModel extends SimulationRecord<TrackedRequest>
  implements CallersModel, Http2Ledger {
  readonly #world: SimulationWorld;
  readonly #network: () => SimulatedNetwork;
  /** Which request each response is to, and on which connection. */
  readonly #responses: { forId: number; connId: number }[] = [];

  constructor(world: SimulationWorld, network: () => SimulatedNetwork) {
    super(() => network().clock.now());
    this.#world = world;
    this.#network = network;
  }

  readonly trace: ClientTrace = {
    goAway: ({ id, code }) => this.log(`#${id} GOAWAY ${code}`),
    putIdleConn: ({ id, error }) => this.log(`put ${id} ${error?.code ?? "idle"}`),
  };

  // What callers do.

  begin(given: CallersRequest): void {
    this.track(Object.assign(given, { processed: 0, unexpected: 0 }));
  }

  settled({ id }: CallersRequest, outcome: string): void {
    this.untrack(this.requests.get(id)!, outcome);
  }

  /** What an error tells must not be better than what happened, in any attempt. */
  failed({ id }: CallersRequest, { code, attempt, attempts }: HttpError): void {
    const { processed } = this.requests.get(id)!;
    if (processed === 0) return;
    const verdict = attempt?.verdict ?? "never-sent";
    if (verdict === "never-sent" || verdict === "not-processed") {
      this.fail(`${code} of request ${id} says ${verdict}, and a server worked on it`);
    }
    if (processed > attempts.length) {
      this.fail(
        `${code} of ${id} tells of ${attempts.length} attempts, ${processed} were processed`,
      );
    }
  }

  answered({ id }: CallersRequest, number: number, saysId: number): boolean {
    const response = this.#responses[number];
    if (response?.forId === id && saysId === id) return true;
    this.fail(`request ${id} was answered by response ${number}, which is to ${response?.forId}`);
    return false;
  }

  traceOf({ id }: CallersRequest): ClientTrace {
    return {
      retry: () => this.count("retry"),
      streamOpened: (event) => this.log(`${id} on #${event.id} stream ${event.streamId}`),
      streamReset: ({ code, from }) => this.count(`${code} from ${from}`),
      gotConn: ({ protocol }) => {
        if (protocol !== "h2") this.fail(`request ${id} goes by ${protocol}`);
      },
    };
  }

  // Http2Ledger

  processing(conn: SimulatedConn, id: number): void {
    const request = this.requests.get(id);
    if (request === undefined) return this.fail(`#${conn.id} a request nobody has sent: ${id}`);
    request.processed++;
    const most = 1 + request.unexpected;
    if (request.processed > most && !request.isRepeatable) {
      this.fail(`request ${id} (${request.method}) was processed ${request.processed} times`);
    }
    if (request.processed > most + 1) this.fail(`request ${id} was sent too often`);
  }

  refusedExpectation(id: number): void {
    this.requests.get(id)!.unexpected++;
  }

  responding(conn: SimulatedConn, forId: number): number {
    return this.#responses.push({ forId, connId: conn.id }) - 1;
  }

  // After every step.

  check(stats: TransportStats, snapshot: TransportSnapshot): void {
    const { maxIdleConns, maxConns, maxConnsPerHost, maxIdleConnsPerHost } = this.#world.transport;
    const inAll = stats.total + stats.dialing;
    if (maxConns > 0 && inAll > maxConns) this.fail(`${inAll} connections to all hosts`);
    const isFull = maxConns > 0 && inAll >= maxConns && stats.idle === 0;
    if (maxIdleConns > 0 && stats.idle > maxIdleConns) this.fail(`${stats.idle} are idle`);
    // One that is left may have last words on its way.
    if (stats.total > this.#network().open.size) {
      this.fail(`${this.#network().open.size} are open, the transport counts ${stats.total}`);
    }
    for (const [key, { idle, active, dialing, waiting }] of Object.entries(stats.perHost)) {
      const all = idle + active + dialing;
      if (maxConnsPerHost > 0 && all > maxConnsPerHost) this.fail(`${key}: ${all} connections`);
      if (maxIdleConnsPerHost > 0 && idle > maxIdleConnsPerHost) this.fail(`${key}: ${idle} idle`);
      if (waiting > 0 && idle > 0) this.fail(`${key}: ${waiting} wait while ${idle} are idle`);
      if (waiting > 0 && all === 0 && !isFull) this.fail(`${key}: ${waiting} wait for nothing`);
    }
    let idle = 0;
    for (const { id, idleMs, state, streams } of snapshot.connections) {
      if (idleMs !== null) idle++;
      if (idleMs !== null && state !== "idle") this.fail(`connection ${id} is idle and ${state}`);
      if (idleMs !== null && streams!.open > 0) this.fail(`connection ${id} is idle with streams`);
    }
    if (idle !== stats.idle) this.fail(`inspect() lists ${idle} idle, stats() ${stats.idle}`);
    if (snapshot.connections.length !== stats.total) this.fail("inspect() lists not all");
    if (snapshot.waiters.length !== stats.waiting) this.fail("inspect() lists not all who wait");
    this.checkPending(this.#world.latenessMs);
  }
}
