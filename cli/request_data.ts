/**
 * The body of a request, from the command line, files and standard input.
 *
 * @module
 */
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import type { BodySource } from "../transport/request_body.ts";
import { nativeMessage } from "./fd_output.ts";
import type { DataOption, DataPart, FormPart, GetOptions } from "./options.ts";

/** A file that cannot be read. */
export class FileError extends Error {
  override readonly name: string = "FileError";

  constructor(path: string, cause: unknown) {
    super(`Cannot read ${path}: ${nativeMessage(cause)}`, { cause });
  }
}

const encoder = new TextEncoder();

/** What standard input gives. */
type Stdin = () => AsyncIterable<Uint8Array>;

/** A body, and its length where the body itself does not tell. */
export interface DataBody {
  readonly body: BodySource;
  /** Bytes. */
  readonly contentLength?: number;
}

/**
 * The body to send; null if there is none. A file that is sent as it is is read as it is sent, and
 * all else is in memory.
 *
 * @throws {FileError}
 */
export async function requestBodyOf(options: GetOptions, stdin: Stdin): Promise<DataBody | null> {
  const { data, form, upload } = options;
  if (upload === "-") return { body: read(stdin(), "standard input") };
  if (upload !== null) return await fileBody(upload);
  if (form.length > 0) return { body: await formBody(form, stdin) };
  if (data === null) return null;
  const [first, ...others] = data.parts;
  const isFile = first.value.startsWith("@") && first.value !== "@-" && !first.dropLineEnds;
  if (isFile && others.length === 0) return await fileBody(first.value.slice(1));
  return { body: await requestData(data, stdin) };
}

/** A file that is read for each attempt; what is no regular file is read now. */
async function fileBody(path: string): Promise<DataBody> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return { body: await readFile(path) };
    return { body: () => read(createReadStream(path), path), contentLength: found.size };
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

async function formBody(parts: readonly FormPart[], stdin: Stdin): Promise<FormData> {
  const form = new FormData();
  for (const { name, value, kind, fileName, type } of parts) {
    if (kind === "text") {
      form.append(name, value);
      continue;
    }
    const bytes = value === "-" ? await all(stdin()) : await fileBytes(value);
    if (kind === "text of file") form.append(name, new TextDecoder().decode(bytes));
    else form.append(name, new Blob([bytes], { type: type ?? "" }), fileName ?? basename(value));
  }
  return form;
}

async function requestData(data: DataOption, stdin: Stdin): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (const part of data.parts) {
    if (data.kind === "form" && pieces.length > 0) pieces.push(encoder.encode("&"));
    pieces.push(await partBytes(part, stdin));
  }
  return concat(pieces);
}

/**
 * Reads a text file.
 *
 * @throws {FileError}
 */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new FileError(path, cause);
  }
}

async function partBytes(part: DataPart, stdin: Stdin): Promise<Uint8Array> {
  if (!part.value.startsWith("@")) return encoder.encode(part.value);
  const path = part.value.slice(1);
  const bytes = path === "-" ? await all(stdin()) : await fileBytes(path);
  // CR, LF and NUL, as curl does.
  return part.dropLineEnds ? bytes.filter((b) => b !== 10 && b !== 13 && b !== 0) : bytes;
}

async function fileBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new FileError(path, cause);
  }
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of read(stream, "standard input")) pieces.push(piece);
  return concat(pieces);
}

function concat(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
