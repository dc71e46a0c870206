/**
 * The limit over all keys: never more connections, an idle one goes for another key, and keys that
 * wait get one place each in its turn, whether their connections carry one request or many.
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

/** A pool whose decisions are written down; requests are called after their keys. */
class Bench {
  readonly pool: Pool<number, string>;
  readonly log: string[] = [];
  readonly dials: Ticket<string>[] = [];
  readonly tickets: Map<string, Ticket<string>> = new Map();
  readonly leases: Map<number, Lease<number>> = new Map();
  #connections = 0;

  constructor(limits: Partial<PoolLimits>) {
    this.pool = new Pool({ ...UNLIMITED, ...limits }, {
      startDial: (ticket) => {
        this.dials.push(ticket);
        this.log.push(`dial for ${ticket.waiter}`);
      },
      deliver: (waiter, lease) => this.log.push(`${waiter} gets ${lease.connection}`),
      kept: () => {},
      discard: (connection, why) => this.log.push(`close ${connection} (${why})`),
      dialsWanted: () => {},
      dialsUnwanted: () => {},
    });
  }

  said(): string[] {
    return this.log.splice(0);
  }

  /** @param names The first letter is the key. */
  request(names: string, mayShare = false): void {
    for (const name of names.split(" ")) {
      const lease = this.pool.take(name[0], 0);
      if (lease !== undefined) {
        this.log.push(`${name} takes ${lease.connection}`);
        continue;
      }
      const ticket = this.pool.enqueue(name[0], name, mayShare);
      if (ticket === null) this.log.push(`${name} is refused`);
      else this.tickets.set(name, ticket);
    }
  }

  /** The oldest dial makes a connection; they are numbered from 1 on. */
  dialled(capacity = 1): void {
    const ticket = this.dials.shift()!;
    const connection = ++this.#connections;
    const lease = this.pool.admit(ticket, connection, capacity);
    this.leases.set(connection, lease);
    this.pool.dialled(ticket, lease, 0);
  }

  giveBack(connection: number): void {
    this.pool.giveBack(this.leases.get(connection)!, 0);
  }

  capacity(connection: number, capacity: number): void {
    this.pool.setCapacity(this.leases.get(connection)!, capacity, 0, Infinity, false);
  }

  cancel(name: string): void {
    this.pool.cancel(this.tickets.get(name)!);
  }
}

test("maxConns: for a key that needs one the connection of another that is idle longest is closed", () => {
  const bench = new Bench({ maxConns: 2 });
  bench.request("a1 b1");
  bench.dialled();
  bench.dialled();
  bench.giveBack(2);
  bench.giveBack(1);
  bench.said();
  bench.request("c1");
  assert.deepEqual(bench.said(), ["close 2 (displaced)", "dial for c1"]);
  assert.equal(bench.pool.connCount, 2);
  bench.request("a2 b2");
  assert.deepEqual(bench.said(), ["a2 takes 1"]);
  assert.equal(bench.pool.mayDial("b"), false);
});

test("maxConns: a key with many requests that wait does not starve the others", () => {
  const bench = new Bench({ maxConns: 1 });
  bench.request("a1 a2 a3 a4 b1 b2 c1");
  bench.dialled();
  assert.deepEqual(bench.said(), ["dial for a1", "a1 gets 1"]);
  bench.giveBack(1);
  // Key a came first; then it is behind the others.
  assert.deepEqual(bench.said(), ["a2 gets 1"]);
  bench.giveBack(1);
  assert.deepEqual(bench.said(), ["dial for b1", "close 1 (displaced)"]);
  bench.pool.dialFailed(bench.dials.shift()!);
  assert.deepEqual(bench.said(), ["dial for c1"]);
  bench.dialled();
  bench.giveBack(2);
  assert.deepEqual(bench.said(), ["c1 gets 2", "dial for a3", "close 2 (displaced)"]);
  bench.dialled();
  bench.pool.remove(bench.leases.get(3)!);
  assert.deepEqual(bench.said(), ["a3 gets 3", "dial for b2"]);
  bench.dialled();
  bench.giveBack(4);
  bench.dialled();
  bench.giveBack(5);
  assert.deepEqual(bench.said(), [
    "b2 gets 4",
    "dial for a4",
    "close 4 (displaced)",
    "a4 gets 5",
  ]);
  assert.equal(bench.pool.idleCount, 1);
});

