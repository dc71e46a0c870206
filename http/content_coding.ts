/**
 * Which content codings a message has, and which of them can be taken off here.
 *
 * @module
 */
import type { FieldLines } from "./field_lines.ts";
import { listMembers } from "./grammar.ts";

/**
 * Content codings that can be taken off; `zstd` where the runtime has it: Deno, Bun, Node from 22.15.
 *
 * @see RFC 9110 section 8.4.1, RFC 7932 (br), RFC 8878 and 9659 (zstd)
 */
export type ContentCoding = "gzip" | "deflate" | "br" | "zstd";

/** Of {@linkcode canDecodeZstd}; null: not asked yet. */
let zstd: boolean | null = null;

/**
 * The content codings of a message, in the order in which they were applied, in lower case,
 * `identity` left out.
 *
 * Pure.
 *
 * @see RFC 9110 section 8.4
 */
export function contentCodings(fields: FieldLines): string[] {
  if (fields.contentEncoding === -1) return [];
  return listMembers(fields.valuesFrom(fields.contentEncoding))
    .map((coding) => coding.toLowerCase())
    .filter((coding) => coding !== "identity");
}

/**
 * The coding under its registered name, or null if it cannot be taken off on this runtime.
 *
 * @param coding In lower case.
 * @see RFC 9110 section 8.4.1
 */
export function decodableCoding(coding: string): ContentCoding | null {
  if (!hasNodeModules()) return null;
  switch (coding) {
    case "gzip":
    case "x-gzip":
      return "gzip";
    case "deflate":
    case "br":
      return coding;
    case "zstd":
      return canDecodeZstd() ? coding : null;
    default:
      return null;
  }
}

/**
 * Every coding that can be taken off on this runtime, the usual one first: what to ask a server for.
 *
 * @see RFC 9110 section 12.5.3
 * @example
 * ```ts
 * import { decodableCodings, Transport } from "@roundtrip/http";
 *
 * await using transport = new Transport({ acceptEncoding: decodableCodings() });
 * ```
 */
export function decodableCodings(): ContentCoding[] {
  return (["gzip", "deflate", "br", "zstd"] as const).filter(decodableCoding);
}

/** Workers have `node:zlib`, and `process`, with the flag `nodejs_compat` alone. */
function hasNodeModules(): boolean {
  return (globalThis as { process?: unknown }).process !== undefined;
}

/** Runtimes without `getBuiltinModule` (Node 22.0 to 22.2) are older than those with zstd. */
function canDecodeZstd(): boolean {
  if (zstd === null) {
    const { process } = globalThis as unknown as {
      process?: { getBuiltinModule?: (id: string) => { createZstdDecompress?: unknown } };
    };
    zstd = typeof process?.getBuiltinModule?.("node:zlib")?.createZstdDecompress === "function";
  }
  return zstd;
}
