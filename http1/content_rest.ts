/**
 * All that is left of a content, read into one array by whoever wants nothing but the whole of it: one
 * promise, whatever the number of reads, and what has come is taken from where the runtime has put it.
 *
 * @module
 */
import type { BufferedReader } from "../conn/buffered_reader.ts";
import { startRead } from "../conn/by_callback.ts";
import type { Conn } from "../conn/conn.ts";
import type { KnownConn } from "../conn/known_conn.ts";
import { copyPart, makePiece } from "../conn/piece.ts";
import type { ContentReader } from "./content_reader.ts";

/** Bytes. Most that is set aside on the word of a `Content-Length`. */
const TRUSTED_BYTES = 1024 * 1024;

/**
 * How many times as much as has come is set aside, as long as no more is trusted.
 *
 * @see RFC 9112 section 6.3
 */
export const TRUSTED_SHARE: number = 4;

/** Bytes. The room that content of unknown length is given at least. */
const LEAST_ROOM_BYTES = 16 * 1024;

/**
 * Who has the content read. Called synchronously; must not throw.
 *
 * @see RFC 9112 section 6.3
 */
export interface RestOwner {
  /** Something has come. @param isAll Whether nothing stood behind it. */
  restCame(isAll: boolean): void;
  /** All is there. @param wasJustRead Whether the last of it came this moment. */
  restEnded(wasJustRead: boolean): void;
  /** Reading failed. Returns what to tell the reader. */
  restFailed(error: unknown): unknown;
}

/** The connection, as it is read from. */
interface Source {
  readonly conn: Conn;
  startLoan: KnownConn["startLoan"];
}

/** What a {@linkcode ContentRest} reads, and for whom. */
interface Rest {
  readonly reader: ContentReader;
  readonly input: BufferedReader;
  readonly connection: Source;
  /** What was taken of it before; null: nothing. */
  readonly held: Uint8Array<ArrayBuffer> | null;
  readonly owner: RestOwner;
  /** Told of how many octets of content have come, each time. */
  readonly taken: (bytes: number) => void;
}

/**
 * One reading of the rest. Owns: the reads of the connection until it settles.
 *
 * @see RFC 9112 section 6
 */
export class ContentRest {
  readonly #rest: Rest;
  /** Null: nothing has come. */
  #room: Uint8Array<ArrayBuffer> | null = null;
  #length = 0;
  #resolve!: (bytes: Uint8Array<ArrayBuffer>) => void;
  #reject!: (error: unknown) => void;

  /** Begins nothing yet. */
  constructor(rest: Rest) {
    this.#rest = rest;
    const { held, reader } = rest;
    if (held === null) return;
    // Room for the rest may have been made behind it.
    const isBegun = held.byteOffset === 0 &&
      held.buffer.byteLength === held.length + (reader.leftBytes ?? 0);
    this.#room = isBegun ? new Uint8Array(held.buffer) : held;
    this.#length = held.length;
  }

