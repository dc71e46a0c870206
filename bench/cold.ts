/**
 * Import and first request in a new process. Prints one line of JSON. Arguments: a `Task` as JSON,
 * the module of this package to import.
 *
 * @module
 */
import process from "node:process";
import type { Task } from "./task.ts";

const task: Task = JSON.parse(process.argv[2]);
const startedAt = performance.now();
switch (task.client) {
  case "fetch":
    await (await fetch(task.url)).arrayBuffer();
    break;
  case "undici":
    await (await (await import("undici")).request(task.url)).body.arrayBuffer();
    break;
  case "http": {
    const { get } = await import("node:http");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    get(task.url, (response) => response.on("end", resolve).resume()).on("error", reject);
    await promise;
    break;
  }
  default: {
    const { HttpRequest, Transport }: typeof import("../mod.ts") = await import(process.argv[3]);
    const response = await new Transport().roundTrip(new HttpRequest(task.url));
    await response.bytes();
  }
}
console.log(JSON.stringify({
  firstRequestMs: performance.now() - startedAt,
  residentBytes: process.memoryUsage().rss,
}));
process.exit(0);
