/**
 * One run of a program in a simulated world: its clock, its network, its server, and what is found
 * wrong.
 *
 * @module
 */
import type { Address, Conn, Dialer, DialOptions } from "../conn/conn.ts";
import { addressText, dialError } from "../conn/conn_error.ts";
import { type Clock, systemClock, type TimerHandle } from "../transport/clock.ts";
import type { HttpRequest } from "../transport/message/http_request.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import { Transport } from "../transport/transport.ts";
import type { TransportOptions } from "../transport/transport_options.ts";
import { type FaultPlan, shownFault, wireFaultOf } from "./fault_schedule.ts";
import type { AcceptedConn } from "./faulty_conn.ts";
import { byInstants } from "./instant_pieces.ts";
import { memoryDialer } from "./memory_network.ts";
import type { RecordedRequest } from "./recorded_request.ts";
import { SeededRandom } from "./seeded_random.ts";
import { type ServedAnswer, ServedConnection } from "./served_connection.ts";
import type { TestHandler } from "./test_server.ts";
import { never, wait } from "./simulated_waiting.ts";
import { VirtualClock } from "./virtual_clock.ts";
import { answerOf, webRequest } from "./web_exchange.ts";
import { isWireFault, type WireFault } from "./wire_fault.ts";

/** What a simulated program is given: all of it is new for each run. */
export interface SimulatedWorld {
  /** The time of the run, which begins at 0: for clients and all else that takes a clock. */
  readonly clock: Clock;
  /** Leads to the server, for every host. For transports that {@linkcode SimulatedWorld.transport} does not make. */
  readonly dialer: Dialer;
  /** Answers what is asked for; the last one that was given does. Default: 200 `hello` to everything. */
  serve(handler: TestHandler): void;
  /** Makes a transport with the clock and the dialer of the world; it is destroyed with the run. */
  transport(options?: Omit<TransportOptions, "dialer" | "clock">): Transport;
  /**
   * Waits, by the clock of the world.
   *
   * Cancel: the signal rejects with its reason at once.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** A signal that aborts after that time, as `AbortSignal.timeout()` does, by the clock of the world. */
  timeout(ms: number): AbortSignal;
  /** In the place of `Math.random`: the same numbers in each run of a schedule. 0 or more, below 1. */
  readonly random: () => number;
  /** Adds a line to what is told of a run that fails. */
  log(line: string): void;
}

/** A program that is simulated. */
export type SimulatedProgram = (world: SimulatedWorld) => void | Promise<void>;

/**
 * What was found: the program rejected; a handler threw; the program waits for something that will
 * never come; it has ended, and left responses neither read nor closed, or requests that do not end.
 */
export type SimulationFailureKind = "program" | "server" | "hang" | "leak";

/** What was found. */
export interface FoundFailure {
  readonly kind: SimulationFailureKind;
  readonly message: string;
  /** What was thrown; undefined where nothing was. */
  readonly cause: unknown;
}

/** What came of a run. */
export interface ProgramRun {
  /** Null: nothing was found. */
  readonly failure: FoundFailure | null;
  readonly log: readonly string[];
  readonly requestCount: number;
}

/** Milliseconds of the way from one end to the other, each time. */
const WAY_MS = 1;

/** Turns of the event loop until all has run that can run without the world: streams take some. */
const SETTLE_TURNS = 8;

/** How a run goes. */
export interface RunOptions {
  readonly http2: boolean;
  /** Occurrences. A program that has not ended by then never will. */
  readonly maxSteps: number;
}

/** Runs the program once. Never rejects for what the program does. */
export function runSimulated(
  seed: number,
  plan: FaultPlan,
  options: RunOptions,
  program: SimulatedProgram,
): Promise<ProgramRun> {
  return new World(seed, plan, options).run(program);
}

class World implements SimulatedWorld {
  readonly clock: VirtualClock = new VirtualClock();
  readonly dialer: Dialer;
  readonly random: () => number;
  readonly #plan: FaultPlan;
  readonly #http2: boolean;
  readonly #maxSteps: number;
  readonly #log: string[] = [];
  readonly #transports: HoldingTransport[] = [];
  readonly #connections: Set<ServedConnection> = new Set();
  /** What the network and the server do is planned: the rest are timers of the program. */
  readonly #worldClock: Clock;
  #handler: TestHandler = () => new Response("hello");
  #dialCount = 0;
  #requestCount = 0;
  #failure: FoundFailure | null = null;

