/**
 * Runs the benchmarks: the clients of each work in turn (A B C A B C …) against one server, each in
 * a process of its own, and reports the medians and the ratios with their spread.
 *
 *     deno task bench --only get-small --runtimes deno,bun,node --peers raw,fetch,undici,http,http2,go
 *         --at-once 1,50 --runs 5 --ms 1000 --json FILE --svg FILE --markdown FILE
 *
 * `--help` explains. Everything stays on loopback and is bounded in time.
 *
 * @module
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, platform, release, tmpdir, totalmem } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { root, runProgram, runtimePath } from "../scripts/run_program.ts";
import { runtimes as allRuntimes } from "../scripts/test_report.ts";
import { drawChart } from "./chart.ts";
import { endAll, exists, pinned, runJson, startJson } from "./processes.ts";
import { frontPage } from "./page.ts";
import { tablesPage, textReport } from "./report.ts";
import type { Figures, Measurement } from "./samples.ts";
import { clientEnvironment, type ServerPorts, type Task, taskOf } from "./task.ts";
import { groups, hasGoal, type Participant, participants, type Work, works } from "./works.ts";

const help = `deno task bench [options]

  --only NAMES       works, groups (${groups.join(", ")}),
                     "goals" (the works that a goal needs), "rest" or "all"; default all
  --runtimes NAMES   default deno,bun,node
  --peers NAMES      default createFetch,raw,fetch,undici,http,http2,go; ours is always measured
  --before DIR       another tree of this project, with its dist/: ours of there is measured as "before"
  --at-once NUMBERS  instead of each work's own
  --runs N           times that every client is measured; default 5
  --ms N             milliseconds of one measurement; default 1000
  --warm-up SHARE    of each work's exchanges before it counts; default 1. Less is to try a work only
  --max-minutes N    begins no further round after that; default 15
  --add FILE         begins with the samples of an earlier --json
  --render FILE      measures nothing: reports an earlier --json
  --json FILE  --svg FILE
  --markdown FILE    the page; the tables behind it go into FILE-tables.md

The page docs/performance.md, in 25 minutes at most:
  deno task bench --only everyday --runs 4 --ms 250 --max-minutes 12 --json bench/results/all.json
  deno task bench --only small --runs 3 --ms 250 --max-minutes 4 --add bench/results/all.json \\
    --json bench/results/all.json
  deno task bench --only bulk,http2,own --runs 2 --ms 300 --max-minutes 4 \\
    --add bench/results/all.json --json bench/results/all.json
  deno task bench --only rest --runs 1 --ms 200 --max-minutes 5 --add bench/results/all.json \\
    --json bench/results/all.json --svg docs/performance.svg --markdown docs/performance.md

Works: ${works.map(({ name }) => name).join(" ")}`;

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg, index) => !(arg === "--" && index === 0)),
  options: {
    only: { type: "string", default: "all" },
    runtimes: { type: "string", default: "deno,bun,node" },
    peers: { type: "string", default: "createFetch,raw,fetch,undici,http,http2,go" },
    before: { type: "string" },
    "at-once": { type: "string" },
    runs: { type: "string", default: "5" },
    ms: { type: "string", default: "1000" },
    "warm-up": { type: "string", default: "1" },
    "max-minutes": { type: "string", default: "15" },
    add: { type: "string" },
    render: { type: "string" },
    json: { type: "string" },
    svg: { type: "string" },
    markdown: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const before = values.before === undefined ? undefined : resolve(values.before);
const bench = (name: string): string => join(root, "bench", name);
const said = new Set<string>();

function say(line: string): void {
  if (said.has(line)) return;
  said.add(line);
  console.error(line);
}

function chosenWorks(): Work[] {
  const names = values.only.split(",");
  const known = ["all", "goals", "rest", ...groups, ...works.map(({ name }) => name)];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`Unknown work: ${unknown.join(", ")}\n\n${help}`);
  return works.filter((work) =>
    ["all", work.name, work.group, hasGoal(work) ? "goals" : "rest"].some((name) =>
      names.includes(name)
    )
  );
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`"${text}" is no positive number`);
  return value;
}

async function versions(server: string, runtimes: readonly string[]): Promise<[string, string][]> {
  const first = async (program: string, ...args: string[]): Promise<string> =>
    /\d+(?:\.\d+)+/.exec((await runProgram(program, args)).output)?.[0] ?? "?";
  const found: [string, string][] = [];
  for (const runtime of runtimes) {
    found.push([runtime, await first(runtimePath(runtime as "deno"), "--version")]);
  }
  const { version } = JSON.parse(
    readFileSync(join(root, "node_modules", "undici", "package.json"), "utf8"),
  );
  found.push(["undici", version]);
  if (exists("go", "version")) found.push(["go", await first("go", "version")]);
  if (server === "nginx") found.push(["nginx", await first("nginx", "-v")]);
  return found;
}

/** What the ratios depend on; no names of machines or people. */
function machine(server: string): Record<string, string> {
  const cores = cpus();
  return {
    processor: `${cores.length} × ${cores[0]?.model.trim() ?? "?"}`,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    system: `${platform()} ${release()}`,
    server: `${server}, over loopback`,
    cores: pinned ? "client on one, server on the other" : "not pinned",
  };
}

