/**
 * Where the response of one transfer goes.
 *
 * @module
 */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { CliIo } from "./cli_io.ts";
import type { GetOptions, Target } from "./get_options.ts";
import { inFolder, remoteName, withGlobbed } from "./output_name.ts";
import { type PartFile, partFile } from "./part_file.ts";
import { ResponseOutput } from "./response_output.ts";

/** One transfer. */
export interface Job {
  readonly target: Target;
  /** The URL, with what its brackets stand for. */
  readonly url: string;
  /** What its brackets stand for. */
  readonly globbed: readonly string[];
  /** From 0. */
  readonly number: number;
}

/** What one transfer writes to. */
export class TransferOutput {
  readonly #options: GetOptions;
  readonly #job: Job;
  #output: ResponseOutput | null = null;

  constructor(options: GetOptions, job: Job) {
    this.#options = options;
    this.#job = job;
  }

  /** Null: it is not known yet. */
  get output(): ResponseOutput | null {
    return this.#output;
  }

  /** What it is called beside its bar. */
  get label(): string {
    const path = this.#path(null);
    return path === null ? this.#job.url : basename(path);
  }

  /** Whether a person sees the body as it comes. */
  isShown({ stdout }: CliIo): boolean {
    return stdout.isTerminal && this.#job.target.output.kind === "standard";
  }

  /** Whether the file is there already. */
  async isThere(): Promise<boolean> {
    const path = this.#path(null);
    return path !== null && await stat(path).then(() => true, () => false);
  }

  /** What is there of a download that goes on; null: it begins. */
  async part(): Promise<PartFile | null> {
    const { continueAt } = this.#options;
    return continueAt === null ? null : await partFile(this.#path(null), continueAt);
  }

  /** @param name What the server calls it, or null. */
  openOutput({ stdout }: CliIo, part: PartFile | null, name: string | null): ResponseOutput {
    const { clobber, createDirs, fileMode } = this.#options;
    const path = this.#path(name);
    const mode = part !== null
      ? "append"
      : name !== null
      ? "new"
      : clobber
      ? "replace"
      : "numbered";
    const isAsked = this.#job.target.output.kind !== "standard";
    const target = path === null
      ? null
      : { path, mode, createsFolders: createDirs, permissions: fileMode } as const;
    return this.#output = new ResponseOutput(target, stdout, isAsked);
  }

  #path(name: string | null): string | null {
    const { target: { output }, globbed, url } = this.#job;
    const { outputDir } = this.#options;
    if (output.kind === "standard" || (output.kind === "file" && output.path === "-")) return null;
    return output.kind === "file"
      ? inFolder(outputDir, withGlobbed(output.path, globbed))
      : inFolder(outputDir, name ?? remoteName(url));
  }
}
