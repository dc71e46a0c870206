/**
 * Bytes for people to read: `--trace`, `--trace-ascii`.
 *
 * @module
 */

/** Bytes in a line, with their numbers and without. */
const HEX_COLUMNS = 16;
const ASCII_COLUMNS = 64;

/** Writes what happens and what goes over connections. */
export class TraceDump {
  readonly #write: (text: string) => void;
  readonly #hasHex: boolean;
  readonly #stamp: () => string;

  /** @param stamp What stands before each event. */
  constructor(write: (text: string) => void, hasHex: boolean, stamp: () => string) {
    this.#write = write;
    this.#hasHex = hasHex;
    this.#stamp = stamp;
  }

  /** Something has happened. */
  info(text: string): void {
    this.#write(`${this.#stamp()}== Info: ${text}\n`);
  }

  /** Bytes were sent, or have come. Above TLS, as they were before it, or are behind it. */
  bytes(mark: "=> Send" | "<= Recv", bytes: Uint8Array, place: string): void {
    const { length } = bytes;
    const heading = `${this.#stamp()}${mark} ${length} bytes (0x${
      length.toString(16)
    }), ${place}\n`;
    this.#write(heading + dumped(bytes, this.#hasHex));
  }
}

/**
 * Lines of bytes, each with the offset of its first one: as hexadecimal numbers with their characters, or as
 * characters alone, where a line also ends with CRLF. What is not ASCII is a dot.
 *
 * Pure.
 */
export function dumped(bytes: Uint8Array, hasHex: boolean): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.subarray(at, at + (hasHex ? HEX_COLUMNS : ASCII_COLUMNS));
    const end = hasHex ? -1 : lineEnd(piece);
    const shown = end < 0 ? piece : piece.subarray(0, end);
    const hex = hasHex ? `${Array.from(piece, hexOf).join(" ").padEnd(HEX_COLUMNS * 3)}` : "";
    text += `${at.toString(16).padStart(4, "0")}: ${hex}${Array.from(shown, charOf).join("")}\n`;
    at += end < 0 ? piece.length : end + 2;
  }
  return text;
}

/** Where CRLF stands, or -1. */
function lineEnd(piece: Uint8Array): number {
  for (let at = 0; at + 1 < piece.length; at++) {
    if (piece[at] === 0x0d && piece[at + 1] === 0x0a) return at;
  }
  return -1;
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

function charOf(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".";
}
