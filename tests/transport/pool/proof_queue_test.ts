/**
 * Who waits for a proof: in which order they go by it, what becomes of those for whom it comes too late, and what
 * callers' dialers may do.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ProofQueue, type ProofWaiter } from "../../../transport/pool/proof_queue.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";

/** A queue whose polls the test settles. */
class World {
  readonly clock: ManualClock = new ManualClock();
  readonly polls: (PromiseWithResolvers<void> & { sure: () => void })[] = [];
  readonly queue: ProofQueue = new ProofQueue(this.clock, (sure) => {
    const poll = { ...Promise.withResolvers<void>(), sure };
    this.polls.push(poll);
    return poll.promise;
  });
  readonly calls: string[] = [];

  add(name: string, also: (isFutile: boolean) => void = () => {}): ProofWaiter {
    const waiter: ProofWaiter = {
      polled: (polledAtMs, nowMs, isFutile) => {
        this.calls.push(`${name} ${nowMs - polledAtMs}${isFutile ? " futile" : ""}`);
        also(isFutile);
      },
      pollFailed: (error) => void this.calls.push(`${name} ${error}`),
      abort: (reason) => void this.calls.push(`${name} ended: ${reason}`),
    };
    this.queue.add(waiter, this.clock.now());
    return waiter;
  }

  /** One who asks for the next proof whenever one was too old. */
  addPatient(name: string): void {
    const waiter = this.add(name, (isFutile) => {
      if (!isFutile) this.queue.add(waiter, this.clock.now());
    });
  }

  /** The last poll settles `ageMs` after it began. @returns Who was told. */
  async settle(ageMs: number): Promise<string[]> {
    await this.begun();
    this.clock.jump(ageMs);
    this.polls.at(-1)!.resolve();
    return await this.told();
  }

  /** A poll has begun, for all who were there. */
  async begun(): Promise<void> {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }

  async told(): Promise<string[]> {
    await this.begun();
    return this.calls.splice(0);
  }
}

test("proofs: all who wait go by one, in order, and no other is asked for", async () => {
  const world = new World();
  for (const name of ["a", "b", "c"]) world.add(name);
  await world.begun();
  assert.equal(world.polls.length, 1);
  assert.deepEqual(await world.settle(0.5), ["a 0.5", "b 0.5", "c 0.5"]);
  assert.equal(world.polls.length, 1);
  world.add("d");
  await world.begun();
  assert.equal(world.polls.length, 2);
});

test("proofs: who comes while a poll is under way goes by the next one alone", async () => {
  const world = new World();
  world.add("a");
  await world.begun();
  world.add("b");
  await world.begun();
  assert.deepEqual([await world.settle(0), world.polls.length], [["a 0"], 2]);
  assert.deepEqual([await world.settle(0), world.polls.length], [["b 0"], 2]);
});

test("proofs: the age counts from when the dialer was sure", async () => {
  const world = new World();
  world.add("a");
  await world.begun();
  world.clock.jump(50);
  world.polls[0].sure();
  assert.deepEqual(await world.settle(0.25), ["a 0.25"]);
});

test("proofs: when one becomes old on the way the others go by the next, before who comes meanwhile", async () => {
  const world = new World();
  world.add("a", () => world.clock.jump(2));
  world.add("b");
  world.add("c");
  assert.equal(world.queue.isCrowded, false);
  assert.deepEqual(await world.settle(0), ["a 0"]);
  assert.equal(world.queue.isCrowded, true);
  world.add("d");
  assert.deepEqual(await world.settle(0), ["b 0", "c 0"]);
  assert.deepEqual(await world.settle(0), ["d 0"]);
  assert.equal(world.queue.isCrowded, false);
  assert.equal(world.polls.length, 3);
});

test("proofs: one that is too old for all is told to all", async () => {
  const world = new World();
  world.addPatient("a");
  world.addPatient("b");
  for (let i = 0; i < 3; i++) assert.deepEqual(await world.settle(3), ["a 3", "b 3"]);
  assert.deepEqual(await world.settle(3), ["a 3 futile", "b 3 futile"]);
  assert.equal(world.polls.length, 4);
});

test("proofs: where turns are very long it is futile sooner; one in time begins anew", async () => {
  const world = new World();
  world.addPatient("a");
  assert.deepEqual(await world.settle(21), ["a 21"]);
  assert.deepEqual(await world.settle(0), ["a 0"]);
  assert.deepEqual(await world.settle(21), ["a 21"]);
  assert.deepEqual(await world.settle(21), ["a 21 futile"]);
});

test("proofs: a turn that answers made long says little of the next", async () => {
  const world = new World();
  world.addPatient("a");
  await world.begun();
  for (let i = 1; i < 12; i++) {
    world.add("answered");
    const told = await world.settle(9);
    assert.equal(told[0], "a 9");
  }
  world.add("answered");
  assert.deepEqual(await world.settle(9), ["a 9 futile", "answered 9 futile"]);
});

test("proofs: not all give up at once", async () => {
  const world = new World();
  for (let i = 0; i < 200; i++) world.addPatient(`${i}`);
  const futile: number[] = [];
  for (let i = 0; i < 16; i++) {
    futile.push((await world.settle(2)).filter((call) => call.endsWith("futile")).length);
  }
  assert.deepEqual(futile, [0, 0, 0, 64, 0, 0, 0, 64, 0, 0, 0, 64, 0, 0, 0, 8]);
});

test("proofs: a dialer that never settles is asked again after a second, for who came since", async () => {
  const world = new World();
  world.add("a");
  await world.begun();
  world.clock.jump(1_000);
  world.add("b");
  await world.begun();
  assert.equal(world.polls.length, 1);
  world.clock.jump(1);
  world.add("c");
  await world.begun();
  assert.equal(world.polls.length, 2);
  assert.deepEqual(await world.settle(0), ["b 0", "c 0"]);
  world.polls[0].resolve();
  assert.deepEqual(await world.told(), ["a 1001"]);
  world.add("d");
  assert.deepEqual(await world.settle(0), ["d 0"]);
});

test("proofs: a dialer that rejects, or throws", async () => {
  const world = new World();
  world.add("a");
  world.add("b");
  await world.begun();
  world.polls[0].reject("no");
  assert.deepEqual(await world.told(), ["a no", "b no"]);
  const throwing = new ProofQueue(world.clock, () => {
    throw "at once";
  });
  const failed: unknown[] = [];
  throwing.add({
    polled: () => assert.fail(),
    pollFailed: (error) => void failed.push(error),
    abort: () => assert.fail(),
  }, world.clock.now());
  await world.told();
  assert.deepEqual(failed, ["at once"]);
});

test("proofs: one that throws is ended, the others go", async () => {
  const world = new World();
  world.add("a", () => {
    throw "its own";
  });
  world.add("b");
  assert.deepEqual(await world.settle(0), ["a 0", "a ended: its own", "b 0"]);
});