const programs: Record<Work["kind"], string> = {
  loop: "client.ts",
  hosts: "hosts.ts",
  idle: "idle.ts",
  cold: "cold.ts",
  pool: "pool.ts",
};

function commandOf(work: Work, { runtime, client }: Participant, task: Task): string[] {
  if (client === "go") return [goProgram, JSON.stringify(task)];
  const command = [runtimePath(runtime as "deno"), ...(runtime === "deno" ? ["run", "-A"] : [])];
  // What a new process loads is what npm packs, and where it is said so the source, as from JSR.
  const packed = join(dirname(task.module), "dist", "mod.js");
  const isPacked = work.kind === "cold" && !client.endsWith("-source");
  const given = isPacked ? { ...task, module: packed } : task;
  return [...command, bench(programs[work.kind]), JSON.stringify(given)];
}

const folder = mkdtempSync(join(tmpdir(), "roundtrip-bench-client-"));
const goProgram = join(folder, "go-client");

async function buildGo(): Promise<boolean> {
  if (!exists("go", "version")) return false;
  const { code, output } = await runProgram("go", ["build", "-o", goProgram, bench("main.go")], {
    env: { GO111MODULE: "off", GOCACHE: join(folder, "cache"), GOFLAGS: "" },
    timeoutMs: 180_000,
  });
  if (code !== 0) say(`go: ${output}`);
  return code === 0;
}

/** All clients of one work once; leaves out those that cannot do it. */
async function round(
  work: Work,
  atOnce: number,
  who: readonly Participant[],
  run: number,
  ports: ServerPorts,
  measurement: Measurement,
): Promise<void> {
  for (const { runtime, client } of who) {
    const key = `${work.name}, ${runtime}, ${client}`;
    if (skipped.has(key)) continue;
    const { server } = work;
    if ((server === "nginx" || server === "nghttpd") && ports.http2Ports[server] === 0) {
      skipped.add(key);
      say(`${key}: left out: ${server} is not installed`);
      continue;
    }
    const all = taskOf(work, client, atOnce, positive(values.ms), ports, before);
    const task = { ...all, warmUp: Math.ceil(all.warmUp * positive(values["warm-up"])) };
    const command = commandOf(work, { runtime, client }, task);
    try {
      const figures = await runJson<Figures & { skip?: string }>(
        command,
        clientEnvironment,
        Math.max(60_000, task.ms * 2),
      );
      if (figures.skip === undefined) {
        measurement.samples.push({ work: work.name, atOnce, runtime, client, run, figures });
      } else {
        skipped.add(key);
        say(`${key}: left out: ${figures.skip}`);
      }
    } catch (error) {
      if (ending) return;
      skipped.add(key);
      say(`${key}: left out: ${(error as Error).message}`);
    }
  }
}

