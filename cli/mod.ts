/**
 * The command line: `get URL` with curl's habits, and without a URL a demonstration of what the
 * transport does. `deno run -A jsr:@roundtrip/http/cli --help` lists the options.
 *
 * @module
 */
import process from "node:process";
import { type CliIo, processIo } from "./cli_io.ts";
import { complaint } from "./complaint.ts";
import { withConfigFiles } from "./config_file.ts";
import { curlLine, curlWords, isCurlLine } from "./curl_line.ts";
import { BROKEN_PIPE, exitCode, INTERRUPTED } from "./exit_code.ts";
import { type Given, readWords } from "./option_words.ts";
import { type Command, commandOf } from "./options.ts";
import { readText } from "./request_data.ts";
import { usage } from "./usage.ts";
import { UsageError } from "./usage_error.ts";
import { runtimeName, VERSION } from "./version.ts";

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
    return await run(await commandFor(args, io), io, controller.signal);
  } catch (error) {
    if (error instanceof Interrupt) return INTERRUPTED;
    const code = exitCode(error);
    if (code !== BROKEN_PIPE) io.stderr.write(`roundtrip: ${complaint(error)}\n`);
    return code;
  } finally {
    stopListening();
  }
}

/** What the words ask for, be they options of ours or a curl line. */
async function commandFor(args: readonly string[], io: CliIo): Promise<Command> {
  const read = (given: readonly Given[]): Promise<Given[]> =>
    withConfigFiles(given, (path) => readText(path, io.stdin));
  if (args[0] === "curl") return commandOf(await read(readWords(args.slice(1))), "curl");
  const given = readWords(args);
  const words = given.filter(({ row }) => row === null);
  if (words.length !== 1 || !isCurlLine(words[0].value!)) {
    return commandOf(await read(given), "roundtrip");
  }
  const pasted = readWords(curlWords(words[0].value!, io.env));
  // Options may stand beside a line, as if they stood in it.
  return commandOf(
    await read(given.flatMap((each) => each === words[0] ? pasted : [each])),
    "curl",
  );
}

/** Loads what the command needs. */
async function run(command: Command, io: CliIo, signal: AbortSignal): Promise<number> {
  switch (command.kind) {
    case "help":
      await print(io, known(usage(command.topic), `--help knows nothing of "${command.topic}"`));
      return 0;
    case "version":
      await print(io, `roundtrip ${VERSION} (${runtimeName()})\n`);
      return 0;
    case "completions": {
      const { completions } = await import("./completions.ts");
      await print(io, known(completions(command.shell), "completions are for bash, zsh or fish"));
      return 0;
    }
    case "man": {
      const { manPage } = await import("./man_page.ts");
      await print(io, manPage(VERSION));
      return 0;
    }
    case "curl":
      await print(io, curlLine(command.given, command.follow));
      return 0;
    case "demo": {
      const { demo } = await import("./demo.ts");
      await demo(io, signal);
      return 0;
    }
    case "get": {
      const { get } = await import("./get.ts");
      return await get(command, io, signal);
    }
  }
}

/** @throws {UsageError} It is null. */
function known(text: string | null, otherwise: string): string {
  if (text === null) throw new UsageError(otherwise);
  return text;
}

async function print(io: CliIo, text: string): Promise<void> {
  await io.stdout.write(new TextEncoder().encode(text));
}

if (import.meta.main) {
  process.exitCode = await main(process.argv.slice(2));
  // What was interrupted may still wait for the reader of standard output.
  if (process.exitCode === INTERRUPTED) process.exit();
}
