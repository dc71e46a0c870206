/**
 * Whoever makes a transport, a client or a `fetch` has begun nothing: some runtimes permit no timer,
 * no AbortController and no socket outside of a request.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Client, createFetch, Transport } from "../../mod.ts";
import { test } from "../support/harness.ts";

/** What begins something. */
const beginnings = [
  "AbortController",
  "MessageChannel",
  "queueMicrotask",
  "setImmediate",
  "setInterval",
  "setTimeout",
] as const;

/** The names of `beginnings` that are used while `work` runs. */
function begunBy(work: () => void): string[] {
  const globals = globalThis as unknown as Record<string, unknown>;
  const begun: string[] = [];
  const real = beginnings.map((name) => [name, globals[name]] as const);
  for (const [name, value] of real) {
    globals[name] = new Proxy(value as () => void, {
      apply(target, self, args) {
        begun.push(name);
        return Reflect.apply(target, self, args);
      },
      construct(target, args) {
        begun.push(name);
        return Reflect.construct(target, args);
      },
    });
  }
  try {
    work();
  } finally {
    for (const [name, value] of real) globals[name] = value;
  }
  return begun;
}

test("making a transport, a client and a fetch begins nothing", () => {
  const begun = begunBy(() => {
    new Transport();
    new Transport({
      dialTimeoutMs: 10,
      dnsCacheTtlMs: 1_000,
      http2: true,
      idleConnTimeoutMs: 10,
      maxConnsPerHost: 1,
      proxy: "http://127.0.0.1:1",
      responseHeaderTimeoutMs: 10,
      tlsSessions: true,
    });
    new Client();
    createFetch();
  });
  assert.deepEqual(begun, []);
});

test("what begins something is seen", () => {
  const begun = begunBy(() => {
    clearTimeout(setTimeout(() => {}, 0));
    new AbortController();
  });
  assert.deepEqual(begun, ["setTimeout", "AbortController"]);
});
