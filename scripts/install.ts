/**
 * Installs the development dependencies when they are missing or not those of the lock file.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { root, runProgram, runtimePath } from "./run_program.ts";
import { runtimes } from "./test_report.ts";

interface LockFile {
  packages: Record<string, { version?: string; optional?: boolean; devOptional?: boolean }>;
}

async function readLockFile(path: string): Promise<LockFile | null> {
  try {
    return JSON.parse(await readFile(join(root, path), "utf8"));
  } catch {
    return null;
  }
}

/** Tells whether `node_modules` holds what the lock file says. Binaries of other platforms are not installed. */
async function isInstalled(): Promise<boolean> {
  const wanted = await readLockFile("package-lock.json");
  const installed = await readLockFile("node_modules/.package-lock.json");
  if (!wanted || !installed) return false;
  if (!runtimes.every((runtime) => existsSync(runtimePath(runtime)))) return false;
  return Object.entries(wanted.packages).every(([path, { version, optional }]) => {
    const there = installed.packages[path]?.version;
    return path === "" || there === version || (optional === true && there === undefined);
  });
}

/** Runs `npm ci` when it is needed. Says so, and returns whether all is there. */
export async function installDevelopment(): Promise<boolean> {
  if (await isInstalled()) return true;
  console.log("Installing the development dependencies (npm ci) …");
  const { code, output } = await runProgram("npm", ["ci"]);
  if (code !== 0 || !await isInstalled()) {
    console.error(`${output}\nCannot install: npm ci ended with code ${code}`);
    return false;
  }
  return true;
}
