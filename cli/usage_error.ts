/**
 * The error of a command line that cannot be understood.
 *
 * @module
 */

/** A command line that cannot be understood. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}
