/**
 * The head of a request, as a server reads it.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";
import type { FieldLines } from "../http/field_lines.ts";
import { FieldLinesReader } from "./field_lines_reader.ts";
import { isToken } from "../http/grammar.ts";
import { checkRequestTarget } from "./head_writer.ts";
import type { HttpHeaders } from "../http/http_headers.ts";

/**
 * A complete request head.
 *
 * @see RFC 9112 section 3
 */
export interface RequestHead {
  /** A token, as sent. */
  readonly method: string;
  /** As sent; printable ASCII. */
  readonly requestTarget: string;
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  readonly minorVersion: 0 | 1;
  /** Its field lines. */
  readonly fields: FieldLines;
  /** Its field lines as headers. */
  readonly headers: HttpHeaders;
}

const REQUEST_LINE = /^([^ ]+) ([^ ]+) HTTP\/1\.([01])$/;

/**
 * Reads request heads, one after another, from bytes that arrive in any pieces. Always strict.
 *
 * @see RFC 9112 section 3
 */
export class RequestHeadReader {
  /** Length in bytes of the head that {@linkcode read} returned last. */
  length: number = 0;
  readonly #lines: FieldLinesReader = new FieldLinesReader({
    mode: "strict",
    code: "ERR_INVALID_REQUEST",
    phase: "request",
    hasStartLine: true,
  });

  /**
   * Looks at `bytes[start..end)`. Call again with more bytes from the same start until a head is
   * returned.
   *
   * @returns The head, or null: more is needed.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: not a request head. `ERR_HEADERS_TOO_LARGE`: too
   * many lines.
   */
  read(bytes: Uint8Array, start: number, end: number): RequestHead | null {
    const lines = this.#lines;
    const length = lines.advance(bytes, start, end, []);
    if (length === -1) return null;
    const from = lines.startLineStart;
    const to = lines.startLineEnd;
    const fields = lines.take(bytes, start, length);
    lines.reset();
    this.length = length;
    const line = fields.text.slice(from, to);
    const parts = REQUEST_LINE.exec(line);
    if (parts === null || !isToken(parts[1])) {
      throw new HttpError(
        "ERR_INVALID_REQUEST",
        `Malformed request: not a request line: "${printable(line)}"`,
        { phase: "request" },
      );
    }
    checkRequestTarget(parts[1], parts[2]);
    return {
      method: parts[1],
      requestTarget: parts[2],
      minorVersion: parts[3] === "1" ? 1 : 0,
      fields,
      get headers(): HttpHeaders {
        return fields.headers;
      },
    };
  }
}
