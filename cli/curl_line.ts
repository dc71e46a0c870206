/**
 * A curl line as one text: read as a shell would, and written so that one reads it. It is never given to
 * a shell. Pure.
 *
 * @module
 */
import { joined } from "./joined.ts";
import type { Given } from "./option_words.ts";
import { UsageError } from "./usage_error.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether a text is a curl line that was pasted: as in a manual, a `$` may stand before it. */
export function isCurlLine(text: string): boolean {
  return /^\s*(?:[$%#>]\s+)?curl(?:\.exe)?\s/.test(text);
}

/**
 * The words behind `curl`, as a POSIX shell would make them: quotes, `$'…'`, backslashes, line ends
 * behind them, comments, `~/`, and variables of the environment.
 *
 * @throws {UsageError} What only a shell can do: running another program (`$(…)`, backticks), pipes, other
 * redirections, several commands; a variable that is not set; a quote that does not end.
 */
export function curlWords(text: string, env: Environment): string[] {
  const reader = new ShellReader(text.replace(/^\s*(?:[$%#>]\s+)?/, ""), env);
  return reader.words().slice(1);
}

/** Characters that a word ends at, and that a shell does something with. */
const OPERATORS = "|&;<>()";

class ShellReader {
  readonly #text: string;
  readonly #env: Environment;
  #at = 0;

  constructor(text: string, env: Environment) {
    this.#text = text;
    this.#env = env;
  }

  words(): string[] {
    const words: string[] = [];
    for (let word = this.#word(); word !== null; word = this.#word()) words.push(word);
    return words;
  }

  /** The next word, or null: there is none. */
  #word(): string | null {
    this.#skipSpace();
    if (this.#at >= this.#text.length) return null;
    let word = this.#rest.startsWith("~/") ? this.#home() : "";
    while (this.#at < this.#text.length && !/\s/.test(this.#here)) {
      const here = this.#here;
      if (OPERATORS.includes(here)) throw this.#refused(here);
      if (here === "'") word += this.#single();
      else if (here === '"') word += this.#double();
      else if (here === "$") word += this.#dollar(true);
      else if (here === "`") throw this.#refused("`");
      else if (here === "\\") word += this.#escaped();
      else word += this.#take(1);
    }
    return word;
  }

  /** White space, line ends that are escaped, a comment. A line end that is not ends the command. */
  #skipSpace(): void {
    this.#at += /^(?:[ \t]|\\\r?\n)*(?:#[^\n]*)?/.exec(this.#rest)![0].length;
    if (!/^\r?\n/.test(this.#rest)) return;
    if (this.#rest.replace(/^[ \t]*#.*$/gm, "").trim() !== "") {
      throw new UsageError("The curl line ends, and something stands below it");
    }
    this.#at = this.#text.length;
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) throw this.#endless("'");
    const inside = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return inside;
  }

  #double(): string {
    let inside = "";
    for (this.#at++; this.#here !== '"';) {
      if (this.#at >= this.#text.length) throw this.#endless('"');
      if (this.#here === "`") throw this.#refused("`");
      if (this.#here === "$") inside += this.#dollar(false);
      else if (this.#here === "\\") inside += this.#escapedInQuotes();
      else inside += this.#take(1);
    }
    this.#at++;
    return inside;
  }

  #escaped(): string {
    const [whole, character] = /^\\(\r?\n|[^])?/.exec(this.#rest)!;
    this.#at += whole.length;
    return character === undefined ? "\\" : character.endsWith("\n") ? "" : character;
  }

  #escapedInQuotes(): string {
    const [whole, character] = /^\\(\r?\n|[$`"\\])?/.exec(this.#rest)!;
    this.#at += whole.length;
    return character === undefined ? "\\" : character.endsWith("\n") ? "" : character;
  }

  /** A variable, a text with escapes, or a dollar sign that means nothing. */
  #dollar(mayQuote: boolean): string {
    const rest = this.#rest;
    if (rest.startsWith("$(")) throw this.#refused("$(");
    if (mayQuote && rest.startsWith("$'")) return this.#ansi();
    if (mayQuote && rest.startsWith('$"')) return this.#take(1).slice(1);
    const [whole, plain, braced] = /^\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([^}]*)\})/.exec(rest) ?? [];
    if (whole === undefined) return this.#take(1);
    const name = plain ?? braced;
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw this.#refused("${");
    const value = this.#env[name];
    if (value === undefined) {
      throw new UsageError(`The variable ${name} of the curl line is not set`);
    }
    this.#at += whole.length;
    return value;
  }

  /** `$'…'`, as browsers copy a request. */
  #ansi(): string {
    const [whole, inside] = /^\$'((?:[^'\\]|\\[^])*)'/.exec(this.#rest) ?? [];
    if (whole === undefined) throw this.#endless("$'");
    this.#at += whole.length;
    return unescaped(inside!);
  }

  #home(): string {
    const home = this.#env["HOME"];
    return home === undefined ? "" : (this.#at++, home);
  }

  #take(count: number): string {
    const taken = this.#text.slice(this.#at, this.#at + count);
    this.#at += count;
    return taken;
  }

  get #here(): string {
    return this.#text[this.#at] ?? "";
  }

  get #rest(): string {
    return this.#text.slice(this.#at);
  }

  #refused(what: string): UsageError {
    const why = what === "$(" || what === "`"
      ? "nothing else is run"
      : what === "${"
      ? "only a name may stand in it"
      : "give the curl line alone";
    return new UsageError(`The curl line has a ${what}, which is for a shell: ${why}`);
  }

  #endless(quote: string): UsageError {
    return new UsageError(`The curl line has a ${quote} that does not end`);
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  e: "\x1b",
  E: "\x1b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** Bytes that are written as numbers are those of UTF-8. */
function unescaped(text: string): string {
  const bytes: Uint8Array[] = [];
  const pattern =
    /\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([^]))|[^\\]+/g;
  const encoder = new TextEncoder();
  for (const [whole, hex, octal, short, long, other] of text.matchAll(pattern)) {
    const byte = hex !== undefined ? parseInt(hex, 16) : octal && parseInt(octal, 8) & 0xff;
    const point = short ?? long;
    if (typeof byte === "number") bytes.push(Uint8Array.of(byte));
    else if (point !== undefined) bytes.push(encoder.encode(codePoint(parseInt(point, 16))));
    else bytes.push(encoder.encode(other === undefined ? whole : ESCAPES[other] ?? other));
  }
  return new TextDecoder().decode(joined(bytes));
}

function codePoint(value: number): string {
  return value > 0x10ffff ? "\ufffd" : String.fromCodePoint(value);
}

/** The curl line that asks for the same: curl's own options, and `-L` where redirects are followed. */
export function curlLine(given: readonly Given[], follow: boolean): string {
  const words = given.flatMap((each): string[] => {
    if (each.row === null) return [each.value];
    const { long, isOurs } = each.row;
    if (isOurs || long === "location" || long === "follow") return [];
    if (each.value !== null) return [`--${long}`, each.value];
    if (each.isOn) return [`--${long}`];
    return [long.startsWith("no-") ? `--${long.slice("no-".length)}` : `--no-${long}`];
  });
  return ["curl", ...follow ? ["--location"] : [], ...words.map(quoted)].join(" ") + "\n";
}

function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
