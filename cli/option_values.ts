/**
 * Values of options that say several things at once. Pure.
 *
 * @module
 */
import type {
  DataPart,
  FormPart,
  HeaderOption,
  HostAddresses,
  OtherPlace,
  TimeCondition,
} from "./get_options.ts";
import type { GivenOption } from "./option_words.ts";
import { UsageError } from "./usage_error.ts";

/** `text`, `=text`, `name=text`, `@file` or `name@file`. */
export function parseEncodedPart(text: string): DataPart {
  const [, name, mark, rest] = /^([^=@]*)([=@])(.*)$/s.exec(text) ?? [text, "", "", text];
  return { value: rest, isFile: mark === "@", dropLineEnds: false, encodedAs: name };
}

/** As data that is encoded, but what is behind a plus. */
export function parseQueryPart(text: string): DataPart {
  return text.startsWith("+")
    ? { value: text.slice(1), isFile: false, dropLineEnds: false, encodedAs: null }
    : parseEncodedPart(text);
}

/** `Name: value`; `Name;` is sent empty; `Name:` is not sent, and takes our own away. */
export function parseHeader(option: string, text: string): HeaderOption {
  if (text.startsWith("@")) return { file: text.slice(1) };
  const empty = /^([^:;]+);\s*$/.exec(text);
  if (empty !== null) return { name: empty[1], value: "" };
  const colon = text.indexOf(":");
  if (colon <= 0) throw new UsageError(`Option ${option} needs "Name: value", not "${text}"`);
  const value = text.slice(colon + 1).trim();
  return { name: text.slice(0, colon), value: value === "" ? null : value };
}

/** `name=text`, `name=<FILE` or `name=@FILE`, with `;type=` and `;filename=` behind it. */
export function parseFormPart({ row, value: text }: GivenOption): FormPart {
  const equals = text!.indexOf("=");
  if (equals <= 0) throw new UsageError(`Option -F needs "name=value", not "${text}"`);
  const name = text!.slice(0, equals);
  const value = text!.slice(equals + 1);
  if (row.long === "form-string") {
    return { name, value, kind: "text", fileName: null, type: null };
  }
  const [said, ...attributes] = value.split(/;(?=type=|filename=)/);
  const attribute = (key: string): string | null =>
    unquoted(attributes.find((each) => each.startsWith(key))?.slice(key.length) ?? null);
  const fileName = attribute("filename=");
  const type = attribute("type=");
  if (said.startsWith("<")) {
    return { name, value: said.slice(1), kind: "text of file", fileName: null, type };
  }
  if (!said.startsWith("@")) return { name, value: unquoted(said)!, kind: "text", fileName, type };
  return { name, value: unquoted(said.slice(1))!, kind: "file", fileName, type };
}

/** In quotes a value may hold semicolons. */
export function unquoted(text: string | null): string | null {
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"$/s.exec(text ?? "") ?? [];
  return quoted === undefined ? text : quoted.replace(/\\(["\\])/g, "$1");
}

export function parseRange(text: string): string {
  if (!/^[0-9]*-?[0-9]*(?:,[0-9]*-[0-9]*)*$/.test(text) || !/[0-9]/.test(text)) {
    throw new UsageError(`Option -r needs "from-to", not "${text}"`);
  }
  return `bytes=${text.includes("-") ? text : `${text}-`}`;
}

export function timeConditionOf(text: string | null): TimeCondition | null {
  if (text === null) return null;
  return text.startsWith("-")
    ? { ifChanged: false, since: text.slice(1) }
    : { ifChanged: true, since: text };
}

/** A colon that is part of the path has a backslash before it, or is that of a drive. */
export function certAndPassword(
  text: string | null,
): [cert: string | null, password: string | null] {
  if (text === null) return [null, null];
  const [, path, password] = /^((?:[A-Za-z]:(?=[\\/]))?(?:[^\\:]|\\.)*):(.*)$/s.exec(text) ??
    [text, text, null];
  return [path!.replace(/\\([\\:])/g, "$1"), password];
}

/** `host:port:address`, several addresses with commas between them. */
export function parseAddresses(text: string): HostAddresses {
  const [, hostname, port, list] = /^\+?([^:]+):([0-9]{1,5}):(.+)$/.exec(text) ?? [];
  if (list === undefined) {
    throw new UsageError(`Option --resolve needs "host:port:address", not "${text}"`);
  }
  const addresses = list.split(",").map((address) => address.replace(/^\[(.*)\]$/, "$1"));
  return { hostname, port: Number(port), addresses };
}

/** `host:port:host:port`, where each may be empty. */
export function parseOtherPlace(text: string): OtherPlace {
  const host = "(\\[[^\\]]*\\]|[^:\\[\\]]*)";
  const pattern = new RegExp(`^${host}:([0-9]{0,5}):${host}:([0-9]{0,5})$`);
  const [, hostname, port, otherHostname, otherPort] = pattern.exec(text) ?? [];
  if (hostname === undefined) {
    throw new UsageError(`Option --connect-to needs "host:port:host:port", not "${text}"`);
  }
  const bare = (name: string): string => name.replace(/^\[(.*)\]$/, "$1");
  return {
    hostname: bare(hostname).toLowerCase(),
    port: port === "" ? null : Number(port),
    otherHostname: bare(otherHostname),
    otherPort: otherPort === "" ? null : Number(otherPort),
  };
}

/** A URL without a scheme is one of http, as with curl; so is a proxy. */
export function withScheme(url: string, usual = "http"): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `${usual}://${url}`;
}

/** The schemes that are spoken. */
const SCHEMES: readonly string[] = ["http", "https"];

/**
 * `=https`: this one alone; `-all,+http` or `-http`: less, or more. The names of other protocols of curl
 * say nothing here.
 *
 * @returns Null: nothing is said.
 */
export function parseSchemes(text: string | null): ReadonlySet<string> | null {
  if (text === null) return null;
  let allowed: ReadonlySet<string> = new Set(SCHEMES);
  for (const item of text.split(",")) {
    const [, sign, name] = /^\s*([=+-]?)(.*?)\s*$/s.exec(item)!;
    const meant = SCHEMES.filter((scheme) => name === "all" || name.toLowerCase() === scheme);
    if (sign === "-") allowed = new Set([...allowed].filter((each) => !meant.includes(each)));
    else allowed = new Set(sign === "=" ? meant : [...allowed, ...meant]);
  }
  return allowed;
}

/** Permissions in octal digits. */
export function parseFileMode(text: string | null): number | null {
  if (text === null) return null;
  if (!/^[0-7]{1,4}$/.test(text) || parseInt(text, 8) > 0o777) {
    throw new UsageError(`Option --create-file-mode needs octal digits, not "${text}"`);
  }
  return parseInt(text, 8);
}

/**
 * How many transfers may begin in a while: `3/s`, `20/m`, `5/h`, `1/d`, `1/10s`, or `3`, which is an hour's.
 *
 * @returns Milliseconds from one to the next.
 */
export function parseRate(text: string): number {
  const [, count, units = "1", unit = "h"] =
    /^([0-9]{1,9})(?:\/([0-9]{1,9})?([smhd]))?$/.exec(text) ??
      [];
  if (!(Number(count) > 0) || !(Number(units) > 0)) {
    throw new UsageError(`Option --rate needs "number/s", m, h or d, not "${text}"`);
  }
  const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 24 * 3600 };
  return Number(units) * seconds[unit] * 1000 / Number(count);
}
