/**
 * Puts a field block together. The table of compression is filled with what is sent again and
 * again: a field is added when it is sent for the second time, so that those that change with each
 * message never push the lasting ones out.
 *
 * @module
 */
import { DEFAULT_TABLE_BYTES, ENTRY_OVERHEAD_BYTES } from "./decoder_table.ts";
import { huffmanEncode, huffmanLength } from "./huffman.ts";
import { STATIC_FIELDS } from "./static_table.ts";

/** Fields. How many that were sent once are remembered. */
const ONCE_COUNT = 64;

/** Octets. What an encoder has as room for a block. */
const RESTING_BYTES = 1024;

/** Octets. More room than this is not kept for the next block. */
const KEPT_BYTES = 64 * 1024;

const STATIC_BY_FIELD: Map<string, number> = new Map();
const STATIC_BY_NAME: Map<string, number> = new Map();
STATIC_FIELDS.forEach(([name, value], i) => {
  STATIC_BY_FIELD.set(keyOf(name, value), i + 1);
  if (!STATIC_BY_NAME.has(name)) STATIC_BY_NAME.set(name, i + 1);
});

/** A field in the table. */
interface Entry {
  readonly key: string;
  readonly name: string;
  readonly sizeBytes: number;
}

/**
 * The encoder of one connection's field blocks. Owns: the table, the room that blocks are made in.
 *
 * Order: {@linkcode begin}, {@linkcode field} for each field, {@linkcode end}.
 *
 * @see RFC 7541 section 6
 */
export class BlockEncoder {
  #room: Uint8Array<ArrayBuffer> = new Uint8Array(RESTING_BYTES);
  #at = 0;
  /** Oldest first. */
  #entries: Entry[] = [];
  /** How many entries have left: what stands first in the list has this number. */
  #leftCount = 0;
  /** Numbers of the entries, counted from the first that was ever added. */
  readonly #byField: Map<string, number> = new Map();
  readonly #byName: Map<string, number> = new Map();
  #sizeBytes = 0;
  #maxBytes = DEFAULT_TABLE_BYTES;
  readonly #ownMaxBytes: number;
  /** The lowest size since the last block, where that has to be told before the present one. */
  #lowestBytes = Infinity;
  #isResized = false;
  /** How often an entry was added, or pushed out by a smaller table. */
  #changes = 0;
  /** What was sent once, the oldest first. */
  readonly #once: Set<string> = new Set();

  /**
   * Makes an encoder.
   *
   * @param ownMaxBytes What it never goes beyond, whatever the peer offers.
   */
  constructor(ownMaxBytes: number = DEFAULT_TABLE_BYTES) {
    this.#ownMaxBytes = ownMaxBytes;
    if (ownMaxBytes < DEFAULT_TABLE_BYTES) this.offered(ownMaxBytes);
  }

  /**
   * Counts what changes how a block is read: as long as it stays, the same fields give the same
   * block, if that block added nothing.
   */
  get version(): number {
    return this.#changes + (this.#isResized ? 0.5 : 0);
  }

