/**
 * Ten thousand hosts, one request each, some at once: addresses of the loopback network that one
 * server listens at. Every client closes each connection after its request. Prints one line of JSON.
 * Argument: a `Task` as JSON; `{host}` in its URL is replaced.
 *
 * @module
 */
import * as http from "node:http";
import process from "node:process";
import { dialInit } from "./exchanges.ts";
import { Meter } from "./meter.ts";
import { NotMeasurable } from "./not_measurable.ts";
import { connectionsOpened } from "./opened.ts";
import { importOurs, transportOptions } from "./ours.ts";
import { leave, probe, rawLoop } from "./raw.ts";
import type { Task } from "./task.ts";

const task: Task = JSON.parse(process.argv[2]);

function urlOf(host: number): string {
  return task.url.replace("{host}", `127.1.${host >> 8}.${host & 255}`);
}

/** One request to a host; the bytes of its answer. */
type Exchange = (host: number) => Promise<number>;

async function exchangeOf(task: Task): Promise<Exchange> {
  switch (task.client) {
    case "raw": {
      const exchange = await probe({ ...task, url: urlOf(0) });
      const once = { next: () => false };
      return async (host) => {
        // It ends when the whole answer is there.
        await rawLoop({ ...exchange, hostname: new URL(urlOf(host)).hostname }, once);
        return task.expected;
      };
    }
    case "fetch": {
      const init = dialInit(task);
      return async (host) => (await (await fetch(urlOf(host), init)).arrayBuffer()).byteLength;
    }
    case "undici": {
      const { Agent, request } = await import("undici");
      const dispatcher = new Agent({ pipelining: 0 });
      return async (host) => {
        const { body } = await request(urlOf(host), { dispatcher, reset: true });
        return (await body.arrayBuffer()).byteLength;
      };
    }
    case "http": {
      const agent = new http.Agent({ keepAlive: false });
      return (host) => {
        const { promise, resolve, reject } = Promise.withResolvers<number>();
        const sent = http.get(urlOf(host), { agent }, (response) => {
          let bytes = 0;
          response.on("data", (chunk: Uint8Array) => void (bytes += chunk.length));
          response.on("error", reject).on("end", () => resolve(bytes));
        });
        sent.on("error", reject);
        return promise;
      };
    }
    default: {
      const { HttpRequest, Transport } = await importOurs(task);
      const transport = new Transport(transportOptions(task));
      return async (host) =>
        (await (await transport.roundTrip(new HttpRequest(urlOf(host)))).bytes()).length;
    }
  }
}

async function measure(): Promise<Meter> {
  const exchange = await exchangeOf(task);
  const hosts = task.warmUp + task.maxExchanges;
  // Shared by the loops: the next host that nobody has asked yet.
  let next = 0;
  const openedBefore = connectionsOpened();
  const meter = new Meter(task.warmUp, task.ms, task.maxExchanges);
  const loop = async (): Promise<void> => {
    const lap = meter.lap();
    do {
      const bytes = await exchange(next++ % hosts);
      if (bytes !== task.expected) throw new Error(`${bytes} instead of ${task.expected} bytes`);
    } while (lap.next());
  };
  await Promise.all(Array.from({ length: task.atOnce }, loop));
  meter.checkConnections(connectionsOpened() - openedBefore);
  return meter;
}

try {
  leave((await measure()).figures(0));
} catch (error) {
  if (error instanceof NotMeasurable) leave({ skip: error.message });
  console.error(error);
  process.exit(1);
}
