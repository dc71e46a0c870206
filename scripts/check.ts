/**
 * Checks everything but the tests, all of it even when something fails. Started by `deno task check`.
 *
 *     deno task check -- [part of a check's name]...
 *
 * @module
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { checkPackage } from "./check_package.ts";
import { installDevelopment } from "./install.ts";
import { root, runProgram, runtimePath } from "./run_program.ts";

/** One check: what it says, and whether all is well. */
interface Outcome {
  readonly ok: boolean;
  readonly output: string;
}

const deno = runtimePath("deno");
const shipped = [
  "mod.ts",
  "conn",
  "http",
  "http1",
  "http2",
  "transport",
  "client",
  "cli",
  "testing",
];

/** `deno doc` warns of every file that `@types/node` refers to. */
const unresolvedTypes = /^Warning Failed resolving types\..*\n(?: +at .*\n)?/gm;

async function run(program: string, ...args: string[]): Promise<Outcome> {
  const { code, output } = await runProgram(program, args, { timeoutMs: 300_000 });
  return { ok: code === 0, output: output.replace(unresolvedTypes, "") };
}

async function entries(): Promise<string[]> {
  const config = JSON.parse(await readFile(join(root, "deno.json"), "utf8"));
  return Object.values(config.exports as Record<string, string>);
}

const checks: Record<string, () => Promise<Outcome>> = {
  "format": () => run(deno, "fmt", "--check"),
  "format (tests/std)": () =>
    run(deno, "fmt", "--check", "--config", "tests/std/deno.json", "tests/std"),
  "lint": () => run(deno, "lint"),
  "types (Deno)": () => run(deno, "check", "--quiet"),
  "types (Node)": () => run(runtimePath("tsc"), "-p", "tsconfig.json"),
  "types (Bun)": () => run(runtimePath("tsc"), "-p", "tsconfig.bun.json"),
  "documentation": async () => run(deno, "doc", "--lint", ...await entries()),
  "documentation examples": () =>
    run(
      deno,
      "test",
      "--quiet",
      "--doc",
      "-A",
      ...shipped.filter((path) => existsSync(join(root, path))),
    ),
  "JSR package": () => run(deno, "publish", "--dry-run", "--allow-dirty"),
  "npm package": checkPackage,
  "@std/io": () => run(deno, "run", "-A", "scripts/test_std.ts"),
};

async function main(): Promise<number> {
  const filters = process.argv.slice(2).filter((arg) => arg !== "--");
  if (!await installDevelopment()) return 1;
  const failed: string[] = [];
  for (const [name, check] of Object.entries(checks)) {
    if (filters.length > 0 && !filters.some((filter) => name.includes(filter))) continue;
    const begin = performance.now();
    const { ok, output } = await check();
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    console.log(`${ok ? "ok  " : "FAIL"} ${name}, ${seconds} s`);
    if (!ok) failed.push(name);
    if (!ok || output.includes("NOT RUN")) {
      console.log(`${output.trimEnd().replace(/^/gm, "    | ")}\n`);
    }
  }
  console.log(failed.length === 0 ? "Checks: all well" : `Checks failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
