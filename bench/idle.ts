/**
 * A thousand connections that wait for a request: what each takes. Prints one line of JSON.
 * Argument: a `Task` as JSON.
 *
 * @module
 */
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import type { HttpResponse } from "../mod.ts";
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

/** Makes what opens connections until about so many idle, and says how many do. */
async function opener(): Promise<(total: number) => Promise<number>> {
  if (task.client === "raw") {
    const exchange = await probe(task);
    let open = 0;
    return async (total) => {
      // Together, as the others do.
      await Promise.all(Array.from({ length: total - open }, () => openIdle(exchange)));
      open = total;
      return total;
    };
  }
  const { HttpRequest, Transport } = await importOurs(task);
  const transport = new Transport({ maxIdleConns: 0, idleConnTimeoutMs: 0 });
  const begin = (): Promise<HttpResponse> => transport.roundTrip(new HttpRequest(task.url));
  const end = async (response: HttpResponse): Promise<void> => {
    const { length } = await response.bytes();
    if (length !== task.expected) throw new Error(`${length} instead of ${task.expected} bytes`);
  };
  for (let n = 0; n < WARM_UP; n++) await end(await begin());
  return async (total) => {
    // Together: each dials, and an answer that is not read yet holds its connection, unless all of it is
    // there. On a busy machine many are served by few connections, and no dial begins that nobody needs:
    // then there are fewer.
    for (let attempt = 0; attempt < 5 && transport.stats().idle < total; attempt++) {
      const responses = await Promise.all(Array.from({ length: total }, begin));
      await Promise.all(responses.map(end));
      for (let n = 0; n < 50 && transport.stats().idle < total; n++) await setTimeout(10);
    }
    const { idle } = transport.stats();
    if (idle < total / 4) throw new Error(`Only ${idle} of ${total} connections are idle`);
    return idle;
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
const first = await openUpTo(FIRST);
const before = await look();
const more = await openUpTo(FIRST + task.atOnce) - first;
const after = await look();
const figures: Figures = {
  residentBytesPerConnection: (after.resident - before.resident) / more,
  heapBytesPerConnection: (after.heap - before.heap) / more,
  buffersBytesPerConnection: (after.buffers - before.buffers) / more,
  residentBytes: after.resident,
};
leave(figures);
