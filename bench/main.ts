/**
 * Runs the benchmarks: clients in turn against one server, on each runtime, several times; prints
 * the medians and the ratios of each pair with their spread.
 *
 * `deno task bench [--runtimes deno,bun,node] [--clients raw,roundtrip,fetch] [--at-once 50]
 * [--runs 5] [--ms 2000]`. Everything stays on loopback and ends by itself.
 *
 * @module
 */
import { parseArgs } from "node:util";

interface Result {
  requestsPerSecond: number;
  cpuMicrosPerRequest: number;
}

const { values } = parseArgs({
  args: Deno.args,
  options: {
    runtimes: { type: "string", default: "deno,bun,node" },
    clients: { type: "string", default: "raw,roundtrip,fetch" },
    "at-once": { type: "string", default: "50" },
    runs: { type: "string", default: "5" },
    ms: { type: "string", default: "2000" },
  },
});
const runtimes = values.runtimes.split(",");
const clients = values.clients.split(",");
const bin = new URL("../node_modules/.bin/", import.meta.url).pathname;
const here = new URL(".", import.meta.url).pathname;
const pinned = navigator.hardwareConcurrency > 1 && await exists("taskset");

const { port, stop } = await startServer();
try {
  for (const runtime of runtimes) await measure(runtime);
} finally {
  await stop();
}

async function measure(runtime: string): Promise<void> {
  const results = new Map<string, Result[]>(clients.map((client) => [client, []]));
  for (let run = 0; run < Number(values.runs); run++) {
    for (const client of clients) results.get(client)!.push(await runClient(runtime, client));
  }
  console.log(`\n${runtime}, small GET, ${values["at-once"]} at once, ${values.runs} runs`);
  for (const client of clients) {
    const rates = results.get(client)!.map((r) => r.requestsPerSecond);
    const cpu = results.get(client)!.map((r) => r.cpuMicrosPerRequest);
    const ratios = results.get("raw")?.map((raw, i) => rates[i] / raw.requestsPerSecond) ?? [];
    console.log(
      `  ${client.padEnd(10)} ${String(median(rates)).padStart(8)} req/s` +
        `  ${median(cpu).toFixed(1).padStart(6)} CPU µs/req` +
        (ratios.length ? `  ${percent(median(ratios))} of raw (${spread(ratios)})` : ""),
    );
  }
}

async function runClient(runtime: string, client: string): Promise<Result> {
  const program = [here + "get_small.ts", client, String(port), values["at-once"], values.ms];
  const command = [bin + runtime, ...(runtime === "deno" ? ["run", "-A"] : []), ...program];
  const { success, stdout, stderr } = await execute(pin(0, command));
  if (!success) throw new Error(`${command.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

/** nginx where it is installed, else our own; never in the client's process. */
async function startServer(): Promise<{ port: number; stop: () => Promise<void> }> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const folder = await Deno.makeTempDir();
  const nginx = await exists("nginx");
  if (nginx) {
    // nginx's worker is another user.
    await Deno.chmod(folder, 0o755);
    await Deno.writeTextFile(`${folder}/x`, "Hello, world!");
    await Deno.writeTextFile(`${folder}/nginx.conf`, nginxConfig(folder, port));
  }
  const command = nginx
    ? ["nginx", "-p", folder, "-c", `${folder}/nginx.conf`, "-e", `${folder}/error.log`]
    : [bin + "node", here + "server.ts", String(port)];
  const [program, ...args] = pin(1, command);
  const child = new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn();
  await untilListening(port);
  console.log(`server: ${nginx ? "nginx" : "bench/server.ts"}, pinned: ${pinned}`);
  return {
    port,
    stop: async () => {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

function nginxConfig(folder: string, port: number): string {
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
  return `daemon off; pid ${folder}/pid; worker_processes 1;
events { worker_connections 8192; }
http { access_log off; keepalive_requests 1000000000; ${temp}
  server { listen 127.0.0.1:${port}; root ${folder}; default_type text/plain; } }\n`;
}

async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  throw new Error("the server does not listen");
}

function pin(core: number, command: string[]): string[] {
  return pinned ? ["taskset", "-c", String(core), ...command] : command;
}

function execute([program, ...args]: string[]): Promise<Deno.CommandOutput> {
  return new Deno.Command(program, { args, stdout: "piped", stderr: "piped" }).output();
}

async function exists(program: string): Promise<boolean> {
  try {
    return (await execute([program, program === "nginx" ? "-v" : "--version"])).success;
  } catch {
    return false;
  }
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

function spread(ratios: number[]): string {
  return `${percent(Math.min(...ratios))} to ${percent(Math.max(...ratios))}`;
}
