/**
 * The data of a request, from the command line, files and standard input.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { nativeMessage } from "./fd_output.ts";
import type { DataOption, DataPart } from "./options.ts";

/** A file that cannot be read. */
export class FileError extends Error {
  override readonly name: string = "FileError";

  constructor(path: string, cause: unknown) {
    super(`Cannot read ${path}: ${nativeMessage(cause)}`, { cause });
  }
}

const encoder = new TextEncoder();

/**
 * The bytes to send.
 *
 * @throws {FileError}
 */
export async function requestData(
  data: DataOption,
  stdin: () => AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
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

async function partBytes(
  part: DataPart,
  stdin: () => AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  if (!part.value.startsWith("@")) return encoder.encode(part.value);
  const path = part.value.slice(1);
  const bytes = path === "-" ? await all(stdin()) : await fileBytes(path);
  // CR, LF and NUL, as curl does.
  return part.dropLineEnds ? bytes.filter((b) => b !== 10 && b !== 13 && b !== 0) : bytes;
}

async function fileBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new FileError(path, cause);
  }
}

async function all(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of stream) pieces.push(piece);
  } catch (cause) {
    throw new FileError("standard input", cause);
  }
  return concat(pieces);
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
