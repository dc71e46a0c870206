/**
 * The transfers of a command line: one after the other, or several at once.
 *
 * @module
 */
import type { CliIo } from "./cli_io.ts";
import { complaint } from "./complaint.ts";
import { BROKEN_PIPE, exitCode } from "./exit_code.ts";
import type { GetOptions, Target } from "./get_options.ts";
import type { GetCommand } from "./options.ts";
import { NO_BAR, Progress, type ProgressBar } from "./progress.ts";
import { ProgressBoard } from "./progress_board.ts";
import { Pace } from "./pace.ts";
import { Telling } from "./telling.ts";
import { type Teller, TransferGroup } from "./transfer.ts";
import type { Job } from "./transfer_output.ts";
import { globbedPaths, globbedUrls } from "./url_glob.ts";

/** Milliseconds. What was aborted has so long to write what is kept of it: cookies, and what a part is of. */
const GRACE_MS = 300;

/**
 * Sends the requests that a command line states and writes their responses. Failures are told of.
 *
 * Cancel: `signal` rejects with its reason, also while output waits for its reader.
 *
 * @returns The exit code: that of the last transfer, or with `-Z` of the last that failed.
 */
export async function get(command: GetCommand, io: CliIo, signal: AbortSignal): Promise<number> {
  const given = Promise.withResolvers<void>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = (): void => void (timer = setTimeout(given.resolve, GRACE_MS));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const telling = await Telling.open(command.telling, io);
    const done = new Run(command, telling, signal).all();
    const code = await Promise.race([done, given.promise]);
    signal.throwIfAborted();
    return code ?? 0;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** A job, and the group that does it. */
interface GroupedJob {
  readonly group: TransferGroup;
  readonly job: Job;
}

/** Each file that is sent to each URL, as curl goes through them. */
function* partsOf(target: Target, globs: boolean): Generator<Omit<Job, "number">> {
  const { url, upload } = target;
  const uploads = globs && upload !== null ? globbedPaths(upload) : [upload];
  for (const upload of uploads) {
    const urls = globs ? globbedUrls(url) : [{ url, globbed: [] }];
    for (const each of urls) yield { target: { ...target, upload }, ...each };
  }
}

/** Whether something of it goes to standard output. */
function isSeen({ targets }: GetOptions): boolean {
  return targets.some(({ output }) =>
    output.kind === "standard" || (output.kind === "file" && output.path === "-")
  );
}

class Run implements Teller {
  readonly #command: GetCommand;
  readonly #telling: Telling;
  readonly #io: CliIo;
  readonly #pace: Pace;
  readonly #signal: AbortSignal;
  readonly #controller: AbortController = new AbortController();
  readonly #board: ProgressBoard | null;
  readonly #groups: TransferGroup[] = [];
  /** Of the transfers so far. */
  #code = 0;
  #isOver = false;
  #isSilent = false;

  constructor(command: GetCommand, telling: Telling, signal: AbortSignal) {
    const { io } = telling;
    this.#command = command;
    this.#telling = telling;
    this.#io = io;
    this.#pace = new Pace(command.parallel > 1 ? 0 : command.intervalMs);
    this.#signal = AbortSignal.any([signal, this.#controller.signal]);
    this.#isSilent = !io.stderr.isTerminal ||
      command.groups.some(({ silent, verbose }) => silent || (verbose && command.parallel > 1)) ||
      // Bars would be drawn over what somebody reads.
      (command.parallel > 1 && io.stdout.isTerminal && command.groups.some(isSeen));
    this.#board = command.parallel > 1 && !this.#isSilent ? new ProgressBoard(io.stderr) : null;
  }

  async all(): Promise<number> {
    const jobs = this.#jobs();
    const workers = Array.from({ length: this.#command.parallel }, () => this.#work(jobs));
    try {
      await Promise.all(workers);
    } finally {
      await this.#close();
    }
    return this.#code;
  }

  complain(error: unknown): number {
    const code = exitCode(error);
    // Nobody else is to be told of what is over.
    if (this.#signal.aborted || code === BROKEN_PIPE) return code;
    const text = `roundtrip: ${complaint(error)}\n`;
    if (this.#board === null) this.#io.stderr.write(text);
    else this.#board.write(text);
    return code;
  }

  message(error: unknown): string {
    return complaint(error);
  }

  bar(name: string, lengthBytes: number | null): ProgressBar {
    if (this.#isSilent) return NO_BAR;
    if (this.#board !== null) return this.#board.begin(name, lengthBytes);
    return new Progress(this.#io.stderr, lengthBytes);
  }

  /** Takes jobs as long as there are any. */
  async #work(jobs: AsyncIterator<GroupedJob>): Promise<void> {
    while (!this.#isOver) {
      const next = await jobs.next();
      if (next.done === true || this.#isOver) return;
      const { group, job } = next.value;
      await this.#pace.next(this.#signal);
      this.#ended(await group.run(job));
    }
  }

  #ended(code: number): void {
    if (this.#isOver) return;
    if (this.#command.parallel === 1 || code !== 0) this.#code = code;
    if (code !== BROKEN_PIPE && (code === 0 || !this.#command.failEarly)) return;
    this.#isOver = true;
    this.#controller.abort(new Error("Another transfer has failed"));
  }

  /** Each URL of each group. A fault in what a group needs, or in the brackets of a URL, is one of a transfer. */
  async *#jobs(): AsyncGenerator<GroupedJob> {
    let number = 0;
    for (const options of this.#command.groups) {
      try {
        const group = await TransferGroup.open(options, {
          teller: this,
          telling: this.#telling,
          signal: this.#signal,
        });
        this.#groups.push(group);
        for (const target of options.targets) {
          for (const part of partsOf(target, options.globs)) {
            yield { group, job: { ...part, number: number++ } };
          }
        }
      } catch (error) {
        this.#ended(this.complain(error));
      }
    }
  }

  async #close(): Promise<void> {
    // What is told of the others must still have a place.
    for (const each of [...this.#groups, this.#telling]) {
      try {
        await each.close();
      } catch (error) {
        const code = this.complain(error);
        this.#code ||= code;
      }
    }
  }
}
