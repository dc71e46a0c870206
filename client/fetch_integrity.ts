/**
 * Subresource integrity: whether bytes are the ones that the caller expects.
 *
 * @see https://www.w3.org/TR/SRI/
 * @module
 */

/** Weakest first: only the hashes of the strongest one that is there count. */
const ALGORITHMS: Record<string, string> = {
  sha256: "SHA-256",
  sha384: "SHA-384",
  sha512: "SHA-512",
};

const HASH = /^(sha256|sha384|sha512)-([A-Za-z0-9+/_-]+={0,2})(?:\?|$)/;

/**
 * Whether the bytes have one of the hashes. Metadata without a known hash asks for nothing.
 *
 * @param metadata As in `integrity`: `sha256-…`, separated by spaces.
 */
export async function hasIntegrity(
  bytes: Uint8Array<ArrayBuffer>,
  metadata: string,
): Promise<boolean> {
  const hashes = metadata.split(/[\t\n\f\r ]+/).map((item) => HASH.exec(item))
    .filter((match) => match !== null);
  const strongest = Object.keys(ALGORITHMS).findLast((name) =>
    hashes.some(([, algorithm]) => algorithm === name)
  );
  if (strongest === undefined) return true;
  const digest = new Uint8Array(await crypto.subtle.digest(ALGORITHMS[strongest], bytes));
  const expected = btoa(String.fromCharCode(...digest));
  return hashes.some(([, algorithm, value]) =>
    algorithm === strongest && standardBase64(value) === expected
  );
}

/** Both alphabets are in use, and the padding is often left out. */
function standardBase64(value: string): string {
  const text = value.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "");
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
}
