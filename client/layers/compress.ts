/**
 * Bodies of requests in a content coding, where that is worth it and nobody has said otherwise.
 *
 * @module
 */
import { HttpError, printable } from "../../conn/http_error.ts";
import { type ContentCoding, decodableCodings } from "../../http/content_coding.ts";
import { ContentEncoder, encodeWhole } from "../../http/content_encoder.ts";
import { HttpHeaders } from "../../http/http_headers.ts";
import type { ContentSource } from "../../http/outgoing_request.ts";
import { loadZlib, type Zlib } from "../../http/zlib.ts";
import type { Clock } from "../../transport/clock.ts";
import type { HttpRequest } from "../../transport/message/http_request.ts";
import {
  type BodySource,
  isReplayable,
  type RequestBody,
  requestBody,
} from "../../transport/message/request_body.ts";
import type { RoundTripper } from "../../transport/transport.ts";
import { type Layer, LayeredTransport } from "./compose.ts";

/** Bytes. Smaller content goes into one packet with its head, coded or not. */
const MIN_BYTES = 1_024;

/** Fields of a caller who speaks of the bytes that are sent: they must be these. */
const ABOUT_BYTES: readonly string[] = [
  "content-encoding",
  "content-length",
  "content-range",
  "content-digest",
  "repr-digest",
  "digest",
  "content-md5",
  "x-amz-content-sha256",
];

/** Media types whose content is coded already, or as good as. */
const INCOMPRESSIBLE =
  /^(?:image\/(?!svg\+xml|bmp)|audio\/|video\/|font\/woff|application\/(?:font-woff|zip|gzip|x-gzip|zstd|zlib|x-7z-compressed|x-rar-compressed|vnd\.rar|x-bzip2|x-xz|java-archive|epub\+zip|vnd\.openxmlformats-|vnd\.oasis\.opendocument\.))/i;

/**
 * A transport that puts a coding on.
 *
 * Content of less than 1 KiB stays as it is, and so does content of a media type that is coded already,
 * and what has come out no shorter. So does every body of which the request says more: fields about its
 * bytes (`Content-Encoding`, `Content-Length`, digests …), `contentLength`, `trailers`. What could be sent
 * again still can. A function makes its content for each attempt, and only then is known what it is: it is
 * coded where the request says the type.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: no coding that this runtime has.
 * @see RFC 9110 section 8.4
 */
export function compressing(
  inner: RoundTripper,
  coding: ContentCoding,
  clock: Clock,
): RoundTripper {
  if (!decodableCodings().includes(coding)) {
    throw new HttpError(
      "ERR_INVALID_REQUEST",
      `compress: "${printable(`${coding}`)}" is none of ${decodableCodings().join(", ")}`,
      { phase: "client" },
    );
  }
  const layer: Layer = (request, next) => compressed(request, request.body!, coding).then(next);
  const layered = new LayeredTransport(inner, layer, clock);
  return {
    roundTrip: (request) =>
      request.body === null || saysMore(request)
        ? inner.roundTrip(request)
        : layered.roundTrip(request),
  };
}

function saysMore({ headers, contentLength, trailers }: HttpRequest): boolean {
  return contentLength !== null || trailers !== null ||
    ABOUT_BYTES.some((name) => headers.has(name));
}

async function compressed(
  request: HttpRequest,
  source: BodySource,
  coding: ContentCoding,
): Promise<HttpRequest> {
  const stated = request.headers.get("content-type") ?? request.bodyType;
  if (typeof source === "function") {
    if (stated === null || INCOMPRESSIBLE.test(stated)) return request;
    const zlib = await loadZlib();
    const body = (): BodySource => new CodedBody(requestBody(source), zlib, coding);
    return withCoding(request, body, { coding, type: stated });
  }
  const given = requestBody(source, request.arrayBytes);
  const type = stated ?? given.contentType;
  const isSmall = given.lengthBytes !== null && given.lengthBytes < MIN_BYTES;
  if (isSmall || (type !== null && INCOMPRESSIBLE.test(type))) return request;
  const zlib = await loadZlib();
  if (given.bytes !== null) {
    // Whose they are may give them away while another thread reads them.
    const body = await encodeWhole(zlib, coding, new Uint8Array(given.bytes));
    return body.length < given.bytes.length ? withCoding(request, body, { coding, type }) : request;
  }
  const make = (): BodySource => new CodedBody(given, zlib, coding);
  return withCoding(request, isReplayable(source) ? make : make(), { coding, type });
}

/** @param about `type`: what the content is besides; null: nobody says. */
function withCoding(
  request: HttpRequest,
  body: BodySource,
  { coding, type }: { coding: ContentCoding; type: string | null },
): HttpRequest {
  const headers = new HttpHeaders(request.headers);
  if (type !== null && !headers.has("content-type")) headers.append("Content-Type", type);
  headers.append("Content-Encoding", coding);
  return request.with({ headers, body });
}

/** A body that is coded as it is sent, once. Owns: the body of which it is made. */
class CodedBody implements AsyncIterableIterator<Uint8Array> {
  readonly #body: RequestBody;
  readonly #zlib: Zlib;
  readonly #coding: ContentCoding;
  #content: ContentSource | null = null;

  constructor(body: RequestBody, zlib: Zlib, coding: ContentCoding) {
    this.#body = body;
    this.#zlib = zlib;
    this.#coding = coding;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    this.#content ??= new ContentEncoder(this.#zlib, this.#coding, this.#body.open());
    const value = await this.#content.next();
    return value === null ? { done: true, value } : { done: false, value };
  }

  /** Lets the body go, also where nothing of it was sent. */
  return(): Promise<IteratorResult<Uint8Array>> {
    if (this.#content === null) this.#body.discard();
    else this.#content.cancel();
    return Promise.resolve({ done: true, value: undefined });
  }
}
