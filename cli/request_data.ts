/**
 * The body of a request, from the command line, files and standard input.
 *
 * @module
 */
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import type { BodySource } from "../transport/message/request_body.ts";
import { FileError } from "./file_error.ts";
import { formContent } from "./form_content.ts";
import { joined } from "./joined.ts";
import type { DataPart, GetOptions } from "./get_options.ts";

const encoder = new TextEncoder();

/** What standard input gives. */
export type Stdin = () => AsyncIterable<Uint8Array>;

/** A body, and what the body itself does not tell of it. */
export interface DataBody {
  readonly body: BodySource;
  /** Bytes. */
  readonly contentLength?: number;
  /** What it is, unless the command line says so, or null. */
  readonly contentType: string | null;
}

const FORM = "application/x-www-form-urlencoded";

/**
 * The data or the form to send; null if there is none. A file that is sent as it is is read as it is
 * sent, and all else is in memory.
 *
 * @throws {FileError}
 */
export async function dataBodyOf(options: GetOptions, stdin: Stdin): Promise<DataBody | null> {
  const { data, form } = options;
  if (form.length > 0) return await formContent(form, (path) => fileBytes(path, stdin));
  if (data === null) return null;
  const contentType = data.kind === "json" ? "application/json" : FORM;
  const [first, ...others] = data.parts;
  const isWholeFile = first.isFile && first.value !== "-" && !first.dropLineEnds &&
    first.encodedAs === null && others.length === 0;
  if (isWholeFile) return { ...await fileBody(first.value), contentType };
  return {
    body: await joinedParts(data.parts, data.kind === "form" ? "&" : "", stdin),
    contentType,
  };
}

/**
 * What `-T` sends.
 *
 * @throws {FileError}
 */
export async function uploadBody(path: string, stdin: Stdin): Promise<DataBody> {
  if (path === "-" || path === ".") {
    return { body: read(stdin(), "standard input"), contentType: null };
  }
  return await fileBody(path);
}

/**
 * Data as it stands in a query.
 *
 * @throws {FileError}
 */
export async function queryText(parts: readonly DataPart[], stdin: Stdin): Promise<string> {
  return new TextDecoder().decode(await joinedParts(parts, "&", stdin));
}

/** A file that is read for each attempt; what is no regular file is read now. */
async function fileBody(path: string): Promise<DataBody> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return { body: await readFile(path), contentType: null };
    const body = (): BodySource => read(createReadStream(path), path);
    return { body, contentLength: found.size, contentType: null };
  } catch (cause) {
    throw new FileError(path, cause);
  }
}

/** The pieces of a file. */
async function* read(pieces: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
  } catch (cause) {
    throw new FileError(path, cause);
  }
}

async function joinedParts(
  parts: readonly DataPart[],
  separator: string,
  stdin: Stdin,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (const part of parts) {
    if (separator !== "" && pieces.length > 0) pieces.push(encoder.encode(separator));
    pieces.push(await partBytes(part, stdin));
  }
  return joined(pieces);
}

async function partBytes(part: DataPart, stdin: Stdin): Promise<Uint8Array> {
  const bytes = part.isFile ? await fileBytes(part.value, stdin) : encoder.encode(part.value);
  if (part.encodedAs !== null) return encoder.encode(encoded(part.encodedAs, bytes));
  // CR, LF and NUL, as curl does.
  return part.isFile && part.dropLineEnds
    ? bytes.filter((b) => b !== 10 && b !== 13 && b !== 0)
    : bytes;
}

/** A name, as it is, and what it stands for, encoded as forms are. */
function encoded(name: string, bytes: Uint8Array): string {
  const value = Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    if (/[A-Za-z0-9._~-]/.test(character)) return character;
    return byte === 0x20 ? "+" : "%" + byte.toString(16).toUpperCase().padStart(2, "0");
  }).join("");
  return name === "" ? value : `${name}=${value}`;
}

/**
 * Reads a text file; `"-"` is standard input.
 *
 * @throws {FileError}
 */
export async function readText(path: string, stdin: Stdin): Promise<string> {
  return new TextDecoder().decode(await fileBytes(path, stdin));
}

async function fileBytes(path: string, stdin: Stdin): Promise<Uint8Array<ArrayBuffer>> {
  if (path === "-") return await all(stdin());
  try {
    return await readFile(path);
  } catch (cause) {
    throw new FileError(path, cause);
  }
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of read(stream, "standard input")) pieces.push(piece);
  return joined(pieces);
}
