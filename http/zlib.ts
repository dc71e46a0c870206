/**
 * The runtime's own decompression, loaded when content is first decoded.
 *
 * @module
 */

/**
 * `node:zlib`, which the three runtimes carry.
 *
 * @see RFC 9110 section 8.4.1
 */
export type Zlib = typeof import("node:zlib");

let loaded: Zlib | null = null;

/**
 * What has been loaded, without waiting for it; null: nothing has been decoded yet.
 *
 * @see RFC 9110 section 8.4.1
 */
export function loadedZlib(): Zlib | null {
  return loaded;
}

/**
 * Loads it, once.
 *
 * @see RFC 9110 section 8.4.1
 */
export async function loadZlib(): Promise<Zlib> {
  return loaded ??= await import("node:zlib");
}
