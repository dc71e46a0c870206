/**
 * The digests that HTML's `integrity` states.
 *
 * @see https://www.w3.org/TR/SRI/
 * @module
 */

/** What content must hash to. */
export interface Expected {
  /** For an error: a field name, or `integrity`. */
  readonly source: string;
  /** As `node:crypto` calls it. */
  readonly algorithm: string;
  readonly digest: Uint8Array;
}

/** Bytes of a digest; in the order of their strength. */
export const DIGEST_BYTES: ReadonlyMap<string, number> = new Map([
  ["sha256", 32],
  ["sha384", 48],
  ["sha512", 64],
]);

/**
 * The digests that are allowed: the strongest kind of those that are named. One that cannot be read,
 * or is not of the length of its kind, is among them: nothing has it, and it is not as if none had
 * been asked for.
 *
 * Pure.
 *
 * @param integrity As in HTML: `sha256-…`, `sha384-…`, `sha512-…` in any case, several with spaces
 * between, each with options behind a `?`.
 * @returns Empty: nothing known is named, so nothing is asked for.
 */
export function parseIntegrity(integrity: string): Expected[] {
  const known: Expected[] = [];
  for (const item of integrity.split(/[\t\n\f\r ]+/)) {
    const [expression] = item.split("?", 1);
    const [name] = expression.split("-", 1);
    const algorithm = name.toLowerCase();
    if (!DIGEST_BYTES.has(algorithm)) continue;
    // Both alphabets are in use.
    const text = expression.slice(name.length + 1).replaceAll("-", "+").replaceAll("_", "/");
    known.push({ source: "integrity", algorithm, digest: fromBase64(text) ?? new Uint8Array() });
  }
  const strongest = [...DIGEST_BYTES.keys()].findLast((algorithm) =>
    known.some((one) => one.algorithm === algorithm)
  );
  return known.filter(({ algorithm }) => algorithm === strongest);
}

/** Whether some content could have one of the digests. Pure. */
export function canHold(expected: readonly Expected[]): boolean {
  return expected.some(({ algorithm, digest }) => digest.length === DIGEST_BYTES.get(algorithm));
}

/** Whether the digest is one of those that are allowed. Pure. */
export function isAllowed(digest: Uint8Array, expected: readonly Expected[]): boolean {
  return expected.some((one) => sameBytes(digest, one.digest));
}

/** The bytes, or null: not base64. Pure. */
export function fromBase64(text: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch {
    return null;
  }
}

/** Pure. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
