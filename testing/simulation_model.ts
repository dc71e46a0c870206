/**
 * What must hold while a transport is simulated. Knows nothing of the transport but its public
 * counts, and has an account of its own: of the network, the servers and the callers.
 *
 * @module
 */
import type { HttpError } from "../conn/http_error.ts";
import type { TransportSnapshot, TransportStats } from "../transport/pool/snapshot.ts";
import type { ClientTrace } from "../transport/message/http_request.ts";
import { RequestScanner, type ScannedRequest } from "./request_scanner.ts";
import type { SimulatedConn } from "./simulated_conn.ts";
import { HostTurns } from "./simulated_turns.ts";
import type { SimulatedNetwork } from "./simulated_network.ts";
import type { SentResponse, ServerLedger } from "./simulated_server.ts";
import { type CallersModel, type CallersRequest, SimulationRecord } from "./simulation_record.ts";
import type { SimulationWorld } from "./simulation_world.ts";

/** One attempt at a request, as the network saw it. */
interface Attempt {
  readonly conn: SimulatedConn;
  readonly step: number;
  /** Whether the connection had been read from so recently that no proof is due. */
  readonly isFresh: boolean;
  readonly isReused: boolean;
  readonly readBefore: number;
  acceptedBytes: number;
}

/** One request of a caller. */
interface TrackedRequest extends CallersRequest {
  readonly attempts: Attempt[];
  readonly refusedAttempts: Set<Attempt>;
  /** How often a server has received all of it. */
  received: number;
  /** Dials under way that were begun for it. */
  dials: number;
  /** Whether one of them may be that of an earlier attempt. */
  hasOldDial: boolean;
  gotConn: boolean;
  /** Its place in the order of those that want a connection. */
  place: number;
  /** Who came later and was handed a connection that became free. */
  overtakenBy: number | null;
  /** When, in the order of places. */
  overtakenAt: number;
}

/** What is known of one connection. */
interface ConnAccount {
  readonly conn: SimulatedConn;
  readonly tap: RequestScanner;
  requests: number;
  /** Whether bytes were planted: from then on nobody knows which response is whose. */
  tainted: boolean;
  attempt: Attempt | null;
  /** What the server said that it keeps an idle connection. */
  hintMs: number;
  requestsLeft: number;
  idleSinceMs: number;
  /** When it was made or given back last, in the order of places. */
  givenBackAt: number;
}

