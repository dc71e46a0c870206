/**
 * The pool on integers: connections are numbers, requests are names, time is an argument.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { HostTurns } from "../../../testing/simulated_turns.ts";
import { type Lease, Pool, type PoolLimits, type Ticket } from "../../../transport/pool/pool.ts";
import { test } from "../../support/harness.ts";

const UNLIMITED: PoolLimits = {
  maxIdle: 0,
  maxIdlePerKey: 0,
  maxConnsPerKey: 0,
  maxWaitersPerKey: 0,
  maxDialsPerKey: 0,
  idleTimeoutMs: 0,
};

/** A pool whose decisions are written down. */
class Bench {
  readonly pool: Pool<number, string>;
  readonly log: string[] = [];
  /** Which dials are waited for, as it is told. */
  readonly wants: string[] = [];
  readonly dials: Ticket<string>[] = [];
  readonly leases: Map<number, Lease<number>> = new Map();

  constructor(limits: Partial<PoolLimits> = {}) {
    this.pool = new Pool({ ...UNLIMITED, ...limits }, {
      startDial: (ticket) => {
        this.dials.push(ticket);
        this.log.push(`dial for ${ticket.waiter}`);
      },
      deliver: (waiter, lease) => {
        this.leases.set(lease.connection, lease);
        this.log.push(`${waiter} gets ${lease.connection}`);
      },
      kept: () => {},
      discard: (connection, why) => this.log.push(`close ${connection} (${why})`),
      dialsWanted: (key) => this.wants.push(`${key} wanted`),
      dialsUnwanted: (key) => this.wants.push(`${key} unwanted`),
    });
  }

  /** What was decided since the last look. */
  said(): string[] {
    return this.log.splice(0);
  }

  /** A connection in use by `waiter`. */
  connect(connection: number, waiter: string, key = "a"): void {
    this.pool.enqueue(key, waiter);
    this.dialled(this.dials.pop()!, connection);
    this.said();
  }

  dialled(ticket: Ticket<string>, connection: number): void {
    this.pool.dialled(ticket, this.pool.admit(ticket, connection), 0);
  }

  giveBack(connection: number, nowMs = 0, expiresAtMs?: number): void {
    this.pool.giveBack(this.leases.get(connection)!, nowMs, expiresAtMs);
  }

  take(key: string, nowMs = 0): number | undefined {
    return this.pool.take(key, nowMs)?.connection;
  }
}

test("a request that is sent again beside an idle connection does not rely on a dial of another's", () => {
  const bench = new Bench();
  bench.connect(1, "one");
  bench.connect(2, "two");
  // Its dial hangs; a connection that is given back serves it.
  bench.pool.enqueue("a", "three");
  bench.giveBack(1);
  bench.giveBack(1);
  bench.giveBack(2);
  bench.pool.take("a", 0);
  assert.deepEqual(bench.said(), ["dial for three", "three gets 1"]);
  // What was taken breaks under its request, which asks for a fresh one before it is removed.
  bench.pool.enqueue("a", "again");
  assert.deepEqual(bench.said(), []);
  bench.pool.remove(bench.leases.get(2)!);
  assert.deepEqual(bench.said(), ["dial for again"]);
});

test("pool: the connection used last is taken first", () => {
  const bench = new Bench();
  for (const n of [1, 2, 3]) bench.connect(n, `r${n}`);
  for (const n of [2, 3, 1]) bench.giveBack(n);
  assert.deepEqual([1, 2, 3, 4].map(() => bench.take("a")), [1, 3, 2, undefined]);
});

test("pool: keys share nothing", () => {
  const bench = new Bench();
  bench.connect(1, "r1", "a");
  bench.giveBack(1);
  assert.equal(bench.take("b"), undefined);
  assert.equal(bench.take("a"), 1);
});

test("pool: a freed connection serves the request that waits longest; its dial is kept", () => {
  const bench = new Bench();
  bench.connect(1, "r1");
  bench.pool.enqueue("a", "r2");
  bench.pool.enqueue("a", "r3");
  assert.deepEqual(bench.said(), ["dial for r2", "dial for r3"]);
  bench.giveBack(1);
  assert.deepEqual(bench.said(), ["r2 gets 1"]);
  bench.dialled(bench.dials[0], 2);
  assert.deepEqual(bench.said(), ["r3 gets 2"]);
  bench.dialled(bench.dials[1], 3);
  assert.deepEqual(bench.said(), []);
  assert.equal(bench.take("a"), 3);
});

