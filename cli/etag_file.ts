/**
 * A file that holds which version of something was sent last: `--etag-save`, `--etag-compare`.
 *
 * @see RFC 9110 section 8.8.3
 * @module
 */
import { readFile, writeFile } from "node:fs/promises";
import type { HttpHeaders } from "../http/http_headers.ts";
import { OutputError } from "./fd_output.ts";
import { FileError } from "./file_error.ts";

/**
 * What is said of the version in a file, as the value of `If-None-Match`. A file that is empty or not there
 * stands for no version, which nothing is equal to.
 *
 * @throws {FileError}
 */
export async function comparedEtag(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).split(/\r?\n/, 1)[0] || '""';
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "ENOENT") return '""';
    throw new FileError(path, cause);
  }
}

/**
 * Notes the version of a response, if it says one.
 *
 * @throws {OutputError}
 */
export async function saveEtag(path: string, headers: HttpHeaders): Promise<void> {
  const etag = headers.get("etag");
  if (etag === null) return;
  try {
    await writeFile(path, `${etag}\n`);
  } catch (cause) {
    throw new OutputError(path, cause);
  }
}
