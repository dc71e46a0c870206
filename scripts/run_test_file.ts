/**
 * Runs one test file on one runtime, in a process of its own. Works on all three runtimes.
 *
 * @module
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, runProgram, runtimePath } from "./run_program.ts";
import { parseReport, type Runtime, type TestResult } from "./test_report.ts";

/**
 * Where Node, also one that a test starts, keeps what it has compiled. Without it half of the time on Node goes into
 * taking the types off the same files. The other runtimes keep theirs unasked.
 */
const compileCache = join(root, "node_modules", ".cache", "node");

/** What came of one test file on one runtime. */
export interface FileRun {
  readonly runtime: Runtime;
  readonly file: string;
  readonly results: readonly TestResult[];
  /** Standard output and error of the runner, mixed. */
  readonly output: string;
  /** Why the run as a whole is bad although no test says so; null when it is not. */
  readonly trouble: string | null;
}

function runnerArgs(runtime: Runtime, file: string, report: string): string[] {
  // A path that begins with "./": Bun takes a bare word as a filter on all names.
  const path = `./${file}`;
  switch (runtime) {
    case "deno":
      return ["test", "-A", "--no-check", "--quiet", `--junit-path=${report}`, path];
    case "bun":
      // The harness has its own, shorter limit.
      return ["test", "--timeout=600000", "--reporter=junit", `--reporter-outfile=${report}`, path];
    case "node":
      return [
        // What a failed test left open must not keep the process.
        "--test-force-exit",
        "--test-reporter=junit",
        `--test-reporter-destination=${report}`,
        "--test-reporter=spec",
        "--test-reporter-destination=stdout",
        path,
      ];
  }
}

/**
 * Runs one test file.
 *
 * @param file Path from the root of the tree, with `/`.
 * @param timeoutMs Milliseconds after which the whole file is given up.
 */
export async function runTestFile(
  runtime: Runtime,
  file: string,
  options: { env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<FileRun> {
  const timeoutMs = options.timeoutMs ?? 300_000;
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-test-"));
  try {
    const report = join(folder, "report.xml");
    const { code, output } = await runProgram(
      runtimePath(runtime),
      runnerArgs(runtime, file, report),
      { env: { NODE_COMPILE_CACHE: compileCache, ...options.env }, timeoutMs },
    );
    const xml = await readFile(report, "utf8").catch(() => "");
    const results = parseReport(xml, runtime, file);
    const failed = results.some((result) => result.failure !== null);
    const trouble = code === null
      ? `killed after ${timeoutMs} ms or by a signal`
      : xml === ""
      ? `no report, exit code ${code}`
      : code !== 0 && !failed
      ? `exit code ${code} although no test failed`
      : code === 0 && failed
      ? "exit code 0 although a test failed"
      : null;
    return { runtime, file, results, output, trouble };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
