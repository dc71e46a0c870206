/**
 * Where one client spends its time: runs it under the runtime's sampling profiler and prints the
 * self time of functions and of files. Deno, Bun and Node write the same format.
 *
 *     deno run -A bench/profile.ts RUNTIME [WORK] [CLIENT] [AT ONCE] [MILLISECONDS]
 *
 * Defaults: get-small, roundtrip, 50, 3000.
 *
 * @module
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { root, runtimePath } from "../scripts/run_program.ts";
import { endAll, runJson, startJson } from "./processes.ts";
import type { Figures } from "./samples.ts";
import { clientEnvironment, type ServerPorts, taskOf } from "./task.ts";
import { works } from "./works.ts";

/** What the three runtimes write: V8's format. */
interface CpuProfile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
  }[];
  samples: number[];
  timeDeltas: number[];
}

const ROWS = 30;

/** Self time by a name of each node, in descending order, as lines. */
function table(
  profile: CpuProfile,
  nameOf: (frame: CpuProfile["nodes"][0]["callFrame"]) => string,
): string {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const micros = new Map<string, number>();
  let total = 0;
  profile.samples.forEach((id, index) => {
    const name = names.get(id)!;
    if (name.startsWith("(idle)")) return;
    const delta = profile.timeDeltas[index];
    total += delta;
    micros.set(name, (micros.get(name) ?? 0) + delta);
  });
  return [...micros].sort((a, b) => b[1] - a[1]).slice(0, ROWS).map(([name, spent]) =>
    `${(spent / total * 100).toFixed(1).padStart(6)} %  ${name}`
  ).join("\n");
}

function place(url: string): string {
  return url.replace(`file://${root}`, "").replace(root, "") || "(runtime)";
}

async function main(folder: string): Promise<void> {
  const [runtime, name = "get-small", client = "roundtrip", atOnce = "50", ms = "3000"] = process
    .argv.slice(2);
  const work = works.find((one) => one.name === name && one.kind === "loop");
  if (!["deno", "bun", "node"].includes(runtime) || work === undefined) {
    console.error("Usage: profile.ts deno|bun|node [work] [client] [at once] [milliseconds]");
    process.exitCode = 2;
    return;
  }
  const ports = await startJson<ServerPorts>([
    runtimePath("node"),
    join(root, "bench", "server.ts"),
  ]);
  const task = taskOf(work, client, Number(atOnce), Number(ms), ports);
  const flags = ["--cpu-prof", `--cpu-prof-dir=${folder}`];
  const command = [
    runtimePath(runtime as "deno"),
    ...(runtime === "deno" ? ["run", "-A"] : []),
    ...flags,
    join(root, "bench", "client.ts"),
    JSON.stringify(task),
  ];
  const figures = await runJson<Figures>(command, clientEnvironment, task.ms * 4 + 30_000);
  const [file] = readdirSync(folder).filter((one) => one.endsWith(".cpuprofile"));
  if (file === undefined) throw new Error(`${runtime} wrote no profile`);
  const profile: CpuProfile = JSON.parse(readFileSync(join(folder, file), "utf8"));
  console.log(figures);
  console.log("\nSelf time by file");
  console.log(table(profile, ({ url }) => place(url)));
  console.log("\nSelf time by function");
  console.log(
    table(
      profile,
      ({ functionName, url, lineNumber }) =>
        `${functionName || "(anonymous)"}  ${place(url)}:${lineNumber + 1}`,
    ),
  );
}

const folder = mkdtempSync(join(tmpdir(), "roundtrip-profile-"));
try {
  await main(folder);
} finally {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
