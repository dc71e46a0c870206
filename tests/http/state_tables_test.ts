/**
 * The state tables, enumerated; the rule of reuse; and the drawing of both in `docs/states.md`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CHUNKED_TABLE } from "../../http1/chunked_reader.ts";
import { CONNECTION_TABLE, mayReuse } from "../../http1/connection_state.ts";
import { IllegalTransitionError, transition, type TransitionTable } from "../../http/machine.ts";
import { REQUEST_TABLE, type RequestState } from "../../http1/request_state.ts";
import { RESPONSE_TABLE, type ResponseState } from "../../http1/response_state.ts";
import { root } from "../../scripts/run_program.ts";
import { drawStates } from "../../scripts/state_drawing.ts";
import { test } from "../support/harness.ts";

interface Machine {
  readonly name: string;
  readonly table: TransitionTable<string, string>;
  readonly initial: string;
  readonly terminal: readonly string[];
  /** Every event there is; a new one must be added here. */
  readonly events: readonly string[];
}

const machines: readonly Machine[] = [
  {
    name: "connection",
    table: CONNECTION_TABLE,
    initial: "idle",
    terminal: ["closed"],
    events: [
      "requestStarted",
      "exchangeCompleted",
      "lastExchangeCompleted",
      "contentAbandoned",
      "drainLimitReached",
      "protocolSwitched",
      "unsolicitedDataReceived",
      "idleTimedOut",
      "peerClosed",
      "failed",
      "closeRequested",
    ],
  },
  {
    name: "request",
    table: REQUEST_TABLE,
    initial: "head",
    // A complete or aborted request may still be answered: that is their only event.
    terminal: ["withheld"],
    events: [
      "headSentNoContent",
      "headSentExpectingContinue",
      "headSent",
      "continueReceived",
      "continueTimedOut",
      "finalResponseReceived",
      "sendingStopped",
      "contentEnded",
      "contentFailed",
      "writeFailed",
    ],
  },
  {
    name: "response",
    table: RESPONSE_TABLE,
    initial: "head",
    terminal: ["complete", "incomplete", "switched"],
    events: [
      "informationalReceived",
      "finalHeadReceived",
      "contentlessHeadReceived",
      "switchingReceived",
      "contentEnded",
      "truncated",
      "malformed",
    ],
  },
  {
    name: "chunked",
    table: CHUNKED_TABLE,
    initial: "sizeFirst",
    terminal: ["complete"],
    events: [
      "digit",
      "space",
      "semicolon",
      "equals",
      "token",
      "quote",
      "escape",
      "text",
      "cr",
      "lf",
      "lastChunkLf",
      "dataEnded",
      "trailerEnded",
    ],
  },
];

for (const { name, table, initial, terminal, events } of machines) {
  const states = Object.keys(table);

  test(`states, ${name}: each state and each event lead to a state or are illegal`, () => {
    let legal = 0;
    for (const state of states) {
      for (const event of events) {
        const target = table[state][event];
        if (target === undefined) {
          assert.throws(() => transition(table, state, event), IllegalTransitionError);
        } else {
          assert.ok(states.includes(target), `${state}, ${event}: ${target}`);
          assert.equal(transition(table, state, event), target);
          legal++;
        }
      }
    }
    const rows = Object.values(table).flatMap((row) => Object.keys(row));
    assert.equal(rows.length, legal, "no row has an event that is not listed");
    assert.deepEqual([...new Set(rows)].sort(), [...events].sort(), "each event happens somewhere");
  });

  test(`states, ${name}: each state can be reached, and a terminal one from it`, () => {
    const reached = (from: string): Set<string> => {
      const found = new Set([from]);
      for (const state of found) {
        for (const target of Object.values(table[state])) found.add(target!);
      }
      return found;
    };
    assert.deepEqual([...reached(initial)].sort(), [...states].sort());
    for (const state of states) {
      assert.ok([...reached(state)].some((one) => one === state || terminal.includes(one)), state);
    }
  });

  test(`states, ${name}: terminal states have empty rows, and others have not`, () => {
    const empty = states.filter((state) => Object.keys(table[state]).length === 0);
    assert.deepEqual(empty.sort(), [...terminal].sort());
  });
}

test("states: mayReuse() says yes in one case only", () => {
  let yes = 0;
  for (const request of Object.keys(REQUEST_TABLE) as RequestState[]) {
    for (const response of Object.keys(RESPONSE_TABLE) as ResponseState[]) {
      for (const persistent of [true, false]) {
        for (const unreadBytes of [0, 1, 4096]) {
          const expected = request === "complete" && response === "complete" && persistent &&
            unreadBytes === 0;
          assert.equal(mayReuse(request, response, persistent, unreadBytes), expected);
          if (expected) yes++;
        }
      }
    }
  }
  assert.equal(yes, 1);
});

test("states: docs/states.md is what deno run -A scripts/draw_states.ts writes", () => {
  assert.equal(readFileSync(join(root, "docs/states.md"), "utf8"), drawStates());
});
