/**
 * Downloads that broke off, and what says whether they can go on: beside the part stands a small file
 * with the validator of what it is a part of. See docs/decisions/0050.
 *
 * @module
 */
import { readFile, stat, unlink, writeFile } from "node:fs/promises";
import {
  hasValidator,
  type StrongValidator,
  strongValidator,
} from "../client/recovery/strong_validator.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import { ContinueError } from "./transfer_error.ts";

/** What is there of a download. */
export interface PartFile {
  /** Null: it is somewhere else, and only `bytes` is known. */
  readonly path: string | null;
  readonly bytes: number;
  /** Null: nobody knows which content it is a part of. */
  readonly validator: StrongValidator | null;
}

/**
 * What is there; null: nothing, the download begins.
 *
 * @param path Null: standard output.
 * @param at Where it is to go on.
 * @throws {ContinueError} It is not known what the part is a part of, or the part has changed.
 */
export async function partFile(
  path: string | null,
  at: number | "there",
): Promise<PartFile | null> {
  if (path === null) {
    return at === 0 || at === "there" ? null : { path: null, bytes: at, validator: null };
  }
  const found = await stat(path).catch(() => null);
  if (found === null || found.size === 0) {
    if (at === 0 || at === "there") return null;
    throw new ContinueError(`there is no ${path} to go on with`);
  }
  const kept = await keptValidator(path);
  if (kept === null) {
    throw new ContinueError(`${path} has no ${besideOf(path)} that tells what it is a part of`);
  }
  if (kept.bytes !== found.size || (at !== "there" && at !== found.size)) {
    throw new ContinueError(
      `${path} has ${found.size} bytes, not ${at === "there" ? kept.bytes : at}`,
    );
  }
  return { path, ...kept };
}

/**
 * Whether the rest comes; false: there is none, the part is the whole.
 *
 * @throws {ContinueError} What comes is not the rest.
 */
export function isRest(response: HttpResponse, part: PartFile): boolean {
  const { status, headers } = response;
  const range = headers.get("content-range") ?? "";
  if (status === 416 && range === `bytes */${part.bytes}`) return false;
  if (status === 200) {
    throw new ContinueError(
      part.validator === null
        ? "the server sends all of it"
        : "the server has other content by now, or sends all of it",
    );
  }
  const [, begin] = /^bytes ([0-9]+)-/.exec(range) ?? [];
  if (status !== 206 || Number(begin) !== part.bytes) {
    throw new ContinueError(`the server answered with status ${status}, and not with the rest`);
  }
  if (part.validator !== null && !hasValidator(headers, part.validator)) {
    throw new ContinueError("the server has other content by now");
  }
  return true;
}

/** The validator of a whole response or of the rest, or null: it has none that is strong. */
export function validatorOf(response: HttpResponse, part: PartFile | null): StrongValidator | null {
  if (part !== null) return part.validator;
  return response.status === 200 ? strongValidator(response.headers) : null;
}

/** A download has broken off: keeps what tells of what it is a part. */
export async function keepValidator(path: string, validator: StrongValidator): Promise<void> {
  const bytes = (await stat(path).catch(() => null))?.size ?? 0;
  if (bytes === 0) return;
  const text = JSON.stringify({ bytes, ...validator }) + "\n";
  // The failure of the download is what is told; without it, -C says what is missing.
  await writeFile(besideOf(path), text).catch(() => {});
}

/** A download is whole. */
export async function dropValidator(path: string): Promise<void> {
  // Mostly there is none.
  await unlink(besideOf(path)).catch(() => {});
}

function besideOf(path: string): string {
  return `${path}.roundtrip-part`;
}

async function keptValidator(
  path: string,
): Promise<{ bytes: number; validator: StrongValidator } | null> {
  try {
    const { bytes, field, value } = JSON.parse(await readFile(besideOf(path), "utf8"));
    const isValid = Number.isSafeInteger(bytes) && typeof value === "string" &&
      (field === "etag" || field === "last-modified");
    return isValid ? { bytes, validator: { field, value } } : null;
  } catch {
    // Missing, or not ours.
    return null;
  }
}
