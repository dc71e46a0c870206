/**
 * Import, first and second request in a new process. Prints one line of JSON. Argument: a `Task` as
 * JSON; its module is what is imported of ours.
 *
 * @module
 */
import process from "node:process";
import type { Task } from "./task.ts";

const task: Task = JSON.parse(process.argv[2]);

/** One request; the bytes of its answer. */
type Exchange = () => Promise<number>;

/** Imports what a client needs. */
async function exchangeOf({ client, module, url }: Task): Promise<Exchange> {
  switch (client) {
    case "fetch":
      return async () => (await (await fetch(url)).arrayBuffer()).byteLength;
    case "undici": {
      const { request } = await import("undici");
      return async () => (await (await request(url)).body.arrayBuffer()).byteLength;
    }
    case "http": {
      const { get } = await import("node:http");
      return () => {
        const { promise, resolve, reject } = Promise.withResolvers<number>();
        get(url, (response) => {
          let bytes = 0;
          response.on("data", (chunk: Uint8Array) => void (bytes += chunk.length));
          response.on("end", () => resolve(bytes));
        }).on("error", reject);
        return promise;
      };
    }
    default: {
      const { HttpRequest, Transport }: typeof import("../mod.ts") = await import(module);
      const transport = new Transport();
      return async () => (await (await transport.roundTrip(new HttpRequest(url))).bytes()).length;
    }
  }
}

function check(bytes: number): void {
  if (bytes !== task.expected) throw new Error(`${bytes} instead of ${task.expected} bytes`);
}

const startedAt = performance.now();
const exchange = await exchangeOf(task);
check(await exchange());
const firstAt = performance.now();
check(await exchange());
const secondAt = performance.now();
console.log(JSON.stringify({
  firstRequestMs: firstAt - startedAt,
  secondRequestMs: secondAt - firstAt,
  residentBytes: process.memoryUsage().rss,
}));
process.exit(0);
