/**
 * What differs from the branch that changes go into, and the tests that this can concern.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Dependencies } from "./dependencies.ts";
import { root, runProgram } from "./run_program.ts";

/** What differs from them concerns every test. */
const CONCERNS_ALL = ["deno.json", "package.json", "package-lock.json"];

/** Tests that read files which they do not name. */
const READS_ALL = ["tests/house/house_test.ts"];

async function git(...args: string[]): Promise<string> {
  const { code, output } = await runProgram("git", ["-c", "core.quotePath=off", ...args]);
  if (code !== 0) {
    throw new Error(`git ${args.join(" ")} ended with code ${code}: ${output.trim()}`);
  }
  return output.trim();
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/**
 * Lists the files that differ from where this branch left `origin/main`, committed or not, and new ones.
 *
 * @throws Error when git does not know `origin/main`, or is not there.
 */
export async function changedFiles(): Promise<string[]> {
  const base = await git("merge-base", "origin/main", "HEAD");
  const changed = lines(await git("diff", "--name-only", "--no-renames", base));
  return [...changed, ...lines(await git("ls-files", "--others", "--exclude-standard"))];
}

/** Chooses the test files that are among the changed files or reach one of them. */
export async function testsOf(
  changed: readonly string[],
  tests: readonly string[],
): Promise<string[]> {
  if (changed.length === 0) return [];
  if (changed.some((path) => CONCERNS_ALL.includes(path))) return [...tests];
  const tree: Map<string, string> = new Map();
  for (const path of lines(await git("ls-files", "--cached", "--others", "--exclude-standard"))) {
    // A file that is deleted and not committed is listed too; whoever reached it has changed as well.
    const text = path.endsWith(".ts")
      ? await readFile(join(root, path), "utf8").catch(() => null)
      : "";
    if (text !== null) tree.set(path, text);
  }
  const { imports } = JSON.parse(await readFile(join(root, "deno.json"), "utf8"));
  const dependencies = new Dependencies(tree, imports);
  return tests.filter((test) => {
    if (READS_ALL.includes(test)) return true;
    const reached = dependencies.reachedFrom(test);
    return changed.some((path) => reached.has(path));
  });
}
