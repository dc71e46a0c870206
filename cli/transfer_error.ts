/**
 * What ends a transfer although the exchange itself went well.
 *
 * @module
 */

/** A status that `-f` takes for a failure. */
export class StatusError extends Error {
  override readonly name: string = "StatusError";

  constructor(status: number) {
    super(`The server answered with status ${status}`);
  }
}

/** A download that cannot go on where it broke off. */
export class ContinueError extends Error {
  override readonly name: string = "ContinueError";

  constructor(why: string) {
    super(`Cannot go on with the download: ${why}`);
  }
}

/** A body that is larger than `--max-filesize`. */
export class FileSizeError extends Error {
  override readonly name: string = "FileSizeError";

  constructor(maxBytes: number) {
    super(`The body is larger than ${maxBytes} bytes`);
  }
}

/** A network interface that is not there, or has no address of the kind that is asked for. */
export class InterfaceError extends Error {
  override readonly name: string = "InterfaceError";

  constructor(name: string) {
    super(`No network interface "${name}" with a fitting address`);
  }
}

/** A URL with credentials in it, where `--disallow-username-in-url` is set. */
export class UserInUrlError extends Error {
  override readonly name: string = "UserInUrlError";

  constructor(host: string) {
    super(`The URL of ${host} has credentials, which --disallow-username-in-url refuses`);
  }
}

/** A transfer that was too slow for too long. */
export class TooSlowError extends Error {
  override readonly name: string = "TooSlowError";

  /** @param timeMs Milliseconds. */
  constructor(leastBytesPerSecond: number, timeMs: number) {
    super(`Slower than ${leastBytesPerSecond} bytes a second for ${timeMs / 1000} s`);
  }
}

/** A peer whose public key is another one than that of `--pinnedpubkey`. */
export class PinnedKeyError extends Error {
  override readonly name: string = "PinnedKeyError";

  /** @param hash Of its key, in Base64; null: the runtime does not tell it. */
  constructor(hash: string | null) {
    const why = hash === null
      ? "this runtime does not tell its public key"
      : `its public key is sha256//${hash}`;
    super(`The peer is not the one of the pinned key: ${why}`);
  }
}

/** The one among the causes of an error, that of a proxy included; or null. */
export function pinnedKeyErrorIn(error: unknown): PinnedKeyError | null {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof PinnedKeyError) return each;
  }
  return null;
}
