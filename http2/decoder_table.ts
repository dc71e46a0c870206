/**
 * The table of compression at the receiving end: the fields that both ends know, then those that
 * the peer has added. Entries stand behind one another in one array, without an object for each.
 *
 * @module
 */
import { nameBits, valueBits } from "./field_kind.ts";
import { COMPRESSION_ERROR, connectionError } from "./http2_error.ts";
import { STATIC_FIELDS } from "./static_table.ts";

/** Octets. What an entry counts besides its name and value. @see RFC 7541 section 4.1 */
export const ENTRY_OVERHEAD_BYTES = 32;

/** Octets. The size of a table of which nothing was said. @see RFC 9113 section 6.5.2 */
export const DEFAULT_TABLE_BYTES = 4_096;

/** Numbers for each entry: where its name begins, its value begins, its value ends; its bits. */
const PLACE = 4;

const STATIC_BYTES: Uint8Array = new TextEncoder().encode(STATIC_FIELDS.flat().join(""));
const STATIC_PLACES: Int32Array = staticPlaces();

function staticPlaces(): Int32Array {
  const places = new Int32Array((STATIC_FIELDS.length + 1) * PLACE);
  let at = 0;
  STATIC_FIELDS.forEach(([name, value], i) => {
    const valueStart = at + name.length;
    const end = valueStart + value.length;
    const bits = nameBits(STATIC_BYTES, at, valueStart) |
      valueBits(STATIC_BYTES, valueStart, end);
    places.set([at, valueStart, end, bits], (i + 1) * PLACE);
    at = end;
  });
  return places;
}

/**
 * The table. {@linkcode find} leaves what it has found in the fields of the table: they are valid
 * until the next call.
 *
 * @see RFC 7541 section 2.3
 */
export class DecoderTable {
  /** Where the octets of the entry that was found stand. */
  bytes: Uint8Array = STATIC_BYTES;
  /** Where its name begins. */
  nameStart: number = 0;
  /** Where its name ends and its value begins. */
  valueStart: number = 0;
  /** Where its value ends. */
  end: number = 0;
  /** What it is: see `field_kind.ts`. */
  bits: number = 0;
  /** How many entries were ever added. */
  addedCount: number = 0;
  /** How often its size was changed. */
  #resizeCount = 0;
  /** Octets, counted as the peer has to. */
  #sizeBytes = 0;
  #maxBytes: number;
  /** What was offered: no size update may go beyond. */
  readonly #offeredBytes: number;
  readonly #own: Uint8Array<ArrayBuffer>;
  /** Behind the octets of the newest entry. */
  #ownEnd = 0;
  /** Places of the entries, by their number modulo the capacity. */
  readonly #places: Int32Array;
  readonly #capacity: number;
  #count = 0;

  /**
   * Makes a table.
   *
   * @param offeredBytes What the settings offer the peer.
   */
  constructor(offeredBytes: number = DEFAULT_TABLE_BYTES) {
    this.#offeredBytes = offeredBytes;
    this.#maxBytes = offeredBytes;
    this.#capacity = Math.max(1, Math.floor(offeredBytes / ENTRY_OVERHEAD_BYTES));
    this.#places = new Int32Array(this.#capacity * PLACE);
    // Twice, so that entries are moved to the front once in a while and not each time.
    this.#own = new Uint8Array(2 * offeredBytes);
  }

  /** Counts all that changes what an index means. */
  get version(): number {
    return this.addedCount + this.#resizeCount;
  }

  /** How many entries the peer has added and not pushed out again. */
  get count(): number {
    return this.#count;
  }

  /** Octets of these entries, as the peer has to count them. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /**
   * Finds an entry.
   *
   * @param index 1 is the first of the static table.
   * @throws {Http2Violation} `COMPRESSION_ERROR`: there is none.
   */
  find(index: number): void {
    let places = STATIC_PLACES;
    let at = index * PLACE;
    if (index > STATIC_FIELDS.length) {
      const age = index - STATIC_FIELDS.length;
      if (age > this.#count) throw noEntry(index);
      places = this.#places;
      at = ((this.addedCount - age) % this.#capacity) * PLACE;
      this.bytes = this.#own;
    } else {
      if (index === 0) throw noEntry(index);
      this.bytes = STATIC_BYTES;
    }
    this.nameStart = places[at];
    this.valueStart = places[at + 1];
    this.end = places[at + 2];
    this.bits = places[at + 3];
  }

  /**
   * Adds an entry, whose name and value stand behind one another, and are copied. One that is larger
   * than the table empties it.
   *
   * @see RFC 7541 section 4.4
   */
  add(bytes: Uint8Array, nameStart: number, valueStart: number, end: number, bits: number): void {
    const length = end - nameStart;
    const sizeBytes = length + ENTRY_OVERHEAD_BYTES;
    this.#shrink(this.#maxBytes - sizeBytes);
    if (sizeBytes > this.#maxBytes) return;
    if (this.#ownEnd + length > this.#own.length) this.#moveToFront();
    const own = this.#own;
    const start = this.#ownEnd;
    let at = start;
    for (let i = nameStart; i < end; i++) own[at++] = bytes[i];
    this.#ownEnd = at;
    const place = (this.addedCount % this.#capacity) * PLACE;
    this.#places[place] = start;
    this.#places[place + 1] = start + valueStart - nameStart;
    this.#places[place + 2] = at;
    this.#places[place + 3] = bits;
    this.addedCount++;
    this.#count++;
    this.#sizeBytes += sizeBytes;
  }

  /**
   * Takes a size update of the peer.
   *
   * @throws {Http2Violation} `COMPRESSION_ERROR`: more than was offered.
   * @see RFC 7541 section 6.3
   */
  resize(maxBytes: number): void {
    if (maxBytes > this.#offeredBytes) {
      throw connectionError(
        COMPRESSION_ERROR,
        `wants a compression table of ${maxBytes} octets, more than ${this.#offeredBytes}`,
      );
    }
    this.#maxBytes = maxBytes;
    this.#resizeCount++;
    this.#shrink(maxBytes);
  }

  #shrink(toBytes: number): void {
    while (this.#count > 0 && this.#sizeBytes > toBytes) {
      const place = ((this.addedCount - this.#count) % this.#capacity) * PLACE;
      this.#sizeBytes -= this.#places[place + 2] - this.#places[place] + ENTRY_OVERHEAD_BYTES;
      this.#count--;
    }
    if (this.#count === 0) this.#ownEnd = 0;
  }

  #moveToFront(): void {
    const oldest = ((this.addedCount - this.#count) % this.#capacity) * PLACE;
    const by = this.#count === 0 ? this.#ownEnd : this.#places[oldest];
    this.#own.copyWithin(0, by, this.#ownEnd);
    this.#ownEnd -= by;
    for (let age = 1; age <= this.#count; age++) {
      const place = ((this.addedCount - age) % this.#capacity) * PLACE;
      this.#places[place] -= by;
      this.#places[place + 1] -= by;
      this.#places[place + 2] -= by;
    }
  }
}

function noEntry(index: number): Error {
  return connectionError(COMPRESSION_ERROR, `refers to entry ${index}, which there is not`);
}
