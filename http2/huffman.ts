/**
 * Huffman-coded strings, both ways. Decoding goes from state to state by whole octets: a state is
 * a place in the tree of the code, and each of its rows is made when a string first leads there.
 *
 * @module
 */
import { CODE_BITS, CODES, EOS } from "./huffman_codes.ts";
import { COMPRESSION_ERROR, connectionError } from "./http2_error.ts";

/** Children of each inner node of the tree: another one, or below 0 `-1 - symbol`. */
const TREE: Int16Array = codeTree();

/** Bits. Padding is shorter than an octet. */
const MAX_PADDING_BITS = 7;

/** Nodes at which a string may end: where nothing but padding has been read since the last symbol. */
const MAY_END: Uint8Array = endNodes();

const COUNT_SHIFT = 24;
const SECOND_SHIFT = 8;
const STATE_SHIFT = 16;
/** A step that no string may take: EOS, or a place that no code reaches. */
const FAULT = -1;

/**
 * For each node, once it is made: where each octet leads, and the symbols that end on the way. In
 * bits 0 to 7 and 8 to 15 up to two symbols, in 16 to 23 the node, in 24 and 25 their count.
 */
const ROWS: (Int32Array | null)[] = new Array(256).fill(null);

/**
 * Decodes `bytes[from..to)` into `into`, from `at` on. There must be room: two symbols an octet at
 * the most.
 *
 * @returns Index behind the last symbol.
 * @throws {Http2Violation} `COMPRESSION_ERROR`: EOS, or padding that is too long or not all ones.
 * @see RFC 7541 section 5.2
 */
export function huffmanDecode(
  bytes: Uint8Array,
  from: number,
  to: number,
  into: Uint8Array,
  at: number,
): number {
  let node = 0;
  for (let i = from; i < to; i++) {
    const step = (ROWS[node] ?? makeRow(node))[bytes[i]];
    if (step === FAULT) throw malformedString("EOS inside of it");
    const count = step >>> COUNT_SHIFT;
    if (count !== 0) {
      into[at++] = step;
      if (count === 2) into[at++] = step >>> SECOND_SHIFT;
    }
    node = step >>> STATE_SHIFT & 0xff;
  }
  if (MAY_END[node] === 0) throw malformedString("padding that is no padding");
  return at;
}

/**
 * How many octets the code of a text takes.
 *
 * Pure.
 *
 * @param text Each character is one octet.
 * @see RFC 7541 section 5.2
 */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += CODE_BITS[text.charCodeAt(i)];
  return bits + 7 >>> 3;
}

/**
 * Encodes a text into `into`, from `at` on.
 *
 * @param text Each character is one octet.
 * @returns Index behind the last octet.
 * @see RFC 7541 section 5.2
 */
export function huffmanEncode(text: string, into: Uint8Array, at: number): number {
  // At most 7 bits wait while the next code, of 30 at most, is added: in two halves they fit.
  let waiting = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const octet = text.charCodeAt(i);
    let length = CODE_BITS[octet];
    const code = CODES[octet];
    if (length > 16) {
      length -= 16;
      waiting = waiting << length | code >>> 16;
      bits += length;
      while (bits >= 8) into[at++] = waiting >>> (bits -= 8);
      length = 16;
    }
    waiting = waiting << length | code & (1 << length) - 1;
    bits += length;
    while (bits >= 8) into[at++] = waiting >>> (bits -= 8);
  }
  if (bits > 0) into[at++] = waiting << 8 - bits | 0xff >>> bits;
  return at;
}

/** The tree as pairs of children, the root first. */
function codeTree(): Int16Array {
  const tree = new Int16Array(2 * 256);
  let nodes = 1;
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = 0;
    for (let bit = CODE_BITS[symbol] - 1; bit > 0; bit--) {
      const child = 2 * node + (CODES[symbol] >>> bit & 1);
      if (tree[child] === 0) tree[child] = nodes++;
      node = tree[child];
    }
    tree[2 * node + (CODES[symbol] & 1)] = -1 - symbol;
  }
  return tree;
}

function endNodes(): Uint8Array {
  const ends = new Uint8Array(256);
  let node = 0;
  for (let bits = 0; bits <= MAX_PADDING_BITS; bits++) {
    ends[node] = 1;
    node = TREE[2 * node + 1];
  }
  return ends;
}

function makeRow(from: number): Int32Array {
  const row = new Int32Array(256);
  for (let octet = 0; octet < 256; octet++) row[octet] = stepOf(from, octet);
  ROWS[from] = row;
  return row;
}

function stepOf(from: number, octet: number): number {
  let node = from;
  let symbols = 0;
  let count = 0;
  for (let bit = 7; bit >= 0; bit--) {
    const child = TREE[2 * node + (octet >>> bit & 1)];
    if (child >= 0) {
      node = child;
      continue;
    }
    const symbol = -1 - child;
    if (symbol === EOS) return FAULT;
    symbols |= symbol << count * SECOND_SHIFT;
    count++;
    node = 0;
  }
  return count << COUNT_SHIFT | node << STATE_SHIFT | symbols;
}

function malformedString(what: string): Error {
  return connectionError(COMPRESSION_ERROR, `sent a Huffman-coded string with ${what}`);
}
