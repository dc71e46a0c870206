/**
 * A network in memory, with time of its own: a dialer whose connections deliver bytes late, in
 * pieces or not at all.
 *
 * @module
 */
import type { Address, Conn, Dialer, DialOptions, TlsOptions } from "../conn/conn.ts";
import { dialError } from "../conn/conn_error.ts";
import { HttpError } from "../conn/http_error.ts";
import type { SeededRandom } from "./seeded_random.ts";
import {
  type ConnNetwork,
  type NetworkWeather,
  type ServerEnd,
  SimulatedConn,
} from "./simulated_conn.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** Who watches the network and answers on it. */
export interface NetworkWatcher {
  log(line: string): void;
  /** A connection is open: its other end. */
  opened(conn: SimulatedConn): ServerEnd;
  /** Bytes of the client were accepted. */
  accepted(conn: SimulatedConn, bytes: Uint8Array): void;
}

/** The network. Keeps its own account of what is open. */
export class SimulatedNetwork implements Dialer, ConnNetwork {
  readonly clock: VirtualClock;
  readonly weather: NetworkWeather;
  /** Connections that the client has not closed. */
  readonly open: Set<SimulatedConn> = new Set();
  /** Dials under way, by host name. */
  readonly dials: Map<string, number> = new Map();
  readonly watcher: NetworkWatcher;
  readonly #random: SeededRandom;
  #connCount = 0;
  #dialCount = 0;
  #pollPlanned = false;
  #barrier: Promise<void> | null = null;

  constructor(
    clock: VirtualClock,
    weather: NetworkWeather,
    random: SeededRandom,
    watcher: NetworkWatcher,
  ) {
    this.clock = clock;
    this.weather = weather;
    this.#random = random;
    this.watcher = watcher;
  }

  dial(address: Address, options: DialOptions = {}): Promise<Conn> {
    const host = address.transport === "tcp" ? address.hostname : address.path;
    const dialId = ++this.#dialCount;
    const random = this.#random.fork(dialId);
    const { signal } = options;
    const { watcher, weather } = this;
    this.dials.set(host, (this.dials.get(host) ?? 0) + 1);
    watcher.log(`dial ${dialId} ${host}`);
    return new Promise((resolve, reject) => {
      let over = false;
      const end = (): boolean => {
        if (over) return false;
        over = true;
        this.dials.set(host, this.dials.get(host)! - 1);
        signal?.removeEventListener("abort", aborted);
        return true;
      };
      const aborted = (): void => {
        if (!end()) return;
        watcher.log(`dial ${dialId} aborted`);
        reject(signal!.reason);
      };
      if (signal?.aborted) return aborted();
      signal?.addEventListener("abort", aborted);
      if (random.chance(weather.lostDial)) return;
      const refused = random.chance(weather.refusedDial);
      this.clock.plan(random.delay(2 * weather.latencyMs), `dial ${dialId} ends`, () => {
        if (!end()) return;
        if (refused) {
          reject(dialError(address, "ECONNREFUSED", undefined));
          return;
        }
        const conn = new SimulatedConn(++this.#connCount, host, address, this, random.fork(1));
        this.open.add(conn);
        watcher.log(`dial ${dialId} made #${conn.id}`);
        conn.server = watcher.opened(conn);
        resolve(conn);
      });
    });
  }

  startTls(conn: Conn, _options: TlsOptions): Promise<Conn> {
    conn.close();
    return Promise.reject(
      new HttpError("ERR_TLS", "The simulation knows no TLS", { phase: "tls" }),
    );
  }

  pollBarrier(): Promise<void> {
    return this.#barrier ??= new Promise((resolve) => {
      this.clock.plan(this.#random.delay(1), "barrier", () => {
        this.#barrier = null;
        this.#poll();
        resolve();
      });
    });
  }

  /** Something has arrived: some time later the program looks. */
  planPoll(): void {
    if (this.#pollPlanned) return;
    this.#pollPlanned = true;
    const delayMs = this.#random.chance(0.7) ? 0 : this.#random.delay(this.weather.pollMs);
    this.clock.plan(delayMs, "poll", () => {
      this.#pollPlanned = false;
      this.#poll();
    });
  }

  #poll(): void {
    for (const conn of [...this.open]) conn.poll();
  }
}