test("maxConns: a key whose last request is cancelled loses its turn", () => {
  const bench = new Bench({ maxConns: 1 });
  bench.request("a1 b1 c1 a2");
  bench.dialled();
  bench.cancel("b1");
  bench.said();
  bench.giveBack(1);
  assert.deepEqual(bench.said(), ["dial for c1", "close 1 (displaced)"]);
  bench.cancel("a2");
  bench.dialled();
  bench.giveBack(2);
  assert.deepEqual(bench.said(), ["c1 gets 2"]);
  assert.deepEqual([...bench.pool.keys()], ["c"]);
});

test("maxConns: requests that wait for their turn count for maxWaitersPerKey", () => {
  const bench = new Bench({ maxConns: 1, maxWaitersPerKey: 1 });
  bench.request("a1 b1 b2");
  assert.deepEqual(bench.said(), ["dial for a1", "b2 is refused"]);
});

test("maxConns: a connection that many share, and that is never free, goes for a key that waits", () => {
  const bench = new Bench({ maxConns: 1 });
  bench.request("a1", true);
  bench.dialled(10);
  bench.request("a2 a3", true);
  bench.request("b1", true);
  bench.said();
  // From here on it is given no others.
  bench.giveBack(1);
  bench.request("a4", true);
  assert.deepEqual(bench.said(), []);
  bench.giveBack(1);
  bench.giveBack(1);
  assert.deepEqual(bench.said(), ["dial for b1", "close 1 (displaced)"]);
  bench.dialled(10);
  bench.giveBack(2);
  assert.deepEqual(bench.said(), ["b1 gets 2", "dial for a4", "close 2 (displaced)"]);
});

test("maxConns: it stays, and serves its own, where nobody else waits any more", () => {
  const bench = new Bench({ maxConns: 1 });
  bench.request("a1", true);
  bench.dialled(10);
  bench.request("a2", true);
  bench.request("b1", true);
  bench.giveBack(1);
  bench.request("a3 a4", true);
  bench.said();
  bench.cancel("b1");
  assert.deepEqual(bench.said(), ["a3 gets 1", "a4 gets 1"]);
  bench.request("a5", true);
  assert.deepEqual(bench.said(), ["a5 takes 1"]);
});

test("maxConns: no more of them go than there are keys that wait", () => {
  const bench = new Bench({ maxConns: 2 });
  bench.request("a1", true);
  bench.request("b1", true);
  bench.dialled(10);
  bench.dialled(10);
  bench.request("a2 a3 b2 b3", true);
  bench.request("c1", true);
  bench.said();
  bench.giveBack(1);
  bench.giveBack(2);
  bench.request("b4", true);
  assert.deepEqual(bench.said(), ["b4 takes 2"]);
  // Now there are two.
  bench.request("d1", true);
  bench.giveBack(2);
  bench.request("b5", true);
  assert.deepEqual(bench.said(), []);
  bench.cancel("d1");
  bench.cancel("b5");
  bench.request("a4", true);
  assert.deepEqual(bench.said(), ["a4 takes 1"]);
});

test("maxConns: a connection that can serve nobody goes as one that is idle", () => {
  for (const becomesUseless of ["idle", "in use", "later"]) {
    const bench = new Bench({ maxConns: 1 });
    bench.request("a1", true);
    bench.dialled(10);
    if (becomesUseless === "in use") bench.capacity(1, 0);
    if (becomesUseless === "later") bench.request("b1", true);
    if (becomesUseless === "later") bench.capacity(1, 0);
    bench.said();
    bench.giveBack(1);
    if (becomesUseless === "idle") bench.capacity(1, 0);
    if (becomesUseless !== "later") bench.request("b1", true);
    assert.deepEqual(bench.said().sort(), ["close 1 (displaced)", "dial for b1"], becomesUseless);
    assert.equal(bench.pool.connCount, 1);
  }
  const bench = new Bench({ maxConns: 2 });
  bench.request("a1", true);
  bench.dialled(10);
  bench.giveBack(1);
  bench.capacity(1, 0);
  bench.capacity(1, 5);
  bench.said();
  bench.request("a2 a3", true);
  assert.deepEqual(bench.said(), ["a2 takes 1", "a3 takes 1"]);
});

