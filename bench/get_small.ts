/**
 * Small keep-alive GETs in closed loops, by one client on one runtime. Prints one line of JSON.
 *
 * Arguments: client (`raw`, `roundtrip`, `createFetch`, `fetch`), port, loops at once, milliseconds.
 *
 * @module
 */
import process from "node:process";
import { createFetch, HttpRequest, Transport } from "../mod.ts";
import { type Loop, rawLoop } from "./raw.ts";

const [client, portText, atOnceText, millisecondsText] = process.argv.slice(2);
const port = Number(portText);
const atOnce = Number(atOnceText);
const milliseconds = Number(millisecondsText);
const url = `http://127.0.0.1:${port}/x`;
const transport = new Transport({ maxIdleConns: 0 });
const ourFetch = createFetch({ transport });

const loops: Record<string, Loop> = {
  raw: rawLoop,
  roundtrip: async (_port, _request, untilMs) => {
    let count = 0;
    while (performance.now() < untilMs) {
      const response = await transport.roundTrip(new HttpRequest(url));
      const bytes = await response.bytes();
      if (response.status !== 200 || bytes.length !== 13) throw new Error("not the answer");
      count++;
    }
    return count;
  },
  createFetch: async (_port, _request, untilMs) => {
    let count = 0;
    while (performance.now() < untilMs) {
      await (await ourFetch(url)).arrayBuffer();
      count++;
    }
    return count;
  },
  fetch: async (_port, _request, untilMs) => {
    let count = 0;
    while (performance.now() < untilMs) {
      await (await fetch(url)).arrayBuffer();
      count++;
    }
    return count;
  },
};

const request = new TextEncoder().encode(
  `GET /x HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: roundtrip/0.1.0\r\n` +
    "Accept-Encoding: gzip\r\n\r\n",
);

async function run(forMs: number): Promise<number> {
  const untilMs = performance.now() + forMs;
  const counts = await Promise.all(
    Array.from({ length: atOnce }, () => loops[client](port, request, untilMs)),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

await run(milliseconds / 4);
const cpuBefore = process.cpuUsage();
const startedAt = performance.now();
const count = await run(milliseconds);
const seconds = (performance.now() - startedAt) / 1000;
const cpu = process.cpuUsage(cpuBefore);
transport.destroy();
console.log(JSON.stringify({
  requestsPerSecond: Math.round(count / seconds),
  cpuMicrosPerRequest: Number(((cpu.user + cpu.system) / count).toFixed(2)),
}));
process.exit(0);
