/**
 * Our own package as the benchmarks use it: imported from the tree that is measured, with the options
 * of a task.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { ClientTrace, TransportOptions } from "../mod.ts";
import type { Task } from "./task.ts";

/** The package. */
export type Ours = typeof import("../mod.ts");

/** Imports it. */
export async function importOurs({ module }: Task): Promise<Ours> {
  return await import(pathToFileURL(module).href);
}

/** Every deadline, each long enough never to fire. */
const deadlines: TransportOptions = {
  poolWaitTimeoutMs: 60_000,
  dialTimeoutMs: 60_000,
  tlsHandshakeTimeoutMs: 60_000,
  expectContinueTimeoutMs: 60_000,
  responseHeaderTimeoutMs: 60_000,
  bodyIdleTimeoutMs: 60_000,
};

/** Every hook, each counting only. */
function wholeTrace(): ClientTrace {
  let count = 0;
  const hook = (): void => void count++;
  return {
    getConn: hook,
    gotConn: hook,
    putIdleConn: hook,
    connectStart: hook,
    connectDone: hook,
    tlsHandshakeStart: hook,
    tlsHandshakeDone: hook,
    wroteHeaders: hook,
    wait100Continue: hook,
    got100Continue: hook,
    got1xxResponse: hook,
    wroteRequest: hook,
    gotFirstResponseByte: hook,
    retry: hook,
    bodyDone: hook,
    bodyLeaked: hook,
  };
}

/** What a transport of ours is made with. */
export function transportOptions(task: Task): TransportOptions {
  return {
    maxIdleConns: 0,
    http2: task.http2,
    disableKeepAlives: task.close,
    ...(task.proxy === "" ? {} : { proxy: task.proxy }),
    ...(task.url.startsWith("https:")
      ? { tls: { caCerts: [readFileSync(task.caFile, "utf8")] } }
      : {}),
    ...(task.client === "roundtrip-trace" ? { trace: wholeTrace() } : {}),
    ...(task.client === "roundtrip-deadlines" ? deadlines : {}),
  };
}
