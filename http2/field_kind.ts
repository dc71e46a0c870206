/**
 * What a field is to HTTP/2, told from its octets: which name it has, and what is wrong with it.
 * Told once for each entry of the tables of compression, then carried along.
 *
 * @module
 */
import { FIELD_VALUE_BYTES, isOws, TOKEN_BYTES } from "../http/grammar.ts";

/** A field that means nothing to the protocol. @see RFC 9113 section 8.2 */
export const ORDINARY = 0;
/** `content-length` @see RFC 9113 section 8.2 */
export const CONTENT_LENGTH = 1;
/** `content-encoding` @see RFC 9113 section 8.2 */
export const CONTENT_ENCODING = 2;
/** A field that is about the connection; HTTP/2 has other means. @see RFC 9113 section 8.2.2 */
export const CONNECTION_SPECIFIC = 3;
/** `te` @see RFC 9113 section 8.2 */
export const TE = 4;
/** `content-type` @see RFC 9113 section 8.2 */
export const CONTENT_TYPE = 5;
/** Kinds from here on are pseudo-fields. @see RFC 9113 section 8.3 */
export const PSEUDO = 16;
/** `:status` @see RFC 9113 section 8.2 */
export const STATUS = 16;
/** `:method` @see RFC 9113 section 8.2 */
export const METHOD = 17;
/** `:scheme` @see RFC 9113 section 8.2 */
export const SCHEME = 18;
/** `:authority` @see RFC 9113 section 8.2 */
export const AUTHORITY = 19;
/** `:path` @see RFC 9113 section 8.2 */
export const PATH = 20;
/** `:protocol` @see RFC 8441 section 4 */
export const PROTOCOL = 21;
/** A pseudo-field that nobody has defined. @see RFC 9113 section 8.2 */
export const UNKNOWN_PSEUDO = 22;

/** The bits of the kind. @see RFC 9113 section 8.2 */
export const KIND_BITS = 0x1f;
/** The name is empty, has an upper-case letter, or a character that no token has. @see RFC 9113 section 8.2 */
export const BAD_NAME = 0x100;
/** The value has a control character. @see RFC 9113 section 8.2 */
export const BAD_VALUE = 0x200;
/** White space stands at an end of the value. @see RFC 9113 section 8.2 */
export const SPACE_AROUND = 0x400;
/** An octet is not ASCII. @see RFC 9113 section 8.2 */
export const NOT_ASCII = 0x800;
/** The bits that are told by the name. @see RFC 9113 section 8.2 */
export const NAME_BITS: number = KIND_BITS | BAD_NAME;

const NAMES: ReadonlyMap<string, number> = new Map([
  ["content-length", CONTENT_LENGTH],
  ["content-encoding", CONTENT_ENCODING],
  ["connection", CONNECTION_SPECIFIC],
  ["keep-alive", CONNECTION_SPECIFIC],
  ["proxy-connection", CONNECTION_SPECIFIC],
  ["transfer-encoding", CONNECTION_SPECIFIC],
  ["upgrade", CONNECTION_SPECIFIC],
  ["te", TE],
  ["content-type", CONTENT_TYPE],
  [":status", STATUS],
  [":method", METHOD],
  [":scheme", SCHEME],
  [":authority", AUTHORITY],
  [":path", PATH],
  [":protocol", PROTOCOL],
]);

/** For each length of a name, the names of it that mean something. */
const BY_LENGTH: (readonly (readonly [name: string, kind: number])[])[] = Array.from(
  { length: 18 },
  (_, length) => [...NAMES].filter(([name]) => name.length === length),
);

/**
 * The bits of a name.
 *
 * Pure.
 *
 * @see RFC 9113 section 8.2.1
 */
export function nameBits(bytes: Uint8Array, from: number, to: number): number {
  if (to === from) return BAD_NAME;
  const isPseudo = bytes[from] === 0x3a;
  for (let i = isPseudo ? from + 1 : from; i < to; i++) {
    const byte = bytes[i];
    if (TOKEN_BYTES[byte] === 0 || (byte >= 0x41 && byte <= 0x5a)) {
      return isPseudo ? UNKNOWN_PSEUDO | BAD_NAME : BAD_NAME;
    }
  }
  for (const [name, kind] of BY_LENGTH[to - from] ?? []) {
    if (isText(bytes, from, name)) return kind;
  }
  return isPseudo ? UNKNOWN_PSEUDO : ORDINARY;
}

/**
 * The bits of a value.
 *
 * Pure.
 *
 * @see RFC 9113 section 8.2.1
 */
export function valueBits(bytes: Uint8Array, from: number, to: number): number {
  if (to === from) return 0;
  let seen = 0;
  let bits = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i];
    seen |= byte;
    if (FIELD_VALUE_BYTES[byte] === 0) bits = BAD_VALUE;
  }
  if (isOws(bytes[from]) || isOws(bytes[to - 1])) bits |= SPACE_AROUND;
  if (seen >= 0x80) bits |= NOT_ASCII;
  return bits;
}

function isText(bytes: Uint8Array, from: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (bytes[from + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}
