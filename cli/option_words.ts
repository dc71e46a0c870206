/**
 * Words to options, by the table, as curl reads them. Pure.
 *
 * @module
 */
import { type OptionRow, OPTIONS } from "./option_table.ts";
import { UsageError } from "./usage_error.ts";

/** An option as it was given. */
export interface GivenOption {
  readonly row: OptionRow;
  /** Null: a flag. */
  readonly value: string | null;
  /** Of a flag: whether it is set, or taken back by `--no-`. */
  readonly isOn: boolean;
}

/** What one or two words mean: an option, or a word of its own. */
export type Given = GivenOption | { readonly row: null; readonly value: string };

const byLong: ReadonlyMap<string, OptionRow> = new Map(OPTIONS.map((row) => [row.long, row]));
const byShort: ReadonlyMap<string, OptionRow> = new Map(
  OPTIONS.filter((row) => row.short !== undefined).map((row) => [row.short!, row]),
);

/**
 * Reads words. What follows an option that takes a value is its value, whatever it begins with;
 * behind `--` no word is an option.
 *
 * @throws {UsageError} An option that is not in the table, or that is refused; a value that is
 * missing, or too much.
 */
export function readWords(words: readonly string[]): Given[] {
  const given: Given[] = [];
  const left = [...words];
  const next = (row: OptionRow, shown: string): string => {
    const value = left.shift();
    if (value === undefined) throw new UsageError(`Option ${shown} needs ${row.value}`);
    return value;
  };
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    if (word === "--") {
      given.push(...left.splice(0).map((value) => ({ row: null, value })));
    } else if (word.startsWith("--")) {
      const [name, glued] = splitLong(word.slice(2));
      const { row, isOn } = longOption(name);
      if (isOn) checkRefused(row, `--${name}`);
      if (row.value === undefined) {
        if (glued !== null) throw new UsageError(`Option --${name} does not take a value`);
        given.push({ row, value: null, isOn });
      } else {
        given.push({ row, value: glued ?? next(row, `--${name}`), isOn });
      }
    } else if (word.startsWith("-") && word !== "-") {
      given.push(...shortOptions(word, next));
    } else {
      given.push({ row: null, value: word });
    }
  }
  return given;
}

/** The row of an option, by its long name without dashes. */
export function optionRow(long: string): OptionRow {
  const row = byLong.get(long);
  if (row === undefined) throw new TypeError(`No option is called ${long}`);
  return row;
}

/** The options of a word such as `-sSLo`, whose last one may have its value behind it. */
function shortOptions(word: string, next: (row: OptionRow, shown: string) => string): Given[] {
  const given: Given[] = [];
  for (let at = 1; at < word.length; at++) {
    const shown = `-${word[at]}`;
    const row = byShort.get(word[at]);
    if (row === undefined) throw unknown(shown, word.length > 2 ? word : "");
    checkRefused(row, shown);
    if (row.value === undefined) {
      given.push({ row, value: null, isOn: true });
      continue;
    }
    const glued = word.slice(at + 1);
    given.push({ row, value: glued === "" ? next(row, shown) : glued, isOn: true });
    break;
  }
  return given;
}

/** `name=value`, which curl does not know. */
function splitLong(text: string): [name: string, value: string | null] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text, null] : [text.slice(0, equals), text.slice(equals + 1)];
}

/** `--no-` takes a flag back, and an option that begins with it is taken back without. */
function longOption(name: string): { row: OptionRow; isOn: boolean } {
  const row = byLong.get(name.startsWith("expand-") ? "expand-url" : name);
  if (row !== undefined) return { row, isOn: true };
  const other = byLong.get(name.startsWith("no-") ? name.slice("no-".length) : `no-${name}`);
  if (other !== undefined && other.value === undefined) return { row: other, isOn: false };
  throw unknown(`--${name}`, "");
}

function checkRefused(row: OptionRow, shown: string): void {
  if (row.refused !== undefined) throw new UsageError(`Option ${shown} ${row.refused}`);
}

function unknown(shown: string, word: string): UsageError {
  const within = word === "" ? "" : ` in "${word}"`;
  const nearest = nearestOption(word === "" ? shown : word);
  const hint = nearest === null ? "" : `; did you mean ${nearest}?`;
  return new UsageError(`Unknown option ${shown}${within}${hint}`);
}

/** The option that is written most like `word`, with its dashes, or null: none is. */
export function nearestOption(word: string): string | null {
  const name = word.replace(/^-+/, "").toLowerCase();
  if (name.length < 2) {
    const other = byShort.get(name) ?? byShort.get(name.toUpperCase());
    return other === undefined ? null : `-${other.short}`;
  }
  let nearest: string | null = null;
  // A third of the letters may be others.
  let least = Math.floor(name.length / 3) + 1;
  for (const { long } of OPTIONS) {
    const edits = long.startsWith(name) && name.length > 2 ? 0.5 : editDistance(name, long);
    if (edits < least) [nearest, least] = [long, edits];
  }
  return nearest === null ? null : `--${nearest}`;
}

/** How many letters are to be added, taken away, changed or swapped with the next. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let edits = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (isSame ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        edits = Math.min(edits, before[j - 2] + 1);
      }
      row.push(edits);
    }
    [before, last] = [last, row];
  }
  return last[b.length];
}
