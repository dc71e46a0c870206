/**
 * Drives a transport through a world that a seed has drawn, and checks after every step that
 * nothing is wrong.
 *
 * @module
 */
import type { Dialer } from "../conn/conn.ts";
import { loadMultiplexed } from "../transport/pool/multiplexed.ts";
import { Transport } from "../transport/transport.ts";
import type { TransportOptions } from "../transport/transport_options.ts";
import { SeededRandom } from "./seeded_random.ts";
import { Http2SimulationModel } from "./http2_simulation_model.ts";
import { SimulatedCallers } from "./simulated_callers.ts";
import { SimulatedHttp2Server } from "./simulated_http2_server.ts";
import { SimulatedNetwork } from "./simulated_network.ts";
import { SimulatedServer } from "./simulated_server.ts";
import { SimulationModel } from "./simulation_model.ts";
import { drawHttp2, drawWorld } from "./simulation_world.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** What is driven: a {@linkcode Transport}, or something broken on purpose. */
export type SimulatedTransport = Pick<
  Transport,
  "roundTrip" | "stats" | "inspect" | "closeIdleConnections" | "close" | "destroy"
>;

/** How to simulate. */
export interface SimulationOptions {
  /** Integer; decides everything. */
  seed: number;
  /** Settles once all that can run without the world has run: one `setImmediate`. */
  settle: () => Promise<void>;
  /**
   * Whether connections may age out. The transport draws the age of each by itself: two runs of a
   * seed then differ.
   *
   * @default {false}
   */
  ages?: boolean;
  /**
   * Whether transport and servers speak HTTP/2.
   *
   * @default {false}
   */
  http2?: boolean;
  /** Makes what is driven. Default: a {@linkcode Transport}. */
  makeTransport?: (options: TransportOptions) => SimulatedTransport;
  /** Stands between the transport and the network. Default: nothing. */
  wrapDialer?: (dialer: Dialer) => Dialer;
}

/** What came of a simulation without a violation. */
export interface SimulationResult {
  /** Occurrences after which everything was checked. */
  steps: number;
  /** Of everything that happened: the same for one seed on every runtime. */
  hash: string;
  /** How often what came of a request: `answered`, `ERR_TIMEOUT`, `poisoned`, `retry` ... */
  outcomes: Record<string, number>;
}

/** A violation. Its message has the seed and what happened last. */
export class SimulationError extends Error {
  /** The class. */
  override readonly name = "SimulationError";
  /** What was violated. */
  readonly violation: string;

  /** Makes the error of a violation. */
  constructor(seed: number, step: number, violation: string, log: readonly string[]) {
    super(`Seed ${seed}, step ${step}: ${violation}\n${log.map((line) => `  ${line}`).join("\n")}`);
    this.violation = violation;
  }
}

/** Steps. A world that has not come to rest by then never will. */
const MAX_STEPS = 1_000_000;

