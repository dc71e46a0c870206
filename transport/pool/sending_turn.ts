/**
 * What is put off to the end of a turn of the event loop: requests, so that they go together and a
 * server that sleeps is woken by the first of them, not by each; and letting go of connections that
 * nobody has taken again.
 *
 * @module
 */
import type { Clock } from "../clock.ts";

/** Milliseconds. Then a connection is still fresh; some fifty requests are made meanwhile. */
const MAX_WAIT_MS = 0.5;

/** A request that has its connection. */
export interface Sender {
  /** The turn is over, and those before it have gone: it may go. */
  turnEnded(nowMs: number): void;
  /** Ends it: something on its way has thrown. */
  abort(reason: unknown): void;
}

/** A connection that came free. */
export interface Resting {
  /** Whether nobody has taken it. */
  readonly kept: boolean;
  /** Lets the process exit. */
  unref(): void;
}

/** Collects what waits for the end of the turn under way. */
export class SendingTurn {
  readonly #clock: Clock;
  #senders: Sender[] = [];
  /** Since when the first of them waits. */
  #sinceMs = 0;
  #resting: Resting[] = [];
  #isEnding = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `sender` when the turn is over, or before that when others have waited long enough. */
  add(sender: Sender, nowMs: number): void {
    if (this.#senders.push(sender) === 1) this.#sinceMs = nowMs;
    if (nowMs - this.#sinceMs < MAX_WAIT_MS) this.#endSoon();
    else this.#send(nowMs);
  }

  /** Lets the process exit although `connection` is open, unless it is taken in this turn. */
  rest(connection: Resting): void {
    this.#resting.push(connection);
    this.#endSoon();
  }

  #endSoon(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#clock.atEndOfTurn!(this.#end);
  }

  readonly #end = (): void => {
    this.#isEnding = false;
    this.#send(this.#clock.now());
    const resting = this.#resting;
    this.#resting = [];
    for (const connection of resting) if (connection.kept) connection.unref();
  };

  #send(sinceMs: number): void {
    const senders = this.#senders;
    this.#senders = [];
    for (const sender of senders) {
      try {
        // Those before it may have taken their time.
        sender.turnEnded(Math.max(sinceMs, this.#clock.now()));
      } catch (error) {
        // A caller's dialer or connection: the others must not wait for ever because of it.
        sender.abort(error);
      }
    }
  }
}
