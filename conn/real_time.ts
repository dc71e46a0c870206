/**
 * The platform's timers as they were when this module was loaded. Whoever puts something else in their
 * place later, as fakes of time do in tests, holds up no request.
 *
 * @module
 */

/** What the core uses of the platform to wait and to tell time; dates are the platform's of the moment. */
export interface RealTime {
  /** Milliseconds, as `performance.now()`. */
  now(): number;
  setTimeout: (
    callback: () => void,
    delayMs?: number,
  ) => ReturnType<typeof globalThis.setTimeout>;
  clearTimeout: (timer: ReturnType<typeof globalThis.setTimeout> | undefined) => void;
  setImmediate: {
    (callback: (nothing: void) => void): ReturnType<typeof globalThis.setImmediate>;
    <A extends unknown[]>(
      callback: (...args: A) => void,
      ...args: A
    ): ReturnType<typeof globalThis.setImmediate>;
  };
  clearImmediate: (handle: ReturnType<typeof globalThis.setImmediate>) => void;
  queueMicrotask: (callback: () => void) => void;
}

/** Called through this object each time: tests that count timers put their own into it. */
export const realTime: RealTime = {
  now: performance.now.bind(performance),
  setTimeout: globalThis.setTimeout.bind(globalThis),
  clearTimeout: globalThis.clearTimeout.bind(globalThis),
  // Workers have none.
  setImmediate: globalThis.setImmediate?.bind(globalThis) as RealTime["setImmediate"],
  clearImmediate: globalThis.clearImmediate?.bind(globalThis),
  queueMicrotask: globalThis.queueMicrotask.bind(globalThis),
};
