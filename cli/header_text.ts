/**
 * Text in header values. Pure.
 *
 * @module
 */

/** Of a header value each character is one byte; where the bytes are UTF-8 they are text. */
export function utf8Text(value: string): string {
  try {
    const bytes = Uint8Array.from(value, (c) => c.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // Of an older encoding.
    return value;
  }
}
