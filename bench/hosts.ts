/**
 * Ten thousand hosts, one request each, some at once: addresses of the loopback network that one
 * server listens at. Prints one line of JSON. Argument: a `Task` as JSON; `{host}` in its URL is
 * replaced.
 *
 * @module
 */
import process from "node:process";
import { HttpRequest, Transport } from "../mod.ts";
import { Meter } from "./meter.ts";
import { leave, probe, rawLoop } from "./raw.ts";
import type { Task } from "./task.ts";

const HOSTS = 10_000;

const task: Task = JSON.parse(process.argv[2]);

function urlOf(host: number): string {
  return task.url.replace("{host}", `127.1.${host >> 8}.${host & 255}`);
}

async function exchangeOf(client: string): Promise<(host: number) => Promise<void>> {
  if (client === "raw") {
    const exchange = await probe({ ...task, url: urlOf(0) });
    const once = { next: () => false };
    return (host) =>
      rawLoop({ ...exchange, hostname: new URL(urlOf(host)).hostname, close: true }, once);
  }
  if (client === "fetch") {
    return async (host) => void await (await fetch(urlOf(host))).arrayBuffer();
  }
  const transport = new Transport();
  return async (host) => {
    await (await transport.roundTrip(new HttpRequest(urlOf(host)))).bytes();
  };
}

const exchange = await exchangeOf(task.client);
// Shared by the loops: the next host that nobody has asked yet.
let next = 0;
const meter = new Meter(0, task.ms, HOSTS);

async function loop(): Promise<void> {
  const lap = meter.lap();
  do {
    await exchange(next++ % HOSTS);
  } while (lap.next());
}

await Promise.all(Array.from({ length: task.atOnce }, loop));
leave(meter.figures(0));
