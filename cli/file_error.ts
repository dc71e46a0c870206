/**
 * The error of a file that cannot be used.
 *
 * @module
 */
import { nativeMessage } from "./fd_output.ts";

/** What a file is for. */
export type FilePurpose = "data" | "authorities" | "certificate" | "pinned key";

/** A file that cannot be read, or does not hold what it should. */
export class FileError extends Error {
  override readonly name: string = "FileError";
  readonly purpose: FilePurpose;

  constructor(path: string, cause: unknown, purpose: FilePurpose = "data") {
    super(`Cannot read ${path}: ${nativeMessage(cause)}`, { cause });
    this.purpose = purpose;
  }
}
