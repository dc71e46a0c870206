/**
 * Takes a field block apart: into text and places of its lines, as heads of every version have
 * them, with the pseudo-fields apart. Every block of a connection has to pass here in the order of
 * the wire, wanted or not: each may change the table that the next one refers to.
 *
 * @module
 */
import { printable } from "../conn/http_error.ts";
import { latin1Text } from "../conn/latin1.ts";
import { note } from "../http/deviation.ts";
import { FieldLines } from "../http/field_lines.ts";
import { isOws } from "../http/grammar.ts";
import type { BlockPurpose, DecodedSection } from "./decoded_section.ts";
import { DecoderTable, DEFAULT_TABLE_BYTES, ENTRY_OVERHEAD_BYTES } from "./decoder_table.ts";
import {
  BAD_NAME,
  BAD_VALUE,
  CONNECTION_SPECIFIC,
  CONTENT_ENCODING,
  CONTENT_LENGTH,
  CONTENT_TYPE,
  KIND_BITS,
  NAME_BITS,
  nameBits,
  NOT_ASCII,
  PSEUDO,
  SPACE_AROUND,
  TE,
  UNKNOWN_PSEUDO,
  valueBits,
} from "./field_kind.ts";
import {
  COMPRESSION_ERROR,
  connectionError,
  ENHANCE_YOUR_CALM,
  type Http2Violation,
  PROTOCOL_ERROR,
  streamError,
} from "./http2_error.ts";
import { huffmanDecode } from "./huffman.ts";
import { KnownBlock } from "./known_block.ts";
import { STATIC_FIELDS } from "./static_table.ts";

/** How far beyond its limit a field section is decoded before the connection is ended for it. */
const PATIENCE = 4;

/** Octets. What the decoder has as room for what it decodes; most heads fit. */
const RESTING_BYTES = 4 * 1024;

/** Octets. More room than this is not kept for the next block. */
const KEPT_BYTES = 64 * 1024;

/** Integers above are refused: no index, length or size comes near. */
const MAX_INTEGER = 2 ** 32;

/** For each section the pseudo-fields that it may have, as bits. @see RFC 9113 section 8.3 */
const ALLOWED_PSEUDO: Readonly<Record<BlockPurpose["section"], number>> = {
  response: 1,
  request: 0b111110,
  trailers: 0,
};

/**
 * The decoder of one connection's field blocks. Owns: the table, the room that it decodes into.
 *
 * @see RFC 7541 section 3
 */
export class BlockDecoder {
  readonly #table: DecoderTable;
  readonly #known: KnownBlock = new KnownBlock();
  #room: Uint8Array<ArrayBuffer> = new Uint8Array(RESTING_BYTES);
  /** Behind what was decoded of the section and is kept. */
  #at = 0;
  #bytes: Uint8Array = this.#room;
  #i = 0;
  #end = 0;
  #offsets: number[] = [];
  #seenBits = 0;
  #sizeBytes = 0;
  #pseudo: (string | undefined)[] = [];
  #hasPseudo = false;
  #contentLength = -1;
  #contentEncoding = -1;
  #contentType = -1;
  #isRepeated = false;
  #violation: Http2Violation | null = null;
  #purpose: BlockPurpose | null = null;
  #fieldCount = 0;
  /** Whether the same octets would mean the same again. */
  #isRepeatable = true;
  /** Whether the block refers to what the peer has added. */
  #usesTable = false;
  /** What it adds itself: four for each field, as the table takes them. */
  readonly #additions: number[] = [];

  /**
   * Makes a decoder.
   *
   * @param tableBytes What the settings offer the peer.
   */
  constructor(tableBytes: number = DEFAULT_TABLE_BYTES) {
    this.#table = new DecoderTable(tableBytes);
  }

  /** The table, for inspection. */
  get table(): DecoderTable {
    return this.#table;
  }

  /**
   * Decodes the block `bytes[from..to)`.
   *
   * @returns The section; what is wrong with it as a message is told there.
   * @throws {Http2Violation} The connection cannot go on: the block cannot be decoded, or is far
   * beyond its limit.
   */
  decode(bytes: Uint8Array, from: number, to: number, purpose: BlockPurpose): DecodedSection {
    if (purpose.section === "response") {
      const again = this.#known.again(bytes, from, to, purpose, this.#table);
      if (again !== null) return again;
    }
    this.#begin(bytes, from, to, purpose);
    let mayResize = true;
    while (this.#i < to) {
      const first = bytes[this.#i];
      if (first >= 0x80) {
        this.#find(this.#integer(0x7f));
        this.#indexed();
      } else if (first >= 0x40) {
        this.#literal(0x3f, true);
      } else if (first >= 0x20) {
        if (!mayResize) {
          throw compressionError("changes the size of the compression table within a block");
        }
        this.#table.resize(this.#integer(0x1f));
        this.#isRepeatable = false;
        continue;
      } else {
        this.#literal(0x0f, false);
      }
      mayResize = false;
    }
    const section = this.#section();
    if (purpose.section === "response") this.#remember(section, from, to);
    return section;
  }

  /** Servers answer with the same head again and again, but for the second of its date. */
  #remember(section: DecodedSection, from: number, to: number): void {
    const additions = this.#additions;
    const isRepeatable = this.#isRepeatable && section.violation === null &&
      !(this.#usesTable && additions.length > 0) && this.#room.length === RESTING_BYTES;
    if (!isRepeatable) return this.#known.forget();
    const { usedBytes = 0 } = this.#purpose!;
    this.#room = this.#known.keep(
      section,
      section.sizeBytes - usedBytes,
      this.#bytes,
      from,
      to,
      this.#room,
      additions,
      this.#usesTable ? this.#table.version : null,
    );
  }

