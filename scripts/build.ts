/**
 * Builds the files that Node and TypeScript read into `dist/`. Run by Node (`npm run build`, before `npm pack`).
 *
 * @module
 */
import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { root, runProgram, runtimePath } from "./run_program.ts";

const dist = join(root, "dist");
// What was built from files that are gone must not be packed.
for (const folder of ["conn", "http", "http1", "http2", "transport", "client", "cli", "testing"]) {
  await rm(join(dist, folder), { recursive: true, force: true });
}
const { code, output } = await runProgram(runtimePath("tsc"), ["-p", "tsconfig.build.json"]);
if (code === 0) await chmod(join(dist, "cli", "bin.js"), 0o755);
console.error(output);
process.exitCode = code ?? 1;
