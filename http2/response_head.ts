/**
 * The head of a response, told from its field section, and how its content ends.
 *
 * @module
 */
import type { Deviation } from "../http/deviation.ts";
import type { FieldLines } from "../http/field_lines.ts";
import type { HttpHeaders } from "../http/http_headers.ts";
import type { Framing } from "../http/incoming_content.ts";
import type { ResponseHead } from "../http/response_head.ts";
import { contentLength } from "../http/content_length.ts";
import type { DecodedSection } from "./decoded_section.ts";
import { PSEUDO, STATUS } from "./field_kind.ts";
import { PROTOCOL_ERROR, streamError } from "./http2_error.ts";

/**
 * The head of a response.
 *
 * @see RFC 9113 section 8.3.2
 */
export class Http2ResponseHead implements ResponseHead {
  readonly statusCode: number;
  readonly httpVersion = "2";
  /** HTTP/2 has none. */
  readonly reasonPhrase = "";
  readonly fields: FieldLines;

  /** Holds what was received. */
  constructor(statusCode: number, fields: FieldLines) {
    this.statusCode = statusCode;
    this.fields = fields;
  }

  get headers(): HttpHeaders {
    return this.fields.headers;
  }
}

/**
 * The head that a section is.
 *
 * @throws {Http2Violation} Of the stream: it is none.
 * @see RFC 9113 section 8.3.2
 */
export function responseHead(section: DecodedSection, endStream: boolean): Http2ResponseHead {
  if (section.violation !== null) throw section.violation;
  const status = section.pseudo[STATUS - PSEUDO];
  if (status === undefined) throw streamError(PROTOCOL_ERROR, "sent a response without :status");
  if (!/^[1-9][0-9]{2}$/.test(status)) {
    throw streamError(PROTOCOL_ERROR, "sent a :status that is no status code");
  }
  const statusCode = Number(status);
  if (statusCode === 101) {
    throw streamError(PROTOCOL_ERROR, "answered 101, which HTTP/2 does not have");
  }
  if (statusCode < 200 && endStream) {
    throw streamError(PROTOCOL_ERROR, `ended the stream with an informational ${statusCode}`);
  }
  return new Http2ResponseHead(statusCode, section.fields);
}

const NONE: Framing = { kind: "none" };
const STREAM_END: Framing = { kind: "streamEnd" };
const TUNNEL: Framing = { kind: "tunnel" };

/**
 * How the content behind a final head ends.
 *
 * Pure, but for `deviations`.
 *
 * @throws {HttpError} `ERR_MALFORMED_RESPONSE`: lengths that are none, or differ.
 * @see RFC 9113 section 8.1.1
 */
export function contentFraming(
  requestMethod: string,
  head: ResponseHead,
  endStream: boolean,
  deviations: Deviation[],
): Framing {
  const { statusCode, fields } = head;
  if (requestMethod === "CONNECT" && statusCode < 300) return TUNNEL;
  const bytes = fields.contentLength === -1
    ? null
    : contentLength(fields, deviations, "ERR_MALFORMED_RESPONSE");
  if (requestMethod === "HEAD" || statusCode === 204 || statusCode === 304) return NONE;
  // Without content, but it was announced: that it is missing is seen at the end of the stream.
  if (endStream && (bytes === null || bytes === 0)) return NONE;
  // Trailers may follow content of no octets.
  return bytes === null || bytes === 0 ? STREAM_END : { kind: "length", bytes };
}
