/**
 * Text whose characters are bytes (ISO 8859-1): what heads are made of.
 *
 * @module
 */

/** What `Buffer` does in one call; takes any array of bytes as `this`. */
interface Latin1Calls {
  latin1Slice(start: number, end: number): string;
  latin1Write(text: string, at: number, length: number): number;
}

const calls = /* @__PURE__ */ findCalls();

const encoder = new TextEncoder();
const asciiDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * `bytes[start..end)` as text.
 *
 * @param isAscii Whether none of them is known to be above 0x7f: a decoder may be used then. The one
 * called "latin1" may not, it is windows-1252.
 */
export function latin1Text(
  bytes: Uint8Array,
  start: number,
  end: number,
  isAscii: boolean = false,
): string {
  if (calls !== null) return calls.latin1Slice.call(bytes, start, end);
  if (isAscii) return asciiDecoder.decode(bytes.subarray(start, end));
  let text = "";
  for (let i = start; i < end; i += 4096) {
    text += String.fromCharCode(...bytes.subarray(i, Math.min(i + 4096, end)));
  }
  return text;
}

/**
 * Puts `text` into `bytes` from `at` on, where there is room; what lies behind it may be overwritten.
 * The caller has checked the characters: one above U+00FF loses its upper bits.
 */
export function putLatin1(text: string, bytes: Uint8Array, at: number): void {
  const { length } = text;
  if (calls !== null) {
    calls.latin1Write.call(bytes, text, at, length);
    return;
  }
  const { read, written } = encoder.encodeInto(text, at === 0 ? bytes : bytes.subarray(at));
  // Each non-ASCII character took two bytes: those texts are put there one by one.
  if (read === length && written === length) return;
  for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
}

/** Null where there is no `Buffer`, and on Deno: to name it there takes ten milliseconds. */
function findCalls(): Latin1Calls | null {
  if ("Deno" in globalThis) return null;
  const { Buffer } = globalThis as { Buffer?: { prototype?: Partial<Latin1Calls> } };
  const found = Buffer?.prototype;
  return typeof found?.latin1Slice === "function" && typeof found.latin1Write === "function"
    ? found as Latin1Calls
    : null;
}
