/**
 * The transport in simulated worlds: every seed without a violation, the same on all runtimes; and
 * broken transports, which the checks must find.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { fileURLToPath } from "node:url";
import { runProgram, runtimePath } from "../../scripts/run_program.ts";
import {
  simulate,
  type SimulatedTransport,
  SimulationError,
  type SimulationOptions,
  VirtualClock,
} from "../../testing/mod.ts";
import type { Dialer } from "../../conn/conn.ts";
import type { HttpRequest } from "../../transport/message/http_request.ts";
import type { HttpResponse } from "../../transport/message/http_response.ts";
import { Transport } from "../../transport/transport.ts";
import type { TransportOptions } from "../../transport/transport_options.ts";
import { runtime, test } from "../support/harness.ts";

const program = fileURLToPath(new URL("../../bench/simulate.ts", import.meta.url));

/** A turn of the event loop: what can run without the world has run. */
const settle = (): Promise<void> => new Promise((done) => void setImmediate(done));

const SEEDS_PER_TEST = 40;

/** Steps. All of these tests together take more than 100,000, over more than 200 seeds. */
const LEAST_STEPS = 11_000;

/** A seed takes the same course everywhere, which has a test of its own: each runtime takes a third of them. */
function mine(first: number, count: number): number[] {
  const turn = ["deno", "bun", "node"].indexOf(runtime);
  return Array.from({ length: count }, (_, n) => first + n).filter((seed) => seed % 3 === turn);
}

for (let first = 1; first <= 10 * SEEDS_PER_TEST; first += SEEDS_PER_TEST) {
  test(`simulation: seeds ${first} to ${first + SEEDS_PER_TEST - 1} without a violation`, async () => {
    let steps = 0;
    for (const seed of mine(first, SEEDS_PER_TEST)) {
      steps += (await simulate({ seed, settle })).steps;
    }
    assert.ok(steps >= LEAST_STEPS / 3, `${steps} steps`);
  });
}

for (let first = 1; first <= 10; first += 9) {
  test(`H112 simulation: seeds ${first} to ${first + 8} over HTTP/2 without a violation`, async () => {
    let steps = 0;
    for (const seed of mine(first, 9)) {
      steps += (await simulate({ seed, settle, http2: true })).steps;
    }
    assert.ok(steps >= LEAST_STEPS / 8, `${steps} steps`);
  });
}

test("H112 simulation: a seed takes the same course over HTTP/2 on Deno, Bun and Node", async () => {
  const args = [program, "--http2", "--steps", "3000", "--seed", "7", "--hash"];
  const runs = await Promise.all([
    runProgram(runtimePath("deno"), ["run", "-A", "--no-check", ...args], { timeoutMs: 50_000 }),
    runProgram(runtimePath("bun"), args, { timeoutMs: 50_000 }),
    runProgram(runtimePath("node"), args, { timeoutMs: 50_000 }),
  ]);
  for (const { code, output } of runs) assert.equal(code, 0, output);
  const [deno, bun, node] = runs.map(({ output }) => output.match(/^hashes .*$/m)?.[0]);
  assert.match(deno ?? "", /^hashes (?:[0-9a-f]{8} )+after \d+ steps$/);
  assert.equal(bun, deno);
  assert.equal(node, deno);
});

test("H112 simulation: finds over HTTP/2 that answers are swapped, and requests repeated", async () => {
  const swapping = (options: TransportOptions): SimulatedTransport =>
    altered(options, (transport) => {
      let last: HttpResponse | null = null;
      return {
        roundTrip: async (request: HttpRequest) => {
          const response = await transport.roundTrip(request);
          const other = last;
          last = response;
          return other ?? response;
        },
      };
    });
  assert.match(await violation({ http2: true, makeTransport: swapping }), /was answered by/);
  const repeating = (options: TransportOptions): SimulatedTransport =>
    altered(options, (transport) => ({
      roundTrip: async (request: HttpRequest) => {
        try {
          return await transport.roundTrip(request);
        } catch (error) {
          if ((error as { code?: string }).code !== "ERR_CONNECTION_LOST") throw error;
          return await transport.roundTrip(request);
        }
      },
    }));
  assert.match(await violation({ http2: true, makeTransport: repeating }), /was processed 2 times/);
});

