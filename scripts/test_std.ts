/**
 * Runs `tests/std` on Deno where the JSR registry answers, and says loudly when it does not.
 *
 * @module
 */
import process from "node:process";
import { installDevelopment } from "./install.ts";
import { runProgram, runtimePath } from "./run_program.ts";

/** Milliseconds that the registry gets to answer. */
const PROBE_MS = 5_000;

async function registryAnswers(): Promise<boolean> {
  try {
    const response = await fetch("https://jsr.io/@std/io/meta.json", {
      signal: AbortSignal.timeout(PROBE_MS),
    });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

async function main(): Promise<number> {
  if (!await registryAnswers()) {
    console.log("*** NOT RUN: tests/std needs the JSR registry, and it does not answer here. ***");
    return 0;
  }
  if (!await installDevelopment()) return 1;
  const { code, output } = await runProgram(
    runtimePath("deno"),
    ["test", "-A", "--config", "tests/std/deno.json", "tests/std"],
    { timeoutMs: 120_000 },
  );
  console.log(output);
  return code ?? 1;
}

process.exitCode = await main();
