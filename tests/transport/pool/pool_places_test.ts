/**
 * The pool on integers, where connections have several places: bursts begin with one dial, places
 * are lent and given back, capacities change, limits hold.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
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
  readonly dials: Ticket<string>[] = [];
  readonly leases: Map<number, Lease<number>> = new Map();

  constructor(limits: Partial<PoolLimits> = {}) {
    this.pool = new Pool(
      { ...UNLIMITED, ...limits },
      {
        startDial: (ticket) => {
          this.dials.push(ticket);
          this.log.push(`dial for ${ticket.waiter}`);
        },
        deliver: (waiter, lease) => this.log.push(`${waiter} gets ${lease.connection}`),
        kept: () => {},
        dialsWanted: () => {},
        dialsUnwanted: () => {},
        discard: (connection, why) => this.log.push(`close ${connection} (${why})`),
      },
    );
  }

  said(): string[] {
    return this.log.splice(0);
  }

  request(...names: string[]): void {
    for (const name of names) {
      const lease = this.pool.take("a", 0);
      if (lease === undefined) this.pool.enqueue("a", name, true);
      else this.log.push(`${name} takes ${lease.connection}`);
    }
  }

  /** The first dial that has not ended makes a connection. */
  dialled(connection: number, capacity: number): void {
    const ticket = this.dials.shift()!;
    const lease = this.pool.admit(ticket, connection, capacity);
    this.leases.set(connection, lease);
    this.pool.dialled(ticket, lease, 0);
  }

  release(connection: number): void {
    this.pool.giveBack(this.leases.get(connection)!, 0);
  }

  capacity(connection: number, capacity: number): void {
    this.pool.setCapacity(this.leases.get(connection)!, capacity, 0);
  }
}

test("H103 a burst begins with one dial; one shared connection serves all of it", () => {
  const bench = new Bench();
  bench.request("r1", "r2", "r3");
  assert.deepEqual(bench.said(), ["dial for r1"]);
  bench.dialled(1, 100);
  assert.deepEqual(bench.said(), ["r1 gets 1", "r2 gets 1", "r3 gets 1"]);
  bench.request("r4");
  assert.deepEqual(bench.said(), ["r4 takes 1"]);
  assert.deepEqual(bench.pool.counts("a"), { idle: 0, active: 1, dialing: 0, waiting: 0 });
});

test("H103 where the first dial brings a connection of one place, all others dial at once", () => {
  const bench = new Bench();
  bench.request("r1", "r2", "r3");
  bench.said();
  bench.dialled(1, 1);
  assert.deepEqual(bench.said(), ["r1 gets 1", "dial for r2", "dial for r3"]);
  // And the next burst knows.
  bench.request("r4", "r5");
  assert.deepEqual(bench.said(), ["dial for r4", "dial for r5"]);
});

test("a first dial that is slow, or fails, holds nobody up", () => {
  const bench = new Bench();
  bench.request("r1", "r2", "r3");
  bench.pool.dialIsSlow(bench.dials[0]);
  assert.deepEqual(bench.said(), ["dial for r1", "dial for r2"]);
  bench.pool.dialIsSlow(bench.dials[1]);
  assert.deepEqual(bench.said(), ["dial for r3"]);
  bench.pool.dialFailed(bench.dials.shift()!);
  bench.dialled(2, 100);
  assert.deepEqual(bench.said(), ["r2 gets 2", "r3 gets 2"]);
  // H105: what is no longer needed is not kept.
  bench.dialled(3, 100);
  assert.deepEqual(bench.said(), ["close 3 (surplus)"]);
  assert.deepEqual(bench.pool.counts("a"), { idle: 0, active: 1, dialing: 0, waiting: 0 });
});

test("H104 full: the next connection is dialled, or waited for", () => {
  const dials = new Bench();
  dials.request("r1", "r2");
  dials.dialled(1, 2);
  dials.said();
  dials.request("r3");
  assert.deepEqual(dials.said(), ["dial for r3"]);
  dials.release(1);
  assert.deepEqual(dials.said(), ["r3 gets 1"]);
  const waits = new Bench({ waitsWhenFull: true });
  waits.request("r1", "r2");
  waits.dialled(1, 2);
  waits.said();
  waits.request("r3", "r4");
  assert.deepEqual(waits.said(), []);
  waits.release(1);
  assert.deepEqual(waits.said(), ["r3 gets 1"]);
  // It takes no more: whoever waits needs another.
  waits.capacity(1, 0);
  assert.deepEqual(waits.said(), ["dial for r4"]);
});

