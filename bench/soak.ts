/**
 * A soak: many requests at once against a server that misbehaves at random. Every answer must carry
 * its request's id. Run it by hand on each runtime; it is bounded by its count.
 *
 * `node bench/soak.ts [requests] [at once] [seed]`; defaults 1,000,000, 200, 1.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import process from "node:process";
import { HttpError, HttpRequest, Transport } from "../mod.ts";
import { SeededRandom } from "../testing/seeded_random.ts";

const [count = 1_000_000, atOnce = 200, seed = 1] = process.argv.slice(2).map(Number);
const here = new URL(".", import.meta.url).pathname;
const node = createRequire(import.meta.url).resolve("node/bin/node");
const server = spawn(node, [`${here}soak_server.ts`, String(seed)], {
  stdio: ["pipe", "pipe", "inherit"],
});
const [line] = await once(server.stdout, "data") as [Uint8Array];
const origin = `http://127.0.0.1:${new TextDecoder().decode(line).trim()}`;

const transport = new Transport({
  maxConnsPerHost: atOnce,
  responseHeaderTimeoutMs: 20_000,
  bodyIdleTimeoutMs: 20_000,
});
const numbers = new SeededRandom(seed + 1);
const random = (): number => numbers.next();
const codes = new Map<string, number>();
let next = 0;
let done = 0;
let wrong = 0;
let closedEarly = 0;
let midBytes = 0;

async function one(id: number): Promise<void> {
  const post = random() < 0.2;
  const request = new HttpRequest(`${origin}/${id}`, {
    method: post ? "POST" : "GET",
    headers: { "X-Id": String(id) },
    body: post ? "b".repeat(Math.floor(random() * 500)) : null,
  });
  try {
    const response = await transport.roundTrip(request);
    if (response.headers.get("x-id") !== String(id)) wrong++;
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
    if (++done === count >> 1) midBytes = process.memoryUsage().rss;
  }
}

const startedAt = performance.now();
await Promise.all(Array.from({ length: atOnce }, loop));
const seconds = (performance.now() - startedAt) / 1000;
const growthMiB = (process.memoryUsage().rss - midBytes) / 2 ** 20;
const stats = transport.stats();
await transport.close();
server.stdin.end();
const [open] = await once(server.stdout, "data") as [Uint8Array];
const left = Number(new TextDecoder().decode(open));

console.log({
  requests: done,
  seconds: Math.round(seconds),
  wrong,
  closedEarly,
  errors: Object.fromEntries(codes),
  activeAtEnd: stats.active,
  waitingAtEnd: stats.waiting,
  socketsLeftAtServer: left,
  growthInSecondHalfMiB: Math.round(growthMiB),
});
const timedOut = codes.get("ERR_TIMEOUT") ?? 0;
const well = wrong === 0 && timedOut === 0 && stats.active === 0 && stats.waiting === 0 &&
  left === 0;
process.exit(well ? 0 : 1);
