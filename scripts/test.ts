/**
 * Runs every test file on Deno, Bun and Node, and compares what was executed. Started by `deno task test`.
 *
 *     deno task test -- [--runtime deno|bun|node]... [--changed] [--jobs N] [--verbose]
 *         [path or part of a path]...
 *
 * `--changed` runs the files that a change since `origin/main` can concern, on Node unless `--runtime` says otherwise.
 * `--jobs` is how many run side by side, each in a process of its own: by default one more than
 * there are cores, as most of them wait now and then.
 *
 * @module
 */
import { readdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { gaps } from "../tests/support/gaps.ts";
import { changedFiles, testsOf } from "./changed_files.ts";
import { installDevelopment } from "./install.ts";
import { root } from "./run_program.ts";
import { type FileRun, runTestFile } from "./run_test_file.ts";
import { compareTestSets, type Runtime, runtimes } from "./test_report.ts";

/** Files that take long. They are begun first, so that no core waits for the last of them. */
const LONG = [
  "tests/transport/simulation_test.ts",
  "tests/transport/pool/busy_turns_test.ts",
  "tests/client/fetch/fetch_differential_test.ts",
  "tests/house/budget_test.ts",
  "tests/transport/blocked_deadlines_test.ts",
  "tests/transport/pool/process_exit_test.ts",
  "tests/cli/cli_test.ts",
  "tests/conn/conn_contract_test.ts",
];

/** Test files, sorted. `tests/std` needs JSR and has its own task; fixtures are run by tests. */
async function findTestFiles(filters: readonly string[]): Promise<string[]> {
  const names = await readdir(join(root, "tests"), { recursive: true });
  return names
    .map((name) => `tests/${name.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith("_test.ts") && !/^tests\/(std|fixtures)\//.test(path))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .sort();
}

function printRun(run: FileRun, elapsedMs: number, verbose: boolean): void {
  const failed = run.results.filter((result) => result.failure !== null);
  const bad = failed.length > 0 || run.trouble !== null;
  console.log(
    `${bad ? "FAIL" : "ok  "} ${run.runtime.padEnd(4)} ${run.file} ` +
      `${run.results.length} tests, ${Math.round(elapsedMs)} ms`,
  );
  for (const { name, failure } of failed) {
    console.log(`\n  FAILED on ${run.runtime}: ${run.file}: ${name}`);
    console.log((failure ?? "").replace(/^/gm, "    ") + "\n");
  }
  if (run.trouble) console.log(`\n  FAILED on ${run.runtime}: ${run.file}: ${run.trouble}`);
  if (bad || verbose) {
    const text = run.output.trimEnd();
    const shown = verbose || text.length < 20_000 ? text : `…${text.slice(-20_000)}`;
    console.log(`  output of ${run.runtime} ${run.file}:\n${shown.replace(/^/gm, "    | ")}\n`);
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    // `deno task test -- x` hands over the `--` too.
    args: process.argv.slice(2).filter((arg, index) => !(arg === "--" && index === 0)),
    allowPositionals: true,
    options: {
      runtime: { type: "string", multiple: true },
      changed: { type: "boolean", default: false },
      jobs: { type: "string", default: String(availableParallelism() + 1) },
      verbose: { type: "boolean", default: false },
    },
  });
  const chosen = values.runtime ?? (values.changed ? ["node"] : runtimes);
  const ran = runtimes.filter((runtime) => chosen.includes(runtime));
  if (ran.length === 0 || chosen.some((name) => !runtimes.includes(name as Runtime))) {
    console.error(`Cannot run tests: --runtime is one of ${runtimes.join(", ")}`);
    return 2;
  }
  const jobs = Number(values.jobs);
  if (!Number.isInteger(jobs) || jobs < 1) {
    console.error("Cannot run tests: --jobs needs a number of 1 or more");
    return 2;
  }
  let files = await findTestFiles(positionals.map((path) => path.replace(/^\.\//, "")));
  if (files.length === 0) {
    console.error("Cannot run tests: no test file matches");
    return 2;
  }
  if (values.changed) {
    const all = files.length;
    try {
      files = await testsOf(await changedFiles(), files);
    } catch (error) {
      console.error(`Cannot tell what has changed: ${(error as Error).message}`);
      return 2;
    }
    console.log(`${files.length} of ${all} test files reach what differs from origin/main`);
    for (const file of files) console.log(`  ${file}`);
    if (files.length === 0) return 0;
  }
  if (!await installDevelopment()) return 1;

  const started = performance.now();
  const runs: FileRun[] = [];
  const inOrder = [...LONG.filter((file) => files.includes(file)), ...files];
  const queue = [...new Set(inOrder)].flatMap((file) => ran.map((runtime) => ({ runtime, file })));
  async function work(): Promise<void> {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const begin = performance.now();
      const run = await runTestFile(next.runtime, next.file);
      runs.push(run);
      printRun(run, performance.now() - begin, values.verbose);
    }
  }
  await Promise.all(Array.from({ length: jobs }, work));

  const results = runs.flatMap((run) => run.results);
  const differences = compareTestSets(results, ran, files, gaps);
  const failures = results.filter((result) => result.failure !== null);
  const troubles = runs.filter((run) => run.trouble !== null);
  console.log("");
  for (const runtime of ran) {
    const count = results.filter((result) => result.runtime === runtime).length;
    console.log(`${runtime}: ${count} tests executed`);
    if (count === 0) {
      troubles.push(...runs.filter((run) => run.runtime === runtime && run.trouble === null));
    }
  }
  if (differences.length > 0) {
    console.log(`\nThe runtimes did not run the same tests (${differences.length} differences):`);
    for (const difference of differences) console.log(`  ${difference}`);
  }
  if (failures.length + troubles.length > 0) console.log("\nFailed:");
  for (const { runtime, file, name } of failures) console.log(`  ${runtime} ${file}: ${name}`);
  for (const { runtime, file, trouble } of troubles) {
    console.log(`  ${runtime} ${file}: ${trouble ?? "no test executed"}`);
  }
  console.log(`\nin ${((performance.now() - started) / 1000).toFixed(1)} s`);
  const bad = failures.length + troubles.length + differences.length;
  console.log(`${results.length - failures.length} passed, ${bad} failed`);
  return bad === 0 ? 0 : 1;
}

process.exitCode = await main();
