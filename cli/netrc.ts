/**
 * Credentials in a `.netrc` file. Pure.
 *
 * @module
 */

/** Who asks, and the proof. */
export interface Credentials {
  readonly name: string;
  readonly password: string;
}

/** One `machine`, or the `default` (null). */
interface Entry {
  readonly machine: string | null;
  login: string;
  password: string;
}

/**
 * Finds the credentials for a host; null if there are none.
 *
 * @param name Only those of this name, unless it is empty.
 */
export function netrcCredentials(text: string, host: string, name: string): Credentials | null {
  for (const { machine, login, password } of entries(text)) {
    if (machine !== null && machine.toLowerCase() !== host.toLowerCase()) continue;
    if (name === "" || login === name) return { name: login, password };
  }
  return null;
}

function entries(text: string): Entry[] {
  const found: Entry[] = [];
  const words = wordsOf(text);
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const entry = found.at(-1);
    if (word === "machine") found.push({ machine: words.shift() ?? "", login: "", password: "" });
    else if (word === "default") found.push({ machine: null, login: "", password: "" });
    else if (word === "login" && entry !== undefined) entry.login = words.shift() ?? "";
    else if (word === "password" && entry !== undefined) entry.password = words.shift() ?? "";
    else if (word === "account") words.shift();
  }
  return found;
}

/** Words, those in quotes with escapes; what is behind a `#` at the beginning of a word, or in a macro, is none. */
function wordsOf(text: string): string[] {
  const withoutMacros = text.replace(/^[ \t]*macdef\b.*(?:\n(?!\s*$).*)*/gm, "");
  const pattern = /"((?:[^"\\]|\\.)*)"|#[^\n]*|[^\s"]\S*/g;
  return [...withoutMacros.matchAll(pattern)].flatMap(([word, quoted]) => {
    if (quoted !== undefined) {
      return [quoted.replace(/\\(.)/gs, (_, c) => ({ n: "\n", r: "\r", t: "\t" })[c as "n"] ?? c)];
    }
    return word.startsWith("#") ? [] : [word];
  });
}
