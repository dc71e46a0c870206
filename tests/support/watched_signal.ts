/**
 * What tests of cancelling look at: listeners of a signal, dials that are held, the counts of a transport.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Conn, Dialer, Transport } from "../../mod.ts";

/** A signal that knows how many listeners it has. */
export class WatchedSignal {
  readonly #controller = new AbortController();
  readonly #listeners: Set<unknown> = new Set();
  readonly reason: Error = new Error("mine");

  constructor() {
    const { signal } = this.#controller;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>): void => {
      this.#listeners.add(args[1]);
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>): void => {
      this.#listeners.delete(args[1]);
      removeEventListener.apply(signal, args);
    };
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  abort(): void {
    this.#controller.abort(this.reason);
  }
}

/** A dialer whose dials wait until they are let go. */
export function heldDialer(): {
  dialer: Dialer;
  release: (conn: Conn) => void;
  aborted: () => boolean;
} {
  const held = Promise.withResolvers<Conn>();
  let signal: AbortSignal | undefined;
  return {
    dialer: {
      dial: (_address, options) => {
        signal = options?.signal;
        signal?.addEventListener("abort", () => held.reject(signal!.reason));
        return held.promise;
      },
      startTls: (conn) => Promise.resolve(conn),
    },
    release: held.resolve,
    aborted: () => signal?.aborted ?? false,
  };
}

/** Nothing is in use, being made or waited for. */
export function assertQuiet(transport: Transport): void {
  const { active, dialing, waiting } = transport.stats();
  assert.deepEqual({ active, dialing, waiting }, { active: 0, dialing: 0, waiting: 0 });
}
