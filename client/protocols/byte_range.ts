/**
 * Which part of a file a request wants: a pure function of two fields.
 *
 * @module
 */

/** Bytes `start` up to but not including `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

// White space where the Fetch Standard lets it stand: nothing else could be meant.
const RANGE = /^bytes[ \t]*=[ \t]*(?:(\d{1,15})[ \t]*-[ \t]*(\d{1,15})?|-[ \t]*(\d{1,15}))[ \t]*$/i;

/**
 * The one range that a `Range` field asks for.
 *
 * Pure.
 *
 * @param field Its value. Null, another unit, several ranges, or what is none: no range is asked for.
 * @param size Bytes of the whole.
 * @returns Null: all of it. `"unsatisfiable"`: a range without a byte of it.
 * @see RFC 9110 section 14
 */
export function byteRange(field: string | null, size: number): ByteRange | "unsatisfiable" | null {
  const [, first, last, suffix] = RANGE.exec(field ?? "") ?? [];
  if (suffix !== undefined) {
    if (Number(suffix) === 0 || size === 0) return "unsatisfiable";
    return { start: Math.max(0, size - Number(suffix)), end: size };
  }
  if (first === undefined) return null;
  const start = Number(first);
  if (last !== undefined && Number(last) < start) return null;
  if (start >= size) return "unsatisfiable";
  return { start, end: last === undefined ? size : Math.min(size, Number(last) + 1) };
}