test("pool: a cancelled request's dial is kept for others", () => {
  const bench = new Bench();
  const ticket = bench.pool.enqueue("a", "r1")!;
  bench.pool.cancel(ticket);
  assert.equal(ticket.isWaiting, false);
  assert.deepEqual(bench.pool.counts("a"), { idle: 0, active: 0, dialing: 1, waiting: 0 });
  bench.dialled(bench.dials[0], 1);
  assert.equal(bench.take("a"), 1);
});

test("pool: at most maxConnsPerKey connections; the others wait in their order", () => {
  const bench = new Bench({ maxConnsPerKey: 2 });
  for (const waiter of ["r1", "r2", "r3", "r4"]) bench.pool.enqueue("a", waiter);
  assert.deepEqual(bench.said(), ["dial for r1", "dial for r2"]);
  bench.dialled(bench.dials[0], 1);
  bench.dialled(bench.dials[1], 2);
  assert.deepEqual(bench.said(), ["r1 gets 1", "r2 gets 2"]);
  bench.giveBack(2);
  bench.giveBack(1);
  assert.deepEqual(bench.said(), ["r3 gets 2", "r4 gets 1"]);
});

test("pool: a connection that is gone, or a dial that failed, lets the next one dial", () => {
  const bench = new Bench({ maxConnsPerKey: 1 });
  for (const waiter of ["r1", "r2", "r3"]) bench.pool.enqueue("a", waiter);
  bench.pool.dialFailed(bench.dials[0]);
  assert.deepEqual(bench.said(), ["dial for r1", "dial for r2"]);
  bench.dialled(bench.dials[1], 1);
  bench.pool.remove(bench.leases.get(1)!);
  assert.deepEqual(bench.said(), ["r2 gets 1", "dial for r3"]);
  // Told twice, counted once.
  bench.pool.remove(bench.leases.get(1)!);
  assert.deepEqual(bench.pool.counts("a"), { idle: 0, active: 0, dialing: 1, waiting: 1 });
});

test("pool: a request that is cancelled in the queue of dials is passed over", () => {
  const bench = new Bench({ maxConnsPerKey: 1 });
  bench.pool.enqueue("a", "r1");
  const second = bench.pool.enqueue("a", "r2")!;
  bench.pool.enqueue("a", "r3");
  bench.pool.cancel(second);
  bench.pool.dialFailed(bench.dials[0]);
  assert.deepEqual(bench.said(), ["dial for r1", "dial for r3"]);
});

test("pool: dials are limited apart from connections", () => {
  const bench = new Bench({ maxDialsPerKey: 1 });
  for (const waiter of ["r1", "r2", "r3"]) bench.pool.enqueue("a", waiter);
  assert.deepEqual(bench.said(), ["dial for r1"]);
  bench.dialled(bench.dials[0], 1);
  assert.deepEqual(bench.said(), ["r1 gets 1", "dial for r2"]);
  bench.pool.dialFailed(bench.dials[1]);
  assert.deepEqual(bench.said(), ["dial for r3"]);
});

test("pool: a full queue refuses, and takes again when it is shorter", () => {
  const bench = new Bench({ maxConnsPerKey: 1, maxWaitersPerKey: 1 });
  bench.connect(1, "r1");
  const waiting = bench.pool.enqueue("a", "r2");
  assert.notEqual(waiting, null);
  assert.equal(bench.pool.enqueue("a", "r3"), null);
  assert.notEqual(bench.pool.enqueue("b", "other"), null);
  bench.pool.cancel(waiting!);
  assert.notEqual(bench.pool.enqueue("a", "r4"), null);
});

