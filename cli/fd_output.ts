/**
 * Writes bytes to a file descriptor, one write at a time, so that a slow reader slows the sender.
 *
 * The streams of `node:process` differ between the runtimes in what they buffer and when they call
 * back; a write to the descriptor does not. (On Deno it blocks the event loop while the reader of a
 * pipe does not read; so does the stream there.)
 *
 * @module
 */
import { close, open, write } from "node:fs";
import type { Writable } from "node:stream";

/** Output that could not be written. */
export class OutputError extends Error {
  override readonly name: string = "OutputError";
  /** Whether the reader of a pipe went away. */
  readonly isBrokenPipe: boolean;
  /** Whether it is a file that is there and must stay. */
  readonly isThere: boolean;

  constructor(target: string, cause: unknown) {
    super(`Cannot write to ${target}: ${nativeMessage(cause)}`, { cause });
    this.isBrokenPipe = codeOf(cause) === "EPIPE";
    this.isThere = codeOf(cause) === "EEXIST";
  }
}

/** What becomes of a file that is there: it is emptied, gone on with, or stays and is an error. */
export type FileMode = "replace" | "append" | "new";

const FLAGS: Readonly<Record<FileMode, string>> = { replace: "w", append: "a", new: "wx" };

/** A file descriptor to write to. */
export class FdOutput {
  readonly #fd: number;
  readonly #target: string;
  readonly #stream: (() => Writable) | null;
  /** The stream, once it was needed. */
  #waiting: Writable | null = null;

  /**
   * @param target What to call it in messages.
   * @param stream A stream over the same descriptor, which knows when a non-blocking one takes more.
   * On Node it is the stream itself that has made it so. Null: a full descriptor is an error.
   */
  constructor(fd: number, target: string, stream: (() => Writable) | null = null) {
    this.#fd = fd;
    this.#target = target;
    this.#stream = stream;
  }

  /**
   * Opens a file for writing: by default it is created, or emptied if it is there.
   *
   * @param permissions Of a file that is made, less the umask; null: 666.
   * @throws {OutputError}
   */
  static async create(
    path: string,
    mode: FileMode = "replace",
    permissions: number | null = null,
  ): Promise<FdOutput> {
    try {
      return new FdOutput(await opened(path, FLAGS[mode], permissions ?? 0o666), path);
    } catch (cause) {
      throw new OutputError(path, cause);
    }
  }

  /**
   * Writes all of `bytes`, which must not change until then.
   *
   * @throws {OutputError}
   */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      let offset = 0;
      while (offset < bytes.length && this.#waiting === null) {
        offset += await this.#writeSome(bytes, offset);
      }
      if (offset < bytes.length) await streamed(this.#waiting!, bytes.subarray(offset));
    } catch (cause) {
      throw new OutputError(this.#target, cause);
    }
  }

  /** Writes what the descriptor takes. When it takes nothing, turns to the stream. */
  async #writeSome(bytes: Uint8Array, offset: number): Promise<number> {
    try {
      return await written(this.#fd, bytes, offset);
    } catch (error) {
      if (codeOf(error) !== "EAGAIN" || this.#stream === null) throw error;
      this.#waiting = this.#stream();
      // The callback of each write tells.
      this.#waiting.on("error", () => {});
      return 0;
    }
  }

  /**
   * Closes the descriptor.
   *
   * @throws {OutputError} Some file systems tell only now that the disk is full.
   */
  async close(): Promise<void> {
    try {
      await closed(this.#fd);
    } catch (cause) {
      throw new OutputError(this.#target, cause);
    }
  }
}

/** What a native error says, without the call that failed. */
export function nativeMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const reason =
    /^(?:E[A-Z0-9]+: )?(.*?)(?:, \w+(?: '[^']*'(?: -> '[^']*')?)?| \(os error \d+\).*)?$/s
      .exec(message)?.[1] ?? message;
  return reason.charAt(0).toLowerCase() + reason.slice(1);
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}

function opened(path: string, flags: string, permissions: number): Promise<number> {
  return new Promise((resolve, reject) =>
    open(path, flags, permissions, (error, fd) => error ? reject(error) : resolve(fd))
  );
}

function written(fd: number, bytes: Uint8Array, offset: number): Promise<number> {
  return new Promise((resolve, reject) =>
    write(
      fd,
      bytes,
      offset,
      bytes.length - offset,
      null,
      (error, count) => error ? reject(error) : resolve(count),
    )
  );
}

function streamed(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) =>
    stream.write(bytes, (error) => error ? reject(error) : resolve())
  );
}

function closed(fd: number): Promise<void> {
  return new Promise((resolve, reject) => close(fd, (error) => error ? reject(error) : resolve()));
}
