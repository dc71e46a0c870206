/**
 * What the three test runners report, read into one shape and compared. Pure: no files, no processes.
 *
 * @module
 */

/** The runtimes that every test runs on. */
export const runtimes = ["deno", "bun", "node"] as const;

/** Name of a runtime. */
export type Runtime = typeof runtimes[number];

/** One test that was executed. */
export interface TestResult {
  readonly runtime: Runtime;
  /** Path of the test file from the root of the tree, with `/`. */
  readonly file: string;
  readonly name: string;
  /** Why it failed, with the stack; null when it passed. */
  readonly failure: string | null;
}

/** A test that a runtime cannot have, declared in `tests/support/gaps.ts`. */
export interface Gap {
  readonly file: string;
  /** Name of the test, or `"*"` for every test of the file. */
  readonly name: string;
  readonly runtime: Runtime;
  readonly reason: string;
}

/**
 * Reads the JUnit report of one test file. Skipped tests are left out: they were not executed.
 *
 * Pure.
 *
 * @param xml Report as Deno 2, Bun 1 or Node 24 writes it.
 */
export function parseReport(xml: string, runtime: Runtime, file: string): TestResult[] {
  const results: TestResult[] = [];
  const cases = /<testcase\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;
  for (const [, attributes, content = ""] of xml.matchAll(cases)) {
    if (/<skipped\b/.test(content)) continue;
    const name = attribute(attributes, "name", runtime) ?? "";
    const failed = /<(?:failure|error)\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([\s\S]*?)<\/)/.exec(content);
    const failure = failed &&
      (decodeEntities(failed[2] ?? "").trim() || (attribute(failed[1], "message", runtime) ?? ""));
    results.push({ runtime, file, name, failure });
  }
  return results;
}

function attribute(attributes: string, name: string, runtime: Runtime): string | null {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1];
  if (value === undefined) return null;
  // Node escapes a quote and then the ampersand of that escape.
  return decodeEntities(runtime === "node" ? value.replaceAll("&amp;quot;", "&quot;") : value);
}

function decodeEntities(text: string): string {
  const named: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(
    /&(?:#x([0-9a-f]+)|#([0-9]+)|(lt|gt|quot|apos|amp));/gi,
    (_, hex, decimal, name) =>
      name ? named[name] : String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal)),
  );
}

/**
 * Lists every way in which the sets of executed tests differ over the runtimes, or a declared gap is untrue.
 *
 * Pure.
 *
 * @param ran The runtimes that were asked to run, in the order to print them.
 * @param files The test files that were asked to run: each must have executed a test.
 */
export function compareTestSets(
  results: readonly TestResult[],
  ran: readonly Runtime[],
  files: readonly string[],
  gaps: readonly Gap[],
): string[] {
  const differences: string[] = [];
  const seen: Map<string, Map<string, Set<Runtime>>> = new Map(files.map((f) => [f, new Map()]));
  for (const { runtime, file, name } of results) {
    const names = seen.get(file) ?? new Map<string, Set<Runtime>>();
    seen.set(file, names);
    const on = names.get(name) ?? new Set<Runtime>();
    if (on.has(runtime)) differences.push(`${file}: "${name}" ran twice on ${runtime}`);
    names.set(name, on.add(runtime));
  }
  const used: Set<Gap> = new Set();
  for (const [file, names] of seen) {
    if (names.size === 0) differences.push(`${file}: no test was executed`);
    /** For each runtime, the tests that it lacks without a gap. */
    const lacking: Map<Runtime, string[]> = new Map();
    for (const runtime of ran) {
      const undeclared = [...names].filter(([name, on]) => {
        if (on.has(runtime)) return false;
        const gap = gaps.find((gap) =>
          gap.runtime === runtime && gap.file === file && (gap.name === name || gap.name === "*")
        );
        if (gap) used.add(gap);
        return !gap;
      });
      lacking.set(runtime, undeclared.map(([name]) => name));
    }
    for (const [runtime, lacks] of lacking) {
      if (lacks.length > 1 && lacks.length === names.size) {
        differences.push(`${file}: none of its ${names.size} tests ran on ${runtime}`);
        lacking.set(runtime, []);
      }
    }
    for (const [name, on] of names) {
      const not = ran.filter((runtime) => lacking.get(runtime)?.includes(name));
      if (not.length === 0) continue;
      differences.push(`${file}: "${name}" ran on ${[...on].join(", ")}, not on ${not.join(", ")}`);
    }
  }
  for (const gap of gaps) {
    if (used.has(gap) || !ran.includes(gap.runtime) || !files.includes(gap.file)) continue;
    // With one runtime there is nothing to compare with.
    if (ran.length === 1) continue;
    differences.push(
      `${gap.file}: the gap "${gap.name}" on ${gap.runtime} is declared and not there`,
    );
  }
  return differences;
}