test("pool: above maxIdlePerKey the connection itself goes, above maxIdle the one used least recently", () => {
  const perKey = new Bench({ maxIdlePerKey: 1 });
  for (const n of [1, 2]) perKey.connect(n, `r${n}`);
  perKey.giveBack(1);
  perKey.giveBack(2);
  assert.deepEqual(perKey.said(), ["close 2 (surplus)"]);
  const inAll = new Bench({ maxIdle: 2 });
  inAll.connect(1, "r1", "a");
  inAll.connect(2, "r2", "b");
  inAll.connect(3, "r3", "c");
  for (const n of [1, 2]) inAll.giveBack(n);
  assert.equal(inAll.take("a"), 1);
  for (const n of [1, 3]) inAll.giveBack(n);
  assert.deepEqual(inAll.said(), ["close 2 (evicted)"]);
});

test("pool: idle connections expire by the clock at checkout and in a sweep", () => {
  const bench = new Bench({ idleTimeoutMs: 100 });
  for (const n of [1, 2, 3]) bench.connect(n, `r${n}`);
  bench.giveBack(1, 0);
  bench.giveBack(2, 50);
  // A hint of the server's, or its age, comes first.
  bench.giveBack(3, 50, 60);
  assert.equal(bench.pool.sweep(59), 60);
  assert.deepEqual(bench.said(), []);
  assert.equal(bench.pool.sweep(60), 100);
  assert.deepEqual(bench.said(), ["close 3 (expired)"]);
  assert.equal(bench.take("a", 149), 2);
  assert.equal(bench.take("a", 149), undefined);
  assert.deepEqual(bench.said(), ["close 1 (expired)"]);
  bench.giveBack(2, 149, 149);
  assert.deepEqual(bench.said(), ["close 2 (expired)"]);
  assert.equal(bench.pool.sweep(200), Infinity);
});

test("pool: once shut nothing is kept", () => {
  const bench = new Bench();
  for (const n of [1, 2]) bench.connect(n, `r${n}`);
  bench.giveBack(1);
  bench.pool.shut();
  bench.giveBack(2);
  assert.deepEqual(bench.said(), ["close 1 (shut)", "close 2 (shut)"]);
  assert.deepEqual([...bench.pool.keys()], []);
});

test("pool: keys without connections and requests are forgotten", () => {
  const bench = new Bench();
  const ticket = bench.pool.enqueue("a", "r1")!;
  bench.pool.cancel(ticket);
  bench.pool.dialFailed(bench.dials[0]);
  assert.deepEqual([...bench.pool.keys()], []);
});

type Step =
  | { kind: "request"; key: string }
  | { kind: "dialled" | "dialFailed" | "giveBack" | "break" | "cancel" | "breakIdle"; pick: number }
  | { kind: "wait"; ms: number };

const pick = fc.nat({ max: 50 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("request" as const),
        key: fc.constantFrom("a", "b", "c"),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constantFrom(
          "dialled" as const,
          "dialFailed" as const,
          "giveBack" as const,
          "break" as const,
          "cancel" as const,
          "breakIdle" as const,
        ),
        pick,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat({ max: 40 }) }),
    },
  ),
  { maxLength: 200, size: "max" },
);

const limits: fc.Arbitrary<PoolLimits> = fc.record({
  maxIdle: fc.nat({ max: 4 }),
  maxIdlePerKey: fc.nat({ max: 3 }),
  maxConns: fc.nat({ max: 4 }),
  maxConnsPerKey: fc.nat({ max: 3 }),
  maxWaitersPerKey: fc.nat({ max: 4 }),
  maxDialsPerKey: fc.nat({ max: 2 }),
  idleTimeoutMs: fc.constantFrom(0, 100),
});

test("pool: dials whose requests were served otherwise are used before others are begun", () => {
  const bench = new Bench();
  for (const waiter of ["r1", "r2", "r3"]) bench.pool.enqueue("a", waiter);
  bench.dialled(bench.dials[0], 1);
  bench.giveBack(1);
  bench.giveBack(1);
  assert.equal(bench.said().at(-1), "r3 gets 1");
  // Two dials are under way, and nobody waits for them.
  for (const waiter of ["r4", "r5", "r6"]) bench.pool.enqueue("a", waiter);
  assert.deepEqual(bench.said(), ["dial for r4"]);
  bench.dialled(bench.dials[1], 2);
  assert.deepEqual(bench.said(), ["r4 gets 2"]);
  // One that fails is made up for.
  bench.pool.dialFailed(bench.dials[2]);
  assert.deepEqual(bench.said(), ["dial for r5"]);
  // Nothing tells that a dial will succeed where no connection is open.
  bench.giveBack(1);
  assert.deepEqual(bench.said(), ["r5 gets 1"]);
  for (const connection of [1, 2]) bench.pool.remove(bench.leases.get(connection)!);
  bench.pool.enqueue("a", "r7");
  assert.deepEqual(bench.said(), ["dial for r6", "dial for r7"]);
});