  #find(index: number): void {
    if (index > STATIC_FIELDS.length) this.#usesTable = true;
    this.#table.find(index);
  }

  #begin(bytes: Uint8Array, from: number, to: number, purpose: BlockPurpose): void {
    if (this.#room.length > KEPT_BYTES) this.#room = new Uint8Array(RESTING_BYTES);
    this.#bytes = bytes;
    this.#i = from;
    this.#end = to;
    this.#purpose = purpose;
    this.#at = 0;
    this.#offsets = [];
    this.#pseudo = NO_PSEUDO;
    this.#hasPseudo = false;
    this.#seenBits = 0;
    this.#sizeBytes = purpose.usedBytes ?? 0;
    this.#fieldCount = 0;
    this.#contentLength = -1;
    this.#contentEncoding = -1;
    this.#contentType = -1;
    this.#isRepeated = false;
    this.#violation = null;
    this.#isRepeatable = true;
    this.#usesTable = false;
    this.#additions.length = 0;
  }

  #section(): DecodedSection {
    const text = latin1Text(this.#room, 0, this.#at, (this.#seenBits & NOT_ASCII) === 0);
    const fields = new FieldLines(text, this.#offsets, {
      contentLength: this.#contentLength,
      transferEncoding: -1,
      connection: -1,
      contentEncoding: this.#contentEncoding,
      contentType: this.#contentType,
      keepAlive: -1,
      isRepeated: this.#isRepeated,
    });
    return {
      fields,
      violation: this.#violation,
      sizeBytes: this.#sizeBytes,
      pseudo: this.#pseudo,
    };
  }

  /** The field that the table has found. */
  #indexed(): void {
    const { bytes, nameStart, valueStart, end, bits } = this.#table;
    const start = this.#at;
    if (!this.#counts(end - nameStart)) return;
    this.#makeRoom(end - nameStart);
    const room = this.#room;
    let at = start;
    for (let i = nameStart; i < end; i++) room[at++] = bytes[i];
    this.#field(start, start + valueStart - nameStart, at, bits);
  }

  /** @see RFC 7541 section 6.2 */
  #literal(indexMask: number, isAdded: boolean): void {
    const index = this.#integer(indexMask);
    const start = this.#at;
    let bits: number;
    let nameEnd: number;
    if (index === 0) {
      nameEnd = this.#string(start);
      bits = nameBits(this.#room, start, nameEnd);
    } else {
      this.#find(index);
      const { bytes, nameStart, valueStart } = this.#table;
      bits = this.#table.bits & NAME_BITS;
      this.#makeRoom(valueStart - nameStart);
      nameEnd = start;
      for (let i = nameStart; i < valueStart; i++) this.#room[nameEnd++] = bytes[i];
    }
    const end = this.#string(nameEnd);
    bits |= valueBits(this.#room, nameEnd, end);
    if (isAdded) this.#table.add(this.#room, start, nameEnd, end, bits);
    if (this.#counts(end - start)) this.#field(start, nameEnd, end, bits);
    if (!isAdded) return;
    this.#additions.push(start, nameEnd, end, bits);
    // The next field is decoded over it.
    if (this.#at !== end) this.#isRepeatable = false;
  }

  /**
   * Counts a field.
   *
   * @returns Whether it is kept: the section is within its limit.
   */
  #counts(length: number): boolean {
    this.#fieldCount++;
    this.#sizeBytes += length + ENTRY_OVERHEAD_BYTES;
    const { limitBytes } = this.#purpose!;
    if (this.#sizeBytes <= limitBytes) return true;
    const what = `sent fields of more than ${limitBytes} octets`;
    if (this.#sizeBytes > PATIENCE * limitBytes) {
      throw connectionError(ENHANCE_YOUR_CALM, what, "ERR_HEADERS_TOO_LARGE");
    }
    this.#violation = streamError(ENHANCE_YOUR_CALM, what, "ERR_HEADERS_TOO_LARGE");
    return false;
  }

  /** A field, which stands in the room from `start` on, and is kept there if nothing is wrong. */
  #field(start: number, nameEnd: number, end: number, bits: number): void {
    const kind = bits & KIND_BITS;
    if ((bits & (BAD_NAME | BAD_VALUE)) !== 0) {
      const what = (bits & BAD_NAME) !== 0
        ? "a name that may not be sent"
        : "a character that may not be sent in its value";
      return this.#refuse(what, start, nameEnd);
    }
    if (kind >= PSEUDO) return this.#pseudoField(kind, start, nameEnd, end);
    let from = nameEnd;
    let to = end;
    if ((bits & SPACE_AROUND) !== 0) {
      note(this.#purpose!.deviations, "field-white-space");
      this.#isRepeatable = false;
      while (from < to && isOws(this.#room[from])) from++;
      while (to > from && isOws(this.#room[to - 1])) to--;
    }
    if (kind !== 0) {
      if (kind === CONNECTION_SPECIFIC || (kind === TE && !this.#isTrailers(from, to))) {
        if (this.#purpose!.mode === "strict") {
          return this.#refuse("a field that is about a connection of HTTP/1", start, nameEnd);
        }
        note(this.#purpose!.deviations, "connection-field");
        this.#isRepeatable = false;
        return;
      }
      this.#recognise(kind);
    }
    this.#seenBits |= bits;
    this.#offsets.push(start, nameEnd, from, to);
    this.#at = end;
  }

  #recognise(kind: number): void {
    const index = this.#offsets.length >> 2;
    if (kind === CONTENT_LENGTH) {
      if (this.#contentLength === -1) this.#contentLength = index;
      else this.#isRepeated = true;
    } else if (kind === CONTENT_ENCODING) {
      if (this.#contentEncoding === -1) this.#contentEncoding = index;
      else this.#isRepeated = true;
    } else if (kind === CONTENT_TYPE) {
      // The last one counts, as in a head of HTTP/1.
      this.#contentType = index;
    }
  }

  #pseudoField(kind: number, start: number, nameEnd: number, end: number): void {
    const place = kind - PSEUDO;
    const { section } = this.#purpose!;
    if (kind === UNKNOWN_PSEUDO || (ALLOWED_PSEUDO[section] >>> place & 1) === 0) {
      return this.#refuse(`a pseudo-field that does not belong into ${section}`, start, nameEnd);
    }
    if (this.#offsets.length > 0) {
      return this.#refuse("a pseudo-field behind ordinary ones", start, nameEnd);
    }
    if (!this.#hasPseudo) {
      this.#hasPseudo = true;
      this.#pseudo = [];
    }
    if (this.#pseudo[place] !== undefined) {
      return this.#refuse("a pseudo-field that came before", start, nameEnd);
    }
    this.#pseudo[place] = latin1Text(this.#room, nameEnd, end);
  }

  #isTrailers(from: number, to: number): boolean {
    return latin1Text(this.#room, from, to).toLowerCase() === "trailers";
  }

  /** Names a field that may not stand there; its value may be a secret. */
  #refuse(what: string, nameStart: number, nameEnd: number): void {
    if (this.#violation !== null) return;
    const name = printable(latin1Text(this.#room, nameStart, nameEnd));
    this.#violation = streamError(
      PROTOCOL_ERROR,
      `sent field ${this.#fieldCount}, "${name}": ${what}`,
    );
  }

  /**
   * An integer whose first bits stand beneath `mask` in the octet at hand.
   *
   * @see RFC 7541 section 5.1
   */
  #integer(mask: number): number {
    const bytes = this.#bytes;
    let value = bytes[this.#i++] & mask;
    if (value < mask) return value;
    let scale = 1;
    for (;;) {
      if (this.#i >= this.#end) throw compressionError("sent an integer that does not end");
      const octet = bytes[this.#i++];
      value += (octet & 0x7f) * scale;
      if (value > MAX_INTEGER) throw compressionError("sent an integer that is too large");
      if (octet < 0x80) return value;
      scale *= 128;
      // Zeros can go on without making it any larger.
      if (scale > MAX_INTEGER) throw compressionError("sent an integer that does not end");
    }
  }

  /**
   * Decodes a string into the room, from `at` on.
   *
   * @returns Index behind it.
   * @see RFC 7541 section 5.2
   */
  #string(at: number): number {
    if (this.#i >= this.#end) throw compressionError("sent a block that ends within a field");
    const isCoded = this.#bytes[this.#i] >= 0x80;
    const length = this.#integer(0x7f);
    const from = this.#i;
    const to = from + length;
    if (to > this.#end) throw compressionError("sent a string that is longer than its block");
    this.#i = to;
    this.#makeRoomAt(at, isCoded ? 2 * length : length);
    if (isCoded) return huffmanDecode(this.#bytes, from, to, this.#room, at);
    const room = this.#room;
    const bytes = this.#bytes;
    for (let i = from; i < to; i++) room[at++] = bytes[i];
    return at;
  }

  #makeRoom(more: number): void {
    this.#makeRoomAt(this.#at, more);
  }

  #makeRoomAt(at: number, more: number): void {
    if (at + more <= this.#room.length) return;
    const larger = new Uint8Array(Math.max(at + more, 2 * this.#room.length));
    larger.set(this.#room.subarray(0, at));
    this.#room = larger;
  }
}

const NO_PSEUDO: (string | undefined)[] = [];

function compressionError(what: string): Http2Violation {
  return connectionError(COMPRESSION_ERROR, what);
}
