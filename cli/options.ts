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
  /** User name and password with a colon between them, for Basic credentials. */
  readonly user: string | null;
  readonly data: DataOption | null;
  readonly form: readonly FormPart[];
  /** Path of a file to send as it is; `"-"`: standard input. */
  readonly upload: string | null;
  /** Cookies to send, `name=value`. */
  readonly cookies: readonly string[];
  /** Paths of files to read cookies from. */
  readonly cookieFiles: readonly string[];
  /** Path of the file that the cookies are written to. */
  readonly cookieJar: string | null;
  /** Print response heads before the body. */
  readonly include: boolean;
  readonly verbose: boolean;
  readonly silent: boolean;
  /** Path of a file; null or `"-"`: standard output. */
  readonly output: string | null;
  /** Milliseconds; 0 is off. */
  readonly maxTimeMs: number;
  /** Milliseconds; 0 is the transport's default. */
  readonly connectTimeMs: number;
  /** How often it is tried again. */
  readonly retries: number;
  readonly insecure: boolean;
  /** Path of a PEM file. */
  readonly caFile: string | null;
  /** Path of a Unix socket. */
  readonly unixSocket: string | null;
  readonly addresses: readonly HostAddresses[];
  /** URLs with schemes, in the order in which they are passed. */
  readonly proxies: readonly string[];
  readonly compressed: boolean;
  readonly follow: boolean;
  /** A status of 400 or above is a failure. */
  readonly fail: boolean;
}

/** One `--resolve`: what is dialled instead of looking a name up. */
export interface HostAddresses {
  readonly hostname: string;
  readonly port: number;
  /** IP addresses, without brackets. */
  readonly addresses: readonly string[];
}

/** One `-F`. */
export interface FormPart {
  readonly name: string;
  /** The text, or the path of what is sent; `"-"` is standard input. */
  readonly value: string;
  /** Whether the text is given, is that of a file, or a file is uploaded with its name. */
  readonly kind: "text" | "text of file" | "file";
  /** What the uploaded file is called; null: as on the disk. */
  readonly fileName: string | null;
  /** Media type of the uploaded file, or null. */
  readonly type: string | null;
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
  "form": { type: "string", short: "F", multiple: true },
  "upload-file": { type: "string", short: "T" },
  "user": { type: "string", short: "u" },
  "user-agent": { type: "string", short: "A" },
  "cookie": { type: "string", short: "b", multiple: true },
  "cookie-jar": { type: "string", short: "c" },
  "fail": { type: "boolean", short: "f" },
  "show-error": { type: "boolean", short: "S" },
  "retry": { type: "string" },
  "connect-timeout": { type: "string" },
  "max-time": { type: "string", short: "m" },
  "insecure": { type: "boolean", short: "k" },
  "cacert": { type: "string" },
  "unix-socket": { type: "string" },
  "resolve": { type: "string", multiple: true },
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
  const form = (values.form ?? []).map(parseFormPart);
  const upload = values["upload-file"] ?? null;
  if ([parts.length > 0, form.length > 0, upload !== null].filter(Boolean).length > 1) {
    throw new UsageError("Of data, -F and -T only one can be sent");
  }
  const cookies = values.cookie ?? [];
  return {
    kind: "get",
    options: {
      url: withScheme(urls[0]),
      method: values.request ?? (values.head ? "HEAD" : null),
      headers: [
        ...(values.header ?? []).flatMap(parseHeader),
        ...values["user-agent"] === undefined
          ? []
          : [["User-Agent", values["user-agent"]] as [string, string]],
      ],
      user: values.user ?? null,
      data: parts.length === 0 ? null : { kind: values.json ? "json" : "form", parts },
      form,
      upload,
      cookies: cookies.filter((cookie) => cookie.includes("=")),
      // As curl, an empty name stands for no file.
      cookieFiles: cookies.filter((cookie) => !cookie.includes("=") && cookie !== ""),
      cookieJar: values["cookie-jar"] ?? null,
      include: values.include ?? values.head ?? false,
      verbose: values.verbose ?? false,
      silent: values.silent ?? false,
      output: values.output ?? null,
      maxTimeMs: milliseconds("--max-time", values["max-time"]),
      connectTimeMs: Math.ceil(milliseconds("--connect-timeout", values["connect-timeout"])),
      retries: count("--retry", values.retry),
      insecure: values.insecure ?? false,
      caFile: values.cacert ?? null,
      unixSocket: values["unix-socket"] ?? null,
      addresses: (values.resolve ?? []).map(parseAddresses),
      proxies: (values.proxy ?? []).map(withScheme),
      compressed: values.compressed ?? false,
      follow: !(values["no-follow"] ?? false),
      fail: values.fail ?? false,
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

/** `name=text`, `name=<FILE` or `name=@FILE`, the last with `;type=` and `;filename=` behind it. */
function parseFormPart(text: string): FormPart {
  const equals = text.indexOf("=");
  if (equals <= 0) throw new UsageError(`Option -F needs "name=value", not "${text}"`);
  const name = text.slice(0, equals);
  const value = text.slice(equals + 1);
  if (value.startsWith("<")) {
    return { name, value: value.slice(1), kind: "text of file", fileName: null, type: null };
  }
  if (!value.startsWith("@")) return { name, value, kind: "text", fileName: null, type: null };
  const [path, ...attributes] = value.slice(1).split(/;(?=type=|filename=)/);
  const attribute = (key: string): string | null =>
    attributes.find((each) => each.startsWith(key))?.slice(key.length) ?? null;
  return {
    name,
    value: path,
    kind: "file",
    fileName: attribute("filename="),
    type: attribute("type="),
  };
}

/** `host:port:address`, several addresses with commas between them. */
function parseAddresses(text: string): HostAddresses {
  const [, hostname, port, list] = /^([^:]+):([0-9]{1,5}):(.+)$/.exec(text) ?? [];
  if (list === undefined) {
    throw new UsageError(`Option --resolve needs "host:port:address", not "${text}"`);
  }
  const addresses = list.split(",").map((address) => address.replace(/^\[(.*)\]$/, "$1"));
  return { hostname, port: Number(port), addresses };
}

function count(option: string, text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^[0-9]{1,4}$/.test(text)) {
    throw new UsageError(`Option ${option} needs a number, not "${text}"`);
  }
  return Number(text);
}

function milliseconds(option: string, seconds: string | undefined): number {
  if (seconds === undefined) return 0;
  if (!/^[0-9]+(?:\.[0-9]+)?$|^\.[0-9]+$/.test(seconds)) {
    throw new UsageError(`Option ${option} needs seconds, not "${seconds}"`);
  }
  return Number(seconds) * 1000;
}
