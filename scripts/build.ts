/**
 * Builds what npm ships into `dist/`: declarations by TypeScript, and bundles. Run by Node (`npm run build`, and
 * by npm itself before it packs and after it has installed from Git).
 *
 * @module
 */
import { chmod, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { bundle } from "./bundle.ts";
import { root, runProgram, runtimePath } from "./run_program.ts";

const dist = join(root, "dist");
// What was built from files that are gone must not be packed. Documentation is not, nor are the programs of pages,
// which tests may be running.
for (const name of await readdir(dist).catch(() => [])) {
  if (!/^docs$|^program-/.test(name)) await rm(join(dist, name), { recursive: true });
}
const { code, output } = await runProgram(runtimePath("tsc"), ["-p", "tsconfig.build.json"]);
if (code === 0) {
  await bundle();
  await chmod(join(dist, "cli", "bin.js"), 0o755);
}
console.error(output);
process.exitCode = code ?? 1;
