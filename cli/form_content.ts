/**
 * A form in parts, as `-F` states it.
 *
 * @module
 */
import { basename } from "node:path";
import type { FormPart } from "./get_options.ts";
import { joined } from "./joined.ts";
import { UsageError } from "./usage_error.ts";

const encoder = new TextEncoder();

/** A form, encoded. */
export interface FormContent {
  readonly body: Uint8Array;
  readonly contentType: string;
}

/**
 * Encodes a form: text as it was given, files with the type of their name where none is said.
 *
 * @param read Reads a file; `"-"` is standard input.
 * @throws {UsageError} A type that would break out of its line.
 * @see RFC 7578
 */
export async function formContent(
  parts: readonly FormPart[],
  read: (path: string) => Promise<Uint8Array>,
): Promise<FormContent> {
  const boundary = "----roundtrip" + crypto.randomUUID().replaceAll("-", "");
  const pieces: Uint8Array[] = [];
  for (const part of parts) {
    const bytes = part.kind === "text" ? encoder.encode(part.value) : await read(part.value);
    const head = `--${boundary}\r\n${await headOf(part)}\r\n`;
    pieces.push(encoder.encode(head), bytes, encoder.encode("\r\n"));
  }
  pieces.push(encoder.encode(`--${boundary}--\r\n`));
  return {
    body: joined(pieces),
    contentType: `multipart/form-data; boundary=${boundary}`,
  };
}

async function headOf({ name, value, kind, fileName, type }: FormPart): Promise<string> {
  const isFile = kind === "file";
  const said = fileName ?? (isFile ? basename(value) : null);
  const shown = said === null ? "" : `; filename="${escaped(said)}"`;
  const known = type ?? (isFile ? await typeOf(said!) : null);
  if (known !== null && !/^[\x20-\x7e\x80-\uffff]+$/.test(known)) {
    throw new UsageError("Option -F cannot send a type with a control character");
  }
  const typeLine = known === null ? "" : `Content-Type: ${known}\r\n`;
  return `Content-Disposition: form-data; name="${escaped(name)}"${shown}\r\n${typeLine}`;
}

async function typeOf(fileName: string): Promise<string> {
  const { default: mime } = await import("mime");
  return mime.getType(fileName) ?? "application/octet-stream";
}

/** As browsers do, and curl. */
function escaped(name: string): string {
  return name.replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22");
}