/** The checks, and the accounts that they compare. */
export class SimulationModel extends SimulationRecord<TrackedRequest>
  implements CallersModel, ServerLedger {
  readonly #world: SimulationWorld;
  readonly #network: () => SimulatedNetwork;
  #places = 0;
  readonly #accounts: Map<number, ConnAccount> = new Map();
  readonly #responses: SentResponse[] = [];
  /** Which request has which connection, as the traces tell. */
  readonly #holders: Map<number, number> = new Map();
  readonly #turns: HostTurns = new HostTurns();

  constructor(world: SimulationWorld, network: () => SimulatedNetwork) {
    super(() => network().clock.now());
    this.#world = world;
    this.#network = network;
  }

  // What callers do.

  begin(given: CallersRequest): void {
    const request: TrackedRequest = Object.assign(given, {
      attempts: [],
      refusedAttempts: new Set<Attempt>(),
      received: 0,
      dials: 0,
      hasOldDial: false,
      gotConn: false,
      place: 0,
      overtakenBy: null,
      overtakenAt: 0,
    });
    this.track(request);
  }

  settled({ id, host }: CallersRequest, outcome: string): void {
    const request = this.requests.get(id)!;
    if (!request.gotConn) this.#turns.left(host);
    this.untrack(request, outcome);
  }

  /** What an error tells must not be better than what happened, in any attempt. */
  failed({ id }: CallersRequest, { code, attempt, attempts: told }: HttpError): void {
    const { attempts } = this.requests.get(id)!;
    const what = `${code} of request ${id}`;
    if (told.length < attempts.length) {
      this.fail(`${what} tells of ${told.length} attempts, and ${attempts.length} were made`);
    }
    if (attempts.length > 0 && (attempt?.verdict ?? "never-sent") === "never-sent") {
      this.fail(`${what} says that it was never sent, and it was`);
    }
  }

  /** A response has come: whether its body must be this request's. */
  answered({ id: requestId }: CallersRequest, number: number, id: number): boolean {
    const request = this.requests.get(requestId)!;
    const response = this.#responses[number];
    const attempt = request.attempts.at(-1);
    if (response === undefined || attempt === undefined) {
      this.fail(`request ${request.id} was answered by nothing that was sent`);
      return false;
    }
    if (response.forId !== id) this.fail(`response ${number} has changed on its way`);
    if (response.forId === request.id) return true;
    this.count("poisoned");
    const what = `request ${request.id} was answered by response ${number} to ${response.forId}`;
    const account = this.#accounts.get(attempt.conn.id)!;
    if (response.connId !== attempt.conn.id) this.fail(`${what} of another connection`);
    else if (!account.tainted) this.fail(`${what}, and nothing was planted`);
    else if (response.arrivedStep < attempt.step && !attempt.isFresh) {
      this.fail(`${what}, which was there before the request was written`);
    }
    return false;
  }

  // What the transport says.

  traceOf({ id: requestId }: CallersRequest): ClientTrace {
    const request = this.requests.get(requestId)!;
    return {
      connectStart: () => {
        request.dials++;
        this.#turns.given(request.host);
      },
      connectDone: () => void request.dials--,
      getConn: () => this.#queues(request),
      gotConn: ({ id, reused, wasIdle }) => {
        // Who had a connection, and was proving it or waiting for the end of the turn, did not queue.
        const givenBackAt = this.#accounts.get(id)?.givenBackAt ?? Infinity;
        if (wasIdle || givenBackAt < request.overtakenAt) request.overtakenBy = null;
        this.#leavesQueue(request, reused && !wasIdle);
        request.gotConn = true;
        const holder = this.#holders.get(id);
        if (holder !== undefined) {
          this.fail(`connection ${id} was given to ${request.id} while ${holder} had it`);
        }
        this.#holders.set(id, request.id);
      },
      retry: () => {
        request.gotConn = false;
        this.#queues(request);
        request.hasOldDial = request.dials > 0;
        this.count("retry");
      },
    };
  }

  #queues(request: TrackedRequest): void {
    request.place = ++this.#places;
    request.overtakenBy = null;
  }

  /** Connections that become free go to whoever waits longest; own dials have no order. */
  #leavesQueue(
    request: TrackedRequest,
    isHandedOver: boolean,
  ): void {
    if (request.overtakenBy !== null) {
      this.fail(`request ${request.overtakenBy} was served before ${request.id}, which came first`);
    }
    if (!isHandedOver) return;
    for (const other of this.pending) {
      if (other.gotConn || other.host !== request.host || other.place > request.place) continue;
      if (other === request || other.place === 0 || other.overtakenBy !== null) continue;
      other.overtakenBy = request.id;
      other.overtakenAt = ++this.#places;
    }
  }

  readonly trace: ClientTrace = {
    putIdleConn: ({ id, error }) => {
      this.log(`put ${id} ${error?.code ?? "idle"}`);
      this.#holders.delete(id);
      const account = this.#accounts.get(id);
      if (account === undefined) return;
      // While a host waits for its turn none is idle: it is handed over. What a dial brings was counted.
      if (error === undefined && account.requests > 0) this.#turns.given(account.conn.host);
      account.idleSinceMs = this.#network().clock.now();
      account.givenBackAt = ++this.#places;
    },
  };

  // What the network sees.

  opened(conn: SimulatedConn): void {
    const tap = new RequestScanner((request) => this.#headAccepted(conn, request), () => {});
    this.#accounts.set(conn.id, {
      conn,
      tap,
      requests: 0,
      tainted: false,
      attempt: null,
      hintMs: Infinity,
      requestsLeft: Infinity,
      idleSinceMs: Infinity,
      givenBackAt: ++this.#places,
    });
  }

  accepted(conn: SimulatedConn, bytes: Uint8Array): void {
    const account = this.#accounts.get(conn.id)!;
    const { tap } = account;
    if ((tap.current === null || tap.current.complete) && tap.headBytes === 0) {
      this.#attemptBegins(account);
    }
    if (account.attempt !== null) account.attempt.acceptedBytes += bytes.length;
    tap.push(bytes);
  }

  #headAccepted(conn: SimulatedConn, { id }: ScannedRequest): void {
    const request = this.requests.get(id);
    if (request?.attempts.at(-1)?.conn !== conn) {
      this.fail(`request ${id} was written to a connection that it was not given`);
    }
  }

  #attemptBegins(account: ConnAccount): void {
    const { conn } = account;
    const request = this.requests.get(this.#holders.get(conn.id) ?? 0);
    if (request === undefined) {
      this.fail(`bytes were written to #${conn.id}, which nobody has`);
      return;
    }
    const nowMs = this.#network().clock.now();
    const idleMs = nowMs - account.idleSinceMs;
    const previous = request.attempts.at(-1);
    account.requests++;
    const attempt: Attempt = account.attempt = {
      conn,
      step: this.step,
      isFresh: nowMs - conn.lastReadMs <= 1,
      isReused: account.requests > 1 || account.idleSinceMs < Infinity,
      readBefore: conn.bytesRead,
      acceptedBytes: 0,
    };
    request.attempts.push(attempt);
    const { id } = request;
    if (request.settled) this.fail(`request ${id} was sent after it had settled`);
    if (previous !== undefined) this.#checkRepeat(request, previous);
    const { maxRequestsPerConn } = this.#world.transport;
    if (maxRequestsPerConn > 0 && account.requests > maxRequestsPerConn) {
      this.fail(`#${conn.id} has served more than ${maxRequestsPerConn} requests`);
    }
    if (account.tainted) return;
    if (conn.serverSentBytes !== conn.bytesRead) {
      this.fail(`request ${id} was written to #${conn.id} before its last response was read`);
    }
    if (idleMs > account.hintMs) this.fail(`#${conn.id} was used after its Keep-Alive time`);
    if (account.requestsLeft-- <= 0) this.fail(`#${conn.id} was used after its Keep-Alive max`);
  }

  #checkRepeat(request: TrackedRequest, previous: Attempt): void {
    const { id, attempts, refusedAttempts } = request;
    if (attempts.length > 2 + refusedAttempts.size) this.fail(`request ${id} was sent too often`);
    if (refusedAttempts.has(previous)) return;
    const why = !previous.isReused
      ? "on a fresh connection"
      : previous.conn.bytesRead > previous.readBefore
      ? "and answered"
      : !request.isReplayable
      ? "with a body that cannot be repeated"
      : previous.acceptedBytes > 0 && !request.isRepeatable
      ? "and may not be repeated"
      : null;
    if (why !== null) this.fail(`request ${id} was repeated although it was sent ${why}`);
  }

  // ServerLedger

  headReceived(conn: SimulatedConn, request: ScannedRequest): void {
    this.log(`#${conn.id} server has head of ${request.id}`);
  }

  requestReceived(conn: SimulatedConn, { id }: ScannedRequest): void {
    this.log(`#${conn.id} server has ${id}`);
    const request = this.requests.get(id)!;
    request.received++;
    if (request.received > 1 + request.refusedAttempts.size && !request.isRepeatable) {
      this.fail(`request ${id} (${request.method}) was received ${request.received} times`);
    }
  }

  responding(conn: SimulatedConn, forId: number): SentResponse {
    const response = {
      number: this.#responses.length,
      forId,
      connId: conn.id,
      arrivedStep: Infinity,
    };
    this.#responses.push(response);
    if (forId === 0) this.#accounts.get(conn.id)!.tainted = true;
    return response;
  }

  responseArrived(response: SentResponse): void {
    response.arrivedStep = this.step;
  }

  refusedExpectation(id: number): void {
    const request = this.requests.get(id)!;
    const attempt = request.attempts.at(-1);
    if (attempt !== undefined) request.refusedAttempts.add(attempt);
  }

  hinted(conn: SimulatedConn, hint: { timeoutS: number | null; max: number | null }): void {
    const account = this.#accounts.get(conn.id)!;
    if (hint.max !== null) account.requestsLeft = hint.max;
    if (hint.timeoutS !== null) account.hintMs = hint.timeoutS * 1_000;
  }

  // After every step.

  check(stats: TransportStats, snapshot: TransportSnapshot): void {
    const network = this.#network();
    const { maxConns, maxIdleConns } = this.#world.transport;
    if (maxIdleConns > 0 && stats.idle > maxIdleConns) this.fail(`${stats.idle} are idle`);
    const all = stats.total + stats.dialing;
    if (maxConns > 0 && all > maxConns) this.fail(`${all} connections to all hosts`);
    if (stats.total !== network.open.size) {
      this.fail(`${network.open.size} connections are open, the transport counts ${stats.total}`);
    }
    if (stats.total !== stats.idle + stats.active) this.fail("stats().total is no sum");
    for (const host of this.#world.hosts) this.#checkHost(host, stats);
    let idle = 0;
    for (const { id, localAddr, idleMs, state } of snapshot.connections) {
      const isIdle = idleMs !== null;
      if (isIdle) idle++;
      if (localAddr.transport === "tcp" && localAddr.port !== id % 65_535 + 1) {
        this.fail(`connection ${id} is another than the network's #${id}`);
      }
      if (isIdle && state !== "idle") this.fail(`connection ${id} is idle and ${state}`);
      if (isIdle && this.#holders.has(id)) {
        this.fail(`connection ${id} is idle and held by ${this.#holders.get(id)}`);
      }
    }
    if (idle !== stats.idle) this.fail(`inspect() lists ${idle} idle, stats() ${stats.idle}`);
    if (snapshot.connections.length !== stats.total) this.fail("inspect() lists not all");
    if (snapshot.waiters.length !== stats.waiting) {
      this.fail(`inspect() lists ${snapshot.waiters.length} waiting, stats() ${stats.waiting}`);
    }
    this.checkPending(this.#world.latenessMs);
  }

  #checkHost(host: string, stats: TransportStats): void {
    const key = `http://${host}:80`;
    const counts = stats.perHost[key] ?? { idle: 0, active: 0, dialing: 0, waiting: 0 };
    const { idle, active, dialing, waiting } = counts;
    const network = this.#network();
    const { maxConns, maxConnsPerHost, maxIdleConnsPerHost, maxDialsPerHost, maxWaitersPerHost } =
      this.#world.transport;
    const isFull = maxConns > 0 && stats.idle === 0 && stats.total + stats.dialing >= maxConns;
    let open = 0;
    for (const conn of network.open) if (conn.host === host) open++;
    if (idle + active !== open) this.fail(`${host}: ${open} open, ${idle} idle, ${active} active`);
    const dials = network.dials.get(host) ?? 0;
    if (dialing !== dials) this.fail(`${host}: ${dials} dials, counted ${dialing}`);
    const all = idle + active + dialing;
    if (maxConnsPerHost > 0 && all > maxConnsPerHost) this.fail(`${host}: ${all} connections`);
    if (maxIdleConnsPerHost > 0 && idle > maxIdleConnsPerHost) this.fail(`${host}: ${idle} idle`);
    if (maxDialsPerHost > 0 && dialing > maxDialsPerHost) this.fail(`${host}: ${dialing} dials`);
    let withDial = 0;
    let mayDialOrNot = 0;
    let repeating = 0;
    for (const request of this.pending) {
      if (request.host !== host || request.gotConn) continue;
      if (request.hasOldDial) mayDialOrNot++;
      else if (request.dials > 0) withDial++;
      if (request.attempts.length > 0) repeating++;
    }
    // A request is repeated on a connection of its own, whatever is idle.
    if (waiting > repeating && idle > 0) {
      this.fail(`${host}: ${waiting} wait while ${idle} are idle`);
    }
    // Less than none while one that dials is proving a connection that it was handed.
    const without = waiting - withDial;
    const mayDial = (maxConnsPerHost === 0 || all < maxConnsPerHost) &&
      (maxDialsPerHost === 0 || dialing < maxDialsPerHost);
    // Dials of requests that were served otherwise are as good as own ones, while the host answers.
    const spare = all > dialing ? dialing - withDial : 0;
    const waits = mayDial && without > mayDialOrNot + spare;
    if (waits && !isFull) this.fail(`${host}: ${without} wait while a slot is free`);
    const wrong = this.#turns.look(host, waits);
    if (wrong !== null) this.fail(wrong);
    if (
      maxWaitersPerHost > 0 && without - mayDialOrNot - (dialing - withDial) > maxWaitersPerHost
    ) {
      this.fail(`${host}: queue too long`);
    }
  }
}
