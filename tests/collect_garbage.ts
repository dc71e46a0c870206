/**
 * The garbage collector on demand, on each runtime.
 *
 * @module
 */
import * as v8 from "node:v8";
import * as vm from "node:vm";

/** Runs a full collection now. */
export function collectGarbage(): void {
  const { Bun } = globalThis as { Bun?: { gc(force: boolean): void } };
  if (Bun !== undefined) {
    Bun.gc(true);
    return;
  }
  v8.setFlagsFromString("--expose-gc");
  const gc: () => void = vm.runInNewContext("gc");
  gc();
}
