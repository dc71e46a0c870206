/**
 * The processes that the benchmarks start: on which core, for how long, and that none is left.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import process from "node:process";

const running = new Set<ChildProcess>();

/** Which core a process is bound to. */
export type Role = "client" | "server";

/** Whether client and server are bound to cores of their own. */
export const pinned: boolean = availableParallelism() > 1 && exists("taskset", "--version");

/** Whether a program is installed. */
export function exists(program: string, ...args: string[]): boolean {
  return spawnSync(program, args).status === 0;
}

function start(role: Role, command: readonly string[], env: Record<string, string>): ChildProcess {
  const core = role === "client" ? "0" : "1";
  const [program, ...args] = pinned ? ["taskset", "-c", core, ...command] : command;
  const child = spawn(program, args, {
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  running.add(child);
  child.on("close", () => running.delete(child));
  return child;
}

/**
 * Runs a program to its end and parses the last line that it prints.
 *
 * @param timeoutMs Then it is killed, and that is an error.
 */
export async function runJson<T>(
  command: readonly string[],
  env: Record<string, string>,
  timeoutMs: number,
): Promise<T> {
  const child = start("client", command, env);
  const output: string[] = [];
  const errors: string[] = [];
  child.stdin!.end();
  child.stdout!.setEncoding("utf8").on("data", (text: string) => output.push(text));
  child.stderr!.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on("error", reject).on("close", resolve);
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const code = await promise.finally(() => clearTimeout(timer));
  const line = output.join("").trim().split("\n").at(-1) ?? "";
  if (code !== 0 || line === "") {
    const why = code === null ? `killed, after ${timeoutMs} ms at most` : `exit code ${code}`;
    throw new Error(`${why}\n${errors.join("")}`);
  }
  return JSON.parse(line);
}

/** Starts a program that goes on, and parses the first line that it prints. */
export async function startJson<T>(command: readonly string[]): Promise<T> {
  const child = start("server", command, {});
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let output = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (output.includes("\n")) resolve(output);
  });
  child.stderr!.pipe(process.stderr);
  child.on("error", reject).on("close", () => reject(new Error(`${command.join(" ")} ended`)));
  const timer = setTimeout(() => reject(new Error(`${command.join(" ")} is silent`)), 20_000);
  return JSON.parse(await promise.finally(() => clearTimeout(timer)));
}

/** Ends every process that was started here, by its id; waits for them, for a bounded time. */
export async function endAll(): Promise<void> {
  const ended = [...running].map((child) =>
    new Promise((resolve) => {
      child.on("close", resolve);
      child.kill("SIGTERM");
    })
  );
  const timer = setTimeout(() => {
    for (const child of running) child.kill("SIGKILL");
  }, 3_000);
  await Promise.all(ended);
  clearTimeout(timer);
}
