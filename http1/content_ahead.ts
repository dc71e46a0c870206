/**
 * Content that is taken off its connection before it is asked for, so that the connection becomes
 * free although nobody reads. It is kept as it came, its transfer coding off and its content codings
 * on, within bounds.
 *
 * What reads here must not hold the content that the caller has: whoever drops that is found by the
 * collector, also while a read is under way.
 *
 * @module
 */
import type { ContentReader } from "./content_reader.ts";
import type { AheadBudget, AheadEvents } from "../http/incoming_content.ts";

/**
 * Bytes. Most that is taken of one content; most answers of programming interfaces are smaller, and
 * the kernel holds more of the others anyway.
 *
 * @see RFC 9112 section 9.3
 */
export const MAX_AHEAD_BYTES: number = 64 * 1024;

/** Bytes. The room that content of unknown length is given first, and how much larger the next is. */
const FIRST_ROOM_BYTES = 4 * 1024;
const GROWTH = 4;

/** The connection, as it is told of what was taken: as by whoever reads. */
interface TakenFrom {
  contentEnded(wasJustRead: boolean): void;
  contentFailed(error: unknown): unknown;
}

/** What {@linkcode ContentAhead} takes, and for whom. */
interface Taken {
  /** Told when it broke off. Not held. */
  readonly content: { brokeOff(): void };
  readonly reader: ContentReader;
  readonly connection: TakenFrom;
  readonly budget: AheadBudget;
  /** What came of it before, with the head; null: nothing. Kept, not copied. */
  readonly held: Uint8Array<ArrayBuffer> | null;
}

/** An empty store, shared: it is never given away. */
const NOTHING: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/**
 * What was taken of one content. Owns: the reading of the content while it is under way.
 *
 * @see RFC 9112 section 9.3
 */
export class ContentAhead {
  /** What went wrong; told after the bytes that came before it. */
  failure: { error: unknown } | null = null;
  readonly #reader: ContentReader;
  readonly #connection: TakenFrom;
  readonly #content: WeakRef<Taken["content"]>;
  readonly #budget: AheadBudget;
  #store: Uint8Array<ArrayBuffer>;
  #start = 0;
  #end: number;
  #reservedBytes = 0;
  #taking: Promise<void> | null = null;
  /** Somebody reads: that is theirs from now on. */
  #isWanted = false;
  #isDropped = false;

  /** Begins nothing yet. */
  constructor({ content, reader, connection, budget, held }: Taken) {
    this.#content = new WeakRef(content);
    this.#reader = reader;
    this.#connection = connection;
    this.#budget = budget;
    this.#store = held ?? NOTHING;
    this.#end = this.#store.length;
    budget.watch(content, this);
  }

  /** Whether nothing is held. */
  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  /** Whether a read of the connection is under way. */
  get isTaking(): boolean {
    return this.#taking !== null;
  }

  /** Takes what comes until somebody reads, it is enough, or it has ended. */
  take(events: AheadEvents): void {
    if (this.#isDropped || this.failure !== null || this.#reader.complete) return;
    this.#isWanted = false;
    if (this.#taking !== null) return;
    const room = this.#room();
    if (room !== null) this.#taking = this.#run(room, events);
  }

  /** Settles when no read is under way; none will be begun. Never rejects. */
  async rest(): Promise<void> {
    this.#isWanted = true;
    await this.#taking;
  }

  /** Moves what is held into `p`. */
  moveInto(p: Uint8Array): number {
    this.#isWanted = true;
    const n = Math.min(p.length, this.#end - this.#start);
    p.set(this.#store.subarray(this.#start, this.#start + n));
    this.#start += n;
    if (this.isEmpty && this.#taking === null) this.#free();
    return n;
  }

  /** Gives all that is held away. Order: it is not empty. */
  give(): Uint8Array<ArrayBuffer> {
    this.#isWanted = true;
    const held = this.#store.subarray(this.#start, this.#end);
    if (this.#taking !== null) {
      // The read under way goes into the rest of the store.
      this.#start = this.#end;
      return held.slice();
    }
    this.#free();
    return held.length === held.buffer.byteLength ? held : held.slice();
  }

  /** Forgets what is held; nothing more is taken than by the read that is under way. */
  drop(): void {
    this.#isDropped = true;
    this.#isWanted = true;
    this.#free();
  }

  async #run(firstRoom: Uint8Array, events: AheadEvents): Promise<void> {
    try {
      let room: Uint8Array | null = firstRoom;
      while (room !== null) {
        const n = await this.#reader.read(room) ?? 0;
        if (!this.#isDropped) this.#end += n;
        if (this.#reader.complete) {
          this.#ended(events);
          return;
        }
        room = this.#isWanted ? null : this.#room();
      }
    } catch (error) {
      this.failure = { error: this.#connection.contentFailed(error) };
    } finally {
      this.#taking = null;
      if (this.isEmpty) this.#free();
    }
    if (this.failure !== null) this.#content.deref()?.brokeOff();
  }

  #ended(events: AheadEvents): void {
    const heldBytes = this.#end - this.#start;
    if (heldBytes < this.#store.length >> 1) this.#move(heldBytes);
    this.#connection.contentEnded(false);
    events.contentTaken(heldBytes, this.#reader.trailers);
  }

  /** Where the next bytes belong; null: no more may be held. */
  #room(): Uint8Array | null {
    if (this.#end < this.#store.length) return this.#store.subarray(this.#end);
    const heldBytes = this.#end - this.#start;
    const roomBytes = this.#roomBytes(heldBytes);
    if (roomBytes <= heldBytes) return null;
    const moreBytes = roomBytes - this.#reservedBytes;
    if (moreBytes > 0 && !this.#budget.reserve(moreBytes)) return null;
    if (moreBytes > 0) this.#reservedBytes = roomBytes;
    this.#move(roomBytes);
    return this.#store.subarray(this.#end);
  }

  #roomBytes(heldBytes: number): number {
    const { leftBytes } = this.#reader;
    if (leftBytes !== null && heldBytes + leftBytes <= MAX_AHEAD_BYTES) {
      return heldBytes + leftBytes;
    }
    // One more where only reading on tells that it has ended.
    const mostBytes = leftBytes === null ? MAX_AHEAD_BYTES + 1 : MAX_AHEAD_BYTES;
    return Math.min(Math.max(GROWTH * heldBytes, FIRST_ROOM_BYTES), mostBytes);
  }

  /** Moves what is held into a store of that size. */
  #move(bytes: number): void {
    const store = new Uint8Array(bytes);
    store.set(this.#store.subarray(this.#start, this.#end));
    this.#store = store;
    this.#end -= this.#start;
    this.#start = 0;
    if (bytes >= this.#reservedBytes) return;
    this.#budget.release(this.#reservedBytes - bytes);
    this.#reservedBytes = bytes;
  }

  #free(): void {
    this.#store = NOTHING;
    this.#start = 0;
    this.#end = 0;
    if (this.#reservedBytes > 0) this.#budget.release(this.#reservedBytes);
    this.#reservedBytes = 0;
  }
}