  constructor(seed: number, plan: FaultPlan, { http2, maxSteps }: RunOptions) {
    this.#plan = plan;
    this.#http2 = http2;
    this.#maxSteps = maxSteps;
    const random = new SeededRandom(seed).fork(3);
    this.random = () => random.next();
    const { clock } = this;
    this.#worldClock = {
      now: () => clock.now(),
      startTimer: (callback, delayMs) => {
        const planned = { stopped: false };
        clock.plan(delayMs, "world", () => planned.stopped || callback());
        return planned;
      },
      stopTimer: (handle: TimerHandle) => (handle as { stopped: boolean }).stopped = true,
    };
    const network = memoryDialer({
      alpnProtocols: http2 ? ["h2", "http/1.1"] : ["http/1.1"],
      admit: () => "accept",
      admitTls: () => true,
      accepted: (accepted) => this.#accepted(accepted),
    });
    this.dialer = {
      dial: (address, options) => this.#dial(network, address, options ?? {}),
      startTls: (conn, options, signal) => network.startTls(conn, options, signal),
    };
  }

  serve(handler: TestHandler): void {
    this.#handler = handler;
  }

  transport(options: Omit<TransportOptions, "dialer" | "clock"> = {}): Transport {
    const { clock, dialer } = this;
    const http2 = this.#http2 ? { priorKnowledge: true } : false;
    const transport = new HoldingTransport({ http2, ...options, clock, dialer });
    this.#transports.push(transport);
    return transport;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return wait(this.clock, ms, signal);
  }

  timeout(ms: number): AbortSignal {
    const controller = new AbortController();
    const reason = new DOMException("The operation timed out", "TimeoutError");
    this.clock.startTimer(() => controller.abort(reason), ms);
    return controller.signal;
  }

  log(line: string): void {
    // What comes behind is the end of the run.
    if (this.#failure === null) this.#log.push(`${this.clock.now()} ms: ${line}`);
  }

  async run(program: SimulatedProgram): Promise<ProgramRun> {
    let ended = false;
    // It may throw at once, and it may go on after the run is over.
    const whole = (async () => await program(this))().then(() => {
      ended = true;
    }, (cause) => {
      ended = true;
      this.#fail("program", `The program threw ${shown(cause)}`, cause);
    });
    await settle();
    for (let step = 0; !ended && this.#failure === null; step++) {
      if (step === this.#maxSteps) {
        this.#fail("hang", `The program has not ended after ${step} steps`);
      } else if (this.clock.advance() === null) {
        // What it waits for may be none of the world's: it has a last chance.
        for (let turn = 0; turn < 4 && !ended; turn++) await settle();
        if (!ended && this.clock.timerCount + this.clock.plannedCount === 0) {
          this.#fail("hang", `The program hangs: nothing is to come${this.#leftOver("; ")}`);
        }
      } else await settle();
    }
    if (this.#failure === null) await this.#end();
    for (const transport of this.#transports) transport.destroy();
    for (const connection of this.#connections) connection.close();
    await settle();
    if (ended) await whole;
    return { failure: this.#failure, log: this.#log, requestCount: this.#requestCount };
  }

  /** The program has ended: what it has closed may still be under way. */
  async #end(): Promise<void> {
    while (this.#leftOver("") !== "" && this.clock.plannedCount > 0) {
      this.clock.advance();
      await settle();
    }
    const left = this.#leftOver("");
    if (left !== "") this.#fail("leak", `The program has ended and left ${left}`);
  }

  #leftOver(before: string): string {
    const sum = { active: 0, waiting: 0, dialing: 0 };
    for (const transport of this.#transports) {
      const { active, waiting, dialing } = transport.stats();
      sum.active += active;
      sum.waiting += waiting;
      // A dial that nobody waits for is no request.
      if (waiting > 0) sum.dialing += dialing;
    }
    const parts = [
      sum.active > 0
        ? `${sum.active} in use (a response neither read nor closed, or a request under way)`
        : "",
      sum.waiting > 0 ? `${sum.waiting} waited for` : "",
      sum.dialing > 0 ? `${sum.dialing} being dialled` : "",
    ].filter((part) => part !== "");
    return parts.length === 0 ? "" : `${before}connections: ${parts.join(", ")}`;
  }

  #fail(kind: SimulationFailureKind, message: string, cause?: unknown): void {
    this.#failure ??= { kind, message, cause };
  }

  async #dial(network: Dialer, address: Address, options: DialOptions): Promise<Conn> {
    const nth = ++this.#dialCount;
    const found = this.#plan.take("dial", nth);
    this.log(`dial ${nth} to ${addressText(address)}`);
    for (const fault of found) this.log(`  ${shownFault(fault)}`);
    const { signal } = options;
    if (found.some(({ kind }) => kind === "dialLost")) return await never(signal);
    const lateMs = found.find(({ kind }) => kind === "dialLate")?.ms ?? 0;
    await wait(this.#worldClock, WAY_MS + lateMs, signal);
    if (found.some(({ kind }) => kind === "dialRefused")) {
      throw dialError(address, "ECONNREFUSED", undefined);
    }
    return await network.dial(address, options);
  }

  #accepted(accepted: AcceptedConn): void {
    const connection: ServedConnection = new ServedConnection(accepted, {
      answer: (recorded, inform) => this.#answer(recorded, inform, connection),
      // The kinds of a run are those of its version.
      misused: (error) => this.#fail("server", error.message, error),
    }, { id: this.#connections.size + 1, http2: this.#http2, clock: this.#worldClock });
    this.#connections.add(connection);
    void connection.run();
  }

  async #answer(
    recorded: RecordedRequest,
    inform: Parameters<TestHandler>[1]["inform"],
    connection: ServedConnection,
  ): Promise<ServedAnswer> {
    const nth = ++this.#requestCount;
    const found = this.#plan.take("request", nth);
    this.log(`request ${nth}, ${recorded.method} ${recorded.url}`);
    for (const fault of found) this.log(`  ${shownFault(fault)}`);
    const msOf = (kind: "requestLate" | "responseLate"): number =>
      WAY_MS + (found.find((fault) => fault.kind === kind)?.ms ?? 0);
    await wait(this.#worldClock, msOf("requestLate"));
    if (found.some(({ kind }) => kind === "requestLost")) {
      connection.reset();
      throw new Error("The request is lost");
    }
    const answer = found.some(({ kind }) => kind === "unavailable")
      ? await answerOf(new Response("unavailable", { status: 503 }), null)
      : await this.#handled(recorded, inform);
    await wait(this.#worldClock, msOf("responseLate"));
    const injected = found.map(wireFaultOf).find((fault) => fault !== null);
    this.log(`response ${nth}, ${answer.status}`);
    return injected === undefined ? answer : { ...answer, fault: injected };
  }

  async #handled(
    recorded: RecordedRequest,
    inform: Parameters<TestHandler>[1]["inform"],
  ): Promise<ServedAnswer> {
    try {
      const request = webRequest(recorded);
      if (request === null) throw new TypeError(`No Request has this: ${recorded.method}`);
      const given = await this.#handler(request, { recorded, inform });
      if (!isWireFault(given)) return await this.#sent(given, null);
      return await this.#sent(given.response ?? new Response("hello"), given);
    } catch (cause) {
      this.#fail("server", `The server threw ${shown(cause)}`, cause);
      return await answerOf(new Response(null, { status: 500 }), null);
    }
  }

  /** The same bytes on each runtime, which differ in what they say of text and in how they cut a stream. */
  async #sent(response: Response, fault: WireFault | null): Promise<ServedAnswer> {
    const { body } = response;
    const answer = await answerOf(response, fault);
    const headers = answer.headers.flatMap(([name, value]): [string, string][] => {
      if (name.toLowerCase() !== "content-type") return [[name, value]];
      const type = value.toLowerCase().replace(/; *charset=utf-8$/, "");
      return type === "text/plain" ? [] : [[name, type]];
    });
    const isStream = body !== null && !(answer.content instanceof Uint8Array);
    const content = isStream ? await byInstants(body, this.#worldClock) : answer.content;
    return { ...answer, headers, content };
  }
}

/** A transport that keeps its responses: none is collected, so that a leak is one in each run. */
class HoldingTransport extends Transport {
  readonly #held: HttpResponse[] = [];

  override async roundTrip(request: HttpRequest): Promise<HttpResponse> {
    const response = await super.roundTrip(request);
    this.#held.push(response);
    return response;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) {
    await new Promise<void>((resolve) => void systemClock.atEndOfTurn!(resolve));
  }
}

/** In one line. */
function shown(error: unknown): string {
  try {
    return `${error}`.split("\n")[0];
  } catch {
    return "something that has no text";
  }
}
