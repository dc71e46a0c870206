/**
 * The content of a response, as it comes on a stream: kept until it is read, which is bounded by
 * the window of the stream.
 *
 * @module
 */
import type { Conn } from "../conn/conn.ts";
import { HttpError } from "../conn/http_error.ts";
import { copyPart } from "../conn/piece.ts";
import { realTime } from "../conn/real_time.ts";
import type { Deviation } from "../http/deviation.ts";
import type { HttpHeaders } from "../http/http_headers.ts";
import type {
  AheadBudget,
  AheadEvents,
  Framing,
  IncomingContent,
  ReaderWatch,
} from "../http/incoming_content.ts";

/** Octets. Parts under this are gathered, so that small ones do not cost an array each. */
const SMALL_PART_BYTES = 1024;

/** The stream, as its content sees it. @see RFC 9113 section 8.1 */
export interface StreamContentOwner {
  /** So much of the content was used. */
  contentUsed(bytes: number): void;
  /** Somebody waits for more of it than has come. @returns Whether more was borrowed for it. */
  contentWanted(): boolean;
  /** Nobody wants the rest. */
  contentAbandoned(): void;
  /** The stream as a connection. */
  streamConn(): Conn;
}

/** Who reads, and where to. */
interface Waiting {
  readonly p: Uint8Array | null;
  readonly resolve: (brought: number | Uint8Array<ArrayBuffer> | null) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The content of one response. Owns: what came of it and was not read.
 *
 * @see RFC 9113 section 8.1
 */
export class StreamContent implements IncomingContent {
  whole: Uint8Array<ArrayBuffer> | null = null;
  readonly framing: Framing;
  readonly deviations: readonly Deviation[];
  trailers: HttpHeaders | null = null;
  readonly #owner: StreamContentOwner;
  readonly #parts: Uint8Array<ArrayBuffer>[] = [];
  /** How much of the first part was read. */
  #start = 0;
  /** How much of the last part is filled. */
  #tailLength = 0;
  #unreadBytes = 0;
  #hasEnded = false;
  #failure: { error: unknown } | null = null;
  #waiting: Waiting | null = null;
  /** Whether something came for the waiting reader in this step, and how much of its array that fills. */
  #isFilling = false;
  #filledBytes = 0;
  #taken = false;
  /** Whether more may come of it than of others, which has to be given back. */
  hasBorrowed: boolean = false;
  /** Who is told when all of it is here, though nobody reads it. */
  #ahead: AheadEvents | null = null;
  /** Who is told that only the error is left of it. */
  #broken: (() => void) | null = null;

  /** Makes the content of a response. */
  constructor(owner: StreamContentOwner, framing: Framing, deviations: readonly Deviation[]) {
    this.#owner = owner;
    this.framing = framing;
    this.deviations = deviations;
    if (framing.kind === "none") this.whole = new Uint8Array(0);
  }

