/**
 * The race of RFC 8305, "Happy Eyeballs", between the addresses of one host. No runtime.
 *
 * @module
 */

import { type Clock, systemClock, type TimerHandle } from "../clock.ts";

/** Milliseconds between the starts of two attempts; RFC 8305 section 5 recommends 250. */
const ATTEMPT_DELAY_MS = 250;

/** Work that can be given up. */
export interface Attempt<T> {
  readonly done: Promise<T>;
  /** Gives the work up, and lets go of its result if there is one. */
  cancel(): void;
}

/**
 * Starts an attempt for one target after the other, each some time after the one before or as soon
 * as that has failed. The first that succeeds wins, and the others are cancelled.
 *
 * @param targets One or more, best first.
 * @returns One attempt for all of them. When all fail it rejects as the last one does.
 * @see RFC 8305 section 5
 */
export function staggeredRace<Target, T>(
  targets: readonly Target[],
  start: (target: Target) => Attempt<T>,
  clock: Clock = systemClock,
): Attempt<T> {
  if (targets.length === 1) return start(targets[0]);
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const running = new Set<Attempt<T>>();
  let started = 0;
  let over = false;
  let timer: TimerHandle | null = null;

  function stopTimer(): void {
    if (timer !== null) clock.stopTimer(timer);
    timer = null;
  }

  function finish(): void {
    over = true;
    stopTimer();
    for (const attempt of running) attempt.cancel();
  }

  function startNext(): void {
    stopTimer();
    const attempt = start(targets[started++]);
    running.add(attempt);
    if (started < targets.length) timer = clock.startTimer(startNext, ATTEMPT_DELAY_MS);
    attempt.done.then((value) => {
      if (over) return;
      running.delete(attempt);
      finish();
      resolve(value);
    }, (error) => {
      if (over) return;
      running.delete(attempt);
      if (started < targets.length) startNext();
      else if (running.size === 0) reject(error);
    });
  }

  startNext();
  return { done: promise, cancel: finish };
}

/**
 * Puts addresses in the order in which they are tried: the families in turns, beginning with that
 * of the first, otherwise as given. Pure.
 *
 * @see RFC 8305 section 4
 */
export function alternateFamilies<A extends { family: number }>(addresses: readonly A[]): A[] {
  const first = addresses.filter(({ family }) => family === addresses[0].family);
  const other = addresses.filter(({ family }) => family !== addresses[0].family);
  const ordered: A[] = [];
  for (let i = 0; i < Math.max(first.length, other.length); i++) {
    ordered.push(...first.slice(i, i + 1), ...other.slice(i, i + 1));
  }
  return ordered;
}
