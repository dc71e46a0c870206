/**
 * One client in closed loops against one URL. Prints one line of JSON: the figures, or why there
 * are none. Argument: a `Task` as JSON.
 *
 * @module
 */
import process from "node:process";
import {
  fetchLoop,
  http2Loop,
  httpLoop,
  type Loop,
  NotMeasurable,
  roundtripLoop,
  undiciLoop,
} from "./exchanges.ts";
import { Meter } from "./meter.ts";
import { leave, probe, rawLoop, rawUpload } from "./raw.ts";
import { BULK_BYTES, COLLECTED_BYTES, type Task } from "./task.ts";

async function loopOf(task: Task): Promise<Loop> {
  switch (task.client.split("-")[0]) {
    case "raw": {
      if (task.streamed) {
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
      return roundtripLoop(task);
    default:
      return fetchLoop(task);
  }
}

/** The head of a GET made one of a POST. */
function postHead(get: Uint8Array, bytes: number): Uint8Array {
  const text = new TextDecoder().decode(get).replace("GET", "POST");
  return new TextEncoder().encode(text.replace("\r\n\r\n", `\r\nContent-Length: ${bytes}\r\n\r\n`));
}

function bytesPerExchange(task: Task): number {
  if (task.streamed) return task.postBytes;
  if (task.url.endsWith("/bulk")) return BULK_BYTES;
  return task.url.endsWith("/collected") ? COLLECTED_BYTES : 0;
}

async function run(loop: Loop, meter: Meter, atOnce: number): Promise<void> {
  await Promise.all(Array.from({ length: atOnce }, () => loop(meter.lap())));
}

const task: Task = JSON.parse(process.argv[2]);
try {
  if (task.warmUrl !== "") {
    const warm = { ...task, url: task.warmUrl, postBytes: Math.min(task.postBytes, 32 << 20) };
    await run(await loopOf(warm), new Meter(0, task.ms, 1), 1);
  }
  const loop = await loopOf(task);
  // Compilers need so many exchanges, whatever the time to measure is; one after the other they take
  // longer. One exchange alone is not warmed up so.
  const compilersMs = task.atOnce === 1 ? 4_000 : 1_000;
  const warmMs = task.warmUrl !== "" || task.close ? 0 : Math.max(compilersMs, task.ms / 4);
  const meter = new Meter(warmMs, task.ms, task.maxExchanges);
  await run(loop, meter, task.atOnce);
  leave(meter.figures(bytesPerExchange(task)));
} catch (error) {
  if (error instanceof NotMeasurable) leave({ skip: error.message });
  console.error(error);
  process.exit(1);
}
