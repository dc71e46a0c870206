/**
 * The field block that came last. Servers send the same octets again and again; where they mean the
 * same, what they were decoded to is used once more, and only the table is brought on.
 *
 * @module
 */
import { FieldLines } from "../http/field_lines.ts";
import type { BlockPurpose, DecodedSection } from "./decoded_section.ts";
import type { DecoderTable } from "./decoder_table.ts";

/** Octets. Blocks that are longer are decoded each time. */
const MAX_BLOCK_BYTES = 512;

/** Numbers for each field that is added to the table: where it begins, its value begins, it ends; its bits. */
const PLACE = 4;

/**
 * A block and what it means. Owns: a copy of its octets, and of what it adds to the table.
 *
 * @see RFC 7541 section 3.2
 */
export class KnownBlock {
  #block: Uint8Array<ArrayBuffer> | null = null;
  /** Octets of the block; 0: none is known. */
  #length = 0;
  #section: DecodedSection | null = null;
  #sizeBytes = 0;
  /** Holds the fields that are added. */
  #room: Uint8Array<ArrayBuffer> | null = null;
  #additions: readonly number[] = [];
  /** Of the table that it refers to; null: it refers to nothing there. */
  #tableVersion: number | null = null;

  /** What comes next is compared with nothing. */
  forget(): void {
    this.#length = 0;
  }

  /**
   * Remembers `bytes[from..to)`: without violations, a block that either refers to what the peer has
   * added to the table or adds to it itself, not both.
   *
   * @param sizeBytes What the block adds to the section's size.
   * @param room Where its fields were decoded to: kept where it adds fields to the table.
   * @param additions Four numbers for each of them; copied.
   * @param tableVersion Of the table, where it refers to it.
   * @returns A room for the next block.
   */
  keep(
    section: DecodedSection,
    sizeBytes: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    room: Uint8Array<ArrayBuffer>,
    additions: readonly number[],
    tableVersion: number | null,
  ): Uint8Array<ArrayBuffer> {
    this.#length = 0;
    if (to - from > MAX_BLOCK_BYTES) return room;
    const block = this.#block ??= new Uint8Array(MAX_BLOCK_BYTES);
    for (let i = from; i < to; i++) block[i - from] = bytes[i];
    this.#length = to - from;
    this.#section = section;
    this.#sizeBytes = sizeBytes;
    this.#tableVersion = tableVersion;
    this.#additions = additions.length === 0 ? NONE : additions.slice();
    if (additions.length === 0) return room;
    const other = this.#room ?? new Uint8Array(room.length);
    this.#room = room;
    return other;
  }

  /** The section that `bytes[from..to)` is, where it is known; the table is as if it was decoded. */
  again(
    bytes: Uint8Array,
    from: number,
    to: number,
    { usedBytes = 0, limitBytes }: BlockPurpose,
    table: DecoderTable,
  ): DecodedSection | null {
    const length = to - from;
    if (length === 0 || length !== this.#length) return null;
    if (this.#tableVersion !== null && this.#tableVersion !== table.version) return null;
    const sizeBytes = usedBytes + this.#sizeBytes;
    if (sizeBytes > limitBytes) return null;
    const block = this.#block!;
    for (let i = 0; i < length; i++) if (block[i] !== bytes[from + i]) return null;
    const additions = this.#additions;
    for (let i = 0; i < additions.length; i += PLACE) {
      table.add(this.#room!, additions[i], additions[i + 1], additions[i + 2], additions[i + 3]);
    }
    const { fields, pseudo } = this.#section!;
    // Headers are the caller's to change: everybody has their own.
    return {
      fields: new FieldLines(fields.text, fields.offsets, fields),
      violation: null,
      sizeBytes,
      pseudo,
    };
  }
}

const NONE: readonly number[] = [];
