/**
 * URLs that need no network: `data:` and `blob:`.
 *
 * @see https://fetch.spec.whatwg.org/#data-url-processor
 * @module
 */
import { resolveObjectURL } from "node:buffer";

/** A response without an exchange. */
export interface LocalResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: [string, string][];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The type of a `data:` URL that names none, or none that can be read. */
const DEFAULT_TYPE = "text/plain;charset=US-ASCII";

const encoder = new TextEncoder();

/**
 * What a `data:` URL holds.
 *
 * Pure.
 *
 * @param href Serialised, without its fragment.
 * @throws {TypeError} No comma, or not base64.
 */
export function dataUrlResponse(href: string): LocalResponse {
  const comma = href.indexOf(",");
  if (comma === -1) throw new TypeError("fetch failed: a data: URL without a comma");
  let type = href.slice("data:".length, comma).trim();
  let bytes = percentDecoded(href.slice(comma + 1));
  const marked = /; *base64$/i.exec(type);
  if (marked !== null) {
    bytes = base64Decoded(bytes);
    type = type.slice(0, marked.index);
  }
  if (type.startsWith(";")) type = "text/plain" + type;
  return {
    status: 200,
    statusText: "OK",
    headers: [["content-type", mimeType(type) ?? DEFAULT_TYPE]],
    bytes,
  };
}

/**
 * What a `blob:` URL stands for, or the range of it that was asked for.
 *
 * @param href Serialised, without its fragment.
 * @param range The value of `Range`, or null.
 * @throws {TypeError} Revoked, another method than GET, or a range that cannot be served.
 */
export async function blobUrlResponse(
  href: string,
  method: string,
  range: string | null,
): Promise<LocalResponse> {
  if (method !== "GET") throw new TypeError("fetch failed: a blob: URL can only be read with GET");
  const blob = resolveObjectURL(href);
  if (blob === undefined) throw new TypeError("fetch failed: no such blob: URL");
  const whole: LocalResponse = {
    status: 200,
    statusText: "OK",
    headers: [["content-length", `${blob.size}`], ["content-type", blob.type]],
    bytes: new Uint8Array(await blob.arrayBuffer()),
  };
  return range === null ? whole : part(whole, range);
}

function part(whole: LocalResponse, range: string): LocalResponse {
  const size = whole.bytes.length;
  const match = /^bytes[\t ]*=[\t ]*([0-9]*)[\t ]*-[\t ]*([0-9]*)$/.exec(range);
  const [, from = "", to = ""] = match ?? [];
  const first = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (from + to === "" || first > last) {
    throw new TypeError("fetch failed: a blob: URL does not have that range");
  }
  const bytes = whole.bytes.slice(first, last + 1);
  return {
    status: 206,
    statusText: "Partial Content",
    headers: [
      ["content-length", `${bytes.length}`],
      ["content-range", `bytes ${first}-${last}/${size}`],
      ...whole.headers.filter(([name]) => name === "content-type"),
    ],
    bytes,
  };
}

function percentDecoded(text: string): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(text);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const escaped = bytes[i] === 0x25 ? /^[0-9A-Fa-f]{2}/.exec(ascii(bytes, i + 1)) : null;
    bytes[length++] = escaped === null ? bytes[i] : parseInt(escaped[0], 16);
    if (escaped !== null) i += 2;
  }
  return bytes.slice(0, length);
}

/** Two characters. */
function ascii(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 2));
}

function base64Decoded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let text: string;
  try {
    text = atob(new TextDecoder("latin1").decode(bytes));
  } catch (cause) {
    throw new TypeError("fetch failed: a data: URL that is not base64", { cause });
  }
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * A media type in its canonical form, or null.
 *
 * @see https://mimesniff.spec.whatwg.org/#parsing-a-mime-type
 */
function mimeType(text: string): string | null {
  const pieces = text.split(";");
  const essence = pieces[0].trimEnd().split("/");
  if (essence.length !== 2 || !essence.every((name) => TOKEN.test(name))) return null;
  const parameters = new Map<string, string>();
  // A quoted value may hold semicolons.
  const pattern = /;[\t\n\r ]*([^;=]*)(?:=("(?:[^"\\]|\\.)*"?[^;]*|[^;]*))?/g;
  for (const [, name, value] of text.slice(pieces[0].length).matchAll(pattern)) {
    const plain = unquoted(value ?? "");
    const key = name.toLowerCase();
    if (!TOKEN.test(key) || plain === null || !VALUE.test(plain) || parameters.has(key)) continue;
    parameters.set(key, plain);
  }
  const written = [...parameters].map(([name, value]) =>
    `;${name}=${TOKEN.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`}`
  );
  return essence.join("/").toLowerCase() + written.join("");
}

/** A parameter's value; null if there is none. */
function unquoted(value: string): string | null {
  const quoted = /^"((?:[^"\\]|\\.)*)/.exec(value);
  if (quoted !== null) return quoted[1].replace(/\\(.)/g, "$1");
  return value.trimEnd() || null;
}
