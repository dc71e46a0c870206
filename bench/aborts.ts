/**
 * Closed loops of requests that are given up while they wait for an answer, each followed by one that
 * is answered: what programs do that lose patience.
 *
 * @module
 */
import * as http from "node:http";
import { setTimeout } from "node:timers/promises";
import { NotMeasurable } from "./not_measurable.ts";
import { importOurs, transportOptions } from "./ours.ts";
import type { Task } from "./task.ts";

/** Long enough for the request to be under way. */
const PATIENCE_MS = 1;

/** Sends a request and reads its answer; the number of its bytes. */
type Ask = (url: string, signal?: AbortSignal) => Promise<number>;

/** What gives one request up, makes the other, and says how many bytes that had. */
export async function abortExchange(task: Task): Promise<() => Promise<number>> {
  const ask = await askOf(task);
  const silent = new URL("/silent", task.url).href;
  return async () => {
    const controller = new AbortController();
    const given = ask(silent, controller.signal).then(() => "answered", () => "given up");
    await setTimeout(PATIENCE_MS);
    controller.abort();
    if (await given !== "given up") throw new Error("A request that was given up has an answer");
    return await ask(task.url);
  };
}

async function askOf(task: Task): Promise<Ask> {
  switch (task.client) {
    case "roundtrip": {
      const ours = await importOurs(task);
      const transport = new ours.Transport(transportOptions(task));
      return async (url, signal) => {
        const response = await transport.roundTrip(
          new ours.HttpRequest(url, signal ? { signal } : {}),
        );
        return (await response.bytes()).length;
      };
    }
    case "createFetch":
    case "fetch": {
      const fetch = task.client === "fetch"
        ? globalThis.fetch
        : (await importOurs(task)).createFetch(transportOptions(task));
      return async (url, signal) =>
        (await (await fetch(url, signal ? { signal } : {})).arrayBuffer()).byteLength;
    }
    case "undici": {
      const { Agent, request } = await import("undici");
      const dispatcher = new Agent({ connections: task.atOnce });
      return async (url, signal) => {
        const { body } = await request(url, { dispatcher, ...(signal ? { signal } : {}) });
        return (await body.arrayBuffer()).byteLength;
      };
    }
    case "http": {
      const agent = new http.Agent({ keepAlive: true });
      return (url, signal) => {
        const { promise, resolve, reject } = Promise.withResolvers<number>();
        const sent = http.get(url, { agent, ...(signal ? { signal } : {}) }, (response) => {
          let bytes = 0;
          response.on("data", (chunk: Uint8Array) => void (bytes += chunk.length));
          response.on("error", reject).on("end", () => resolve(bytes));
        });
        sent.on("error", reject);
        return promise;
      };
    }
    default:
      throw new NotMeasurable("It gives nothing up");
  }
}
