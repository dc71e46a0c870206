/**
 * What is told of all transfers besides their responses, and where: `--stderr`, `--trace`, `--har`.
 *
 * @module
 */
import type { CliIo } from "./cli_io.ts";
import type { HarLog } from "./har_log.ts";
import type { TellingOptions } from "./options.ts";
import { asStderr, openSink, sharedOutput, type TextSink } from "./text_sinks.ts";
import { TraceDump } from "./trace_dump.ts";
import { timeStamp } from "./voice.ts";

/** Owns: the files that it writes to. */
export class Telling {
  /** The streams, with what stands in the place of standard error. */
  readonly io: CliIo;
  /** What stands before each line that is told. */
  readonly stamp: () => string;
  /** Where bytes are told of, or null. */
  readonly trace: TraceDump | null;
  /** Where exchanges are noted, or null. */
  readonly har: HarLog | null;
  readonly #harSink: TextSink | null;
  readonly #sinks: readonly TextSink[];

  private constructor(
    io: CliIo,
    { trace, har, harSink, sinks, stamp }: {
      trace: TraceDump | null;
      har: HarLog | null;
      harSink: TextSink | null;
      sinks: readonly TextSink[];
      stamp: () => string;
    },
  ) {
    this.io = io;
    this.stamp = stamp;
    this.trace = trace;
    this.har = har;
    this.#harSink = harSink;
    this.#sinks = sinks;
  }

  /**
   * Opens what is named, before anything is sent.
   *
   * @throws {OutputError}
   */
  static async open(options: TellingOptions, given: CliIo): Promise<Telling> {
    const { trace, stderr, har } = options;
    const stamp = timeStamp(options.tellsTime);
    if (trace === null && stderr === null && har === null) {
      return new Telling(given, { trace: null, har: null, harSink: null, sinks: [], stamp });
    }
    const sinks: TextSink[] = [];
    let io: CliIo = withStdout(given);
    const opened = (path: string): TextSink => {
      const sink = openSink(path, io);
      sinks.push(sink);
      return sink;
    };
    if (stderr !== null) io = { ...withStdout(io), stderr: asStderr(opened(stderr)) };
    const traceSink = trace === null ? null : opened(trace.path);
    const harSink = har === null ? null : opened(har.path);
    const { HarLog } = await import("./har_log.ts");
    return new Telling(io, {
      trace: traceSink && new TraceDump((text) => traceSink.write(text), trace!.hasHex, stamp),
      har: har === null ? null : new HarLog(har.keepsSecrets),
      harSink,
      sinks,
      stamp,
    });
  }

  /**
   * All is told.
   *
   * @throws {OutputError} The first of what could not be written.
   */
  async close(): Promise<void> {
    if (this.har !== null) this.#harSink!.write(this.har.text());
    const ends = await Promise.allSettled(this.#sinks.map((sink) => sink.close()));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }
}

/** Functions of an object are not spread where it has a class: each is named. */
function withStdout(io: CliIo): CliIo {
  return {
    stdout: sharedOutput(io.stdout),
    stderr: io.stderr,
    stdin: () => io.stdin(),
    ...io.askSecret === undefined
      ? {}
      : { askSecret: (question: string) => io.askSecret!(question) },
    env: io.env,
    onInterrupt: (listener) => io.onInterrupt(listener),
  };
}
