/**
 * Percent-decoding as the WHATWG does it: nothing is malformed.
 *
 * @see URL Standard section 1.3
 * @module
 */

const PERCENT = 0x25;

const encoder = new TextEncoder();

/**
 * `%` with two hexadecimal digits behind it is a byte; everything else stays as it is, in UTF-8.
 *
 * Pure.
 */
export function percentDecoded(text: string): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(text);
  let length = bytes.indexOf(PERCENT);
  if (length === -1) return bytes;
  for (let i = length; i < bytes.length; i++) {
    const high = bytes[i] === PERCENT ? hexDigit(bytes[i + 1]) : -1;
    const low = high === -1 ? -1 : hexDigit(bytes[i + 2]);
    bytes[length++] = low === -1 ? bytes[i] : high * 16 + low;
    if (low !== -1) i += 2;
  }
  return bytes.slice(0, length);
}

/** @param byte Undefined behind the end. */
function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
