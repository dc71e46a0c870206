/**
 * What the file is called that a response is written to.
 *
 * @module
 */
import { join } from "node:path";
import type { HttpHeaders } from "../http/http_headers.ts";
import { OutputError } from "./fd_output.ts";
import { utf8Text } from "./header_text.ts";

/** What stood in the brackets of a URL: `#1` in the name of a file is the first. */
export function withGlobbed(name: string, globbed: readonly string[]): string {
  return name.replace(/#([0-9]+)/g, (whole, n) => globbed[Number(n) - 1] ?? whole);
}

/**
 * The name at the end of a URL.
 *
 * @throws {OutputError} There is none.
 */
export function remoteName(url: string): string {
  const name = new URL(url).pathname.split("/").at(-1)!;
  if (name === "") throw new OutputError(url, new Error("the URL names no file (use -o FILE)"));
  return name;
}

/** The name that a response gives itself, or null. It is one in this folder, and not hidden. */
export async function statedName(headers: HttpHeaders): Promise<string | null> {
  const field = headers.get("content-disposition");
  if (field === null) return null;
  const { parse } = await import("content-disposition");
  let name: string | undefined;
  try {
    name = parse(utf8Text(field)).parameters["filename"];
  } catch {
    // What cannot be read names nothing.
    return null;
  }
  // deno-lint-ignore no-control-regex
  const last = name?.split(/[/\\]/).at(-1)?.replace(/[\x00-\x1f\x7f-\x9f:]/g, "_");
  return last ? last.replace(/^\./, "_") : null;
}

/** The path of a file in the folder of `--output-dir`. */
export function inFolder(folder: string | null, name: string): string {
  return folder === null ? name : join(folder, name);
}
