/**
 * The head of a response: its status line, its fields, and what they say of the message.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";
import { type Deviation, note, type ParserMode } from "../http/deviation.ts";
import type { FieldLines } from "../http/field_lines.ts";
import { FieldLinesReader } from "./field_lines_reader.ts";
import { FIELD_VALUE_BYTES } from "../http/grammar.ts";
import type { HttpHeaders } from "../http/http_headers.ts";
import type { ResponseHead } from "../http/response_head.ts";

/**
 * A complete response head.
 *
 * @see RFC 9112 section 4
 */
export class Http1ResponseHead implements ResponseHead {
  /** Integer 100..999. */
  readonly statusCode: number;
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  readonly minorVersion: 0 | 1;
  /** Its field lines. */
  readonly fields: FieldLines;
  readonly #reasonStart: number;
  readonly #reasonEnd: number;

  /** Holds what a reader has found. */
  constructor(
    statusCode: number,
    minorVersion: 0 | 1,
    fields: FieldLines,
    reasonStart: number,
    reasonEnd: number,
  ) {
    this.statusCode = statusCode;
    this.minorVersion = minorVersion;
    this.fields = fields;
    this.#reasonStart = reasonStart;
    this.#reasonEnd = reasonEnd;
  }

  /** `"1.1"` or `"1.0"`. */
  get httpVersion(): string {
    return this.minorVersion === 1 ? "1.1" : "1.0";
  }

  /** Empty if the server sent none; each character is one byte. */
  get reasonPhrase(): string {
    return this.fields.text.slice(this.#reasonStart, this.#reasonEnd);
  }

  /** Its field lines as headers. */
  get headers(): HttpHeaders {
    return this.fields.headers;
  }
}

/**
 * Reads response heads, one after another, from bytes that arrive in any pieces.
 *
 * @see RFC 9112 section 4
 */
export class ResponseHeadReader {
  readonly #mode: ParserMode;
  readonly #lines: FieldLinesReader;

  /** Makes a reader. */
  constructor(mode: ParserMode) {
    this.#mode = mode;
    this.#lines = new FieldLinesReader({
      mode,
      code: "ERR_MALFORMED_RESPONSE",
      phase: "response-header",
      hasStartLine: true,
    });
  }

  /** Length in bytes of the head that {@linkcode read} returned last. */
  length: number = 0;

  /**
   * Looks at `bytes[start..end)`. Call again with more bytes from the same start until a head is
   * returned.
   *
   * @param deviations Collects what was forgiven.
   * @returns The head, or null: more is needed.
   * @throws {HttpError} `ERR_MALFORMED_RESPONSE`, `ERR_HEADERS_TOO_LARGE`: too many lines.
   */
  read(
    bytes: Uint8Array,
    start: number,
    end: number,
    deviations: Deviation[],
  ): Http1ResponseHead | null {
    const lines = this.#lines;
    this.#refuseOtherProtocols(bytes, start, end);
    const length = lines.advance(bytes, start, end, deviations);
    if (length === -1) return null;
    const from = lines.startLineStart;
    const to = lines.startLineEnd;
    const fields = lines.take(bytes, start, length);
    lines.reset();
    this.length = length;
    return this.#parse(fields, from, to, deviations);
  }

  /** Tells at once, not at the end of the stream, that what comes is no HTTP/1 response. */
  #refuseOtherProtocols(bytes: Uint8Array, start: number, end: number): void {
    let i = start;
    while (i < end && i - start < 2 && (bytes[i] === 0x0d || bytes[i] === 0x0a)) i++;
    for (let k = 0; k < 5 && i + k < end; k++) {
      if (bytes[i + k] !== HTTP_NAME[k]) {
        throw malformed("not an HTTP/1 status line", printableBytes(bytes, i, end));
      }
    }
  }

  #parse(fields: FieldLines, from: number, to: number, deviations: Deviation[]): Http1ResponseHead {
    const text = fields.text;
    if (!text.startsWith("HTTP/", from)) throw badLine("not an HTTP/1 status line", text, from, to);
    const minorVersion = this.#version(text, from, to, deviations);
    const code = from + 9;
    if (text.charCodeAt(from + 8) !== 0x20) {
      throw badLine("no space before the status code", text, from, to);
    }
    const first = text.charCodeAt(code) - 0x30;
    const second = text.charCodeAt(code + 1) - 0x30;
    const third = text.charCodeAt(code + 2) - 0x30;
    if (
      code + 3 > to || !isDigit(first) || !isDigit(second) || !isDigit(third) || first === 0
    ) throw badLine("not a status code", text, from, to);
    let reason = code + 3;
    if (reason < to) {
      if (text.charCodeAt(reason) !== 0x20) throw badLine("not a status code", text, from, to);
      reason++;
      for (let i = reason; i < to; i++) {
        if (FIELD_VALUE_BYTES[text.charCodeAt(i)] === 1) continue;
        throw badLine("a control character in the reason phrase", text, from, to);
      }
    }
    const status = first * 100 + second * 10 + third;
    return new Http1ResponseHead(status, minorVersion, fields, reason, to);
  }

  #version(text: string, from: number, to: number, deviations: Deviation[]): 0 | 1 {
    const major = text.charCodeAt(from + 5) - 0x30;
    const minor = text.charCodeAt(from + 7) - 0x30;
    if (from + 8 > to || !isDigit(major) || text.charCodeAt(from + 6) !== 0x2e || !isDigit(minor)) {
      throw badLine("not an HTTP version", text, from, to);
    }
    if (major === 1 && minor <= 1) return minor as 0 | 1;
    if (this.#mode === "strict" || major === 0) {
      throw badLine("an HTTP version other than 1.0 and 1.1", text, from, to);
    }
    note(deviations, "http-version");
    return 1;
  }
}

const HTTP_NAME = [0x48, 0x54, 0x54, 0x50, 0x2f];

function isDigit(value: number): boolean {
  return value >= 0 && value <= 9;
}

function printableBytes(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, Math.min(to, from + 160)));
}

function badLine(what: string, text: string, from: number, to: number): HttpError {
  return malformed(what, text.slice(from, to));
}

function malformed(what: string, shown: string): HttpError {
  return new HttpError(
    "ERR_MALFORMED_RESPONSE",
    `Malformed response: ${what}: "${printable(shown)}"`,
    { phase: "response-header" },
  );
}
