/**
 * Registers leaf tests flat with the runner of the runtime, and fails a test that leaves something open.
 *
 * @module
 */
import { test as nodeTest } from "node:test";
import process from "node:process";
import { setImmediate, setTimeout } from "node:timers";
import { describeHandle, openHandles, watchTimers } from "./open_handles.ts";

interface DenoTest {
  test(definition: {
    name: string;
    fn: () => Promise<void>;
    sanitizeOps: boolean;
    sanitizeResources: boolean;
  }): void;
}

/** Options of one test. */
export interface TestOptions {
  /** Milliseconds until a test that hangs is given up. @default {60_000} */
  readonly timeoutMs?: number;
}

const deno = (globalThis as { Deno?: DenoTest }).Deno;

/** Milliseconds that what a test closed may take to be gone. Loopback needs a few turns; a loaded machine more. */
const SETTLE_MS = Number(process.env["ROUNDTRIP_SETTLE_MS"] ?? 2_000);

/** Count. As many looks it gets in any case: on a loaded machine little happens in a time. */
const MIN_SETTLE_ROUNDS = 40;

const cleanups: (() => void | Promise<void>)[] = [];

watchTimers();

/** Name of the runtime that runs the tests. */
export const runtime: "deno" | "bun" | "node" = deno
  ? "deno"
  : "Bun" in globalThis
  ? "bun"
  : "node";

/** Registers one test. Its name must be printable: the runners' reports lose control characters. */
export function test(
  name: string,
  fn: () => void | Promise<void>,
  options: TestOptions = {},
): void {
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]|^\s|\s$/.test(name)) {
    throw new Error(`Cannot register test: unprintable name ${JSON.stringify(name)}`);
  }
  const guarded = (): Promise<void> => runGuarded(fn, options.timeoutMs ?? 60_000);
  if (deno) {
    deno.test({ name, fn: guarded, sanitizeOps: true, sanitizeResources: true });
  } else {
    nodeTest(name, guarded);
  }
}

/**
 * Registers what closes a process-wide helper, such as the socket pair of the poll barrier.
 *
 * It runs after every test, before the search for leaks, and must be cheap when there is nothing to close.
 */
export function afterEachTest(cleanup: () => void | Promise<void>): void {
  cleanups.push(cleanup);
}

async function runGuarded(fn: () => void | Promise<void>, timeoutMs: number): Promise<void> {
  const before = openHandles();
  try {
    await within(timeoutMs, fn);
  } finally {
    for (const cleanup of cleanups) await cleanup();
  }
  const left = await leftOpen(before);
  if (left.length > 0) {
    throw new Error(`Test left open:\n${left.map((handle) => `  - ${handle}`).join("\n")}`);
  }
}

async function within(timeoutMs: number, fn: () => void | Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`Test did not end within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    await Promise.race([fn(), promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until nothing is open that was not open before. Gives up after a bounded time with what is left. */
async function leftOpen(before: ReadonlyMap<string, string>): Promise<string[]> {
  const giveUp = performance.now() + SETTLE_MS;
  // A turn at least, so that a rejection nobody handles is this test's and not the next one's.
  await new Promise<void>((done) => void setImmediate(done));
  for (let round = 0;; round++) {
    const left = [...openHandles()].filter(([key]) => !before.has(key));
    if (left.length === 0) return [];
    const isOver = round >= MIN_SETTLE_ROUNDS && performance.now() > giveUp;
    if (isOver) return left.map(([, handle]) => describeHandle(handle));
    // Closing takes some turns of the event loop; after that, don't burn the processor.
    const waitMs = Math.min(round - 10, 20);
    await new Promise<void>((done) =>
      waitMs > 0 ? void setTimeout(done, waitMs) : void setImmediate(done)
    );
  }
}