test("H112 simulation: finds over HTTP/2 that a limit is passed", async () => {
  const makeTransport = (options: TransportOptions): SimulatedTransport => {
    const limit = options.maxConnsPerHost!;
    return new Transport({ ...options, maxConnsPerHost: limit === 0 ? 0 : limit + 1 });
  };
  assert.match(await violation({ http2: true, makeTransport }), /connections/);
});

test("simulation: 40 seeds with connections that age out, without a violation", async () => {
  for (const seed of mine(1001, 40)) await simulate({ seed, settle, ages: true });
});

test("simulation: a seed takes the same course on Deno, Bun and Node", async () => {
  const args = [program, "--steps", "6000", "--seed", "7", "--hash"];
  const runs = await Promise.all([
    runProgram(runtimePath("deno"), ["run", "-A", "--no-check", ...args], { timeoutMs: 50_000 }),
    runProgram(runtimePath("bun"), args, { timeoutMs: 50_000 }),
    runProgram(runtimePath("node"), args, { timeoutMs: 50_000 }),
  ]);
  for (const { code, output } of runs) assert.equal(code, 0, output);
  const [deno, bun, node] = runs.map(({ output }) => output.match(/^hashes .*$/m)?.[0]);
  assert.match(deno ?? "", /^hashes (?:[0-9a-f]{8} ){3,}after \d+ steps$/);
  assert.equal(bun, deno);
  assert.equal(node, deno);
});

/** The first violation that some seed finds. */
async function violation(broken: Omit<SimulationOptions, "seed" | "settle">): Promise<string> {
  for (let seed = 1; seed <= 400; seed++) {
    try {
      await simulate({ ...broken, seed, settle });
    } catch (error) {
      if (!(error instanceof SimulationError)) throw error;
      assert.match(error.message, new RegExp(`^Seed ${seed}, step \\d+: .+\\n`));
      await assert.rejects(
        simulate({ ...broken, seed, settle }),
        { message: error.message },
        "the seed does not reproduce",
      );
      return error.violation;
    }
  }
  return "none";
}

/** A transport with some methods replaced. */
function altered(
  options: TransportOptions,
  alter: (transport: Transport) => Partial<SimulatedTransport>,
): SimulatedTransport {
  const transport = new Transport(options);
  return {
    roundTrip: (request) => transport.roundTrip(request),
    stats: () => transport.stats(),
    inspect: () => transport.inspect(),
    closeIdleConnections: () => transport.closeIdleConnections(),
    close: () => transport.close(),
    destroy: (reason) => transport.destroy(reason),
    ...alter(transport),
  };
}

test("simulation: finds that a planted response answers when the kernel is not polled", async () => {
  const wrapDialer = (dialer: Dialer): Dialer => ({
    dial: (address, options) => dialer.dial(address, options),
    startTls: (conn, options) => dialer.startTls(conn, options),
  });
  assert.match(
    await violation({ wrapDialer }),
    /which was there before the request was written|before its last response was read/,
  );
});

test("simulation: finds that two responses are swapped", async () => {
  const makeTransport = (options: TransportOptions): SimulatedTransport =>
    altered(options, (transport) => {
      let last: HttpResponse | null = null;
      return {
        roundTrip: async (request: HttpRequest) => {
          const response = await transport.roundTrip(request);
          const other = last;
          last = response;
          return other ?? response;
        },
      };
    });
  assert.match(await violation({ makeTransport }), /was answered by/);
});

test("simulation: finds that a request is repeated that may not be", async () => {
  const makeTransport = (options: TransportOptions): SimulatedTransport =>
    altered(options, (transport) => ({
      roundTrip: async (request: HttpRequest) => {
        try {
          return await transport.roundTrip(request);
        } catch (error) {
          if ((error as { code?: string }).code !== "ERR_CONNECTION_LOST") throw error;
          return await transport.roundTrip(request);
        }
      },
    }));
  assert.match(await violation({ makeTransport }), /was repeated although|received 2 times/);
});

