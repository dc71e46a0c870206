/**
 * Waiting for work that an `AbortSignal` may cut short, without leaving a listener on the signal.
 *
 * @module
 */

/** What to do when the signal wins. */
export interface AbortActions<T> {
  /** Called once, before the rejection, to stop the work. */
  cancel?: () => void;
  /** Called with the result of work that finished all the same. */
  discard?: (late: T) => void;
}

/**
 * Settles as `work` does, or rejects with `signal.reason` as soon as the signal aborts.
 *
 * @throws `signal.reason`, as it is.
 */
export function abortable<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  actions: AbortActions<T>,
): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    let aborted = false;
    const onAbort = () => {
      aborted = true;
      signal.removeEventListener("abort", onAbort);
      actions.cancel?.();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort);
    work.then((value) => {
      if (aborted) return actions.discard?.(value);
      signal.removeEventListener("abort", onAbort);
      resolve(value);
    }, (error) => {
      if (aborted) return;
      signal.removeEventListener("abort", onAbort);
      reject(error);
    });
    if (signal.aborted) onAbort();
  });
}
