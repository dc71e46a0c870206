/**
 * Puts the chunked transfer coding together. Pure.
 *
 * @module
 */
import { fieldLine, HEAD_END } from "./head_writer.ts";

/**
 * What stands before the data of a chunk.
 *
 * @param sizeBytes Integer >= 1; a size of 0 would end the body.
 * @see RFC 9112 section 7.1
 */
export function chunkStart(sizeBytes: number): string {
  return sizeBytes.toString(16) + "\r\n";
}

/**
 * What stands behind the data of a chunk.
 *
 * @see RFC 9112 section 7.1
 */
export const CHUNK_END = "\r\n";

/**
 * The last chunk and the trailer section.
 *
 * @param trailers Checked field lines.
 * @see RFC 9112 section 7.1.2
 */
export function lastChunk(trailers: Iterable<readonly [string, string]>): string {
  let text = "0\r\n";
  for (const [name, value] of trailers) text += fieldLine(name, value);
  return text + HEAD_END;
}
