/**
 * Running the collector of the runtime, and waiting for what it finds.
 *
 * @module
 */
import assert from "node:assert/strict";
import * as v8 from "node:v8";
import * as vm from "node:vm";
import { pause } from "./waiting.ts";

/** Runs the collector. */
export function collect(): void {
  const { Bun } = globalThis as { Bun?: { gc(force: boolean): void } };
  if (Bun !== undefined) {
    Bun.gc(true);
    return;
  }
  v8.setFlagsFromString("--expose-gc");
  const gc: () => void = vm.runInNewContext("gc");
  gc();
}

/** Runs the collector until a condition holds: when finalizers run is the runtime's choice. */
export async function collectUntil(what: string, condition: () => boolean): Promise<void> {
  for (let n = 0; n < 500 && !condition(); n++) {
    collect();
    await pause(2);
  }
  assert.ok(condition(), `Collected in vain until ${what}`);
}
