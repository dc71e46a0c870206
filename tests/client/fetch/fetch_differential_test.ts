/**
 * `createFetch()` beside the runtime's own `fetch`: whatever a caller or a server can tell apart is listed, with the
 * reason for it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createFetch, Transport } from "../../../mod.ts";
import {
  abortCells,
  methodCells,
  METHODS,
  otherCells,
  scriptCells,
} from "../../support/fetch_cells.ts";
import { type Difference, DIFFERENCES } from "../../support/fetch_differences.ts";
import { type Cell, observe } from "../../support/fetch_observation.ts";
import { FetchServer } from "../../support/fetch_server.ts";
import { runtime, test } from "../../support/harness.ts";

const own = globalThis.fetch;

function explains(difference: Difference, cell: string, field: string, pair: string[]): boolean {
  return difference.runtimes.includes(runtime) && difference.cell.test(cell) &&
    difference.field.test(field) &&
    (difference.ours === undefined || difference.ours.test(pair[0])) &&
    (difference.theirs === undefined || difference.theirs.test(pair[1]));
}

/** Differences that some test has met. */
const met: Set<Difference> = new Set();

/** Runs the cells through both; says what is different and not listed. */
async function compare(cells: readonly Cell[]): Promise<void> {
  const server = await FetchServer.start();
  const transport = new Transport();
  const ours = createFetch({ transport });
  const complaints: string[] = [];
  try {
    for (const cell of cells) {
      const theirs = await observe(cell, own, server);
      const observed = await observe(cell, ours, server);
      for (const field of new Set([...Object.keys(observed), ...Object.keys(theirs)])) {
        const pair = [observed[field] ?? "none", theirs[field] ?? "none"];
        // Who fails has nothing else to compare.
        if (field !== "outcome" && observed.outcome !== theirs.outcome) continue;
        if (pair[0] === pair[1]) continue;
        const reasons = DIFFERENCES.filter((it) => explains(it, cell.name, field, pair));
        reasons.forEach((reason) => met.add(reason));
        if (reasons.length === 0) {
          complaints.push(
            `${cell.name}, ${field}: ${JSON.stringify(pair[0])}, ` +
              `theirs ${JSON.stringify(pair[1])}`,
          );
        }
      }
    }
  } finally {
    await transport.close();
    await server.close();
  }
  assert.ok(complaints.length === 0, `\n${complaints.join("\n")}`);
}

const limits = { timeoutMs: 240_000 };

for (const method of METHODS) {
  test(
    `fetch: ${method} with each body and redirect does what the runtime's own does`,
    async () => {
      await compare(methodCells(method));
    },
    limits,
  );
}

test("fetch: each status in each coding, aborted anywhere, ends as the runtime's own", async () => {
  await compare(abortCells());
}, limits);

test("fetch: odd and broken answers are taken as by the runtime's own", async () => {
  await compare(scriptCells());
}, limits);

test("fetch: what may be given and what is refused is as with the runtime's own", async () => {
  await compare(otherCells());
}, limits);

test("fetch: every difference that is listed is still there", () => {
  const gone = DIFFERENCES.filter((it) => it.runtimes.includes(runtime) && !met.has(it));
  assert.deepEqual(gone.map(({ reason }) => reason), []);
});
