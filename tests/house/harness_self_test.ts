/**
 * The harness and the runner themselves: leaks are caught, names come through, differences are found.
 *
 * @module
 */
import assert from "node:assert/strict";
import { runTestFile } from "../../scripts/run_test_file.ts";
import {
  compareTestSets,
  type Gap,
  parseReport,
  type Runtime,
  type TestResult,
} from "../../scripts/test_report.ts";
import { names } from "../fixtures/awkward_names.ts";
import { runtime, test } from "../support/harness.ts";

test("harness: what a test leaves open fails it, and the failure says what", async () => {
  const run = await runTestFile(runtime, "tests/fixtures/leaks.ts", {
    env: { ROUNDTRIP_SETTLE_MS: "100" },
  });
  assert.equal(run.trouble, null, run.output);
  const failures = new Map(run.results.map(({ name, failure }) => [name, failure]));
  const expected: [string, RegExp | null][] = [
    ["clean: everything closed", null],
    ["clean: a helper closed by afterEachTest()", null],
    ["leak: server", /Test left open:\s+- socket:\[[0-9]+\] tcp listening on port [0-9]+/],
    ["leak: node socket that is unref'd", /Test left open:\s+- socket:\[[0-9]+\] tcp port/],
    ["leak: native socket", /Test left open:\s+- socket:\[[0-9]+\] tcp port/],
    ["leak: timer", /Test left open:\s+- setTimeout of 54321 ms at .*leaks\.ts:[0-9]+/],
    ["leak: interval", /Test left open:\s+- setInterval of 54321 ms at .*leaks\.ts:[0-9]+/],
    ["leak: timer of a module", runtime === "bun" ? null : /Test left open:/],
    ["hang", /Test did not end within 50 ms/],
    [`after the leaks, on ${runtime}: a clean test is not blamed`, null],
  ];
  assert.deepEqual([...failures.keys()], expected.map(([name]) => name));
  for (const [name, failure] of expected) {
    const found = failures.get(name) ?? null;
    if (failure === null) assert.equal(found, null, name);
    else assert.match(found ?? "passed", failure, name);
  }
});

test("harness: a name that a report would spoil is refused", () => {
  for (const name of ["two\nlines", "\x00", " before", "after "]) {
    assert.throws(() => test(name, () => {}), /unprintable name/);
  }
});

test("runner: awkward names come through the report of the runtime", async () => {
  const run = await runTestFile(runtime, "tests/fixtures/names.ts");
  assert.equal(run.trouble, null, run.output);
  assert.deepEqual(run.results.map(({ name }) => name), names);
});

test("runner: a file that cannot be loaded is trouble, not an empty success", async () => {
  const run = await runTestFile(runtime, "tests/fixtures/does_not_load.ts");
  assert.equal(run.results.filter(({ failure }) => failure === null).length, 0);
  assert.ok(run.trouble !== null || run.results.length > 0, run.output);
});

test("runner: a file that hangs is killed", async () => {
  const run = await runTestFile(runtime, "tests/fixtures/endless.ts", { timeoutMs: 1_500 });
  assert.match(run.trouble ?? "", /^killed after 1500 ms/);
});

test("parseReport() tells passed, failed and skipped apart", () => {
  const xml = `<testsuite name="x"><testcase name="a" time="1"/>
    <testcase name="b"><failure message="short">long &lt;b&gt;</failure></testcase>
    <testcase name="c"><skipped/></testcase>
    <testcase name="d > e" failure="x"><failure message="only this"/></testcase>
    <testcase name="f">\n</testcase></testsuite>`;
  assert.deepEqual(parseReport(xml, "deno", "f.ts").map(({ name, failure }) => [name, failure]), [
    ["a", null],
    ["b", "long <b>"],
    ["d > e", "only this"],
    ["f", null],
  ]);
});

const both: readonly Runtime[] = ["deno", "bun"];

function ran(runtime: Runtime, file: string, name: string): TestResult {
  return { runtime, file, name, failure: null };
}

test("compareTestSets() names the runtime that lacks a test", () => {
  const results = [ran("deno", "x.ts", "a"), ran("bun", "x.ts", "a"), ran("bun", "x.ts", "b")];
  assert.deepEqual(compareTestSets(results, both, ["x.ts"], []), [
    'x.ts: "b" ran on bun, not on deno',
  ]);
});

test("compareTestSets() says once that a file did not run on a runtime", () => {
  const names = ["a", "b", "c"];
  const results = names.map((name) => ran("bun", "x.ts", name));
  assert.deepEqual(compareTestSets(results, both, ["x.ts"], []), [
    "x.ts: none of its 3 tests ran on deno",
  ]);
});

test("compareTestSets() sees a file without tests and a name used twice", () => {
  const results = [ran("deno", "x.ts", "a"), ran("deno", "x.ts", "a")];
  assert.deepEqual(compareTestSets(results, ["deno"], ["x.ts", "y.ts"], []), [
    'x.ts: "a" ran twice on deno',
    "y.ts: no test was executed",
  ]);
});

test("compareTestSets() accepts a declared gap and refuses one that is not there", () => {
  const results = [ran("bun", "x.ts", "a"), ran("deno", "y.ts", "c"), ran("bun", "y.ts", "c")];
  const gap: Gap = { file: "x.ts", name: "a", runtime: "deno", reason: "cannot" };
  assert.deepEqual(compareTestSets(results, both, ["x.ts", "y.ts"], [gap]), []);
  assert.deepEqual(compareTestSets(results, both, ["x.ts"], [{ ...gap, name: "*" }]), []);
  const untrue = { ...gap, file: "y.ts", name: "c" };
  assert.deepEqual(compareTestSets(results, both, ["x.ts", "y.ts"], [gap, untrue]), [
    'y.ts: the gap "c" on deno is declared and not there',
  ]);
});
