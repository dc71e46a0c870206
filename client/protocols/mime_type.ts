/**
 * MIME types as the WHATWG reads them: forgiving, and the same text for the same meaning.
 *
 * @module
 */
import { isToken } from "../../http/grammar.ts";
import { trimmed, trimmedEnd } from "../http_white_space.ts";

const QUOTABLE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * The canonical text of a MIME type, its parameters included; null if it is none.
 *
 * Pure.
 *
 * @see MIME Sniffing Standard sections 4.4 and 4.5
 */
export function canonicalMimeType(text: string): string | null {
  const [, type, subtype, rest] = /^([^/]*)\/([^;]*)(.*)$/s.exec(trimmed(text)) ?? [];
  if (type === undefined || !isToken(type) || !isToken(trimmedEnd(subtype))) return null;
  let canonical = `${type}/${trimmedEnd(subtype)}`.toLowerCase();
  for (const [name, value] of parameters(rest)) canonical += `;${name}=${quoted(value)}`;
  return canonical;
}

/** The parameters behind a type; the first of each name counts. */
function parameters(text: string): Map<string, string> {
  const found = new Map<string, string>();
  // A name, then what is quoted (with or without an end) or else up to the next semicolon.
  const pattern = /;[\t\n\r ]*([^;=]*)(?:=(?:"((?:[^"\\]|\\.)*)(\\?)(?:"[^;]*|$)|([^;]*)))?/gs;
  for (const [, name, inQuotes, lastBackslash, plain] of text.matchAll(pattern)) {
    const value = inQuotes === undefined
      ? trimmedEnd(plain ?? "")
      : inQuotes.replace(/\\(.)/gs, "$1") + lastBackslash;
    const isValue = QUOTABLE.test(value) && (inQuotes !== undefined || value !== "");
    const key = name.toLowerCase();
    if (isToken(key) && isValue && !found.has(key)) found.set(key, value);
  }
  return found;
}

function quoted(value: string): string {
  return isToken(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}
