/**
 * Finds the field lines that decide how a message is read, as the lines of a section come by.
 *
 * @module
 */
import type { KnownLines } from "../http/field_lines.ts";

/**
 * Where they are in the section under way. Owns: no bytes; used again for each section.
 *
 * @see RFC 9112 section 6.3
 */
export class KnownLinesFinder implements KnownLines {
  contentLength: number = -1;
  transferEncoding: number = -1;
  connection: number = -1;
  contentEncoding: number = -1;
  keepAlive: number = -1;
  contentType: number = -1;
  isRepeated: boolean = false;

  /** Forgets everything, for the next section. */
  reset(): void {
    this.contentLength = -1;
    this.transferEncoding = -1;
    this.connection = -1;
    this.contentEncoding = -1;
    this.keepAlive = -1;
    this.contentType = -1;
    this.isRepeated = false;
  }

  /** Looks at the name of line `index`, `bytes[from..nameEnd)`. */
  look(bytes: Uint8Array, from: number, nameEnd: number, index: number): void {
    switch (nameEnd - from) {
      case 10:
        if (isName(bytes, from, "keep-alive")) {
          if (this.keepAlive === -1) this.keepAlive = index;
          return;
        }
        if (!isName(bytes, from, "connection")) return;
        if (this.connection === -1) this.connection = index;
        else this.isRepeated = true;
        return;
      case 12:
        if (isName(bytes, from, "content-type")) this.contentType = index;
        return;
      case 14:
        if (!isName(bytes, from, "content-length")) return;
        if (this.contentLength === -1) this.contentLength = index;
        else this.isRepeated = true;
        return;
      case 16:
        if (!isName(bytes, from, "content-encoding")) return;
        if (this.contentEncoding === -1) this.contentEncoding = index;
        else this.isRepeated = true;
        return;
      case 17:
        if (!isName(bytes, from, "transfer-encoding")) return;
        if (this.transferEncoding === -1) this.transferEncoding = index;
        else this.isRepeated = true;
    }
  }
}

function isName(bytes: Uint8Array, from: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    // Names of one length that differ only in the 0x20 bit are equal without regard to case; the
    // one other pair, "-" and CR, cannot occur in a token.
    if ((bytes[from + i] | 0x20) !== name.charCodeAt(i)) return false;
  }
  return true;
}
