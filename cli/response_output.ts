/**
 * Where a response goes: standard output, or a file that is made when the first bytes come.
 *
 * @module
 */
import { mkdir, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import type { ByteOutput } from "./cli_io.ts";
import { FdOutput, type FileMode, OutputError } from "./fd_output.ts";

const LINE_FEED = 0x0a;

/** Files that `--no-clobber` tries: `name.1` and so on. */
const MAX_NUMBER = 100;

/** Which file, and how it is made. */
export interface OutputFile {
  readonly path: string;
  /** `"numbered"`: a file that is there stays, another one has a number at its end. */
  readonly mode: FileMode | "numbered";
  /** Whether folders that are missing are made. */
  readonly createsFolders: boolean;
  /** Null: the usual ones. */
  readonly permissions: number | null;
}

/** The output of one response. Owns: its file. */
export class ResponseOutput {
  readonly #target: OutputFile | null;
  readonly #stdout: ByteOutput;
  readonly #guardsTerminal: boolean;
  #file: Promise<FdOutput> | null = null;
  #path: string | null = null;
  #isWithinLine = false;

  /**
   * @param target Null: standard output.
   * @param isAsked Whether standard output is meant whatever it shows.
   */
  constructor(target: OutputFile | null, stdout: ByteOutput, isAsked = false) {
    this.#target = target;
    this.#stdout = stdout;
    this.#guardsTerminal = target === null && !isAsked && stdout.isTerminal;
  }

  /** Whether a person sees what is written. */
  get isSeen(): boolean {
    return this.#target === null && this.#stdout.isTerminal;
  }

  /** Whether what a person sees ends within a line. */
  get isWithinLine(): boolean {
    return this.isSeen && this.#isWithinLine;
  }

  /** The file, once it is made; else null. */
  get path(): string | null {
    return this.#path;
  }

  /**
   * Writes all of `bytes`.
   *
   * @throws {OutputError} Also for binary content on a terminal.
   */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#target !== null) {
      await (await this.#open(this.#target)).write(bytes);
      return;
    }
    if (this.#guardsTerminal && bytes.includes(0)) {
      throw new OutputError("the terminal", new Error('binary content (use -o FILE, or "-o -")'));
    }
    if (bytes.length > 0) this.#isWithinLine = bytes.at(-1) !== LINE_FEED;
    await this.#stdout.write(bytes);
  }

  /**
   * The response has ended. An empty body leaves an empty file.
   *
   * @throws {OutputError}
   */
  async close(): Promise<void> {
    if (this.#target === null) return;
    const file = await this.#open(this.#target);
    this.#file = null;
    await file.close();
  }

  /** The response has failed; what has been written stays. After {@linkcode close}: nothing. */
  async discard(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    // The failure itself is what is told.
    await file?.then((opened) => opened.close()).catch(() => {});
  }

  /** The response has failed, and nothing of it is to stay. */
  async remove(): Promise<void> {
    await this.discard();
    // As above.
    if (this.#path !== null) await unlink(this.#path).catch(() => {});
  }

  /** Once, also where several transfers write the first bytes at the same time. */
  #open(target: OutputFile): Promise<FdOutput> {
    return this.#file ??= this.#create(target);
  }

  async #create({ path, mode, createsFolders, permissions }: OutputFile): Promise<FdOutput> {
    if (createsFolders) await makeFolder(path);
    const mayNumber = mode === "numbered";
    for (let number = 0;; number++) {
      const numbered = number === 0 ? path : `${path}.${number}`;
      try {
        const file = await FdOutput.create(numbered, mayNumber ? "new" : mode, permissions);
        this.#path = numbered;
        return file;
      } catch (error) {
        const isTaken = error instanceof OutputError && error.isThere;
        if (!mayNumber || !isTaken || number === MAX_NUMBER) throw error;
      }
    }
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (cause) {
    throw new OutputError(dirname(path), cause);
  }
}
