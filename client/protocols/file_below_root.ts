/**
 * Regular files below one folder, opened so that nothing leads out of it.
 *
 * @module
 */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, readlink, realpath } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { HttpError, printable } from "../../conn/http_error.ts";
import type { LocalSource } from "../../transport/message/local_exchange.ts";

/** Why there is no file to read. */
export type Missing = "not-found" | "forbidden";

/** Not to be made to wait by a FIFO, and not to follow a link that took the place of a file. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0);

/** What no name of a file holds; on Windows a colon names a drive or a hidden stream. */
// deno-lint-ignore no-control-regex
const NOT_IN_NAMES = sep === "\\" ? /[\/\\:\x00]/ : /[\/\\\x00]/;

/** The path, from the working directory as it is now. */
export function absolutePath(path: string): string {
  return resolve(path);
}

/**
 * The names on the way to a file, decoded.
 *
 * Pure.
 *
 * @param pathname Of a URL.
 * @returns Null: a folder, which is no file.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: a name that no file has, or that could lead elsewhere.
 */
export function fileNames(pathname: string): string[] | null {
  // Where several slashes begin it, some URL parsers keep one.
  const encoded = pathname.replace(/^\/+/, "").split("/");
  const names = encoded.map((segment) => {
    let name: string;
    try {
      name = decodeURIComponent(segment);
    } catch (cause) {
      throw invalid(segment, cause);
    }
    if (NOT_IN_NAMES.test(name) || name === "." || name === "..") throw invalid(segment);
    return name;
  });
  return names.includes("") ? null : names;
}

/**
 * Opens a regular file below `root`. Links are followed as long as they stay below it.
 *
 * The path is checked before the file is opened, and after it where the open file is: a folder that
 * is replaced by a link in between leads nowhere. Linux tells where an open file is, unless Deno
 * keeps that from us; elsewhere the path is looked up again, and only someone who replaces folders
 * three times within one request, and at the right moments, could get around that.
 *
 * @throws {HttpError} `ERR_BLOCKED`: a link leads out of `root`. `ERR_DIAL`: the file cannot be
 * opened for another reason than those of {@linkcode Missing}.
 */
export async function openBelow(
  root: string,
  names: readonly string[],
): Promise<OpenFile | Missing> {
  let handle: FileHandle | null = null;
  let opened: OpenFile | null = null;
  try {
    const path = await realPathBelow(root, names);
    // A device could act on being opened: it is not even tried.
    if (!(await lstat(path)).isFile()) return "not-found";
    handle = await open(path, OPEN_FLAGS);
    const info = await handle.stat();
    if (!info.isFile()) return "not-found";
    const openPath = await pathOf(handle);
    if (openPath === null) {
      const now = await lstat(await realPathBelow(root, names));
      if (now.ino !== info.ino || now.dev !== info.dev) return "not-found";
    } else checkBelow(await realpath(root), openPath);
    return opened = new OpenFile(handle, info.size, info.mtime);
  } catch (error) {
    if (error instanceof HttpError) throw error;
    const missing = MISSING[(error as { code?: string }).code ?? ""];
    if (missing !== undefined) return missing;
    throw new HttpError("ERR_DIAL", `Cannot open the file: ${message(error)}`, {
      phase: "dial",
      cause: error,
    });
  } finally {
    if (opened === null) await handle?.close();
  }
}

/** The path without links, if it is below the real `root`. */
async function realPathBelow(root: string, names: readonly string[]): Promise<string> {
  const path = await realpath(join(root, ...names));
  checkBelow(await realpath(root), path);
  return path;
}

/** Where an open file is, by the word of the kernel; null if that cannot be asked. */
async function pathOf(handle: FileHandle): Promise<string | null> {
  try {
    return await readlink(`/proc/self/fd/${handle.fd}`);
  } catch {
    return null;
  }
}

function checkBelow(realRoot: string, path: string): void {
  if (path.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) return;
  throw new HttpError("ERR_BLOCKED", "Cannot open the file: a link leads out of the root", {
    phase: "dial",
  });
}

const MISSING: Readonly<Record<string, Missing>> = {
  ENOENT: "not-found",
  ENOTDIR: "not-found",
  ENAMETOOLONG: "not-found",
  ELOOP: "not-found",
  EACCES: "forbidden",
  EPERM: "forbidden",
};

/** An open file, read from one place on as it is wanted. Owns: the handle. */
export class OpenFile implements LocalSource {
  /** Bytes, when it was opened. */
  readonly size: number;
  /** When it was changed last. */
  readonly modified: Date;
  readonly #handle: FileHandle;
  #position = 0;
  #reading: Promise<unknown> | null = null;

  constructor(handle: FileHandle, size: number, modified: Date) {
    this.#handle = handle;
    this.size = size;
    this.modified = modified;
  }

  /** Lets the next read begin at `position`. */
  from(position: number): this {
    this.#position = position;
    return this;
  }

  async read(p: Uint8Array): Promise<number | null> {
    const reading = this.#handle.read(p, 0, p.length, this.#position);
    this.#reading = reading;
    try {
      const { bytesRead } = await reading;
      this.#position += bytesRead;
      return bytesRead === 0 ? null : bytesRead;
    } catch (cause) {
      throw new HttpError("ERR_INCOMPLETE_BODY", `Cannot read the file: ${message(cause)}`, {
        phase: "body",
        cause,
      });
    } finally {
      this.#reading = null;
    }
  }

  close(): void {
    // Never below a read: its descriptor could by then be another file's.
    const close = (): Promise<void> => this.#handle.close();
    (this.#reading === null ? close() : this.#reading.then(close, close)).catch(() => {});
  }
}

function message(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}

function invalid(segment: string, cause?: unknown): HttpError {
  return new HttpError(
    "ERR_INVALID_REQUEST",
    `Cannot use this file: URL: "${printable(segment)}" is no name of a file`,
    { phase: "request", cause },
  );
}
