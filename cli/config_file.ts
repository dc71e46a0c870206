/**
 * Options in a file: `-K`.
 *
 * @module
 */
import { type Given, readWords } from "./option_words.ts";
import { UsageError } from "./usage_error.ts";

/** How deep files may name files. */
const MAX_DEPTH = 8;

/**
 * The options with those of the files that they name, each in the place of its `-K`.
 *
 * @param read Gives the text of a file; `"-"` is standard input.
 * @throws {UsageError} A line that cannot be understood, or files that name each other.
 * @throws What `read` throws.
 */
export async function withConfigFiles(
  given: readonly Given[],
  read: (path: string) => Promise<string>,
  depth = 0,
): Promise<Given[]> {
  const all: Given[] = [];
  for (const each of given) {
    if (each.row?.long !== "config") {
      all.push(each);
      continue;
    }
    if (depth === MAX_DEPTH) throw new UsageError(`Too many files of options name another`);
    const inFile = readWords(configWords(await read(each.value!)));
    all.push(...await withConfigFiles(inFile, read, depth + 1));
  }
  return all;
}

/**
 * The words of a file of options, one option a line: `name = value`, `--name value`, `-x value`; a value in
 * quotes may hold escapes. A line that begins with `#` is a comment.
 *
 * Pure.
 *
 * @throws {UsageError}
 */
export function configWords(text: string): string[] {
  return text.replace(/^\ufeff/, "").split(/\r?\n/).flatMap((line) => {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) return [];
    const [, name, rest] = /^([^\s=:]+)(?:\s*[=:]\s*|\s+|$)(.*)$/s.exec(trimmed) ??
      [undefined, "", ""];
    if (!name) throw new UsageError(`A file of options has a line that is none: "${trimmed}"`);
    const option = name.startsWith("-") ? name : `--${name}`;
    return rest === "" ? [option] : [option, value(rest)];
  });
}

function value(text: string): string {
  if (!text.startsWith('"')) return text.replace(/\s+#.*$/, "");
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"/s.exec(text) ?? [];
  if (quoted === undefined) throw new UsageError(`A file of options has a " that does not end`);
  const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", v: "\v" };
  return quoted.replace(/\\(.)/gs, (_, c: string) => escapes[c] ?? c);
}