test("H11 a capacity that grows serves those who wait; one that falls takes nothing away", () => {
  const bench = new Bench({ maxConnsPerKey: 1 });
  bench.request("r1", "r2", "r3");
  bench.dialled(1, 2);
  assert.deepEqual(bench.said(), ["dial for r1", "r1 gets 1", "r2 gets 1"]);
  bench.capacity(1, 3);
  assert.deepEqual(bench.said(), ["r3 gets 1"]);
  bench.capacity(1, 1);
  bench.request("r4");
  bench.release(1);
  bench.release(1);
  assert.deepEqual(bench.said(), []);
  bench.release(1);
  assert.deepEqual(bench.said(), ["r4 gets 1"]);
});

test("H12 an idle connection without places is not taken, and is again when it has some", () => {
  const bench = new Bench();
  bench.request("r1");
  bench.dialled(1, 5);
  bench.release(1);
  bench.said();
  bench.capacity(1, 0);
  bench.request("r2");
  assert.deepEqual(bench.said(), ["dial for r2"]);
  bench.capacity(1, 5);
  assert.deepEqual(bench.said(), ["r2 gets 1"]);
});

test("the oldest of those with places left is used first, so that the others run dry", () => {
  const bench = new Bench();
  bench.request("r1");
  bench.dialled(1, 1_000);
  bench.capacity(1, 1);
  bench.request("r2");
  bench.dialled(2, 1_000);
  bench.capacity(1, 1_000);
  bench.said();
  bench.request("r3", "r4");
  assert.deepEqual(bench.said(), ["r3 takes 2", "r4 takes 2"]);
});

interface Held {
  readonly lease: Lease<number>;
  capacity: number;
  taken: number;
}

type Step =
  | { kind: "request"; key: string }
  | { kind: "dialled" | "capacity"; pick: number; capacity: number }
  | { kind: "dialFailed"; pick: number }
  | { kind: "slow" | "release" | "break" | "cancel"; pick: number }
  | { kind: "wait"; ms: number };

const pick = fc.nat({ max: 50 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("request" as const),
        key: fc.constantFrom("single", "shared"),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constantFrom("dialled" as const, "capacity" as const),
        pick,
        capacity: fc.constantFrom(0, 1, 2, 3, 10),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom(
          "dialFailed" as const,
          "slow" as const,
          "release" as const,
          "release" as const,
          "break" as const,
          "cancel" as const,
        ),
        pick,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat({ max: 40 }) }),
    },
  ),
  { maxLength: 120 },
);

const limits: fc.Arbitrary<PoolLimits> = fc.record({
  maxIdle: fc.constantFrom(0, 1, 3),
  maxIdlePerKey: fc.constantFrom(0, 1, 2),
  maxConnsPerKey: fc.constantFrom(0, 1, 2, 4),
  maxWaitersPerKey: fc.constantFrom(0, 1, 5),
  maxDialsPerKey: fc.constantFrom(0, 1, 2),
  idleTimeoutMs: fc.constantFrom(0, 30),
  waitsWhenFull: fc.boolean(),
});

test("places: whatever happens, none is lent twice, none is free while a request waits", () => {
  fc.assert(
    fc.property(limits, steps, (given, operations) => runModel(given, operations)),
    { numRuns: 1_000, seed: 20261128 },
  );
});

