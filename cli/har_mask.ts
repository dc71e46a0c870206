/**
 * Takes secrets out of what a HAR file tells. Pure.
 *
 * @module
 */
import { shownField } from "../http/shown_fields.ts";
import type { HarPair } from "./har_format.ts";

/** What stands in the place of a secret. */
const MASK = "***";

/** Fields whose values are references, with parameters of their own. */
const REFERENCES: ReadonlySet<string> = new Set([
  ":path",
  "content-location",
  "location",
  "referer",
]);

/** How values are told: as they are, or masked where their names say that they are secrets. */
export interface HarMask {
  pair(pair: HarPair): HarPair;
  /** All of these are secrets. */
  secret(pair: HarPair): HarPair;
  url(url: string): string;
  /** Null: secrets cannot be told from the rest of it. */
  body(text: string, mimeType: string): string | null;
}

/** Nothing is a secret. */
export const KEEPING: HarMask = {
  pair: (pair) => pair,
  secret: (pair) => pair,
  url: (url) => url,
  body: (text) => text,
};

/** By names: of fields, parameters of a query or a form, members of JSON. */
export const MASKING: HarMask = {
  pair: (pair) =>
    REFERENCES.has(pair.name.toLowerCase())
      ? { name: pair.name, value: maskedUrl(pair.value) }
      : maskedPair(pair),
  secret: ({ name }) => ({ name, value: MASK }),
  url: maskedUrl,
  body: (text, mimeType) => {
    if (/^multipart\//i.test(mimeType)) return null;
    if (isJson(mimeType)) return maskedJson(text);
    // Much JSON goes by another type, and a form by default.
    const seemsJson = /^\s*[[{]/.test(text);
    if (isForm(mimeType)) return seemsJson ? maskedJson(text) : maskedForm(text);
    return seemsJson ? maskedJson(text) ?? text : text;
  },
};

/** Whether it is that of a form in one line. */
export function isForm(mimeType: string): boolean {
  return /^application\/x-www-form-urlencoded\b/i.test(mimeType);
}

function isJson(mimeType: string): boolean {
  return /^application\/(?:[^/;]+\+)?json\b/i.test(mimeType);
}

/** Whoever asks, in front of the host, and parameters behind the path: those of a fragment hold tokens too. */
function maskedUrl(text: string): string {
  const [, before, query, fragment] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(text)!;
  return before.replace(/^([a-z][a-z0-9+.-]*:)?\/\/[^/]*@/i, `$1//${MASK}@`) +
    (query === undefined ? "" : `?${maskedForm(query.slice(1))}`) +
    (fragment === undefined ? "" : `#${maskedForm(fragment.slice(1))}`);
}

function maskedPair({ name, value }: HarPair): HarPair {
  // `accessToken` is `access_token`.
  const [, shown] = shownField(name.replace(/([a-z0-9])([A-Z])/g, "$1_$2"), value);
  return { name, value: shown };
}

function maskedForm(text: string): string {
  return text.split("&").map((part) => {
    const [name, value] = part.split(/=(.*)/s, 2);
    if (value === undefined) return part;
    const decoded = new URLSearchParams(`${name}=`).keys().next().value ?? name;
    return `${name}=${maskedPair({ name: decoded, value }).value}`;
  }).join("&");
}

/** Null: it is none, although it says so. */
function maskedJson(text: string): string | null {
  try {
    return JSON.stringify(JSON.parse(text, (name, value) => {
      // Of a secret in parts, no part is told.
      const isPlain = value === null || typeof value === "boolean" || value === "";
      return isPlain || maskedPair({ name, value: "a secret" }).value !== MASK ? value : MASK;
    }));
  } catch {
    return null;
  }
}
