/**
 * Contents of responses that nobody reads: when they are taken off their connections, and how much
 * of them all is kept.
 *
 * @module
 */
import type { AheadBudget, AheadEvents } from "../../http/incoming_content.ts";
import type { IncomingContent, ReaderWatch } from "../../http/incoming_content.ts";
import type { Clock } from "../clock.ts";
import { realTime } from "../../conn/real_time.ts";

/** Bytes. Most that a transport keeps of content that nobody has read: 256 times what it takes of one. */
export const MAX_UNREAD_BYTES: number = 16 * 1024 * 1024;

/** Content that has come in part. */
interface Unread {
  readonly content: IncomingContent;
  readonly events: AheadEvents;
}

/** The unread contents of one transport. Owns: the count of what is kept of them. */
export class UnreadContents implements AheadBudget, ReaderWatch {
  /** Bytes that are kept. */
  keptBytes: number = 0;
  readonly #clock: Clock;
  #waiting: Unread[] = [];
  /** How many of them have not been read meanwhile. */
  #unreadCount = 0;
  #endOfTurn: unknown = null;
  readonly #registry: FinalizationRegistry<{ drop(): void }> = new FinalizationRegistry((held) =>
    held.drop()
  );

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Takes what comes of a content from the end of this turn on, unless somebody reads it by then: who
   * reads at once reads from the connection, into an array of their own.
   */
  add(content: IncomingContent, events: AheadEvents): void {
    // It waits already, or has nothing to take.
    if (content.readerWatch !== null) return;
    content.readerWatch = this;
    this.#waiting.push({ content, events });
    if (this.#unreadCount++ > 0) return;
    if (this.#clock.atEndOfTurn === undefined) realTime.queueMicrotask(this.#takeAll);
    else this.#endOfTurn = this.#clock.atEndOfTurn(this.#takeAll);
  }

  /** One of those that wait is read: without another the turn need not end for them. */
  readBegan(): void {
    if (--this.#unreadCount > 0) return;
    this.#waiting = [];
    this.#clock.cancelEndOfTurn?.(this.#endOfTurn);
  }

  readonly #takeAll = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#unreadCount = 0;
    for (const { content, events } of waiting) {
      if (content.readerWatch !== this) continue;
      content.readerWatch = null;
      content.takeAhead!(this, events);
    }
  };

  // AheadBudget

  reserve(bytes: number): boolean {
    if (this.keptBytes + bytes > MAX_UNREAD_BYTES) return false;
    this.keptBytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.keptBytes -= bytes;
  }

  watch(content: object, held: { drop(): void }): void {
    this.#registry.register(content, held);
  }
}
