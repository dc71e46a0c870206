/**
 * How much may be sent, on the connection and on each stream, and whose turn it is. Numbers only.
 *
 * @module
 */
import { DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES } from "./window_sizes.ts";

/**
 * A stream with content to send.
 *
 * @see RFC 9113 section 6.9
 */
export interface WindowedSender {
  /** Octets that may be sent on it; below 0 after a change of settings. */
  windowBytes: number;
  /** Whether it stands in the row. For {@linkcode SendWindows} alone. */
  isInRow: boolean;
  /** There is room on both windows: sends one frame, and says whether it wants to send more. */
  sendTurn(): boolean;
}

/**
 * The sending windows of one connection. Those who want to send stand in a row; each sends one frame
 * in its turn and goes to the end.
 *
 * @see RFC 9113 section 6.9.1
 */
export class SendWindows {
  /** Octets that may be sent on the connection. */
  windowBytes: number = DEFAULT_WINDOW_BYTES;
  /** Octets that a new stream may send. */
  #initialBytes = DEFAULT_WINDOW_BYTES;
  /** The row, the next one first. No `Set`, for the reason for which `StreamTable` is no `Map`. */
  readonly #waiting: WindowedSender[] = [];
  #isTurning = false;

  /** Octets that a new stream may send. */
  get initialBytes(): number {
    return this.#initialBytes;
  }

  /** How many want to send. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Puts a sender at the end of the row; nothing happens if it stands there. */
  want(sender: WindowedSender): void {
    if (sender.isInRow) return;
    sender.isInRow = true;
    this.#waiting.push(sender);
  }

  /** Takes a sender out of the row; nothing happens if it does not stand there. */
  leave(sender: WindowedSender): void {
    if (!sender.isInRow) return;
    sender.isInRow = false;
    this.#waiting.splice(this.#waiting.indexOf(sender), 1);
  }

  /**
   * Lets them send, by turns, as long as `goesOn()` and the windows allow.
   */
  turn(goesOn: () => boolean): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    const waiting = this.#waiting;
    let passed = 0;
    // Whoever has no window of its own is passed over; a whole round of those is the end.
    while (passed < waiting.length && this.windowBytes > 0 && goesOn()) {
      const sender = waiting.shift()!;
      sender.isInRow = false;
      if (sender.windowBytes <= 0) {
        this.want(sender);
        passed++;
      } else {
        passed = 0;
        if (sender.sendTurn()) this.want(sender);
      }
    }
    this.#isTurning = false;
  }

  /**
   * The peer opens the connection's window further.
   *
   * @returns False: beyond what any window may be.
   */
  opened(bytes: number): boolean {
    this.windowBytes += bytes;
    return this.windowBytes <= MAX_WINDOW_BYTES;
  }

  /**
   * The peer has changed the window of new streams: those of `open` move by the difference.
   *
   * @returns False: one is beyond what any window may be.
   * @see RFC 9113 section 6.9.2
   */
  initialChanged(toBytes: number, open: Iterable<WindowedSender>): boolean {
    const by = toBytes - this.#initialBytes;
    this.#initialBytes = toBytes;
    let isRight = true;
    for (const sender of open) {
      sender.windowBytes += by;
      if (sender.windowBytes > MAX_WINDOW_BYTES) isRight = false;
    }
    return isRight;
  }
}
