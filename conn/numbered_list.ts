/**
 * Lists of certificates, which are long and the same for every dial, with a short name for each: what
 * compares identities need not read them.
 *
 * @module
 */

/** Count. Of how many texts it is known which number they have. */
const MAX_TEXTS = 16;

/** By the array that a list is in; what was in it when it was numbered. */
const byArray: WeakMap<readonly string[], { readonly texts: readonly string[]; number: number }> =
  new WeakMap();

/** By what is in it, the one that was numbered first, first. */
const byText: Map<string, number> = new Map();

let lastNumber = 0;

/**
 * A number for a list: never the same for two that differ, and the same for the same array until
 * something in it changes; mostly also for another array with the same texts.
 */
export function numberOf(list: readonly string[]): number {
  const known = byArray.get(list);
  if (
    known !== undefined && known.texts.length === list.length &&
    known.texts.every((text, i) => text === list[i])
  ) return known.number;
  const text = JSON.stringify(list);
  let number = byText.get(text);
  if (number === undefined) {
    number = ++lastNumber;
    if (byText.size >= MAX_TEXTS) byText.delete(byText.keys().next().value!);
    byText.set(text, number);
  }
  byArray.set(list, { texts: [...list], number });
  return number;
}
