/**
 * The end of a turn of the event loop of Node: every socket that had something to read has been
 * read. Microtasks are no sign of that: Node runs them between the parts of what it has read from
 * one socket.
 *
 * @module
 */
import { realTime } from "../real_time.ts";

/** Who waits for the end of a turn. */
export interface TurnWaiter {
  /**
   * The turn is over.
   *
   * @param polledAtMs When the kernel was last polled, or before, by `performance.now()`.
   */
  turnEnded(polledAtMs: number): void;
}

let waiters: TurnWaiter[] = [];
/** When a turn began in which the kernel has been polled since. */
let polledAtMs = -Infinity;
/** The same, of the turn under way. */
let beganAtMs = -Infinity;

/**
 * Calls the waiter back once, at the end of the next turn: what comes close behind is seen too, at
 * the cost of one look at the kernel for all who wait.
 */
export function awaitTurnEnd(waiter: TurnWaiter): void {
  if (waiters.push(waiter) === 1) realTime.setImmediate(beginTurn);
}

function beginTurn(): void {
  beganAtMs = realTime.now();
  realTime.setImmediate(turnEnded);
}

function turnEnded(): void {
  polledAtMs = beganAtMs;
  endTurn();
}

/**
 * Ends the waiting. To be called where a turn has ended; which need not be the one that is waited
 * for, so it proves nothing of the kernel.
 */
export function endTurn(): void {
  const all = waiters;
  waiters = [];
  for (const waiter of all) waiter.turnEnded(polledAtMs);
}