  /**
   * The peer has said how large a table it keeps. The next block tells it what of that is used.
   *
   * @see RFC 7541 section 4.2
   */
  offered(tableBytes: number): void {
    const maxBytes = Math.min(tableBytes, this.#ownMaxBytes);
    if (maxBytes === this.#maxBytes) return;
    this.#lowestBytes = Math.min(this.#lowestBytes, maxBytes);
    this.#maxBytes = maxBytes;
    this.#isResized = true;
    this.#shrink(maxBytes);
  }

  /** Begins a block. */
  begin(): void {
    if (this.#room.length > KEPT_BYTES) this.#room = new Uint8Array(RESTING_BYTES);
    this.#at = 0;
    if (!this.#isResized) return;
    // Down and up again: the peer has to know how much went.
    if (this.#lowestBytes < this.#maxBytes) this.#integer(this.#lowestBytes, 0x20, 0x1f);
    this.#integer(this.#maxBytes, 0x20, 0x1f);
    this.#isResized = false;
    this.#lowestBytes = Infinity;
  }

  /**
   * Adds a field.
   *
   * @param name In lower case; each character of it and of the value is one octet.
   * @param isSecret Nobody on the way may keep it in a table. @see RFC 7541 section 7.1.3
   * @param varies It changes with each message: the table has no use for it.
   */
  field(name: string, value: string, isSecret: boolean = false, varies: boolean = false): void {
    if (isSecret) return this.#literal(name, value, 0x10, 0x0f);
    const key = keyOf(name, value);
    const index = STATIC_BY_FIELD.get(key) ?? this.#indexOf(this.#byField.get(key));
    if (index !== undefined) return this.#integer(index, 0x80, 0x7f);
    if (varies || !this.#wasSent(key)) return this.#literal(name, value, 0x00, 0x0f);
    this.#literal(name, value, 0x40, 0x3f);
    this.#add(key, name, name.length + value.length + ENTRY_OVERHEAD_BYTES);
  }

  /** The block. Valid until the next {@linkcode begin}. */
  end(): Uint8Array<ArrayBuffer> {
    return this.#room.subarray(0, this.#at);
  }

  /** Whether the field was sent before, and remembers that it was. */
  #wasSent(key: string): boolean {
    if (this.#once.delete(key)) return true;
    this.#once.add(key);
    if (this.#once.size > ONCE_COUNT) {
      for (const oldest of this.#once) {
        this.#once.delete(oldest);
        break;
      }
    }
    return false;
  }

  #indexOf(number: number | undefined): number | undefined {
    if (number === undefined) return undefined;
    return STATIC_FIELDS.length + this.#leftCount + this.#entries.length - number;
  }

  #add(key: string, name: string, sizeBytes: number): void {
    this.#shrink(this.#maxBytes - sizeBytes);
    if (sizeBytes > this.#maxBytes) return;
    const number = this.#leftCount + this.#entries.length;
    this.#changes++;
    this.#entries.push({ key, name, sizeBytes });
    this.#byField.set(key, number);
    this.#byName.set(name, number);
    this.#sizeBytes += sizeBytes;
  }

  #shrink(toBytes: number): void {
    while (this.#entries.length > 0 && this.#sizeBytes > toBytes) {
      const { key, name, sizeBytes } = this.#entries.shift()!;
      const number = this.#leftCount++;
      this.#changes++;
      this.#sizeBytes -= sizeBytes;
      if (this.#byField.get(key) === number) this.#byField.delete(key);
      if (this.#byName.get(name) === number) this.#byName.delete(name);
    }
  }

  #literal(name: string, value: string, pattern: number, mask: number): void {
    const index = STATIC_BY_NAME.get(name) ?? this.#indexOf(this.#byName.get(name)) ?? 0;
    this.#integer(index, pattern, mask);
    if (index === 0) this.#string(name);
    this.#string(value);
  }

  /** @see RFC 7541 section 5.2 */
  #string(text: string): void {
    const codedLength = huffmanLength(text);
    if (codedLength < text.length) {
      this.#integer(codedLength, 0x80, 0x7f);
      this.#makeRoom(codedLength);
      this.#at = huffmanEncode(text, this.#room, this.#at);
      return;
    }
    this.#integer(text.length, 0x00, 0x7f);
    this.#makeRoom(text.length);
    for (let i = 0; i < text.length; i++) this.#room[this.#at++] = text.charCodeAt(i);
  }

  /** @see RFC 7541 section 5.1 */
  #integer(value: number, pattern: number, mask: number): void {
    this.#makeRoom(8);
    if (value < mask) {
      this.#room[this.#at++] = pattern | value;
      return;
    }
    this.#room[this.#at++] = pattern | mask;
    let rest = value - mask;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#room[this.#at++] = 0x80 | rest % 128;
    this.#room[this.#at++] = rest;
  }

  #makeRoom(more: number): void {
    if (this.#at + more <= this.#room.length) return;
    const larger = new Uint8Array(Math.max(this.#at + more, 2 * this.#room.length));
    larger.set(this.#room.subarray(0, this.#at));
    this.#room = larger;
  }
}

function keyOf(name: string, value: string): string {
  return `${name}\n${value}`;
}
