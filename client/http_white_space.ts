/**
 * HTTP white space, as the WHATWG has it, taken off the ends of a text.
 *
 * @module
 */

const WHITE_SPACE = "\t\n\r ";

/** Without white space at both ends. No regular expression: theirs take the square of its length. */
export function trimmed(text: string): string {
  let start = 0;
  while (start < text.length && WHITE_SPACE.includes(text[start])) start++;
  return trimmedEnd(text.slice(start));
}

/** Without white space at its end. */
export function trimmedEnd(text: string): string {
  let end = text.length;
  while (end > 0 && WHITE_SPACE.includes(text[end - 1])) end--;
  return text.slice(0, end);
}
