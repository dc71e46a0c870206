/**
 * Starts programs: where they are, and one way to wait for them. Works on all three runtimes.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Runtime } from "./test_report.ts";

/** Root of the tree. */
export const root: string = fileURLToPath(new URL("..", import.meta.url));

/** Path of what `npm ci` installed. A task cannot start it by name: Deno would run it as JavaScript. */
export function runtimePath(runtime: Runtime | "tsc"): string {
  return join(root, "node_modules", ".bin", runtime);
}

/** Output and exit code of a program. `code` is null when it was killed. */
export interface ProgramRun {
  readonly code: number | null;
  readonly output: string;
}

/**
 * Runs a program to its end, with nothing on its standard input.
 *
 * @param timeoutMs Milliseconds after which it is killed. 0 = never.
 */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<ProgramRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, NO_COLOR: "1", ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const chunks: Uint8Array[] = [];
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    const timer = options.timeoutMs
      ? setTimeout(() => child.kill("SIGKILL"), options.timeoutMs)
      : undefined;
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code, output: new TextDecoder().decode(concat(chunks)) });
    });
  });
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((bytes, chunk) => bytes + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.length;
  }
  return all;
}
