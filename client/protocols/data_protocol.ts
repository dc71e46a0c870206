/**
 * `data:` URLs: the answer stands in the URL itself.
 *
 * @module
 */
import { HttpError } from "../../conn/http_error.ts";
import type { HttpRequest } from "../../transport/message/http_request.ts";
import { type LocalAnswer, localRoundTrip } from "../../transport/message/local_exchange.ts";
import type { RoundTripper } from "../../transport/transport.ts";
import { percentDecoded } from "../percent_decoded.ts";
import { refusedMethod } from "./local_method.ts";
import { canonicalMimeType } from "./mime_type.ts";

const DEFAULT_TYPE = "text/plain;charset=US-ASCII";

/**
 * Answers requests for `data:` URLs, for `Transport.registerProtocol`.
 *
 * GET and HEAD answer 200 with the `Content-Type` of the URL; other methods 405. The response's
 * `connection.id` is 0. It throws `ERR_INVALID_REQUEST` for a URL without a comma, with malformed
 * base64, or a request with a body.
 *
 * @example
 * ```ts
 * import { dataProtocol, HttpRequest, Transport } from "@roundtrip/http";
 *
 * await using transport = new Transport();
 * transport.registerProtocol("data", dataProtocol());
 * const response = await transport.roundTrip(new HttpRequest("data:text/plain;base64,aGVsbG8="));
 * if (await response.text() !== "hello") throw new Error("not what the URL says");
 * ```
 *
 * @see RFC 2397, and the Fetch Standard, section "data: URLs"
 */
export function dataProtocol(): RoundTripper {
  return { roundTrip: (request) => localRoundTrip(request, answer) };
}

// deno-lint-ignore require-await -- What it throws must reject.
async function answer(request: HttpRequest): Promise<LocalAnswer> {
  const refused = refusedMethod(request);
  if (refused !== null) return refused;
  const { type, bytes } = parseDataUrl(request.href);
  return {
    status: 200,
    statusText: "OK",
    headers: [["Content-Type", type], ["Content-Length", String(bytes.length)]],
    content: request.method === "HEAD" ? null : bytes,
  };
}

/** What a `data:` URL says. */
export interface DataUrlContent {
  /** Its MIME type, canonical. */
  readonly type: string;
  /** Decoded. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Takes a `data:` URL apart.
 *
 * Pure.
 *
 * @param href Serialised, without its fragment.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: without a comma, or not base64 although it says so.
 * @see Fetch Standard, section "data: URLs"
 */
export function parseDataUrl(href: string): DataUrlContent {
  const comma = href.indexOf(",");
  if (comma === -1) throw invalid("there is no comma in it");
  let type = href.slice("data:".length, comma).trim();
  let bytes = percentDecoded(href.slice(comma + 1));
  const base64 = /; *base64$/i.exec(type);
  if (base64 !== null) {
    bytes = base64Decoded(bytes);
    type = type.slice(0, base64.index);
  }
  if (type.startsWith(";")) type = "text/plain" + type;
  return { type: canonicalMimeType(type) ?? DEFAULT_TYPE, bytes };
}

/** Forgiving base64 of the Infra Standard: white space and missing padding are no mistakes. */
function base64Decoded(encoded: Uint8Array): Uint8Array<ArrayBuffer> {
  let binary: string;
  try {
    binary = atob(new TextDecoder("latin1").decode(encoded));
  } catch (cause) {
    throw invalid("not base64", cause);
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function invalid(what: string, cause?: unknown): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", `Cannot use this data: URL: ${what}`, {
    phase: "request",
    cause,
  });
}
