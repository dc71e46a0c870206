/**
 * Waiting for work that an `AbortSignal` may cut short, without leaving a listener on the signal.
 *
 * @module
 */
import { tellFault, tellRejection } from "./fault.ts";

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
    let over = false;
    const giveUp = (reason: unknown) => {
      over = true;
      actions.cancel?.();
      reject(reason);
    };
    const onAbort = () => {
      if (over) return;
      leave(signal, onAbort);
      giveUp(signal.reason);
    };
    work.then((value) => {
      if (over) return letGo(value, actions);
      over = true;
      leave(signal, onAbort);
      resolve(value);
    }, (error) => {
      if (over) return;
      over = true;
      leave(signal, onAbort);
      reject(error);
    });
    try {
      signal.addEventListener("abort", onAbort);
      if (signal.aborted) onAbort();
    } catch (error) {
      // A signal that is none of the platform's.
      giveUp(error);
    }
  });
}

/** It may be none of the platform's: what it throws must not keep the work from being told. */
function leave(signal: AbortSignal, listener: () => void): void {
  try {
    signal.removeEventListener("abort", listener);
  } catch (error) {
    tellFault("A signal failed", error);
  }
}

/** Of work that was given up. */
function letGo<T>(late: T, actions: AbortActions<T>): void {
  const what = "What came too late could not be let go of";
  try {
    const returned: unknown = actions.discard?.(late);
    tellRejection(what, returned);
  } catch (error) {
    tellFault(what, error);
  }
}
