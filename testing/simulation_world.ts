/**
 * A world drawn from a seed: limits of the transport, weather of the network, manners of servers
 * and callers.
 *
 * @module
 */
import type { SeededRandom } from "./seeded_random.ts";
import type { NetworkWeather } from "./simulated_conn.ts";
import type { Http2Options } from "../transport/transport_options.ts";
import type { Http2Manners } from "./simulated_http2_server.ts";
import type { ServerManners } from "./simulated_server.ts";

/** The options of the transport that a world sets. */
export interface SimulatedLimits {
  readonly maxIdleConns: number;
  readonly maxIdleConnsPerHost: number;
  readonly maxConns: number;
  readonly maxConnsPerHost: number;
  readonly maxWaitersPerHost: number;
  readonly maxDialsPerHost: number;
  readonly maxRequestsPerConn: number;
  readonly maxConnAgeMs: number;
  readonly idleConnTimeoutMs: number;
  readonly poolWaitTimeoutMs: number;
  readonly dialTimeoutMs: number;
  readonly responseHeaderTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  readonly expectContinueTimeoutMs: number;
  readonly disableKeepAlives: boolean;
  readonly disableCompression: boolean;
  readonly readBufferBytes: number;
  readonly writeBufferBytes: number;
}

/** Everything that a seed decides before the first step. */
export interface SimulationWorld {
  readonly hosts: readonly string[];
  readonly transport: SimulatedLimits;
  readonly weather: NetworkWeather;
  readonly manners: ServerManners;
  /** Most by which timers are late. Milliseconds. */
  readonly latenessMs: number;
  /** Milliseconds. How long a turn of the program's event loop may take. */
  readonly turnMs: number;
  readonly requestCount: number;
  /** Milliseconds within which all requests begin. */
  readonly spanMs: number;
  readonly abortChance: number;
  /** Whether something may never come, so that every request needs a time-out. */
  readonly needsTimeouts: boolean;
  readonly ending: "drain" | "close" | "destroy";
}

/**
 * Draws a world.
 *
 * @param ages Whether connections may age out; the transport draws their ages by itself, so such a
 * world does not take the same course twice.
 */
export function drawWorld(random: SeededRandom, ages: boolean): SimulationWorld {
  const maybe = (probability: number, most: number): number =>
    random.chance(probability) ? random.next() * most : 0;
  const limit = (low: number, high: number): number =>
    random.chance(0.5) ? 0 : random.integer(low, high);
  const stallsForEver = random.chance(0.3);
  const silent = maybe(0.3, 0.1);
  const lostDial = maybe(0.2, 0.2);
  const plant = maybe(0.5, 0.4);
  const maxIdleConns = random.pick([0, 1, 2, 4, 100]);
  const maxConnAgeMs = random.pick([0, 200, 1_000]);
  return {
    hosts: ["a.test", "b.test", "c.test", "d.test"].slice(0, random.integer(1, 4)),
    transport: {
      maxIdleConns,
      maxIdleConnsPerHost: random.chance(0.5) ? maxIdleConns : random.integer(0, 3),
      // Of draws of its own: the worlds of before are the same but for it.
      maxConns: random.fork(2).pick([0, 0, 0, 1, 2, 4]),
      maxConnsPerHost: limit(1, 5),
      maxWaitersPerHost: limit(1, 6),
      maxDialsPerHost: limit(1, 3),
      maxRequestsPerConn: limit(1, 8),
      maxConnAgeMs: ages ? maxConnAgeMs : 0,
      idleConnTimeoutMs: random.pick([0, 50, 500, 5_000]),
      poolWaitTimeoutMs: limit(20, 500),
      dialTimeoutMs: random.integer(50, 1_000),
      responseHeaderTimeoutMs: limit(50, 1_000),
      bodyIdleTimeoutMs: limit(50, 500),
      expectContinueTimeoutMs: random.integer(5, 100),
      disableKeepAlives: random.chance(0.05),
      disableCompression: random.chance(0.5),
      readBufferBytes: random.pick([64, 1_024, 16_384]),
      writeBufferBytes: random.pick([16, 256, 4_096]),
    },
    weather: {
      latencyMs: random.pick([1, 5, 40]),
      pollMs: random.pick([0, 2, 80]),
      segmentBytes: random.pick([1, 40, 1_400]) + 15,
      sendBufferBytes: random.pick([100, 4_000, 65_536]),
      lateWord: maybe(0.5, 0.5),
      refusedDial: maybe(0.4, 0.3),
      lostDial,
      eagerReads: random.chance(0.5),
      resetLosesData: random.chance(0.5),
    },
    manners: {
      thinkMs: random.pick([1, 10, 100]),
      bodyBytes: random.pick([100, 5_000, 40_000]),
      silent,
      reset: maybe(0.5, 0.15),
      close: maybe(0.5, 0.15),
      truncate: maybe(0.5, 0.15),
      plant,
      malformed: maybe(0.3, 0.1),
      early: maybe(0.4, 0.3),
      stall: maybe(0.3, 0.2),
      stallsForEver,
      informational: maybe(0.4, 0.5),
      connectionClose: maybe(0.4, 0.3),
      hint: maybe(0.4, 0.5),
      idleClose: maybe(0.6, 0.5),
      refuseExpectation: maybe(0.5, 0.5),
    },
    latenessMs: random.pick([0, 0, 3, 30]),
    turnMs: random.fork(1).pick([0, 0, 1, 5]),
    requestCount: random.integer(30, 90),
    spanMs: random.pick([50, 500, 5_000]),
    abortChance: maybe(0.6, 0.3),
    // A request that gets a planted answer leaves its own answer to another, which may not end.
    needsTimeouts: stallsForEver || silent > 0 || lostDial > 0 || plant > 0,
    ending: random.pick(["drain", "drain", "close", "destroy"]),
  };
}

/** Draws what HTTP/2 adds to a world. */
export function drawHttp2(
  random: SeededRandom,
): { readonly transport: Http2Options; readonly manners: Http2Manners } {
  const maybe = (probability: number, most: number): number =>
    random.chance(probability) ? random.next() * most : 0;
  return {
    transport: {
      maxConcurrentStreams: random.pick([1, 2, 5, 100]),
      whenFull: random.pick(["dial", "wait"]),
      streamWindowBytes: random.pick([1_000, 100_000, 4 << 20]),
      connectionWindowBytes: random.pick([65_535, 200_000, 64 << 20]),
      pingIntervalMs: random.pick([0, 0, 50, 500]),
      pingTimeoutMs: random.pick([100, 1_000]),
    },
    manners: {
      maxConcurrentStreams: random.pick([1, 3, 10, 100]),
      windowBytes: random.pick([1_000, 5_000, 65_535, 1 << 20]),
      refuse: maybe(0.4, 0.2),
      goaway: maybe(0.4, 0.2),
      hardGoaway: maybe(0.3, 0.1),
      chatter: maybe(0.5, 0.5),
      violate: maybe(0.2, 0.1),
      stingy: maybe(0.4, 0.8),
    },
  };
}
