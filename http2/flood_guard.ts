/**
 * Budgets for what costs us and brings nothing. Counts only.
 *
 * @module
 */
import { connectionError, ENHANCE_YOUR_CALM, type Http2Violation } from "./http2_error.ts";

/** Frames. Empty DATA in a row. */
const MAX_EMPTY_DATA = 100;

/** Octets. DATA under this is small. */
const SMALL_DATA_BYTES = 256;

/** Frames. Small DATA that a stream may have without any of it having been read. */
const FREE_SMALL_DATA = 64;

/** Frames. Small DATA beyond one for each {@linkcode SMALL_DATA_BYTES} octets of content. */
const MAX_SMALL_DATA = 25_600;

/** Answers. To PING and SETTINGS, in a row without a frame of use, or waiting to be written. */
const MAX_ANSWERS = 1_000;

/** Octets sent. For as many the peer may open its windows once more than for each frame. */
const WINDOW_STEP_BYTES = 512;

/** Frames. For each that was sent a peer may open two windows. */
const WINDOWS_OF_FRAME = 2;

/** Frames. Those that mean nothing; each of use gives one back. */
const MAX_GLITCHES = 10_000;

/**
 * The guard of one connection.
 *
 * @throws {Http2Violation} From each method: `ENHANCE_YOUR_CALM`, a budget is used up.
 * @see RFC 9113 section 10.5
 */
export class FloodGuard {
  #emptyInARow = 0;
  #smallData = 0;
  #answersInARow = 0;
  #waitingAnswers = 0;
  #glitches = 0;
  /** How many times windows may be opened for what was sent. */
  #windowsDue = 0;
  #hasAnswered = false;

  /** Bytes came: what follows was sent at once. */
  readBegins(): void {
    this.#hasAnswered = false;
  }

  /** A frame that was of use: a head, content that was waited for. */
  useful(): void {
    this.#emptyInARow = 0;
    this.#answersInARow = 0;
    if (this.#glitches > 0) this.#glitches--;
  }

  /**
   * A DATA frame, of so much content, that does not end its stream.
   *
   * @param smallCount How many small ones of the stream wait to be read.
   * @returns How many do now. What is read as it comes may come in frames as small as it likes.
   */
  data(bytes: number, smallCount: number): number {
    if (bytes === 0) {
      if (++this.#emptyInARow > MAX_EMPTY_DATA) throw calmDown("empty DATA frames");
      return smallCount;
    }
    if (bytes >= SMALL_DATA_BYTES) {
      this.#paid(bytes / SMALL_DATA_BYTES);
      return smallCount;
    }
    if (smallCount >= FREE_SMALL_DATA) {
      this.#smallData += 1 - bytes / SMALL_DATA_BYTES;
      if (this.#smallData > MAX_SMALL_DATA) throw calmDown("small DATA frames");
    }
    return smallCount + 1;
  }

  /** What a stream had of small DATA was read, or dropped. */
  smallDataUsed(smallCount: number): void {
    if (smallCount > FREE_SMALL_DATA) this.#paid(smallCount - FREE_SMALL_DATA);
  }

  #paid(frames: number): void {
    this.#smallData = Math.max(0, this.#smallData - frames);
  }

  /** A frame that has to be answered: PING, SETTINGS. One at a time is no flood, however many come. */
  answered(): void {
    this.#waitingAnswers++;
    if (this.#hasAnswered) this.#answersInARow++;
    this.#hasAnswered = true;
    if (this.#answersInARow > MAX_ANSWERS || this.#waitingAnswers > MAX_ANSWERS) {
      throw calmDown("frames that have to be answered");
    }
  }

  /** All answers have been written. */
  wroteAnswers(): void {
    this.#waitingAnswers = 0;
  }

  /**
   * A DATA frame was sent.
   *
   * @param isCut Whether there was more: a window was too small for it.
   */
  sent(bytes: number, isCut: boolean): void {
    this.#windowsDue += bytes / WINDOW_STEP_BYTES + (isCut ? 0 : WINDOWS_OF_FRAME);
  }

  /** A window was opened: of use as far as something was sent. */
  windowOpened(): void {
    if (this.#windowsDue >= 1) this.#windowsDue--;
    else this.glitch();
  }

  /** A frame that means nothing. */
  glitch(): void {
    if (++this.#glitches > MAX_GLITCHES) throw calmDown("frames that mean nothing");
  }
}

function calmDown(what: string): Http2Violation {
  return connectionError(ENHANCE_YOUR_CALM, `sent too many ${what}`);
}
