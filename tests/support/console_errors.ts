/**
 * What is told on the console, and what nobody has handled, while a test runs.
 *
 * @module
 */
import process from "node:process";

/** What was seen. */
export interface Seen<T> {
  readonly result: T;
  /** The arguments of each `console.error`. */
  readonly told: unknown[][];
  /** Rejections that nobody handled, and errors that nobody caught. */
  readonly unhandled: unknown[];
}

/** Runs something and collects both. */
export async function watched<T>(run: () => Promise<T>): Promise<Seen<T>> {
  const { error } = console;
  const told: unknown[][] = [];
  const unhandled: unknown[] = [];
  console.error = (...values: unknown[]): void => void told.push(values);
  const stop = collectUnhandled(unhandled);
  try {
    const result = await run();
    // What is rejected in the last step is told in the next turns.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    return { result, told, unhandled };
  } finally {
    stop();
    console.error = error;
  }
}

function collectUnhandled(into: unknown[]): () => void {
  if (process.versions["deno"] === undefined) {
    const listener = (error: unknown): void => void into.push(error);
    process.on("unhandledRejection", listener);
    process.on("uncaughtException", listener);
    return () => {
      process.removeListener("unhandledRejection", listener);
      process.removeListener("uncaughtException", listener);
    };
  }
  const scope = globalThis as unknown as EventTarget;
  const listener = (event: Event): void => {
    event.preventDefault();
    const { reason, error } = event as Event & { reason?: unknown; error?: unknown };
    into.push(reason ?? error);
  };
  for (const type of ["unhandledrejection", "error"]) scope.addEventListener(type, listener);
  return () => {
    for (const type of ["unhandledrejection", "error"]) scope.removeEventListener(type, listener);
  };
}
