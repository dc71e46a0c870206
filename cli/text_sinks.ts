/**
 * Where what is told goes instead of standard error: a file, or standard output.
 *
 * @module
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { ByteOutput, CliIo, TextOutput } from "./cli_io.ts";
import { OutputError } from "./fd_output.ts";

/** Takes text at once. */
export interface TextSink {
  /** Never throws; what goes wrong is thrown by {@linkcode close}. */
  write(text: string): void;
  /**
   * All of it is written.
   *
   * @throws {OutputError}
   */
  close(): Promise<void>;
}

/**
 * Opens one.
 *
 * @param path `"-"`: standard output; `"%"`: standard error.
 * @throws {OutputError}
 */
export function openSink(path: string, io: Pick<CliIo, "stdout" | "stderr">): TextSink {
  if (path === "-") return new OutputSink(io.stdout);
  if (path !== "%") return new FileSink(path);
  return { write: (text) => io.stderr.write(text), close: () => Promise.resolve() };
}

/** What stands in the place of standard error: nobody looks at it. */
export function asStderr(sink: TextSink): TextOutput {
  return { isTerminal: false, columns: 80, write: (text) => sink.write(text) };
}

/** An output that several write to: one write at a time, in the order in which they were asked for. */
export function sharedOutput(output: ByteOutput): ByteOutput {
  let last: Promise<unknown> = Promise.resolve();
  return {
    isTerminal: output.isTerminal,
    write: (bytes) => {
      const writing = last.then(() => output.write(bytes));
      // Whoever wrote it is told.
      last = writing.catch(() => {});
      return writing;
    },
  };
}

/** Owns: a descriptor. Writes are waited for, so that nothing is lost where the program is ended. */
class FileSink implements TextSink {
  readonly #path: string;
  readonly #fd: number;
  #failure: OutputError | null = null;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, "w");
    } catch (cause) {
      throw new OutputError(path, cause);
    }
  }

  write(text: string): void {
    const bytes = new TextEncoder().encode(text);
    try {
      for (let at = 0; at < bytes.length && this.#failure === null;) {
        at += writeSync(this.#fd, bytes, at);
      }
    } catch (cause) {
      this.#failure = new OutputError(this.#path, cause);
    }
  }

  close(): Promise<void> {
    try {
      closeSync(this.#fd);
    } catch (cause) {
      this.#failure ??= new OutputError(this.#path, cause);
    }
    return this.#failure === null ? Promise.resolve() : Promise.reject(this.#failure);
  }
}

class OutputSink implements TextSink {
  readonly #output: ByteOutput;
  #last: Promise<void> = Promise.resolve();
  #failure: unknown = null;

  constructor(output: ByteOutput) {
    this.#output = output;
  }

  write(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.#last = this.#last.then(async () => {
      if (this.#failure === null) await this.#output.write(bytes);
    }).catch((error) => void (this.#failure ??= error));
  }

  async close(): Promise<void> {
    await this.#last;
    if (this.#failure !== null) throw this.#failure;
  }
}