/**
 * Simulates one seed.
 *
 * @example
 * ```ts
 * import { setImmediate } from "node:timers";
 * import { simulate } from "@roundtrip/http/testing";
 *
 * const settle = () => new Promise<void>((done) => void setImmediate(done));
 * const { steps, outcomes } = await simulate({ seed: 1, settle });
 * console.log(steps, outcomes.answered);
 * ```
 *
 * @throws {SimulationError} Something was wrong.
 */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  // Files come when they come, in no turn of this world.
  if (options.http2 === true) await loadMultiplexed();
  return await new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #model: SimulationModel | Http2SimulationModel;
  readonly #clock: VirtualClock;
  readonly #network: SimulatedNetwork;
  readonly #transport: SimulatedTransport;
  readonly #callers: SimulatedCallers;
  readonly #ending: "drain" | "close" | "destroy";

  constructor(options: SimulationOptions) {
    this.#options = options;
    const random = new SeededRandom(options.seed);
    const world = drawWorld(random.fork(1), options.ages ?? false);
    const lateness = random.fork(2);
    const turns = random.fork(6);
    const clock = this.#clock = new VirtualClock(
      () => lateness.delay(world.latenessMs),
      () => turns.delay(world.turnMs),
    );
    const servers = random.fork(3);
    const http2 = options.http2 === true ? drawHttp2(random.fork(7)) : null;
    const one = http2 === null ? new SimulationModel(world, () => this.#network) : null;
    const many = http2 === null ? null : new Http2SimulationModel(world, () => this.#network);
    const model = this.#model = one ?? many!;
    const network = this.#network = new SimulatedNetwork(clock, world.weather, random.fork(4), {
      log: (line) => model.log(line),
      accepted: (conn, bytes) => one?.accepted(conn, bytes),
      opened: (conn) => {
        const draws = servers.fork(conn.id);
        if (many !== null) {
          const manners = { all: world.manners, http2: http2!.manners };
          return new SimulatedHttp2Server(conn, clock, manners, draws, many);
        }
        one!.opened(conn);
        return new SimulatedServer(conn, clock, world.manners, draws, one!);
      },
    });
    const makeTransport = options.makeTransport ?? ((options) => new Transport(options));
    this.#transport = makeTransport({
      ...world.transport,
      http2: http2 === null ? false : { priorKnowledge: true, ...http2.transport },
      clock,
      dialer: options.wrapDialer?.(network) ?? network,
      trace: model.trace,
    });
    this.#callers = new SimulatedCallers(world, random.fork(5), this.#transport, clock, model);
    this.#ending = world.ending;
  }

  async run(): Promise<SimulationResult> {
    this.#callers.start();
    const model = this.#model;
    if (this.#ending === "drain") {
      while (await this.#step());
      if (model.pendingCount > 0) this.#fail(`${model.pendingCount} requests hang`);
      if (this.#transport.stats().active > 0) this.#fail("connections are leased for ever");
    } else {
      const steps = 100 + this.#options.seed % 300;
      while (model.step < steps && await this.#step());
    }
    await this.#end();
    return {
      steps: model.step,
      hash: model.hash.toString(16).padStart(8, "0"),
      outcomes: Object.fromEntries([...model.counts].sort(([a], [b]) => a < b ? -1 : 1)),
    };
  }

  async #end(): Promise<void> {
    const model = this.#model;
    const transport = this.#transport;
    const callers = this.#callers;
    callers.stop();
    model.log(this.#ending);
    if (this.#ending !== "destroy") {
      let closed = false;
      transport.close().then(() => closed = true, (error) => this.#fail(`close() threw ${error}`));
      await this.#options.settle();
      while (!closed && await this.#step());
      if (!closed) this.#fail("close() hangs");
    }
    transport.destroy();
    await this.#options.settle();
    this.#check();
    // HTTP/2 has last words.
    while (this.#options.http2 && this.#network.open.size > 0 && await this.#step());
    if (model.pendingCount > 0) this.#fail(`${model.pendingCount} requests outlive destroy()`);
    if (callers.listeners !== 0) this.#fail(`${callers.listeners} listeners are left`);
    if (this.#network.open.size > 0) this.#fail(`${this.#network.open.size} connections are open`);
    if (this.#clock.timerCount > 0) this.#fail(`${this.#clock.timerCount} timers run`);
    const { idle, active, dialing, waiting } = transport.stats();
    if (idle + active + dialing + waiting > 0) this.#fail("stats() are not 0 at the end");
    // What is under way in the network must not wake anything up.
    while (await this.#step());
    if (callers.openBodies > 0) this.#fail(`${callers.openBodies} bodies hang`);
  }

  async #step(): Promise<boolean> {
    const model = this.#model;
    if (++model.step > MAX_STEPS) this.#fail("it never comes to rest");
    const what = this.#clock.advance();
    if (what === null) {
      model.step--;
      return false;
    }
    model.log(what);
    await this.#options.settle();
    this.#check();
    return true;
  }

  #check(): void {
    this.#model.check(this.#transport.stats(), this.#transport.inspect());
    if (this.#model.violation !== null) this.#fail(this.#model.violation);
  }

  #fail(violation: string): never {
    const { step, recent } = this.#model;
    throw new SimulationError(this.#options.seed, step, violation, recent.slice(-60));
  }
}
