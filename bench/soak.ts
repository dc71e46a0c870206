/**
 * A soak: many requests at once against a server that misbehaves at random. Every answer must carry
 * its request's id. Run it by hand on each runtime; it is bounded by its count.
 *
 * `node bench/soak.ts [requests] [at once] [seed]`; defaults 1,000,000, 200, 1.
 *
 * `node bench/soak.ts [requests] [at once] [seed] busy|busy-tls`; defaults 10,000, 16, 1: every turn
 * of the event loop takes 2 to 20 ms, and the server plants answers that nobody asked for. None may be
 * taken that it had written more than a moment before the request went out.
 *
 * `node bench/soak.ts [requests] [at once] [seed] h2`: over HTTP/2, many requests on each connection,
 * to a server that resets streams, leaves, and breaks off.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";
import { createInterface } from "node:readline";
import { setImmediate, setTimeout } from "node:timers";
import { HttpError, HttpRequest, Transport } from "../mod.ts";
import { SeededRandom } from "../testing/seeded_random.ts";

const mode = process.argv[5] ?? "calm";
const isBusy = mode === "busy" || mode === "busy-tls";
const figures = process.argv.slice(2, 5).map(Number);
const [count = isBusy ? 10_000 : 1_000_000, atOnce = isBusy ? 16 : 200, seed = 1] = figures;
const here = new URL(".", import.meta.url).pathname;
const node = createRequire(import.meta.url).resolve("node/bin/node");
const program = mode === "h2" ? "soak_http2_server.ts" : "soak_server.ts";
const server = spawn(node, [here + program, String(seed), mode], {
  stdio: ["pipe", "pipe", "inherit"],
});

/** When each planted answer was in the kernel, by the time of day. */
const plantedAt = new Map<number, number>();
const port = Promise.withResolvers<number>();
const left = Promise.withResolvers<number>();
createInterface({ input: server.stdout }).on("line", (line) => {
  const [what, first, second] = line.split(" ");
  if (what === "planted") plantedAt.set(Number(first), Number(second));
  else (what === "port" ? port : left).resolve(Number(first));
});
const scheme = mode === "busy-tls" ? "https" : "http";
const origin = `${scheme}://localhost:${await port.promise}`;
const authority = readFileSync(new URL("../tests/certs/ca.pem", import.meta.url), "utf8");

const transport = new Transport({
  maxConnsPerHost: mode === "h2" ? 4 : atOnce,
  http2: mode === "h2" && { priorKnowledge: true },
  responseHeaderTimeoutMs: 20_000,
  bodyIdleTimeoutMs: 20_000,
  tls: { caCerts: [authority] },
});
const numbers = new SeededRandom(seed + 1);
const random = (): number => numbers.next();
const codes = new Map<string, number>();
let next = 0;
let done = 0;
let wrong = 0;
let closedEarly = 0;
let midBytes = 0;
/** Planted answers that were taken, each with the time when its request went out. */
const taken: [planted: number, usedAt: number][] = [];

/** Milliseconds. A proof is good for one, and each of the two times may lack nearly another. */
const MARGIN_MS = 2;

/** Makes the turns of the event loop long, until all is done. */
function beBusy(): void {
  if (done === count) return;
  const until = performance.now() + 2 + numbers.next() * 18;
  while (performance.now() < until);
  // Where there are always immediates, Deno looks at its sockets every 61 turns.
  if (!("Deno" in globalThis) && numbers.next() < 0.5) setImmediate(beBusy);
  else setTimeout(beBusy, 0);
}

async function one(id: number): Promise<void> {
  const post = random() < 0.2;
  let usedAt = 0;
  const request = new HttpRequest(`${origin}/${id}`, {
    method: post ? "POST" : "GET",
    headers: { "X-Id": String(id) },
    body: post ? "b".repeat(Math.floor(random() * 500)) : null,
    trace: isBusy ? { gotConn: () => void (usedAt = Date.now()) } : undefined,
  });
  try {
    const response = await transport.roundTrip(request);
    const answered = response.headers.get("x-id");
    if (answered === "planted") {
      taken.push([Number(/=(\d+)/.exec(await response.text())![1]), usedAt]);
      return;
    }
    if (answered !== String(id)) {
      wrong++;
      console.log(`request ${id} was answered by ${answered}`);
    }
    if (random() < 0.02) {
      closedEarly++;
      await response.body.close();
    } else if (!(await response.text()).startsWith(`id=${id};`)) {
      wrong++;
    }
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
  }
}

async function loop(): Promise<void> {
  while (next < count) {
    await one(next++);
    // Some time for the server to plant.
    if (isBusy) await new Promise((resolve) => void setTimeout(resolve, random() * 40));
    if (++done === count >> 1) midBytes = process.memoryUsage().rss;
  }
}

const startedAt = performance.now();
if (isBusy) beBusy();
await Promise.all(Array.from({ length: atOnce }, loop));
const seconds = (performance.now() - startedAt) / 1000;
const growthMiB = (process.memoryUsage().rss - midBytes) / 2 ** 20;
const stats = transport.stats();
await transport.close();
server.stdin.end();
const socketsLeft = await left.promise;
const early = taken.filter(([id, usedAt]) => usedAt - plantedAt.get(id)! > MARGIN_MS);

for (const [id, usedAt] of early) {
  console.log(`planted ${id} was there ${usedAt - plantedAt.get(id)!} ms before its request`);
}
console.log({
  requests: done,
  seconds: Math.round(seconds),
  wrong,
  ...isBusy &&
    { planted: plantedAt.size, taken: taken.length, takenAlthoughThereBefore: early.length },
  closedEarly,
  errors: Object.fromEntries(codes),
  activeAtEnd: stats.active,
  waitingAtEnd: stats.waiting,
  socketsLeftAtServer: socketsLeft,
  growthInSecondHalfMiB: Math.round(growthMiB),
});
const timedOut = codes.get("ERR_TIMEOUT") ?? 0;
const well = wrong === 0 && timedOut === 0 && stats.active === 0 && stats.waiting === 0 &&
  socketsLeft === 0 && early.length === 0;
process.exit(well ? 0 : 1);
