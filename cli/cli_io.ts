/**
 * What the program touches of the world besides the network: one interface, and the process's own.
 *
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";
import { FdOutput } from "./fd_output.ts";
import { askSecret } from "./secret_question.ts";

/** Where bytes go. */
export interface ByteOutput {
  /** Whether a person looks at it. */
  readonly isTerminal: boolean;
  /**
   * Writes all of `bytes`, which must not change until the promise settles; it settles when they
   * are accepted, so that a slow reader slows the sender.
   */
  write(bytes: Uint8Array): Promise<void>;
}

/** Where messages go. */
export interface TextOutput {
  /** Whether a person looks at it. */
  readonly isTerminal: boolean;
  /** Width of the terminal in characters. */
  readonly columns: number;
  /** Writes at once; never throws. */
  write(text: string): void;
}

/** What the program reads and writes. */
export interface CliIo {
  /** Where the response goes. */
  readonly stdout: ByteOutput;
  /** Where messages, `-v` and the progress bar go. */
  readonly stderr: TextOutput;
  /** What `-d @-` sends. */
  readonly stdin: () => AsyncIterable<Uint8Array>;
  /**
   * Asks whoever sits at the terminal for a secret, which is not shown. Absent, or `""`: there is
   * nobody.
   */
  readonly askSecret?: (question: string) => Promise<string>;
  /** Of the environment `NO_COLOR`, `TERM`, `SSLKEYLOGFILE` count, and `HTTP_PROXY` and its like. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Calls `listener` at Ctrl-C until the function that it returns is called. */
  readonly onInterrupt: (listener: () => void) => () => void;
}

/** The streams, environment and signals of the process. */
export function processIo(): CliIo {
  // Deno does not tell how much of a piece a full descriptor took, so it cannot be gone on with.
  const stream = process.versions["deno"] === undefined ? () => process.stdout : null;
  const stdout = new FdOutput(1, "standard output", stream);
  return {
    stdout: { isTerminal: isatty(1), write: (bytes) => stdout.write(bytes) },
    stderr: {
      isTerminal: isatty(2),
      get columns() {
        return process.stderr.columns ?? 80;
      },
      write: writeMessage,
    },
    stdin: () => process.stdin,
    askSecret,
    env: process.env,
    onInterrupt: (listener) => {
      const onSignal = (): void => {
        // The second one ends the process at once.
        process.off("SIGINT", onSignal);
        // A read that waits for somebody to type would keep the process.
        process.stdin.destroy();
        listener();
      };
      process.on("SIGINT", onSignal);
      return () => void process.off("SIGINT", onSignal);
    },
  };
}

function writeMessage(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let offset = 0; offset < bytes.length;) {
    try {
      offset += writeSync(2, bytes, offset);
    } catch (error) {
      // Nobody reads messages any more; that is no reason to stop.
      if ((error as { code?: unknown }).code !== "EAGAIN") return;
    }
  }
}
