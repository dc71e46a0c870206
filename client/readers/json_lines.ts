/**
 * Reads JSON lines: one JSON value on each line.
 *
 * @module
 */
import { HttpError } from "../../conn/http_error.ts";
import { type BodyInput, bodyLines, bodyPieces, byteLimit } from "./body_lines.ts";

/** Options of {@linkcode jsonLines}. */
export interface JsonLinesOptions {
  /** Bytes of one line; 0 is unlimited. @default {16777216} */
  maxLineBytes?: number;
}

/**
 * The values of JSON lines (NDJSON), as they come. Lines end with LF or CRLF, the last one may end
 * with the body; empty lines are passed over.
 *
 * Cancel: leaving the iteration closes the body; so does the request's signal, with its reason.
 *
 * @param input A response, or the bytes of one; its content type is not looked at.
 * @throws {HttpError} `ERR_DECODE`: a line is not JSON (the message has its number, from 1) or too
 * long. `ERR_INVALID_REQUEST`: not a body. And what the body throws.
 * @example
 * ```ts
 * import { jsonLines } from "@roundtrip/http";
 *
 * const stream = new Blob(['{"n":1}\n{"n":2}\n']).stream();
 * for await (const value of jsonLines(stream)) console.log((value as { n: number }).n);
 * ```
 */
export async function* jsonLines(
  input: BodyInput,
  options: JsonLinesOptions = {},
): AsyncGenerator<unknown> {
  const maxLineBytes = byteLimit("maxLineBytes", options.maxLineBytes ?? 16 * 1024 * 1024);
  // Each line is whole, and a mark at the beginning of one is taken off.
  const decoder = new TextDecoder();
  let number = 0;
  for await (const lines of bodyLines(bodyPieces(input), { crEnds: false, maxLineBytes })) {
    for (const { bytes } of lines) {
      number++;
      const text = decoder.decode(bytes);
      if (text.trim() !== "") yield parsed(text, number);
    }
  }
}

function parsed(text: string, lineNumber: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HttpError("ERR_DECODE", `Line ${lineNumber} is not JSON`, { phase: "body", cause });
  }
}
