/**
 * What is put off to the end of a turn, and what becomes of it when the turn is long.
 *
 * @module
 */
import assert from "node:assert/strict";
import { VirtualClock } from "../../../testing/mod.ts";
import { type Sender, SendingTurn } from "../../../transport/pool/sending_turn.ts";
import { test } from "../../support/harness.ts";

/** A sender that notes when it was called, and may do more then. */
function sender(name: string, calls: string[], also: () => unknown = () => {}): Sender {
  return {
    turnEnded: (nowMs) => {
      calls.push(`${name} at ${nowMs}`);
      also();
    },
    abort: (reason) => void calls.push(`${name} ended: ${reason}`),
  };
}

test("sending turn: those of one turn go at its end, in order", () => {
  const clock = new VirtualClock(undefined, () => 7);
  const turn = new SendingTurn(clock);
  const calls: string[] = [];
  for (const name of ["a", "b", "c"]) turn.add(sender(name, calls), clock.now());
  assert.deepEqual(calls, []);
  assert.equal(clock.advance(), "end of turn");
  assert.deepEqual(calls, ["a at 7", "b at 7", "c at 7"]);
  assert.equal(clock.advance(), null);
});

test("sending turn: who comes when others have waited long goes at once, with them", () => {
  const clock = new VirtualClock();
  const turn = new SendingTurn(clock);
  const calls: string[] = [];
  turn.add(sender("a", calls), 10);
  turn.add(sender("b", calls), 10.4);
  assert.deepEqual(calls, []);
  turn.add(sender("c", calls), 10.6);
  assert.deepEqual(calls, ["a at 10.6", "b at 10.6", "c at 10.6"]);
  // The next one waits from then on.
  turn.add(sender("d", calls), 10.7);
  assert.equal(calls.length, 3);
  while (clock.advance() !== null);
  assert.equal(calls.length, 4);
});

test("sending turn: who is added while others go waits for the next end", () => {
  const clock = new VirtualClock();
  const turn = new SendingTurn(clock);
  const calls: string[] = [];
  turn.add(sender("a", calls, () => turn.add(sender("b", calls), clock.now())), 0);
  clock.advance();
  assert.deepEqual(calls, ["a at 0"]);
  assert.equal(clock.advance(), "end of turn");
  assert.deepEqual(calls, ["a at 0", "b at 0"]);
});

test("sending turn: one that throws is ended, the others go", () => {
  const clock = new VirtualClock();
  const turn = new SendingTurn(clock);
  const calls: string[] = [];
  turn.add(sender("a", calls), 0);
  turn.add(
    sender("b", calls, () => {
      throw new Error("broken");
    }),
    0,
  );
  turn.add(sender("c", calls), 0);
  clock.advance();
  assert.deepEqual(calls, ["a at 0", "b at 0", "b ended: Error: broken", "c at 0"]);
});

test("sending turn: of the connections that rest, only those that nobody took are let go of", () => {
  const clock = new VirtualClock();
  const turn = new SendingTurn(clock);
  const letGo: string[] = [];
  const left = { kept: true, unref: () => void letGo.push("left") };
  const taken = { kept: true, unref: () => void letGo.push("taken") };
  turn.rest(left);
  turn.rest(taken);
  turn.add(sender("taker", [], () => taken.kept = false), 0);
  assert.deepEqual(letGo, []);
  clock.advance();
  assert.deepEqual(letGo, ["left"]);
});
