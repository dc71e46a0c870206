/**
 * The race between the addresses of a host.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  alternateFamilies,
  type Attempt,
  staggeredRace,
} from "../../../conn/names/staggered_race.ts";
import { test } from "../../support/harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";

/** An attempt that the test settles. */
interface Scripted extends Attempt<string> {
  readonly target: string;
  succeed(): void;
  fail(): void;
  cancelled: boolean;
}

/** A race over these targets; `starts` lists the attempts so far. */
function race(
  targets: string[],
): { attempt: Attempt<string>; starts: Scripted[]; clock: ManualClock } {
  const starts: Scripted[] = [];
  const clock = new ManualClock();
  const attempt = staggeredRace(targets, (target): Attempt<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const scripted: Scripted = {
      target,
      done: promise,
      succeed: () => resolve(target),
      fail: () => reject(new Error(target)),
      cancel: () => scripted.cancelled = true,
      cancelled: false,
    };
    starts.push(scripted);
    return scripted;
  }, clock);
  return { attempt, starts, clock };
}

async function microtasks(): Promise<void> {
  for (let i = 0; i < 10; i++) await null;
}

test("race: the first target is tried first, and its success ends the race", async () => {
  const { attempt, starts } = race(["a", "b"]);
  assert.deepEqual(starts.map(({ target }) => target), ["a"]);
  starts[0].succeed();
  assert.equal(await attempt.done, "a");
  assert.equal(starts.length, 1);
  assert.equal(starts[0].cancelled, false);
});

test("race: a failure starts the next at once", async () => {
  const { attempt, starts } = race(["a", "b", "c"]);
  starts[0].fail();
  await microtasks();
  starts[1].fail();
  await microtasks();
  assert.deepEqual(starts.map(({ target }) => target), ["a", "b", "c"]);
  starts[2].succeed();
  assert.equal(await attempt.done, "c");
});

test("race: when all fail it rejects as the last one does", async () => {
  const { attempt, starts } = race(["a", "b"]);
  starts[0].fail();
  await microtasks();
  starts[1].fail();
  await assert.rejects(attempt.done, { message: "b" });
});

test("race: a slow one is not given up, and can still win", async () => {
  const { attempt, starts, clock } = race(["a", "b"]);
  clock.advance(249);
  assert.equal(starts.length, 1);
  clock.advance(1);
  assert.equal(starts.length, 2);
  assert.equal(starts[0].cancelled, false);
  starts[0].succeed();
  assert.equal(await attempt.done, "a");
  assert.equal(starts[1].cancelled, true);
  assert.equal(clock.runningCount, 0);
});

test("race: the failure of one does not end the others", async () => {
  const { attempt, starts, clock } = race(["a", "b"]);
  clock.advance(249);
  assert.equal(starts.length, 1);
  clock.advance(1);
  assert.equal(starts.length, 2);
  starts[1].fail();
  await microtasks();
  starts[0].succeed();
  assert.equal(await attempt.done, "a");
});

test("race: cancel() cancels what runs and starts nothing more", async () => {
  const { attempt, starts, clock } = race(["a", "b", "c"]);
  attempt.cancel();
  assert.equal(clock.runningCount, 0);
  assert.equal(starts[0].cancelled, true);
  starts[0].fail();
  await microtasks();
  assert.equal(starts.length, 1);
});

test("alternateFamilies() takes turns, beginning with the first", () => {
  const list = (text: string) => text.split(" ").map((name) => ({ name, family: Number(name[0]) }));
  const names = (text: string) => alternateFamilies(list(text)).map(({ name }) => name).join(" ");
  assert.equal(names("6a 6b 4a 4b"), "6a 4a 6b 4b");
  assert.equal(names("4a 6a 6b 6c"), "4a 6a 6b 6c");
  assert.equal(names("4a 4b"), "4a 4b");
});
