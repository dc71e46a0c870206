/**
 * Takes secrets out of what a HAR file tells. Pure.
 *
 * @module
 */
import { shownField } from "../http/shown_fields.ts";
import type { HarPair } from "./har_format.ts";

/** What stands in the place of a secret. */
const MASK = "***";

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
  pair: maskedPair,
  secret: ({ name }) => ({ name, value: MASK }),
  url: (text) => {
    const [, before, query, fragment] = /^([^?#]*)(\?[^#]*)?(.*)$/s.exec(text)!;
    return before + (query === undefined ? "" : `?${maskedForm(query.slice(1))}`) + fragment;
  },
  body: (text, mimeType) => {
    if (isForm(mimeType)) return maskedForm(text);
    if (/^multipart\//i.test(mimeType)) return null;
    return isJson(mimeType) ? maskedJson(text) : text;
  },
};

/** Whether it is that of a form in one line. */
export function isForm(mimeType: string): boolean {
  return /^application\/x-www-form-urlencoded\b/i.test(mimeType);
}

function isJson(mimeType: string): boolean {
  return /^application\/(?:[^/;]+\+)?json\b/i.test(mimeType);
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
      const isText = typeof value === "string" || typeof value === "number";
      return isText ? kept(value, maskedPair({ name, value: String(value) }).value) : value;
    }));
  } catch {
    return null;
  }
}

function kept(value: string | number, shown: string): string | number {
  return shown === String(value) ? value : shown;
}
