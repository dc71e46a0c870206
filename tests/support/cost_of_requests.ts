/**
 * What requests cost, counted and not timed: promises, bytes on the heap, timers, listeners.
 *
 * @module
 */
import { realTime } from "../../conn/real_time.ts";
import process from "node:process";
import v8 from "node:v8";
import { collect } from "./collector.ts";
import { runtime } from "./harness.ts";

/** Runs so many requests, one after the other. */
export type Requests = (count: number) => Promise<void>;

interface BunHeap {
  heapStats(): { objectTypeCounts: Record<string, number | undefined> };
}

/** Enough for the compilers to be done with it. */
const WARM_UP = 3_000;

/** Small enough that what a batch allocates fits into the young generation: no collection in between. */
const BATCH = 40;
const BATCHES = 25;

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

/** Promises that one request makes, those of the engine's own awaiting included. */
export async function promisesPerRequest(run: Requests): Promise<number> {
  await run(100);
  if (runtime === "bun") {
    // No types of Bun here: the other runtimes check this file too.
    const name = "bun:jsc";
    const { heapStats }: BunHeap = await import(name);
    const counts: number[] = [];
    for (let batch = 0; batch < 5; batch++) {
      collect();
      const before = heapStats().objectTypeCounts["Promise"] ?? 0;
      await run(BATCH);
      counts.push(((heapStats().objectTypeCounts["Promise"] ?? 0) - before) / BATCH);
    }
    return Math.max(...counts);
  }
  let count = 0;
  const counts: number[] = [];
  const stop = v8.promiseHooks.onInit(() => void count++);
  try {
    for (let batch = 0; batch < 5; batch++) {
      count = 0;
      await run(BATCH);
      counts.push(count / BATCH);
    }
  } finally {
    (stop as () => void)();
  }
  // On a busy machine some connections are old when they are used again, and are proven.
  return Math.min(...counts);
}

/** The heap, and the contents of arrays beside it. */
function allocatedBytes(): number {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  // Each where the runtime counts it at once: the other stands still between collections.
  return heapUsed + (runtime === "node" ? arrayBuffers : external);
}

/** Bytes that one request allocates, on the heap and beside it. Not on Bun: JavaScriptCore does not tell. */
export async function bytesPerRequest(run: Requests): Promise<number> {
  await run(WARM_UP);
  const sizes: number[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    collect();
    const before = allocatedBytes();
    await run(BATCH);
    sizes.push((allocatedBytes() - before) / BATCH);
  }
  return median(sizes);
}

/** Timers and listeners. */
export interface Asked {
  timers: number;
  listeners: number;
  controllers: number;
}

/** What the runtime was asked for while something ran. */
export async function whatIsAsked(run: () => Promise<void>): Promise<Asked> {
  const asked: Asked = { timers: 0, listeners: 0, controllers: 0 };
  const { setTimeout, setInterval, AbortController } = globalThis;
  const { addEventListener } = EventTarget.prototype;
  globalThis.setTimeout = Object.assign(
    (...args: Parameters<typeof setTimeout>) => {
      asked.timers++;
      return setTimeout(...args);
    },
    setTimeout,
  ) as typeof setTimeout;
  const ofTheCore = realTime.setTimeout;
  realTime.setTimeout = globalThis.setTimeout;
  globalThis.setInterval = Object.assign(
    (...args: Parameters<typeof setInterval>) => {
      asked.timers++;
      return setInterval(...args);
    },
    setInterval,
  ) as typeof setInterval;
  globalThis.AbortController = class extends AbortController {
    constructor() {
      super();
      asked.controllers++;
    }
  };
  EventTarget.prototype.addEventListener = function (
    this: EventTarget,
    ...args: Parameters<typeof addEventListener>
  ): void {
    asked.listeners++;
    addEventListener.apply(this, args);
  };
  try {
    await run();
  } finally {
    Object.assign(globalThis, { setTimeout, setInterval, AbortController });
    realTime.setTimeout = ofTheCore;
    EventTarget.prototype.addEventListener = addEventListener;
  }
  return asked;
}