test("M8 pool: tells when nobody waits for the dials of a key any more, and when somebody does", () => {
  const bench = new Bench({ maxConnsPerKey: 3 });
  const wants = (): string[] => bench.wants.splice(0);
  const first = bench.pool.enqueue("a", "r1")!;
  const second = bench.pool.enqueue("a", "r2")!;
  bench.pool.enqueue("b", "other");
  assert.deepEqual(wants(), []);
  bench.pool.cancel(first);
  assert.deepEqual(wants(), []);
  bench.pool.cancel(second);
  bench.pool.cancel(second);
  assert.deepEqual(wants(), ["a unwanted"]);
  const third = bench.pool.enqueue("a", "r3")!;
  bench.pool.enqueue("a", "r4");
  assert.deepEqual(wants(), ["a wanted"]);
  // Served by dials of others; its own goes on for nobody.
  bench.dialled(bench.dials[0], 1);
  bench.dialled(bench.dials[1], 2);
  assert.deepEqual(wants(), ["a unwanted"]);
  assert.equal(third.isWaiting, false);
  bench.pool.dialFailed(bench.dials[3]);
  assert.deepEqual(wants(), []);
});

test("pool: a model of it holds after any operations", () => {
  fc.assert(
    fc.property(limits, steps, (given, operations) => runModel(given, operations)),
    { numRuns: 500, seed: 20261120 },
  );
});

