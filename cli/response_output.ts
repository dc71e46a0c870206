/**
 * Where a response goes: standard output, or a file that is made when the first bytes come.
 *
 * @module
 */
import type { ByteOutput } from "./cli_io.ts";
import { FdOutput, OutputError } from "./fd_output.ts";

/** A status that `-f` takes for a failure. */
export class StatusError extends Error {
  override readonly name: string = "StatusError";

  constructor(status: number) {
    super(`The server answered with status ${status}`);
  }
}

/** The output of one response. Owns: its file. */
export class ResponseOutput {
  readonly #path: string | null;
  readonly #stdout: ByteOutput;
  readonly #guardsTerminal: boolean;
  #file: FdOutput | null = null;
  #created = false;

  /**
   * @param path Null: standard output; `"-"`: standard output, whatever it shows.
   */
  constructor(path: string | null, stdout: ByteOutput) {
    this.#path = path === "-" ? null : path;
    this.#stdout = stdout;
    this.#guardsTerminal = path === null && stdout.isTerminal;
  }

  /**
   * Writes all of `bytes`.
   *
   * @throws {OutputError}
   */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#path === null) {
      await this.#stdout.write(bytes);
    } else {
      await (await this.#open(this.#path)).write(bytes);
    }
  }

  /**
   * Writes a part of the body.
   *
   * @throws {OutputError} Also for binary content on a terminal.
   */
  async writeBody(bytes: Uint8Array): Promise<void> {
    if (this.#guardsTerminal && bytes.includes(0)) {
      throw new OutputError("the terminal", new Error('binary content (use -o FILE, or "-o -")'));
    }
    await this.write(bytes);
  }

  /**
   * The response has ended. An empty body leaves an empty file.
   *
   * @throws {OutputError}
   */
  async close(): Promise<void> {
    if (this.#path === null) return;
    const file = await this.#open(this.#path);
    this.#file = null;
    await file.close();
  }

  /** The response has failed; what has been written stays. After {@linkcode close}: nothing. */
  async discard(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    // The failure itself is what is told.
    await file?.close().catch(() => {});
  }

  async #open(path: string): Promise<FdOutput> {
    if (this.#file === null && !this.#created) {
      this.#file = await FdOutput.create(path);
      this.#created = true;
    }
    return this.#file!;
  }
}
