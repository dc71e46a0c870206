/**
 * Scripts in processes of their own, on the runtime that runs the test.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtime } from "./harness.ts";

/** A script that is running. */
export interface Child {
  /** The next line that it prints, null when it has ended. */
  line(): Promise<string | null>;
  /** Sends a line to its standard input. */
  tell(line: string): void;
  /** Its exit code, null when it was killed. */
  readonly exited: Promise<number | null>;
  /** Kills it and waits for that. */
  kill(): Promise<void>;
}

/** How to run a script. */
export interface ScriptOptions {
  /** What Deno grants; the other runtimes have everything. @default {["-A"]} */
  permissions?: string[];
  /** Variables besides those of this process. */
  env?: Record<string, string>;
}

/** Starts a script of `tests/fixtures/`. */
export function startScript(
  name: string,
  args: string[] = [],
  { permissions = ["-A"], env = {} }: ScriptOptions = {},
): Child {
  const file = fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
  const command = runtime === "deno" ? ["run", "--no-check", ...permissions, file] : [file];
  const child: ChildProcess = spawn(process.execPath, [...command, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  const lines: string[] = [];
  const wanted: ((line: string | null) => void)[] = [];
  let rest = "";
  let ended = false;
  child.stdout!.setEncoding("utf8");
  child.stdout!.on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    for (const line of parts) {
      const take = wanted.shift();
      if (take === undefined) lines.push(line);
      else take(line);
    }
  });
  child.stdin!.on("error", () => {});
  const exited = new Promise<number | null>((resolve) => {
    child.on("close", (code: number | null) => {
      ended = true;
      for (const take of wanted) take(null);
      resolve(code);
    });
  });
  return {
    line: () => {
      const line = lines.shift();
      if (line !== undefined) return Promise.resolve(line);
      return ended ? Promise.resolve(null) : new Promise((resolve) => wanted.push(resolve));
    },
    tell: (line) => void child.stdin!.write(`${line}\n`),
    exited,
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