test("simulation: finds that a limit is passed", async () => {
  for (
    const name of [
      "maxConns",
      "maxConnsPerHost",
      "maxDialsPerHost",
      "maxIdleConns",
      "maxRequestsPerConn",
    ] as const
  ) {
    const makeTransport = (options: TransportOptions): SimulatedTransport => {
      const limit = options[name]!;
      return new Transport({ ...options, [name]: limit === 0 ? 0 : limit + 1 });
    };
    assert.match(
      await violation({ makeTransport }),
      {
        maxConns: /connections to all hosts/,
        maxConnsPerHost: /connections/,
        maxDialsPerHost: /dials/,
        maxIdleConns: /idle/,
        maxRequestsPerConn: /served more/,
      }[name],
    );
  }
});

test("simulation: finds that requests wait while a slot is free", async () => {
  for (const name of ["maxConns", "maxConnsPerHost", "maxDialsPerHost"] as const) {
    const makeTransport = (options: TransportOptions): SimulatedTransport => {
      const limit = options[name]!;
      return new Transport({ ...options, [name]: limit < 2 ? limit : limit - 1 });
    };
    assert.match(await violation({ makeTransport }), /wait while a slot is free/);
  }
});

test("simulation: finds that connections are not closed", async () => {
  const wrapDialer = (dialer: Dialer): Dialer => ({
    ...dialer,
    startTls: (conn, options) => dialer.startTls(conn, options),
    pollBarrier: () => dialer.pollBarrier!(),
    dial: async (address, options) => {
      const conn = await dialer.dial(address, options);
      return new Proxy(conn, {
        get: (target, name) => {
          if (name === "close") return () => {};
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  });
  assert.match(await violation({ wrapDialer }), /open, the transport counts/);
});

test("simulation: finds that a request hangs", async () => {
  const makeTransport = (options: TransportOptions): SimulatedTransport => {
    let count = 0;
    return altered(options, (transport) => ({
      roundTrip: (request) => ++count === 20 ? new Promise(() => {}) : transport.roundTrip(request),
    }));
  };
  assert.match(
    await violation({ makeTransport }),
    /hang|has not settled|outlive destroy/,
  );
});

test("simulation: finds that time-outs never come", async () => {
  const makeTransport = (options: TransportOptions): SimulatedTransport =>
    new Transport({
      ...options,
      clock: { now: () => options.clock!.now(), startTimer: () => null, stopTimer: () => {} },
    });
  assert.match(await violation({ makeTransport }), /has not settled in its time|hang/);
});

test("simulation: finds that an abort is not heeded", async () => {
  const makeTransport = (options: TransportOptions): SimulatedTransport =>
    altered(options, (transport) => ({
      roundTrip: async (request: HttpRequest) => {
        try {
          return await transport.roundTrip(request);
        } catch (error) {
          if (error instanceof Error) throw error;
          await new Promise((resolve) => options.clock!.startTimer(() => resolve(null), 50));
          throw error;
        }
      },
    }));
  assert.match(await violation({ makeTransport }), /was aborted and has not settled/);
});

test("VirtualClock runs what comes first, and what was planned first, first", () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const note = (name: string) => (): void => void seen.push(`${name} at ${clock.now()}`);
  for (const delayMs of [9, 3, 7, 3, 0, 8, 1]) clock.plan(delayMs, `${delayMs}`, note("world"));
  const stopped = clock.startTimer(note("stopped"), 2);
  clock.startTimer(note("timer"), 3);
  clock.stopTimer(stopped);
  clock.stopTimer(stopped);
  assert.equal(clock.timerCount, 1);
  assert.equal(clock.plannedCount, 7);
  const what: (string | null)[] = [];
  for (let i = 0; i < 9; i++) what.push(clock.advance());
  assert.deepEqual(what, ["0", "1", "3", "3", "timer", "7", "8", "9", null]);
  assert.deepEqual(
    seen,
    [0, 1, 3, 3].map((ms) => `world at ${ms}`).concat(
      "timer at 3",
      [7, 8, 9].map((ms) => `world at ${ms}`),
    ),
  );
  assert.equal(clock.timerCount + clock.plannedCount, 0);
});