const skipped = new Set<string>();
let ending = false;

async function measure(measurement: Measurement): Promise<void> {
  const chosen = chosenWorks();
  const runtimes = values.runtimes.split(",");
  const wrong = runtimes.filter((name) => !(allRuntimes as readonly string[]).includes(name));
  if (wrong.length > 0) throw new Error(`Unknown runtime: ${wrong.join(", ")}`);
  const peers = values.peers.split(",");
  if (before !== undefined) peers.push("before");
  if (peers.includes("go") && !await buildGo()) {
    say("go: left out: not installed");
    peers.splice(peers.indexOf("go"), 1);
  }
  if (chosen.some(({ kind }) => kind === "cold")) {
    await runProgram(runtimePath("node"), ["scripts/build.ts"], { timeoutMs: 120_000 });
    if (!existsSync(join(root, "dist", "mod.js"))) throw new Error("npm run build fails");
  }
  const anyAddress = chosen.some(({ kind }) => kind === "hosts");
  const ports = await startJson<ServerPorts>([
    runtimePath("node"),
    bench("server.ts"),
    ...(anyAddress ? ["--any-address"] : []),
  ]);
  Object.assign(measurement.machine, machine(ports.name));
  Object.assign(measurement.versions, Object.fromEntries(await versions(ports.name, runtimes)));
  const giveUpAt = Date.now() + positive(values["max-minutes"]) * 60_000;
  const runs = positive(values.runs);
  // Rounds of the same work side by side, and every work done before the next time: what is given
  // up when the time is over is the last runs, not the last works.
  for (let run = 0; run < runs; run++) {
    for (const work of chosen) {
      const atOnces =
        work.kind === "loop" && work.maxExchanges !== 1 && values["at-once"] !== undefined
          ? values["at-once"].split(",").map(positive)
          : work.atOnce;
      for (const atOnce of atOnces) {
        if (ending) return;
        if (Date.now() > giveUpAt) {
          say(`Ended in run ${run + 1} of ${runs}: --max-minutes`);
          return;
        }
        const startedAt = Date.now();
        await round(work, atOnce, participants(work, runtimes, peers), run, ports, measurement);
        const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
        console.error(`run ${run + 1}/${runs}: ${work.name}, ${atOnce} at once: ${seconds} s`);
      }
    }
  }
}

function read(file: string): Measurement {
  return JSON.parse(readFileSync(file, "utf8"));
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function report(measurement: Measurement): void {
  console.log(textReport(measurement));
  if (values.json) write(values.json, `${JSON.stringify(measurement)}\n`);
  if (values.svg) write(values.svg, drawChart(measurement));
  if (values.markdown) {
    const tables = values.markdown.replace(/(\.md)?$/, "-tables.md");
    write(values.markdown, frontPage(measurement, values.svg ?? null, basename(tables)));
    write(tables, tablesPage(measurement, basename(values.markdown)));
  }
}

async function main(): Promise<void> {
  if (values.help) return console.log(help);
  if (values.render !== undefined) return report(read(values.render));
  const empty: Measurement = { machine: {}, versions: {}, commands: [], samples: [] };
  const measurement = values.add === undefined ? empty : read(values.add);
  // Runs are compared with those of the same number: those of before keep theirs.
  const again = new Set(chosenWorks().map(({ name }) => name));
  measurement.samples = measurement.samples.filter(({ work }) => !again.has(work));
  measurement.commands.push(["deno task bench", ...process.argv.slice(2)].join(" "));
  await measure(measurement);
  report(measurement);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    ending = true;
    // The round under way fails with its client, and main() comes to its end.
    endAll();
  });
}
let code = 0;
try {
  await main();
  if (ending) code = 130;
} catch (error) {
  console.error(ending ? "Interrupted" : (error as Error).message);
  code = ending ? 130 : 1;
} finally {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(code);
