/**
 * Reads whole messages with the readers of `http1/`, for {@linkcode feed}: what a test compares.
 *
 * @module
 */
import assert from "node:assert/strict";
import { HttpError } from "../../conn/http_error.ts";
import { ContentReader } from "../../http1/content_reader.ts";
import { type Deviation, forbidsReuse, type ParserMode } from "../../http/deviation.ts";
import type { Framing } from "../../http/incoming_content.ts";
import { requestFraming, responseFraming } from "../../http1/framing.ts";
import { isPersistent } from "../../http1/persistence.ts";
import { type RequestHead, RequestHeadReader } from "../../http1/request_head.ts";
import { type Http1ResponseHead, ResponseHeadReader } from "../../http1/response_head.ts";
import { type Fed, textOf } from "./feed.ts";

/** A response as read: plain data. */
export interface ReadResponse {
  readonly statusCode: number;
  readonly reasonPhrase: string;
  readonly minorVersion: 0 | 1;
  readonly fields: [string, string][];
  readonly framing: Framing["kind"];
  readonly content: string;
  readonly trailers: [string, string][] | null;
  readonly deviations: Deviation[];
  /** Whether the connection could carry another exchange, for all that the response says. */
  readonly reusable: boolean;
}

/** The stream ended inside a head; what `ClientConnection` reports as a lost connection. */
function endedInHead(): HttpError {
  return new HttpError("ERR_CONNECTION_LOST", "The stream ended inside a head", {
    phase: "response-header",
  });
}

/** Reads one head, also an informational one. */
export async function readHead(
  { input }: Fed,
  mode: ParserMode,
  deviations: Deviation[],
): Promise<Http1ResponseHead> {
  const heads = new ResponseHeadReader(mode);
  for (;;) {
    const head = input.buffered === 0
      ? null
      : heads.read(input.bytes, input.start, input.end, deviations);
    if (head !== null) {
      input.consume(heads.length);
      return head;
    }
    if (await input.fill() === null) throw endedInHead();
  }
}

/** Reads to the end of what `content` reads, in arrays of the source's where it makes some. */
export async function readToEnd(content: ContentReader, roomBytes: number): Promise<string> {
  let text = "";
  if (content.bringsChunks) {
    for (let piece = await content.readChunk(); piece !== null; piece = await content.readChunk()) {
      assert.ok(piece.length > 0);
      // What stands behind the content is nobody's, also in the rest of the buffer.
      if (content.complete) assert.equal(piece.buffer.byteLength, piece.length);
      text += textOf(piece);
    }
    return text;
  }
  const p = new Uint8Array(roomBytes);
  for (let n = await content.read(p); n !== null; n = await content.read(p)) {
    text += textOf(p.subarray(0, n));
  }
  return text;
}

/** A reader of one final response to a request with this method. */
export function responseReader(
  mode: ParserMode = "strict",
  method = "GET",
): (fed: Fed) => Promise<ReadResponse> {
  return async (fed) => {
    const deviations: Deviation[] = [];
    const head = await readHead(fed, mode, deviations);
    const framing = responseFraming(method, head, mode, deviations);
    const content = new ContentReader(fed.input, fed.source, {
      framing: framing.kind === "tunnel" ? { kind: "none" } : framing,
      mode,
      deviations,
      code: "ERR_MALFORMED_RESPONSE",
      maxTrailerBytes: 64 * 1024,
    });
    const text = await readToEnd(content, fed.roomBytes);
    return {
      statusCode: head.statusCode,
      reasonPhrase: head.reasonPhrase,
      minorVersion: head.minorVersion,
      fields: [...head.headers],
      framing: framing.kind,
      content: text,
      trailers: content.trailers && [...content.trailers],
      deviations,
      reusable: isPersistent(head) && framing.kind !== "closeDelimited" &&
        !forbidsReuse(deviations, mode),
    };
  };
}

/** Whether the response ends before the stream does. */
export function endsItself(response: ReadResponse): boolean {
  return response.framing !== "closeDelimited";
}

/** A request as read: plain data. */
export interface ReadRequest {
  readonly method: string;
  readonly requestTarget: string;
  readonly minorVersion: 0 | 1;
  readonly fields: [string, string][];
  readonly framing: Framing["kind"];
  readonly content: string;
  readonly trailers: [string, string][] | null;
}

/** Reads one request. */
export async function readRequest(fed: Fed): Promise<ReadRequest> {
  const { input } = fed;
  const heads = new RequestHeadReader();
  let head: RequestHead | null = null;
  while (head === null) {
    if (input.buffered > 0) head = heads.read(input.bytes, input.start, input.end);
    if (head === null && await input.fill() === null) throw endedInHead();
  }
  input.consume(heads.length);
  const framing = requestFraming(head);
  const content = new ContentReader(input, fed.source, {
    framing,
    mode: "strict",
    deviations: [],
    code: "ERR_INVALID_REQUEST",
    maxTrailerBytes: 64 * 1024,
  });
  const text = await readToEnd(content, fed.roomBytes);
  return {
    method: head.method,
    requestTarget: head.requestTarget,
    minorVersion: head.minorVersion,
    fields: [...head.headers],
    framing: framing.kind,
    content: text,
    trailers: content.trailers && [...content.trailers],
  };
}
