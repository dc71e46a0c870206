/**
 * A thousand connections that wait for a request: what each takes. Prints one line of JSON.
 * Argument: a `Task` as JSON.
 *
 * @module
 */
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { collect } from "../tests/support/collector.ts";
import { importOurs } from "./ours.ts";
import { leave, openIdle, probe, runtime } from "./raw.ts";
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
  const { HttpRequest, Transport } = await importOurs(task);
  const transport = new Transport({ maxIdleConns: 0, idleConnTimeoutMs: 0 });
  const exchange = async (): Promise<void> => {
    const { length } = await (await transport.roundTrip(new HttpRequest(task.url))).bytes();
    if (length !== task.expected) throw new Error(`${length} instead of ${task.expected} bytes`);
  };
  for (let n = 0; n < WARM_UP; n++) await exchange();
  return async (total) => {
    // Together: each dials, and a dial whose request was served meanwhile is kept. Where a busy machine
    // served many by few connections, once more.
    for (let attempt = 0; attempt < 10 && transport.stats().idle < total; attempt++) {
      await Promise.all(Array.from({ length: total }, exchange));
      for (let n = 0; n < 50 && transport.stats().idle < total; n++) await setTimeout(10);
    }
    const { idle } = transport.stats();
    if (idle < total) throw new Error(`Only ${idle} of ${total} connections are idle`);
  };
}

interface Look {
  resident: number;
  heap: number;
  buffers: number;
}

async function look(): Promise<Look> {
  for (let n = 0; n < 5; n++) {
    collect();
    await setTimeout(20);
  }
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  // Bun and Deno count no arrays by themselves.
  const buffers = runtime === "node" ? arrayBuffers : external;
  return { resident: rss, heap: heapUsed + external, buffers };
}

const openUpTo = await opener();
await openUpTo(FIRST);
const before = await look();
await openUpTo(FIRST + task.atOnce);
const after = await look();
const figures: Figures = {
  residentBytesPerConnection: (after.resident - before.resident) / task.atOnce,
  heapBytesPerConnection: (after.heap - before.heap) / task.atOnce,
  buffersBytesPerConnection: (after.buffers - before.buffers) / task.atOnce,
  residentBytes: after.resident,
};
leave(figures);
