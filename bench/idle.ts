/**
 * A thousand connections that wait for a request: what each takes. Prints one line of JSON.
 * Argument: a `Task` as JSON.
 *
 * @module
 */
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { HttpRequest, Transport } from "../mod.ts";
import { collect } from "../tests/support/collector.ts";
import { leave, openIdle, probe } from "./raw.ts";
import type { Figures } from "./samples.ts";
import type { Task } from "./task.ts";

/** Opened before the first look, so that what is needed once is there. */
const FIRST = 50;

/** Exchanges before the first look: what compilers and the collector take is not a connection's. */
const WARM_UP = 3_000;

const task: Task = JSON.parse(process.argv[2]);

async function opener(): Promise<(total: number) => Promise<void>> {
  if (task.client === "raw") {
    const exchange = await probe(task);
    let open = 0;
    return async (total) => {
      // Together, as the others do.
      await Promise.all(Array.from({ length: total - open }, () => openIdle(exchange)));
      open = total;
    };
  }
  const transport = new Transport({ maxIdleConns: 0, idleConnTimeoutMs: 0 });
  for (let n = 0; n < WARM_UP; n++) {
    await (await transport.roundTrip(new HttpRequest(task.url))).bytes();
  }
  return async (total) => {
    // Together: each dials, and a dial whose request was served meanwhile is kept.
    await Promise.all(Array.from({ length: total }, async () => {
      await (await transport.roundTrip(new HttpRequest(task.url))).bytes();
    }));
    for (let n = 0; n < 500 && transport.stats().idle < total; n++) await setTimeout(10);
    const { idle } = transport.stats();
    if (idle < total) throw new Error(`Only ${idle} of ${total} connections are idle`);
  };
}

async function look(): Promise<{ resident: number; heap: number }> {
  for (let n = 0; n < 5; n++) {
    collect();
    await setTimeout(20);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { resident: rss, heap: heapUsed + external };
}

const openUpTo = await opener();
await openUpTo(FIRST);
const before = await look();
await openUpTo(FIRST + task.atOnce);
const after = await look();
const figures: Figures = {
  residentBytesPerConnection: (after.resident - before.resident) / task.atOnce,
  heapBytesPerConnection: (after.heap - before.heap) / task.atOnce,
  residentBytes: after.resident,
};
leave(figures);
