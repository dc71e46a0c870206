/**
 * The end of a turn: no time is told at which the kernel has not been polled since.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { awaitTurnEnd, endTurn } from "../../conn/runtimes/turn_end.ts";
import { test } from "../support/harness.ts";

test("M1 who is told before the turn is over is told of an older poll", async () => {
  const polls: number[] = [];
  const told = new Promise<void>((resolve) => {
    awaitTurnEnd({
      turnEnded: (polledAtMs) => {
        polls.push(polledAtMs);
        resolve();
      },
    });
  });
  const startedAtMs = performance.now();
  // Behind the step that begins the turn, and in front of the kernel's.
  setImmediate(endTurn);
  await told;
  assert.equal(polls.length, 1);
  assert.ok(polls[0] < startedAtMs, `${polls[0]} is not before ${startedAtMs}`);
});

test("M1 who is told at the end of a turn is told when it began", async () => {
  const startedAtMs = performance.now();
  const polledAtMs = await new Promise<number>((resolve) => awaitTurnEnd({ turnEnded: resolve }));
  assert.ok(polledAtMs >= startedAtMs);
  assert.ok(polledAtMs <= performance.now());
});
