/**
 * From the words of the command line to what is to be done. Pure.
 *
 * @module
 */
import { parseArgs } from "node:util";

/** What the command line asks for. */
export type Command =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "demo" }
  | { readonly kind: "get"; readonly options: GetOptions };

/** One request, as the command line states it. */
export interface GetOptions {
  /** With a scheme. */
  readonly url: string;
  /** Null: GET, or POST where there is data. */
  readonly method: string | null;
  readonly headers: readonly [string, string][];
  readonly data: DataOption | null;
  /** Print response heads before the body. */
  readonly include: boolean;
  readonly verbose: boolean;
  readonly silent: boolean;
  /** Path of a file; null or `"-"`: standard output. */
  readonly output: string | null;
  /** Milliseconds; 0 is off. */
  readonly maxTimeMs: number;
  readonly insecure: boolean;
  /** Path of a PEM file. */
  readonly caFile: string | null;
  /** Path of a Unix socket. */
  readonly unixSocket: string | null;
  /** URLs with schemes, in the order in which they are passed. */
  readonly proxies: readonly string[];
  readonly compressed: boolean;
  readonly follow: boolean;
}

/** Data to send. */
export interface DataOption {
  readonly kind: "form" | "json";
  readonly parts: readonly DataPart[];
}

/** One `-d`, `--data-binary` or `--json`. */
export interface DataPart {
  /** The data, or `@` and the path of a file, `@-` for standard input. */
  readonly value: string;
  /** What comes from a file loses its line ends. */
  readonly dropLineEnds: boolean;
}

/** A command line that cannot be understood. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

const OPTIONS = {
  "include": { type: "boolean", short: "i" },
  "head": { type: "boolean", short: "I" },
  "verbose": { type: "boolean", short: "v" },
  "silent": { type: "boolean", short: "s" },
  "output": { type: "string", short: "o" },
  "header": { type: "string", short: "H", multiple: true },
  "request": { type: "string", short: "X" },
  "data": { type: "string", short: "d", multiple: true },
  "data-binary": { type: "string", multiple: true },
  "json": { type: "string", multiple: true },
  "max-time": { type: "string", short: "m" },
  "insecure": { type: "boolean", short: "k" },
  "cacert": { type: "string" },
  "unix-socket": { type: "string" },
  "proxy": { type: "string", short: "x", multiple: true },
  "compressed": { type: "boolean" },
  "location": { type: "boolean", short: "L" },
  "no-follow": { type: "boolean" },
  "help": { type: "boolean", short: "h" },
  "version": { type: "boolean", short: "V" },
} as const;

/**
 * Understands a command line.
 *
 * @throws {UsageError}
 */
export function parseCommand(args: readonly string[]): Command {
  if (args.length === 0) return { kind: "demo" };
  const { values, positionals, tokens } = parse(args);
  if (values.help) return { kind: "help" };
  if (values.version) return { kind: "version" };
  const urls = positionals[0] === "get" ? positionals.slice(1) : positionals;
  if (urls.length === 0) throw new UsageError("No URL is given");
  if (urls.length > 1) throw new UsageError(`One URL at a time: "${urls[0]}" and "${urls[1]}"`);
  const parts = tokens.flatMap((token) =>
    token.kind === "option" && /^(?:data|data-binary|json)$/.test(token.name)
      ? [{ value: token.value!, dropLineEnds: token.name === "data" }]
      : []
  );
  if (values.json && (values.data || values["data-binary"])) {
    throw new UsageError("--json does not go with -d and --data-binary");
  }
  return {
    kind: "get",
    options: {
      url: withScheme(urls[0]),
      method: values.request ?? (values.head ? "HEAD" : null),
      headers: (values.header ?? []).flatMap(parseHeader),
      data: parts.length === 0 ? null : { kind: values.json ? "json" : "form", parts },
      include: values.include ?? values.head ?? false,
      verbose: values.verbose ?? false,
      silent: values.silent ?? false,
      output: values.output ?? null,
      maxTimeMs: milliseconds(values["max-time"]),
      insecure: values.insecure ?? false,
      caFile: values.cacert ?? null,
      unixSocket: values["unix-socket"] ?? null,
      proxies: (values.proxy ?? []).map(withScheme),
      compressed: values.compressed ?? false,
      follow: !(values["no-follow"] ?? false),
    },
  };
}

type Parsed = ReturnType<
  typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true; tokens: true }>
>;

function parse(args: readonly string[]): Parsed {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, tokens: true });
  } catch (error) {
    // The rest of the message is advice about the quoting of arguments.
    throw new UsageError((error as Error).message.split(/\.(?:\s|$)/)[0]);
  }
}

/** A URL without a scheme is one of http, as with curl; so is a proxy. */
function withScheme(url: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`;
}

/** `Name: value`; `Name;` is sent empty; `Name:` is not sent, and takes our own `User-Agent` away. */
function parseHeader(text: string): [string, string][] {
  const empty = /^([^:;]+);\s*$/.exec(text);
  if (empty !== null) return [[empty[1], ""]];
  const colon = text.indexOf(":");
  if (colon <= 0) throw new UsageError(`Option -H needs "Name: value", not "${text}"`);
  const name = text.slice(0, colon);
  const value = text.slice(colon + 1).trim();
  return value !== "" || name.toLowerCase() === "user-agent" ? [[name, value]] : [];
}

function milliseconds(seconds: string | undefined): number {
  if (seconds === undefined) return 0;
  if (!/^[0-9]+(?:\.[0-9]+)?$|^\.[0-9]+$/.test(seconds)) {
    throw new UsageError(`Option --max-time needs seconds, not "${seconds}"`);
  }
  return Number(seconds) * 1000;
}
