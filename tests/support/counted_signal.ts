/**
 * A signal that tells how many listeners it has.
 *
 * @module
 */

// The name of the type is known to some of the runtimes' libraries only.
type Listener = Parameters<AbortSignal["addEventListener"]>[1];

/** A controller, its signal, and the count of listeners that were added and not removed. */
export interface CountedSignal {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  listenerCount(): number;
}

/** Makes an `AbortSignal` that counts. */
export function countedSignal(): CountedSignal {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (
    type: string,
    listener: Listener,
    options?: Parameters<AbortSignal["addEventListener"]>[2],
  ) => {
    listeners.add(listener);
    add(type, listener, options);
  };
  signal.removeEventListener = (type: string, listener: Listener) => {
    listeners.delete(listener);
    remove(type, listener);
  };
  return {
    signal,
    abort: (reason) => controller.abort(reason),
    listenerCount: () => listeners.size,
  };
}