test("maxConns: any operations on shared connections keep the count, and nobody waits for nothing", () => {
  const step = fc.record({
    kind: fc.constantFrom(
      ...["request", "request", "dialled", "dialled", "fail", "end", "end", "break", "cancel"],
      ...["capacity", "dialNow"],
    ),
    pick: fc.nat({ max: 50 }),
    capacity: fc.nat({ max: 4 }),
  });
  const limits = fc.record({
    maxConns: fc.integer({ min: 1, max: 3 }),
    maxConnsPerKey: fc.nat({ max: 2 }),
    waitsWhenFull: fc.boolean(),
  });
  fc.assert(
    fc.property(limits, fc.array(step, { maxLength: 150, size: "max" }), (given, steps) => {
      const dials: Ticket<number>[] = [];
      const open: Lease<number>[] = [];
      const waiting = new Map<number, Ticket<number>>();
      let count = 0;
      const pool: Pool<number, number> = new Pool<number, number>({ ...UNLIMITED, ...given }, {
        startDial: (ticket) => void dials.push(ticket),
        deliver: (waiter, lease) => {
          assert.ok(lease.taken >= 1);
          waiting.delete(waiter);
        },
        kept: () => {},
        discard: (connection) => {
          const at = open.findIndex((lease) => lease.connection === connection);
          assert.notEqual(at, -1, "closed once");
          assert.equal(open[at].taken, 0, "nobody uses what is closed");
          open.splice(at, 1);
        },
        dialsWanted: () => {},
        dialsUnwanted: () => {},
      });
      const one = <T>(items: Iterable<T>, pick: number): T | undefined => {
        const all = [...items];
        return all[pick % all.length];
      };
      for (const { kind, pick, capacity } of steps) {
        const used = one(open.filter(({ taken }) => taken > 0), pick);
        const ticket = one(waiting.values(), pick);
        const lease = one(open, pick);
        if (kind === "request") {
          const key = "abc"[pick % 3];
          if (pool.take(key, 0) !== undefined) continue;
          const queued = pool.enqueue(key, ++count, true)!;
          if (queued.isWaiting) waiting.set(count, queued);
        } else if ((kind === "dialled" || kind === "fail") && dials.length > 0) {
          const [dial] = dials.splice(pick % dials.length, 1);
          if (kind === "fail") {
            waiting.delete(dial.waiter);
            pool.dialFailed(dial);
          } else {
            const made = pool.admit(dial, ++count, capacity + 1, true);
            open.push(made);
            pool.dialled(dial, made, 0);
          }
        } else if (kind === "end" && used !== undefined) {
          pool.giveBack(used, 0);
        } else if (kind === "break" && lease !== undefined) {
          open.splice(open.indexOf(lease), 1);
          pool.remove(lease);
        } else if (kind === "cancel" && ticket !== undefined) {
          waiting.delete(ticket.waiter);
          pool.cancel(ticket);
        } else if (kind === "capacity" && lease !== undefined) {
          pool.setCapacity(lease, capacity, 0, Infinity, false);
        } else if (kind === "dialNow" && ticket !== undefined) {
          pool.dialNow(ticket);
        }
        assert.equal(pool.connCount, open.length + dials.length);
        assert.ok(pool.connCount <= given.maxConns);
      }
      // When all that is under way has ended, everybody has been served.
      for (let turn = 0; turn < 1_000 && waiting.size > 0; turn++) {
        const dial = dials.shift();
        if (dial !== undefined) {
          const made = pool.admit(dial, ++count, 2, true);
          open.push(made);
          pool.dialled(dial, made, 0);
          continue;
        }
        const used = open.find(({ taken }) => taken > 0);
        if (used !== undefined) pool.giveBack(used, 0);
        else for (const lease of [...open]) pool.setCapacity(lease, 2, 0, Infinity, false);
      }
      assert.equal(waiting.size, 0, "somebody waits for ever");
    }),
    { numRuns: 500, seed: 20261129 },
  );
});

test("simulation: the account of turns finds who is passed over, and only that", () => {
  const turns = new HostTurns();
  const step = (...given: string[]): string | null => {
    for (const host of given) turns.given(host);
    return turns.look("b", true);
  };
  assert.equal(step(), null);
  assert.equal(step("a", "c"), null);
  assert.equal(step("a"), "b was passed over for a, which had its turn");
  assert.equal(step("b", "a"), null);
  assert.equal(step("a"), null);
  turns.given("a");
  // It had been cancelled before.
  turns.left("b");
  assert.equal(step("a"), null);
  assert.equal(step("a"), null);
  assert.equal(step("a"), "b was passed over for a, which had its turn");
});