/** Runs operations on the pool and keeps its own account of every place. */
function runModel(given: PoolLimits, operations: Step[]): void {
  const held = new Map<number, Held>();
  const dialing: Ticket<number>[] = [];
  const waiting = new Map<number, Ticket<number>>();
  const served = new Set<number>();
  let nextConnection = 1;
  let nextRequest = 1;
  let nowMs = 0;
  const lend = (connection: number): void => {
    const one = held.get(connection)!;
    one.taken++;
    assert.ok(one.taken <= one.capacity, "a place is lent once");
  };
  const pool: Pool<number, number> = new Pool<number, number>(given, {
    startDial: (ticket) => dialing.push(ticket),
    deliver: (waiter, lease) => {
      assert.equal(served.has(waiter), false, "a request is served once");
      served.add(waiter);
      waiting.delete(waiter);
      lend(lease.connection);
    },
    kept: () => {},
    dialsWanted: () => {},
    dialsUnwanted: () => {},
    discard: (connection) => {
      assert.equal(held.get(connection)?.taken, 0, "only what nobody uses is closed");
      held.delete(connection);
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
          lend(lease.connection);
          break;
        }
        const ticket = pool.enqueue(step.key, request, true);
        if (ticket !== null && ticket.isWaiting) waiting.set(request, ticket);
        break;
      }
      case "dialFailed": {
        const ticket = nth(dialing, step.pick);
        if (ticket === undefined) break;
        dialing.splice(dialing.indexOf(ticket), 1);
        waiting.delete(ticket.waiter);
        pool.dialFailed(ticket);
        break;
      }
      case "dialled": {
        const ticket = nth(dialing, step.pick);
        if (ticket === undefined) break;
        dialing.splice(dialing.indexOf(ticket), 1);
        const capacity = ticket.key === "single" ? 1 : Math.max(2, step.capacity);
        const connection = nextConnection++;
        const lease = pool.admit(ticket, connection, capacity);
        held.set(connection, { lease, capacity, taken: 0 });
        const wasWaiting = ticket.isWaiting;
        pool.dialled(ticket, lease, nowMs);
        if (wasWaiting) assert.ok(served.has(ticket.waiter), "whoever dialled is served");
        break;
      }
      case "slow": {
        const ticket = nth(dialing, step.pick);
        if (ticket !== undefined) pool.dialIsSlow(ticket);
        break;
      }
      case "release": {
        const one = nth([...held.values()].filter(({ taken }) => taken > 0), step.pick);
        if (one === undefined) break;
        one.taken--;
        pool.giveBack(one.lease, nowMs);
        break;
      }
      case "capacity": {
        const one = nth(
          [...held.values()].filter(({ lease }) => lease.key === "shared"),
          step.pick,
        );
        if (one === undefined) break;
        one.capacity = step.capacity;
        pool.setCapacity(one.lease, step.capacity, nowMs);
        break;
      }
      case "break": {
        const one = nth(held.values(), step.pick);
        if (one === undefined) break;
        held.delete(one.lease.connection);
        pool.remove(one.lease);
        break;
      }
      case "cancel": {
        const ticket = nth(waiting.values(), step.pick);
        if (ticket === undefined) break;
        waiting.delete(ticket.waiter);
        pool.cancel(ticket);
        break;
      }
      case "wait":
        nowMs += step.ms;
        pool.sweep(nowMs);
    }
    check();
  }

  function check(): void {
    for (const key of ["single", "shared"]) {
      const counts = pool.counts(key);
      const mine = [...held.values()].filter(({ lease }) => lease.key === key);
      assert.equal(counts.idle + counts.active, mine.length, "connections");
      assert.equal(
        counts.idle,
        mine.filter(({ taken, capacity }) => taken === 0 && capacity > 0).length,
        "idle",
      );
      assert.equal(counts.dialing, dialing.filter((ticket) => ticket.key === key).length, "dials");
      const queue = [...waiting.values()].filter((ticket) => ticket.key === key);
      assert.equal(counts.waiting, queue.length, "waiting");
      for (const { lease, taken } of mine) assert.equal(lease.taken, taken);
      const total = mine.length + counts.dialing;
      if (given.maxConnsPerKey > 0) assert.ok(total <= given.maxConnsPerKey, "maxConnsPerKey");
      if (given.maxDialsPerKey > 0) assert.ok(counts.dialing <= given.maxDialsPerKey, "dials");
      if (queue.length === 0) continue;
      assert.ok(mine.every(({ taken, capacity }) => taken >= capacity), "no place is free");
      const mayDial = (given.maxConnsPerKey === 0 || total < given.maxConnsPerKey) &&
        (given.maxDialsPerKey === 0 || counts.dialing < given.maxDialsPerKey);
      const hasShared = key === "shared" && mine.some(({ capacity }) => capacity > 0);
      if (mayDial && counts.dialing === 0 && !(given.waitsWhenFull && hasShared)) {
        assert.fail("somebody waits, and nothing comes");
      }
    }
  }
}