/** Runs operations on the pool and keeps its own account of every connection and request. */
function runModel(given: PoolLimits, operations: Step[]): void {
  const idle = new Map<number, Lease<number>>();
  const leased = new Map<number, Lease<number>>();
  const dialing: Ticket<number>[] = [];
  const waiting = new Map<number, Ticket<number>>();
  const served = new Set<number>();
  const unwanted = new Set<string>();
  const turns = new HostTurns();
  /** The one that is just given back. */
  let returned: Lease<number> | null = null;
  let nextConnection = 1;
  let nextRequest = 1;
  let nowMs = 0;
  const pool: Pool<number, number> = new Pool<number, number>(given, {
    startDial: (ticket) => {
      dialing.push(ticket);
      turns.given(ticket.key);
    },
    deliver: (waiter, lease) => {
      if (lease === returned) turns.given(lease.key);
      assert.equal(served.has(waiter), false, "a request is served once");
      served.add(waiter);
      waiting.delete(waiter);
      idle.delete(lease.connection);
      leased.set(lease.connection, lease);
    },
    kept: () => {},
    discard: (connection) => {
      assert.equal(idle.delete(connection) || leased.delete(connection), true);
    },
    dialsWanted: (key) => assert.equal(unwanted.delete(key), true, "wanted again"),
    dialsUnwanted: (key) => {
      assert.equal(unwanted.has(key), false, "told once");
      unwanted.add(key);
    },
  });
  const nth = <T>(items: Iterable<T>, n: number): T | undefined => {
    const all = [...items];
    return all[n % all.length];
  };
  for (const step of operations) {
    switch (step.kind) {
      case "request": {
        const lease = pool.take(step.key, nowMs);
        const request = nextRequest++;
        if (lease !== undefined) {
          assert.equal(idle.delete(lease.connection), true, "only what is idle can be taken");
          leased.set(lease.connection, lease);
          break;
        }
        const ticket = pool.enqueue(step.key, request);
        if (ticket !== null && ticket.isWaiting) waiting.set(request, ticket);
        break;
      }
      case "dialled":
      case "dialFailed": {
        const ticket = nth(dialing, step.pick);
        if (ticket === undefined) break;
        dialing.splice(dialing.indexOf(ticket), 1);
        waiting.delete(ticket.waiter);
        if (step.kind === "dialFailed") {
          turns.left(ticket.key);
          pool.dialFailed(ticket);
          break;
        }
        const connection = nextConnection++;
        const lease = pool.admit(ticket, connection);
        const wasWaiting = ticket.isWaiting;
        // Where it goes is seen in deliver and discard; if in neither, it is idle.
        idle.set(connection, lease);
        pool.dialled(ticket, lease, nowMs);
        if (wasWaiting) assert.equal(leased.has(connection), true, "whoever dialled is served");
        break;
      }
      case "giveBack": {
        const lease = nth(leased.values(), step.pick);
        if (lease === undefined) break;
        leased.delete(lease.connection);
        idle.set(lease.connection, lease);
        const waiters = pool.counts(lease.key).waiting;
        returned = lease;
        pool.giveBack(lease, nowMs);
        returned = null;
        if (waiters === 0) break;
        const went = leased.has(lease.connection) ||
          (given.maxConns! > 0 && !idle.has(lease.connection));
        assert.equal(went, true, "it goes to a waiter, or for another key");
        break;
      }
      case "break":
      case "breakIdle": {
        const from = step.kind === "break" ? leased : idle;
        const lease = nth(from.values(), step.pick);
        if (lease === undefined) break;
        from.delete(lease.connection);
        pool.remove(lease);
        break;
      }
      case "cancel": {
        const ticket = nth(waiting.values(), step.pick);
        if (ticket === undefined) break;
        waiting.delete(ticket.waiter);
        pool.cancel(ticket);
        turns.left(ticket.key);
        break;
      }
      case "wait":
        nowMs += step.ms;
        pool.sweep(nowMs);
    }
    check();
  }

  function check(): void {
    const inAll = idle.size + leased.size + dialing.length;
    assert.equal(pool.connCount, inAll, "in all");
    if (given.maxConns! > 0) assert.ok(inAll <= given.maxConns!, "maxConns");
    const isFull = given.maxConns! > 0 && inAll >= given.maxConns! && idle.size === 0;
    let idleCount = 0;
    for (const key of ["a", "b", "c"]) {
      const counts = pool.counts(key);
      const under = (leases: Iterable<Lease<number>>) =>
        [...leases].filter((lease) => lease.key === key).length;
      assert.equal(counts.idle, under(idle.values()), "idle");
      assert.equal(counts.active, under(leased.values()), "in use");
      assert.equal(counts.dialing, dialing.filter((ticket) => ticket.key === key).length, "dials");
      const queue = [...waiting.values()].filter((ticket) => ticket.key === key);
      assert.equal(counts.waiting, queue.length, "waiting");
      if (counts.dialing === 0) unwanted.delete(key);
      else assert.equal(unwanted.has(key), queue.length === 0, "who waits for its dials");
      const total = counts.idle + counts.active + counts.dialing;
      if (given.maxConnsPerKey > 0) assert.ok(total <= given.maxConnsPerKey, "maxConnsPerKey");
      if (given.maxDialsPerKey > 0) assert.ok(counts.dialing <= given.maxDialsPerKey, "dials");
      if (given.maxIdlePerKey > 0) assert.ok(counts.idle <= given.maxIdlePerKey, "maxIdlePerKey");
      if (queue.length > 0) {
        assert.equal(counts.idle, 0, "nobody waits beside an idle connection");
        const without = queue.filter((ticket) => !dialing.includes(ticket)).length;
        const spare = dialing.filter((one) => one.key === key && served.has(one.waiter)).length;
        const isAllowed = (given.maxConnsPerKey === 0 || total < given.maxConnsPerKey) &&
          (given.maxDialsPerKey === 0 || counts.dialing < given.maxDialsPerKey);
        // A dial whose request was served otherwise will do, where the host is known to answer.
        const relied = total > counts.dialing ? spare : 0;
        const waits = isAllowed && without > relied;
        if (!isFull) assert.equal(waits, false, "nobody waits while a slot is free");
        assert.equal(turns.look(key, waits), null);
      } else {
        assert.equal(turns.look(key, false), null);
      }
      idleCount += counts.idle;
    }
    if (given.maxIdle > 0) assert.ok(idleCount <= given.maxIdle, "maxIdle");
    assert.equal(pool.idleCount, idleCount);
  }
}
