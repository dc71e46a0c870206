/**
 * One client in closed loops against one URL. Prints one line of JSON: the figures, or why there
 * are none. Argument: a `Task` as JSON.
 *
 * @module
 */
import process from "node:process";
import { abortExchange } from "./aborts.ts";
import { bulk } from "./bodies.ts";
import {
  exchangeLoop,
  fetchLoop,
  http2Loop,
  httpLoop,
  type Loop,
  roundtripLoop,
  undiciLoop,
} from "./exchanges.ts";
import { Meter } from "./meter.ts";
import { NotMeasurable } from "./not_measurable.ts";
import { connectionsOpened } from "./opened.ts";
import { leave, PIECE_BYTES, probe, rawLoop, rawUpload } from "./raw.ts";
import { redirectExchange } from "./redirects.ts";
import type { Task } from "./task.ts";

async function loopOf(task: Task): Promise<Loop> {
  if (task.style === "redirects") return exchangeLoop(task, await redirectExchange(task));
  if (task.style === "aborts") return exchangeLoop(task, await abortExchange(task));
  switch (task.client.split("-")[0]) {
    case "raw": {
      // What the kernel does not take at once needs more than one write.
      if (task.postBytes >= PIECE_BYTES) {
        const exchange = await probe({ ...task, postBytes: 0, streamed: false });
        const upload = { ...exchange, request: postHead(exchange.request, task.postBytes) };
        return (lap) => rawUpload(upload, task.postBytes, lap);
      }
      const exchange = await probe(task);
      return (lap) => rawLoop(exchange, lap);
    }
    case "undici":
      return await undiciLoop(task);
    case "http":
      return httpLoop(task);
    case "http2":
      return await http2Loop(task);
    case "roundtrip":
      return await roundtripLoop(task);
    default:
      return await fetchLoop(task);
  }
}

/** The head of a GET made one of a POST. */
function postHead(get: Uint8Array, bytes: number): Uint8Array {
  const text = new TextDecoder().decode(get).replace("GET", "POST");
  return new TextEncoder().encode(text.replace("\r\n\r\n", `\r\nContent-Length: ${bytes}\r\n\r\n`));
}

/** For works whose speed is told in bytes. */
function bytesPerExchange(task: Task): number {
  if (task.streamed) return task.postBytes;
  return new URL(task.url).pathname.slice(1) in bulk ? task.expected : 0;
}

async function run(loop: Loop, meter: Meter, atOnce: number): Promise<void> {
  await Promise.all(Array.from({ length: atOnce }, () => loop(meter.lap())));
}

const task: Task = JSON.parse(process.argv[2]);
try {
  if (task.warmUrl !== "") {
    const warm = {
      ...task,
      url: task.warmUrl,
      postBytes: Math.min(task.postBytes, bulk.warm),
      expected: task.streamed ? task.expected : bulk.warm,
    };
    await run(await loopOf(warm), new Meter(0, task.ms, 1), 1);
  }
  const loop = await loopOf(task);
  const openedBefore = connectionsOpened();
  const meter = new Meter(task.warmUp, task.ms, task.maxExchanges);
  await run(loop, meter, task.atOnce);
  if (task.close) meter.checkConnections(connectionsOpened() - openedBefore);
  leave(meter.figures(bytesPerExchange(task)));
} catch (error) {
  if (error instanceof NotMeasurable) leave({ skip: error.message });
  console.error(error);
  process.exit(1);
}