  /**
   * Reads until the content has ended.
   *
   * @throws What {@linkcode RestOwner.restFailed} gives.
   */
  read(): Promise<Uint8Array<ArrayBuffer>> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#advance(false);
    });
  }

  /** Takes what is buffered, and asks for more if that was not all. */
  #advance(wasJustRead: boolean): void {
    try {
      const n = this.#rest.reader.takeInPlace();
      if (n > 0) this.#add(n);
    } catch (error) {
      return this.#failed(error);
    }
    this.#goOn(wasJustRead);
  }

  #goOn(wasJustRead: boolean): void {
    const { reader, owner } = this.#rest;
    if (reader.failure !== null) return this.#failed(reader.failure.error);
    if (!reader.complete) return this.#readOn();
    let whole;
    try {
      whole = this.#whole;
    } catch (error) {
      return this.#failed(error);
    }
    owner.restEnded(wasJustRead);
    this.#resolve(whole);
  }

  /** What has come, with nothing else in its buffer. */
  get #whole(): Uint8Array<ArrayBuffer> {
    const room = this.#room ?? new Uint8Array(0);
    return room.buffer.byteLength === this.#length ? room : copyPart(room, 0, this.#length);
  }

  #readOn(): void {
    const { input, connection } = this.#rest;
    if (connection.startLoan(this.#lent, this.#failed)) return;
    // What is buffered is the beginning of a trailer section, and more of it belongs there.
    const isTrailer = input.buffered > 0;
    let p: Uint8Array;
    try {
      p = isTrailer ? input.space() : this.#space();
    } catch (error) {
      return this.#failed(error);
    }
    const done = isTrailer ? this.#filled : (n: number | null) => this.#placed(p, n);
    startRead(connection.conn, p, done, this.#failed);
  }

  /** Where the next of it belongs, and nothing that is not content. */
  #space(): Uint8Array {
    this.#reserve(0);
    const room = this.#room!.subarray(this.#length);
    const { leftBytes } = this.#rest.reader;
    return leftBytes !== null && leftBytes < room.length ? room.subarray(0, leftBytes) : room;
  }

  /** `n` bytes came into the buffer. */
  readonly #filled = (n: number | null): void => {
    if (n === null) return this.#sourceEnded();
    const { input, owner } = this.#rest;
    input.added(n);
    owner.restCame(input.end < input.bytes.length);
    this.#advance(true);
  };

  /** `n` bytes came into `p`, where their content belongs. */
  #placed(p: Uint8Array, n: number | null): void {
    if (n === null) return this.#sourceEnded();
    const { reader, owner, taken } = this.#rest;
    owner.restCame(n < p.length);
    try {
      const bytes = reader.came(p, n);
      this.#length += bytes;
      taken(bytes);
    } catch (error) {
      return this.#failed(error);
    }
    this.#goOn(true);
  }

  readonly #lent = (bytes: Uint8Array<ArrayBuffer> | null, isAll: boolean): void => {
    if (bytes === null) return this.#sourceEnded();
    const { input, owner } = this.#rest;
    owner.restCame(isAll);
    input.lend(bytes);
    try {
      this.#advance(true);
    } finally {
      input.keep();
    }
  };

  #sourceEnded(): void {
    try {
      this.#rest.reader.sourceEnded();
    } catch (error) {
      return this.#failed(error);
    }
    this.#goOn(false);
  }

  readonly #failed = (error: unknown): void => {
    this.#reject(this.#rest.owner.restFailed(error));
  };

  /** Puts `n` octets that were taken in place behind what there is. */
  #add(n: number): void {
    const { reader, input, taken } = this.#rest;
    const from = reader.takenAt;
    if (this.#room === null && reader.complete) {
      this.#room = copyPart(input.bytes, from, from + n);
    } else {
      this.#reserve(n);
      this.#room!.set(input.bytes.subarray(from, from + n), this.#length);
    }
    this.#length += n;
    taken(n);
  }

  /** Makes room for `n` more, or for some if that is not known. */
  #reserve(n: number): void {
    const room = this.#room;
    const length = this.#length;
    if (room !== null && room.length >= length + Math.max(n, 1)) return;
    const larger = makePiece(this.#roomBytes(length + n));
    if (room !== null) larger.set(room.subarray(0, length));
    this.#room = larger;
  }

  #roomBytes(needed: number): number {
    const { reader } = this.#rest;
    if (reader.complete) return needed;
    const { leftBytes } = reader;
    if (leftBytes !== null) {
      return Math.min(needed + leftBytes, Math.max(TRUSTED_BYTES, TRUSTED_SHARE * needed));
    }
    const trusted = Math.min(TRUSTED_SHARE * needed, TRUSTED_BYTES);
    return Math.max(LEAST_ROOM_BYTES, trusted, 2 * needed);
  }
}
