/**
 * The command line: `get URL` with curl's habits, and without a URL a demonstration of what the
 * transport does. `deno run -A jsr:@roundtrip/http/cli --help` lists the options.
 *
 * @module
 */
import process from "node:process";
import { HttpError } from "../conn/http_error.ts";
import { type CliIo, processIo } from "./cli_io.ts";
import { demo } from "./demo.ts";
import { BROKEN_PIPE, exitCode, INTERRUPTED } from "./exit_code.ts";
import { get } from "./get.ts";
import { parseCommand, UsageError } from "./options.ts";
import { runtimeName, USAGE, VERSION } from "./usage.ts";

export type { ByteOutput, CliIo, TextOutput } from "./cli_io.ts";

/** The reason of an abort by Ctrl-C. */
class Interrupt extends Error {}

/**
 * Runs the program. All output has been accepted when it settles, and nothing is left that keeps
 * the process.
 *
 * @param args Words of the command line, without those of the runtime.
 * @param io Default: the streams, environment and signals of the process.
 * @returns The exit code: 0, or one of those that `--help` lists. The status of the response does
 * not count. Never rejects.
 *
 * @example
 * ```ts
 * import { main } from "@roundtrip/http/cli";
 *
 * const code = await main(["--version"]);
 * if (code !== 0) throw new Error("the version is known");
 * ```
 */
export async function main(args: string[], io: CliIo = processIo()): Promise<number> {
  const controller = new AbortController();
  const stopListening = io.onInterrupt(() => controller.abort(new Interrupt()));
  try {
    await run(args, io, controller.signal);
    return 0;
  } catch (error) {
    if (error instanceof Interrupt) return INTERRUPTED;
    const code = exitCode(error);
    if (code !== BROKEN_PIPE) io.stderr.write(`roundtrip: ${complaint(error)}\n`);
    return code;
  } finally {
    stopListening();
  }
}

async function run(args: readonly string[], io: CliIo, signal: AbortSignal): Promise<void> {
  const command = parseCommand(args);
  switch (command.kind) {
    case "help":
      await print(io, USAGE);
      break;
    case "version":
      await print(io, `roundtrip ${VERSION} (${runtimeName()})\n`);
      break;
    case "demo":
      await demo(io, signal);
      break;
    case "get":
      await get(command.options, io, signal);
      break;
  }
}

async function print(io: CliIo, text: string): Promise<void> {
  await io.stdout.write(new TextEncoder().encode(text));
}

/** One line that says what went wrong. */
function complaint(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = message.replace(/\s*\n\s*/g, " ");
  if (error instanceof HttpError) return `${line} [${error.code}, ${error.phase}]`;
  if (error instanceof UsageError) return `${line} (roundtrip --help lists the options)`;
  return line;
}

if (import.meta.main) {
  process.exitCode = await main(process.argv.slice(2));
  // What was interrupted may still wait for the reader of standard output.
  if (process.exitCode === INTERRUPTED) process.exit();
}
