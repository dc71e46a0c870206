/**
 * URLs that need no network: `data:` and `blob:`.
 *
 * @see https://fetch.spec.whatwg.org/#data-url-processor
 * @module
 */
import { byteRange } from "../protocols/byte_range.ts";
import { parseDataUrl } from "../protocols/data_protocol.ts";

/** A response without an exchange. */
export interface LocalResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: [string, string][];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * What a `data:` URL holds.
 *
 * Pure.
 *
 * @param href Serialised, without its fragment.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: no comma, or not base64.
 */
export function dataUrlResponse(href: string): LocalResponse {
  const { type, bytes } = parseDataUrl(href);
  return { status: 200, statusText: "OK", headers: [["content-type", type]], bytes };
}

/** A module that is loaded when it is needed: it would be a tenth of the start of a program. */
type Buffers = typeof import("node:buffer");

/**
 * What a `blob:` URL stands for now. A promise only on Node 22.0 to 22.2, where it can be revoked
 * before it is found.
 *
 * @param href Serialised; with a query it stands for nothing.
 */
export function blobOf(href: string): Blob | undefined | Promise<Blob | undefined> {
  const [url] = href.split("#", 1);
  if (url.includes("?")) return undefined;
  const find = ({ resolveObjectURL }: Buffers) => resolveObjectURL(url) as Blob | undefined;
  const { process } = globalThis as unknown as {
    process?: { getBuiltinModule?: (id: string) => Buffers };
  };
  const buffers = process?.getBuiltinModule?.("node:buffer");
  return buffers === undefined ? import("node:buffer").then(find) : find(buffers);
}

/**
 * The response of a `blob:` URL, or the range of it that was asked for.
 *
 * @param blob Undefined: there is none.
 * @param range The value of `Range`, or null.
 * @throws {TypeError} Revoked, another method than GET, or a range that cannot be served.
 */
export async function blobUrlResponse(
  blob: Blob | undefined,
  method: string,
  range: string | null,
): Promise<LocalResponse> {
  if (method !== "GET") throw new TypeError("fetch: a blob: URL can only be read with GET");
  if (blob === undefined) throw new TypeError("fetch: no such blob: URL");
  const whole: LocalResponse = {
    status: 200,
    statusText: "OK",
    headers: [["content-length", `${blob.size}`], ["content-type", blob.type]],
    bytes: new Uint8Array(await blob.arrayBuffer()),
  };
  return range === null ? whole : part(whole, range);
}

function part(whole: LocalResponse, field: string): LocalResponse {
  const size = whole.bytes.length;
  const range = byteRange(field, size);
  if (range === null || range === "unsatisfiable") {
    throw new TypeError("fetch: a blob: URL does not have that range");
  }
  const { start, end } = range;
  const bytes = whole.bytes.slice(start, end);
  return {
    status: 206,
    statusText: "Partial Content",
    headers: [
      ["content-length", `${bytes.length}`],
      ["content-range", `bytes ${start}-${end - 1}/${size}`],
      ...whole.headers.filter(([name]) => name === "content-type"),
    ],
    bytes,
  };
}
