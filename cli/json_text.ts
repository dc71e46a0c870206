/**
 * JSON as a person reads it: indented, and coloured. Pure.
 *
 * @module
 */
import type { Paint } from "./colours.ts";

/** A string, a number or a word, a mark, or white space. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[^\s{}[\],:"]+|[{}[\],:]|\s+/gs;

/**
 * The same JSON, each member in a line of its own; null: it is none. Numbers and escapes stay as they
 * were written, whatever their size; characters that could command a terminal are escaped.
 */
export function shownJson(text: string, paint: Paint): string | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  let shown = "";
  let depth = 0;
  const line = (): string => "\n" + "  ".repeat(depth);
  const tokens = (text.match(TOKEN) ?? []).filter((token) => token.trim() !== "");
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1];
    if (token === "{" || token === "[") {
      const isEmpty = next === "}" || next === "]";
      if (!isEmpty) depth++;
      shown += token + (isEmpty ? "" : line());
    } else if (token === "}" || token === "]") {
      const before = tokens[index - 1];
      const isEmpty = before === "{" || before === "[";
      if (!isEmpty) depth--;
      shown += (isEmpty ? "" : line()) + token;
    } else if (token === ",") shown += token + line();
    else if (token === ":") shown += `${token} `;
    else shown += scalar(token, next === ":", paint);
  }
  return shown + "\n";
}

function scalar(token: string, isName: boolean, paint: Paint): string {
  const style = isName ? "cyan" : token.startsWith('"') ? "green" : "yellow";
  return paint(style, harmless(token));
}

/** C0 controls cannot stand in JSON; DEL and C1 can, and some of them command a terminal. */
function harmless(token: string): string {
  return token.replace(
    /[\x7f-\x9f]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