  /** Octets that came and were not read. */
  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  get complete(): boolean {
    if (this.framing.kind === "tunnel") return this.#taken;
    return this.whole !== null || (this.#hasEnded && this.#unreadBytes === 0);
  }

  // What the stream tells.

  /** `bytes[from..to)` came. */
  add(bytes: Uint8Array, from: number, to: number): void {
    const waiting = this.#waiting;
    // Nothing may overtake what its array had no room for.
    if (waiting === null || this.#unreadBytes > 0) return this.#keep(bytes, from, to);
    const { p, resolve } = waiting;
    if (p === null) {
      this.#waiting = null;
      this.#owner.contentUsed(to - from);
      resolve(copyPart(bytes, from, to));
      return;
    }
    const filledBytes = this.#filledBytes;
    // Whoever reads may have given the array away meanwhile.
    const n = Math.max(0, Math.min(p.length - filledBytes, to - from));
    if (n > 0) p.set(bytes.subarray(from, from + n), filledBytes);
    this.#filledBytes = filledBytes + n;
    // The rest of the frame, and more frames, may stand in what was read already.
    if (!this.#isFilling) realTime.queueMicrotask(this.#filled);
    this.#isFilling = true;
    this.#owner.contentUsed(n);
    if (from + n < to) this.#keep(bytes, from + n, to);
  }

  /** Tells the waiting reader what was put into its array, if anything came for it. */
  readonly #filled = (): void => {
    if (!this.#isFilling) return;
    const filledBytes = this.#filledBytes;
    const { resolve } = this.#waiting!;
    this.#waiting = null;
    this.#isFilling = false;
    this.#filledBytes = 0;
    resolve(filledBytes);
  };

  /** All of it has come. */
  end(trailers: HttpHeaders | null): void {
    this.#hasEnded = true;
    this.trailers = trailers;
    this.#filled();
    this.#waiting?.resolve(null);
    this.#waiting = null;
    this.#tellAhead();
  }

  /** No more comes; what came can be read before the error. */
  fail(error: unknown): void {
    if (this.#hasEnded || this.#failure !== null) return;
    this.#failure = { error };
    this.#filled();
    if (this.#waiting === null && this.#unreadBytes === 0) this.#broken?.();
    this.#waiting?.reject(error);
    this.#waiting = null;
  }

  /** What comes is kept in any case: tells when all of it has. */
  tellWhenHere(events: AheadEvents): void {
    this.#ahead = events;
    this.#tellAhead();
  }

  /** It is read again: whoever reads sees its end. */
  notAhead(): void {
    this.#ahead = null;
  }

  whenBroken(broken: () => void): void {
    this.#broken = broken;
  }

  #tellAhead(): void {
    const ahead = this.#ahead;
    if (ahead === null || !this.#hasEnded || this.whole !== null) return;
    this.#ahead = null;
    ahead.contentTaken(this.#unreadBytes, this.trailers);
  }

  /** If it came to its end before anybody could ask for it: all of it, as one array. */
  makeWhole(): void {
    // What came through a tunnel belongs to whoever takes it over.
    if (!this.#hasEnded || this.whole !== null || this.framing.kind === "tunnel") return;
    this.whole = this.#joined();
    this.#parts.length = 0;
    this.#unreadBytes = 0;
  }

  // IncomingContent

  read(p: Uint8Array): Promise<number | null> {
    const obstacle = this.#obstacle();
    if (obstacle !== null) return obstacle;
    if (this.#unreadBytes > 0) return Promise.resolve(this.#take(p));
    if (p.length === 0) return Promise.resolve(0);
    return this.#wait(p) as Promise<number | null>;
  }

  readChunk(): Promise<Uint8Array<ArrayBuffer> | null> {
    const obstacle = this.#obstacle();
    if (obstacle !== null) return obstacle;
    if (this.#unreadBytes > 0) return Promise.resolve(this.#takePart());
    return this.#wait(null) as Promise<Uint8Array<ArrayBuffer> | null>;
  }

  abandon(): Promise<void> {
    if (this.whole !== null || this.#taken) return Promise.resolve();
    this.drop();
    if (this.#failure !== null) return Promise.resolve();
    // A tunnel of which one end is closed is still open at the other.
    if (!this.#hasEnded || this.framing.kind === "tunnel") {
      this.fail(
        new HttpError("ERR_BODY_CLOSED", "The body was closed before its end", { phase: "body" }),
      );
      this.#owner.contentAbandoned();
    }
    return Promise.resolve();
  }

  /** What came and was not read will not be. */
  drop(): void {
    const unreadBytes = this.#unreadBytes;
    this.#parts.length = 0;
    this.#start = 0;
    this.#unreadBytes = 0;
    this.#owner.contentUsed(unreadBytes);
  }

  /** The same, where it has failed. */
  dropFailed(): void {
    if (this.#failure !== null && this.#unreadBytes > 0) this.drop();
  }

  takeOver(): Conn {
    if (this.framing.kind !== "tunnel" || this.#taken) {
      throw new HttpError(
        "ERR_INVALID_REQUEST",
        this.#taken
          ? "Cannot take the connection over: it was taken before"
          : "Cannot take the connection over: the protocol was not switched",
        { phase: "body" },
      );
    }
    this.#taken = true;
    return this.#owner.streamConn();
  }

  /** Reading for the connection over this stream: past what callers may do with a body. */
  readTunnel(p: Uint8Array): Promise<number | null> {
    if (this.#unreadBytes > 0) return Promise.resolve(this.#take(p));
    if (this.#failure !== null) return Promise.reject(this.#failure.error);
    if (this.#hasEnded) return Promise.resolve(null);
    return this.#wait(p) as Promise<number | null>;
  }

  /** What a read is told that is not made. */
  #obstacle(): Promise<null> | null {
    if (this.whole !== null || this.framing.kind === "tunnel") return Promise.resolve(null);
    if (this.#waiting !== null) {
      return Promise.reject(
        new HttpError("ERR_INVALID_REQUEST", "Cannot read: a read is already under way", {
          phase: "body",
        }),
      );
    }
    if (this.#unreadBytes > 0) return null;
    if (this.#failure !== null) return Promise.reject(this.#failure.error);
    return this.#hasEnded ? Promise.resolve(null) : null;
  }

  #wait(p: Uint8Array | null): Promise<number | Uint8Array<ArrayBuffer> | null> {
    return new Promise((resolve, reject) => {
      this.#waiting = { p, resolve, reject };
      if (this.#owner.contentWanted()) this.hasBorrowed = true;
    });
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    const length = to - from;
    this.#unreadBytes += length;
    const tail = this.#parts.at(-1);
    if (tail !== undefined && tail.length - this.#tailLength >= length) {
      tail.set(bytes.subarray(from, to), this.#tailLength);
      this.#tailLength += length;
      return;
    }
    if (tail !== undefined && this.#tailLength < tail.length) {
      this.#parts[this.#parts.length - 1] = tail.subarray(0, this.#tailLength);
    }
    // The first is most often the only one.
    if (tail === undefined || length >= SMALL_PART_BYTES) {
      this.#parts.push(copyPart(bytes, from, to));
    } else {
      const room = new Uint8Array(SMALL_PART_BYTES);
      room.set(bytes.subarray(from, to));
      this.#parts.push(room);
    }
    this.#tailLength = length;
  }

  /** The first part that was not read to its end, as far as it is filled. */
  #first(): Uint8Array<ArrayBuffer> {
    const first = this.#parts[0];
    return this.#parts.length === 1 ? first.subarray(0, this.#tailLength) : first;
  }

  #take(p: Uint8Array): number {
    let n = 0;
    while (n < p.length && this.#unreadBytes > 0) {
      const first = this.#first();
      const there = Math.min(p.length - n, first.length - this.#start);
      p.set(first.subarray(this.#start, this.#start + there), n);
      n += there;
      this.#start += there;
      this.#unreadBytes -= there;
      if (this.#start === first.length) this.#dropFirst();
    }
    this.#owner.contentUsed(n);
    return n;
  }

  /** The rest of the first part, in an array of its own. */
  #takePart(): Uint8Array<ArrayBuffer> {
    const first = this.#first();
    const isAlone = this.#start === 0 && first.byteLength === first.buffer.byteLength;
    const part = isAlone ? first : first.slice(this.#start);
    this.#unreadBytes -= part.length;
    this.#dropFirst();
    this.#owner.contentUsed(part.length);
    return part;
  }

  #dropFirst(): void {
    this.#parts.shift();
    this.#start = 0;
  }

  #joined(): Uint8Array<ArrayBuffer> {
    if (this.#parts.length === 1 && this.#start === 0) {
      const [first] = this.#parts;
      if (this.#tailLength === first.buffer.byteLength) return first;
    }
    const whole = new Uint8Array(this.#unreadBytes);
    let at = 0;
    for (const part of this.#parts.keys()) {
      const from = part === 0 ? this.#start : 0;
      const bytes = part === this.#parts.length - 1
        ? this.#parts[part].subarray(from, this.#tailLength)
        : this.#parts[part].subarray(from);
      whole.set(bytes, at);
      at += bytes.length;
    }
    return whole;
  }
}

/** Finds contents that nobody can read any more: what came of them is in nobody's way. */
const unreachable: FinalizationRegistry<StreamContent> = new FinalizationRegistry((content) =>
  content.drop()
);

/**
 * The content, as whoever is given the response has it. The stream holds its content and not this,
 * so that one that was dropped unread can be told from one that will be read.
 *
 * @see RFC 9113 section 8.1
 */
export class ReceivedContent implements IncomingContent {
  readonly bringsChunks = true;
  readerWatch: ReaderWatch | null = null;
  readonly #content: StreamContent;
  #isWatched = false;

  /** Makes what is given to a caller. */
  constructor(content: StreamContent) {
    this.#content = content;
  }

  get whole(): Uint8Array<ArrayBuffer> | null {
    return this.#content.whole;
  }

  get framing(): Framing {
    return this.#content.framing;
  }

  get deviations(): readonly Deviation[] {
    return this.#content.deviations;
  }

  get trailers(): HttpHeaders | null {
    return this.#content.trailers;
  }

  get complete(): boolean {
    return this.#content.complete;
  }

  read(p: Uint8Array): Promise<number | null> {
    this.#readBegins();
    const reading = this.#content.read(p);
    this.#watch();
    return reading;
  }

  readChunk(): Promise<Uint8Array<ArrayBuffer> | null> {
    this.#readBegins();
    const reading = this.#content.readChunk();
    this.#watch();
    return reading;
  }

  /** Nothing is reserved: what comes before it is read is bounded by the windows. */
  takeAhead(_budget: AheadBudget, events: AheadEvents): void {
    this.#content.tellWhenHere(events);
  }

  whenBroken(broken: () => void): void {
    this.#content.whenBroken(broken);
  }

  abandon(): Promise<void> {
    this.#readBegins();
    return this.#content.abandon();
  }

  takeOver(): Conn {
    return this.#content.takeOver();
  }

  #watch(): void {
    if (this.#isWatched || !this.#content.hasBorrowed) return;
    this.#isWatched = true;
    unreachable.register(this, this.#content);
  }

  #readBegins(): void {
    this.#content.notAhead();
    this.readerWatch?.readBegan();
    this.readerWatch = null;
  }
}
