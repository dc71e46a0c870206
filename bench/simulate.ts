/**
 * Simulates many seeds by hand and prints figures. Runs on Deno, Bun and Node.
 *
 * `deno run -A bench/simulate.ts [--steps 10000000] [--seed 1] [--ages] [--http2] [--hash]`. Ends at the
 * first violation, with its seed.
 *
 * @module
 */
import process from "node:process";
import { setImmediate } from "node:timers";
import { parseArgs } from "node:util";
import { simulate } from "../testing/mod.ts";

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    steps: { type: "string", default: "10000000" },
    seed: { type: "string", default: "1" },
    ages: { type: "boolean", default: false },
    http2: { type: "boolean", default: false },
    /** Print one line: seeds, steps and the hash of everything that happened. */
    hash: { type: "boolean", default: false },
  },
});
const settle = (): Promise<void> => new Promise((done) => void setImmediate(done));
const mostSteps = Number(values.steps);
const outcomes = new Map<string, number>();
const hashes: string[] = [];
const startedAt = performance.now();
let steps = 0;
let seed = Number(values.seed);
let nextReport = mostSteps / 10;
for (; steps < mostSteps; seed++) {
  const result = await simulate({ seed, settle, ages: values.ages, http2: values.http2 });
  steps += result.steps;
  if (values.hash) hashes.push(result.hash);
  for (const [name, count] of Object.entries(result.outcomes)) {
    outcomes.set(name, (outcomes.get(name) ?? 0) + count);
  }
  if (steps < nextReport || values.hash) continue;
  nextReport += mostSteps / 10;
  console.log(`${steps} steps, up to seed ${seed}, no violation`);
}
const seconds = (performance.now() - startedAt) / 1000;
if (values.hash) {
  console.log(`hashes ${hashes.join(" ")} after ${steps} steps`);
} else {
  const seeds = seed - Number(values.seed);
  console.log(
    `${steps} steps over ${seeds} seeds in ${seconds.toFixed(1)} s, ` +
      `${Math.round(steps / seconds)} steps/s, no violation`,
  );
  for (const [name, count] of [...outcomes].sort(([, a], [, b]) => b - a)) {
    console.log(`${String(count).padStart(10)} ${name}`);
  }
}
