/**
 * Decides what is done to the content of a response on its way to the reader.
 *
 * @module
 */
import type { AsyncContext } from "../../conn/runtimes/async_context.ts";
import { HttpError, printable } from "../../conn/http_error.ts";
import { type ContentCoding, contentCodings, decodableCoding } from "../../http/content_coding.ts";
import type { IncomingContent } from "../../http/incoming_content.ts";
import type { ResponseHead } from "../../http/response_head.ts";
import { BodyDigests } from "./body_digests.ts";
import type { HttpRequest } from "./http_request.ts";
import { parseIntegrity } from "./integrity.ts";
import { ProgressCounter } from "../progress.ts";
import { type BodySteps, NO_STEPS, tooLarge } from "./response_body.ts";

/** Bytes. What a coding may add to content that it cannot make smaller: heads, names, empty blocks. */
const CODED_GRACE_BYTES = 64 * 1024;

/** How far content may be decoded. Counts; Infinity: no limit. */
export interface DecodingLimits {
  /** Decoded bytes for one coded byte. */
  readonly maxExpansionRatio: number;
  /** Content codings of one body. */
  readonly maxCodings: number;
}

/** What the request asks for, and what the exchange has undertaken. */
export interface BodyWishes {
  readonly request: HttpRequest;
  /** Where the request's callbacks are called, or null. */
  readonly context: AsyncContext | null;
  /** Null where content codings are not taken off. */
  readonly decoding: DecodingLimits | null;
  /** Bytes of the body, decoded; Infinity: no limit. */
  readonly maxBodyBytes: number;
}

/** What is done to the content of one response. */
export function bodySteps(
  head: ResponseHead,
  content: IncomingContent,
  wishes: BodyWishes,
): BodySteps {
  const { request, context } = wishes;
  const { framing } = content;
  const coded = head.fields.contentEncoding !== -1;
  const asked = request.onDownloadProgress !== null || request.digest !== null ||
    request.integrity !== null;
  const isLimited = wishes.maxBodyBytes < Infinity;
  if ((!coded && !asked && !isLimited) || framing.kind === "tunnel") return NO_STEPS;
  const hasContent = framing.kind !== "none";
  const hook = request.onDownloadProgress;
  const decoded = coded && hasContent ? decoding(head, wishes) : NO_STEPS;
  const limited = isLimited && hasContent
    ? withLimit(decoded, content, wishes.maxBodyBytes)
    : decoded;
  if (limited === NO_STEPS && !asked) return NO_STEPS;
  return {
    ...limited,
    digests: digests(head, content, request),
    progress: hook === null || !hasContent
      ? null
      : new ProgressCounter(hook, framing.kind === "length" ? framing.bytes : null, context),
  };
}

/**
 * Codings to take off. A coding that is not known leaves the content as it is, unless the caller
 * counts on having it decoded.
 */
function decoding(head: ResponseHead, { request, decoding }: BodyWishes): BodySteps {
  if (decoding === null) return NO_STEPS;
  const { maxExpansionRatio, maxCodings } = decoding;
  const named = contentCodings(head.fields);
  if (named.length > maxCodings) {
    return { ...NO_STEPS, refusal: refusal(`it has ${named.length} content codings`) };
  }
  const codings: ContentCoding[] = [];
  for (const name of named) {
    const coding = decodableCoding(name);
    if (coding !== null) codings.push(coding);
    else if (request.decompress !== true) return NO_STEPS;
    else return { ...NO_STEPS, refusal: refusal(`its content coding is "${printable(name)}"`) };
  }
  return { ...NO_STEPS, codings, maxExpansionRatio };
}

/** How much may be given, where it is not known yet that there is no more. */
function withLimit(steps: BodySteps, content: IncomingContent, maxBytes: number): BodySteps {
  const { framing, whole } = content;
  const declared = framing.kind === "length" ? framing.bytes : whole?.length ?? null;
  const isCoded = steps.codings.length > 0;
  const maxWireBytes = isCoded ? maxBytes + maxBytes / 64 + CODED_GRACE_BYTES : maxBytes;
  if (declared !== null && declared > maxWireBytes) {
    return { ...steps, refusal: steps.refusal ?? tooLarge(maxBytes) };
  }
  return declared !== null && !isCoded ? steps : { ...steps, maxBytes, maxWireBytes };
}

/** Of a response that has no content of its own nothing is stated, except that it has some. */
function digests(
  head: ResponseHead,
  content: IncomingContent,
  request: HttpRequest,
): BodyDigests | null {
  const { digest, integrity, method } = request;
  const { kind } = content.framing;
  const status = head.statusCode;
  if (method === "HEAD" || status === 304) return null;
  const check = kind === "none" ? null : digest;
  if (check === null && integrity === null) return null;
  return new BodyDigests(check, integrity === null ? null : parseIntegrity(integrity), {
    status,
    headers: head.headers,
    // In HTTP/2 any content may have trailers.
    mayHaveTrailers: kind === "chunked" || head.httpVersion === "2",
  });
}

function refusal(why: string): HttpError {
  return new HttpError("ERR_DECODE", `Cannot decode the content: ${why}`, { phase: "body" });
}
