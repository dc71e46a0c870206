/**
 * From the options of the command line to what is to be done. Pure.
 *
 * @module
 */
import { type Given, type GivenOption, optionRow, readWords } from "./option_words.ts";
import { UsageError } from "./usage_error.ts";

/** What the command line asks for. */
export type Command =
  | { readonly kind: "help"; readonly topic: string | null }
  | { readonly kind: "version" }
  | { readonly kind: "demo" }
  | { readonly kind: "completions"; readonly shell: string }
  | { readonly kind: "man" }
  | { readonly kind: "curl"; readonly given: readonly Given[]; readonly follow: boolean }
  | GetCommand;

/** Requests to send. */
export interface GetCommand {
  readonly kind: "get";
  /** Those with the same options, in the order in which they are given; one at least. */
  readonly groups: readonly GetOptions[];
  /** How many transfers at once; 1: one after the other. */
  readonly parallel: number;
  /** Whether the first transfer that fails is the last. */
  readonly failEarly: boolean;
}

/** The requests of one set of options. */
export interface GetOptions {
  /** One at least. */
  readonly targets: readonly Target[];
  /** Whether brackets and braces in a URL stand for several URLs. */
  readonly globs: boolean;
  /** Null: GET, or POST where there is data. */
  readonly method: string | null;
  readonly headers: readonly HeaderOption[];
  /** Empty: none is sent. Null: our own. */
  readonly userAgent: string | null;
  /** User name and, behind a colon, password. Without a colon the password is to be asked for. */
  readonly user: string | null;
  readonly authentication: Authentication;
  /** Whether a URL with credentials in it is refused. */
  readonly refusesUserInUrl: boolean;
  readonly bearer: string | null;
  readonly netrc: NetrcOption | null;
  readonly data: DataOption | null;
  /** What is added to the query. */
  readonly query: readonly DataPart[];
  readonly form: readonly FormPart[];
  /** What is asked for instead of the path of the URL. */
  readonly requestTarget: string | null;
  readonly http2: Http2Option;
  /** Whether dot segments of the path are sent. */
  readonly pathAsIs: boolean;
  readonly range: string | null;
  readonly referer: string | null;
  /** Whether a followed redirect tells where it came from. */
  readonly tellsReferer: boolean;
  /** A date, or the path of a file whose time it is. */
  readonly timeCondition: TimeCondition | null;
  /** Cookies to send, `name=value`. */
  readonly cookies: readonly string[];
  /** Paths of files to read cookies from. */
  readonly cookieFiles: readonly string[];
  readonly dropsSessionCookies: boolean;
  /** Path of the file that the cookies are written to. */
  readonly cookieJar: string | null;
  /** Write response heads before the body. */
  readonly include: boolean;
  /** Path of the file that response heads are written to; `"-"`: standard output. */
  readonly dumpHeader: string | null;
  /** What is written at the end, or `@` and the path of a file of it. */
  readonly writeOut: string | null;
  readonly verbose: boolean;
  /** Whether there is no progress bar. */
  readonly silent: boolean;
  /** Whether JSON is written to a terminal as it comes. */
  readonly raw: boolean;
  readonly outputDir: string | null;
  readonly createDirs: boolean;
  /** Whether the server names the file. */
  readonly namedByServer: boolean;
  readonly clobber: boolean;
  readonly remoteTime: boolean;
  readonly removeOnError: boolean;
  /** Where a download goes on: a count of bytes, or what is there; null: from the beginning. */
  readonly continueAt: number | "there" | null;
  /** Bytes; 0: no limit. */
  readonly maxFileBytes: number;
  /** Bytes in a second; 0: no limit. */
  readonly bytesPerSecond: number;
  /** Milliseconds; 0 is off. */
  readonly maxTimeMs: number;
  /** Milliseconds; 0 is the transport's default. */
  readonly connectTimeMs: number;
  /** Milliseconds; null is the transport's default. */
  readonly continueTimeMs: number | null;
  readonly retry: RetryOption;
  readonly tls: TlsOption;
  readonly proxyInsecure: boolean;
  readonly proxyCaFile: string | null;
  /** Path of a Unix socket. */
  readonly unixSocket: string | null;
  readonly addresses: readonly HostAddresses[];
  readonly otherPlaces: readonly OtherPlace[];
  /** 4 or 6; null: both. */
  readonly family: 4 | 6 | null;
  /** Name or address. */
  readonly networkInterface: string | null;
  /** URLs with schemes, in the order in which they are passed. */
  readonly proxies: readonly string[];
  readonly proxyUser: string | null;
  /** How proxies are told the credentials of -U and of their URLs. */
  readonly proxyAuth: "basic" | "digest";
  readonly proxyHeaders: readonly HeaderOption[];
  /** Whether the proxies that the environment names are passed. */
  readonly usesEnvironment: boolean;
  /** Hosts that are reached without any proxy, as in `NO_PROXY`, whose place it takes; or null. */
  readonly noProxy: string | null;
  readonly compressed: boolean;
  readonly follow: boolean;
  /** How many redirects are followed; Infinity: any number. */
  readonly maxRedirects: number;
  /** Whether a status of 400 or above is a failure, and whether its body is written then. */
  readonly fail: "never" | "without body" | "with body";
}

/** One URL of the command line, before brackets in it are looked at. */
export interface Target {
  readonly url: string;
  readonly output: OutputOption;
  /** Path of a file to send as it is, before brackets in it are looked at; `"-"`: standard input. */
  readonly upload: string | null;
}

/** Where a response goes: standard output, a file, or one that is called as the URL says. */
export type OutputOption =
  | { readonly kind: "standard" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "remote" };

/** A header field; null: one of ours that is not to be sent. Or the path of a file of them. */
export type HeaderOption =
  | { readonly name: string; readonly value: string | null }
  | { readonly file: string };

/** How it is proven who asks. */
export type Authentication =
  | { readonly kind: "basic" | "digest" | "any" }
  | { readonly kind: "aws"; readonly region: string | null; readonly service: string | null };

/** Where credentials are looked up. */
export interface NetrcOption {
  /** Null: `.netrc` in the home folder. */
  readonly file: string | null;
  /** Whether those of the URL and of `-u` go before, and the file may be missing. */
  readonly isOptional: boolean;
}

/** Only if it has changed since, or has not. */
export interface TimeCondition {
  readonly ifChanged: boolean;
  /** A date, or the path of a file. */
  readonly since: string;
}

/** Whether HTTP/2 is spoken. */
export type Http2Option = "never" | "negotiated" | "priorKnowledge";

const HTTP2_OPTIONS: Readonly<Record<string, Http2Option>> = {
  "http1.1": "never",
  "http2": "negotiated",
  "http2-prior-knowledge": "priorKnowledge",
};

/** How often and when it is tried again. */
export interface RetryOption {
  /** How often; 0: never. */
  readonly count: number;
  /** Milliseconds between two tries; null: ever more. */
  readonly delayMs: number | null;
  /** Milliseconds after which no try begins; 0: no limit. */
  readonly maxTimeMs: number;
  readonly allErrors: boolean;
}

/** What is trusted, and who we are. Paths of PEM files. */
export interface TlsOption {
  readonly insecure: boolean;
  readonly caFile: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly password: string | null;
  readonly minVersion: "TLSv1.2" | "TLSv1.3" | null;
}

/** One `--resolve`: what is dialled instead of looking a name up. */
export interface HostAddresses {
  readonly hostname: string;
  readonly port: number;
  /** IP addresses, without brackets. */
  readonly addresses: readonly string[];
}

/** One `--connect-to`: what is dialled instead. Empty and null: any, or the same. */
export interface OtherPlace {
  readonly hostname: string;
  readonly port: number | null;
  readonly otherHostname: string;
  readonly otherPort: number | null;
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
  /** Media type, or null. */
  readonly type: string | null;
}

/** Data to send. */
export interface DataOption {
  readonly kind: "form" | "json";
  readonly parts: readonly DataPart[];
}

/** One `-d` or its like. */
export interface DataPart {
  /** The data, or the path of a file; `"-"`: standard input. */
  readonly value: string;
  readonly isFile: boolean;
  /** What comes from a file loses its line ends. */
  readonly dropLineEnds: boolean;
  /** Null: sent as it is. Else encoded, behind this name, which may be empty. */
  readonly encodedAs: string | null;
}

/** How many transfers are under way at once with `-Z`, as with curl. */
const PARALLEL = 50;

/** How many redirects are followed, as with curl. */
const MAX_REDIRECTS = 50;

/**
 * Understands a command line that names no file of options.
 *
 * @throws {UsageError}
 */
export function parseCommand(args: readonly string[]): Command {
  return commandOf(readWords(args), "roundtrip");
}

/**
 * Understands options.
 *
 * @param habits Whose: to curl a redirect is not followed unless it is asked for.
 * @throws {UsageError}
 */
export function commandOf(given: readonly Given[], habits: "roundtrip" | "curl"): Command {
  if (given.length === 0 && habits === "roundtrip") return { kind: "demo" };
  const all = new GivenOptions(given);
  if (all.has("help")) return { kind: "help", topic: all.words[0] ?? null };
  if (all.has("version")) return { kind: "version" };
  const [first, second] = all.words;
  if (habits === "roundtrip" && first === "man" && all.words.length === 1) return { kind: "man" };
  if (habits === "roundtrip" && first === "completions") {
    return { kind: "completions", shell: second ?? "" };
  }
  const named = habits === "roundtrip" && first === "get" ? withoutFirstWord(given) : given;
  const follows = (options: GivenOptions): boolean =>
    options.has("location") || (habits === "roundtrip" && !options.has("no-follow"));
  if (all.has("curl")) return { kind: "curl", given: named, follow: follows(all) };
  const parallel = all.count("parallel-max") ?? PARALLEL;
  return {
    kind: "get",
    groups: groupsOf(named).map((group) => getOptions(group, follows(group))),
    parallel: all.has("parallel") ? Math.max(parallel, 1) : 1,
    failEarly: all.has("fail-early"),
  };
}

/** The options of one group, by name. */
class GivenOptions {
  readonly given: readonly Given[];

  constructor(given: readonly Given[]) {
    this.given = given;
  }

  /** What is no option. */
  get words(): string[] {
    return this.given.flatMap((each) => each.row === null ? [each.value] : []);
  }

  /** Whether a flag is set; the last one counts. */
  has(long: string): boolean {
    return this.#last(long)?.isOn ?? false;
  }

  /** The last value of an option, or null. */
  text(long: string): string | null {
    return this.#last(long)?.value ?? null;
  }

  /** All values of an option. */
  texts(long: string): string[] {
    return this.#all([long]).map(({ value }) => value!);
  }

  /** The options of any of these names, in the order in which they stand. */
  each(...longs: string[]): GivenOption[] {
    return this.#all(longs);
  }

  count(long: string): number | null {
    const text = this.text(long);
    if (text === null) return null;
    if (!/^[0-9]{1,9}$/.test(text)) {
      throw new UsageError(`Option --${long} needs a number, not "${text}"`);
    }
    return Number(text);
  }

  milliseconds(long: string): number | null {
    const seconds = this.text(long);
    if (seconds === null) return null;
    if (!/^[0-9]+(?:\.[0-9]*)?$|^\.[0-9]+$/.test(seconds)) {
      throw new UsageError(`Option --${long} needs seconds, not "${seconds}"`);
    }
    return Number(seconds) * 1000;
  }

  /** A count of bytes, or of 1024 of them (`k`) and so on. */
  bytes(long: string): number | null {
    const text = this.text(long);
    if (text === null) return null;
    const [, digits, unit] = /^([0-9]+(?:\.[0-9]+)?)([kmgtp]?)b?$/i.exec(text) ?? [];
    if (digits === undefined) {
      throw new UsageError(`Option --${long} needs a number of bytes, not "${text}"`);
    }
    return Math.floor(Number(digits) * 1024 ** " kmgtp".indexOf(unit.toLowerCase() || " "));
  }

  #last(long: string): GivenOption | undefined {
    return this.#all([long]).at(-1);
  }

  #all(longs: readonly string[]): GivenOption[] {
    const rows = longs.map(optionRow);
    return this.given.flatMap((each) => each.row !== null && rows.includes(each.row) ? [each] : []);
  }
}

function withoutFirstWord(given: readonly Given[]): Given[] {
  const at = given.findIndex(({ row }) => row === null);
  return given.filter((_, index) => index !== at);
}

/** What stands between two `--next`. */
function groupsOf(given: readonly Given[]): GivenOptions[] {
  const next = optionRow("next");
  const groups: Given[][] = [[]];
  for (const each of given) {
    if (each.row === next) groups.push([]);
    else groups.at(-1)!.push(each);
  }
  return groups.map((group) => new GivenOptions(group));
}

function getOptions(given: GivenOptions, follow: boolean): GetOptions {
  const targets = targetsOf(given);
  const parts = dataParts(given);
  const isJson = given.text("json") !== null;
  const form = given.each("form", "form-string").map(parseFormPart);
  const uploads = given.texts("upload-file").length > 0;
  const inQuery = given.has("get");
  const sent = [parts.length > 0 && !inQuery, form.length > 0, uploads].filter(Boolean).length;
  if (sent > 1) throw new UsageError("Of data, -F and -T only one can be sent");
  const namedByServer = given.has("remote-header-name");
  const include = given.has("include") || given.has("head");
  if (namedByServer && given.has("include")) {
    throw new UsageError("-i does not go with -J: the name comes with the heads");
  }
  const range = given.text("range");
  const continueAt = continueAtOf(given);
  if (range !== null && continueAt !== null) throw new UsageError("-r does not go with -C");
  if (continueAt !== null && (include || given.has("compressed") || uploads)) {
    throw new UsageError("-C goes on with a download as it comes: not with -i, --compressed or -T");
  }
  const cookies = given.texts("cookie");
  const referer = given.text("referer");
  return {
    targets,
    globs: !given.has("globoff"),
    method: given.text("request") ?? (given.has("head") ? "HEAD" : null),
    headers: given.texts("header").map((text) => parseHeader("-H", text)),
    userAgent: given.text("user-agent"),
    user: given.text("user"),
    authentication: authenticationOf(given),
    refusesUserInUrl: given.has("disallow-username-in-url"),
    bearer: given.text("oauth2-bearer"),
    netrc: netrcOf(given),
    data: parts.length === 0 || inQuery ? null : { kind: isJson ? "json" : "form", parts },
    query: [...given.texts("url-query").map(parseQueryPart), ...inQuery ? parts : []],
    form,
    requestTarget: given.text("request-target"),
    http2: HTTP2_OPTIONS[given.each(...Object.keys(HTTP2_OPTIONS)).at(-1)?.row.long ?? "http1.1"],
    pathAsIs: given.has("path-as-is"),
    range: range === null ? null : parseRange(range),
    referer: referer === null ? null : referer.replace(/;auto$/, "") || null,
    tellsReferer: referer?.endsWith(";auto") ?? false,
    timeCondition: timeConditionOf(given.text("time-cond")),
    cookies: cookies.filter((cookie) => cookie.includes("=")),
    // As curl, an empty name stands for no file.
    cookieFiles: cookies.filter((cookie) => !cookie.includes("=") && cookie !== ""),
    dropsSessionCookies: given.has("junk-session-cookies"),
    cookieJar: given.text("cookie-jar"),
    include,
    dumpHeader: given.text("dump-header"),
    writeOut: given.text("write-out"),
    verbose: given.has("verbose"),
    silent: given.has("silent") || given.has("no-progress-meter"),
    raw: given.has("raw") || given.has("no-buffer"),
    outputDir: given.text("output-dir"),
    createDirs: given.has("create-dirs"),
    namedByServer,
    clobber: !given.has("no-clobber"),
    remoteTime: given.has("remote-time"),
    removeOnError: given.has("remove-on-error"),
    continueAt,
    maxFileBytes: given.bytes("max-filesize") ?? 0,
    bytesPerSecond: given.bytes("limit-rate") ?? 0,
    maxTimeMs: given.milliseconds("max-time") ?? 0,
    connectTimeMs: Math.ceil(given.milliseconds("connect-timeout") ?? 0),
    continueTimeMs: given.milliseconds("expect100-timeout"),
    retry: {
      count: given.count("retry") ?? 0,
      // As with curl, 0 is the way that is usual.
      delayMs: given.milliseconds("retry-delay") || null,
      maxTimeMs: given.milliseconds("retry-max-time") ?? 0,
      allErrors: given.has("retry-all-errors"),
    },
    tls: tlsOf(given),
    proxyInsecure: given.has("proxy-insecure"),
    proxyCaFile: given.text("proxy-cacert"),
    unixSocket: given.text("unix-socket"),
    addresses: given.texts("resolve").map(parseAddresses),
    otherPlaces: given.texts("connect-to").map(parseOtherPlace),
    family: given.has("ipv6") ? 6 : given.has("ipv4") ? 4 : null,
    networkInterface: given.text("interface"),
    proxies: proxiesOf(given),
    proxyUser: given.text("proxy-user"),
    proxyAuth: given.each("proxy-basic", "proxy-digest").filter(({ isOn }) => isOn).at(-1)?.row
        .long === "proxy-digest"
      ? "digest"
      : "basic",
    proxyHeaders: given.texts("proxy-header").map((text) => parseHeader("--proxy-header", text)),
    usesEnvironment: given.each(...PROXIES).length === 0 && !given.has("disable") &&
      given.text("unix-socket") === null,
    noProxy: given.text("noproxy"),
    compressed: given.has("compressed"),
    follow,
    maxRedirects: maxRedirectsOf(given),
    fail: given.has("fail-with-body") ? "with body" : given.has("fail") ? "without body" : "never",
  };
}

/** The URLs, each with the output and the upload that stand in the same place among their kind. */
function targetsOf(given: GivenOptions): Target[] {
  const url = optionRow("url");
  const urls = given.given.flatMap(({ row, value }) => row === null || row === url ? [value!] : []);
  if (urls.length === 0) throw new UsageError("No URL is given");
  const usual: OutputOption = { kind: given.has("remote-name-all") ? "remote" : "standard" };
  const outputs = given.each("output", "remote-name")
    .filter(({ isOn }) => isOn)
    .map(({ value }): OutputOption =>
      value === null ? { kind: "remote" } : { kind: "file", path: value }
    );
  const uploads = given.texts("upload-file");
  return urls.map((url, index) => ({
    url,
    output: outputs[index] ?? usual,
    upload: uploads[index] ?? null,
  }));
}

const DATA = ["data", "data-ascii", "data-raw", "data-binary", "data-urlencode", "json"];

function dataParts(given: GivenOptions): DataPart[] {
  const options = given.each(...DATA);
  const isJson = options.some(({ row }) => row.long === "json");
  if (isJson && options.some(({ row }) => row.long !== "json")) {
    throw new UsageError("--json does not go with -d and its like");
  }
  return options.map(({ row, value }) => {
    if (row.long === "data-urlencode") return parseEncodedPart(value!);
    const isFile = row.long !== "data-raw" && value!.startsWith("@");
    return {
      value: isFile ? value!.slice(1) : value!,
      isFile,
      dropLineEnds: row.long === "data" || row.long === "data-ascii",
      encodedAs: null,
    };
  });
}

/** `text`, `=text`, `name=text`, `@file` or `name@file`. */
function parseEncodedPart(text: string): DataPart {
  const [, name, mark, rest] = /^([^=@]*)([=@])(.*)$/s.exec(text) ?? [text, "", "", text];
  return { value: rest, isFile: mark === "@", dropLineEnds: false, encodedAs: name };
}

/** As data that is encoded, but what is behind a plus. */
function parseQueryPart(text: string): DataPart {
  return text.startsWith("+")
    ? { value: text.slice(1), isFile: false, dropLineEnds: false, encodedAs: null }
    : parseEncodedPart(text);
}

/** `Name: value`; `Name;` is sent empty; `Name:` is not sent, and takes our own away. */
export function parseHeader(option: string, text: string): HeaderOption {
  if (text.startsWith("@")) return { file: text.slice(1) };
  const empty = /^([^:;]+);\s*$/.exec(text);
  if (empty !== null) return { name: empty[1], value: "" };
  const colon = text.indexOf(":");
  if (colon <= 0) throw new UsageError(`Option ${option} needs "Name: value", not "${text}"`);
  const value = text.slice(colon + 1).trim();
  return { name: text.slice(0, colon), value: value === "" ? null : value };
}

/** `name=text`, `name=<FILE` or `name=@FILE`, with `;type=` and `;filename=` behind it. */
function parseFormPart({ row, value: text }: GivenOption): FormPart {
  const equals = text!.indexOf("=");
  if (equals <= 0) throw new UsageError(`Option -F needs "name=value", not "${text}"`);
  const name = text!.slice(0, equals);
  const value = text!.slice(equals + 1);
  if (row.long === "form-string") {
    return { name, value, kind: "text", fileName: null, type: null };
  }
  const [said, ...attributes] = value.split(/;(?=type=|filename=)/);
  const attribute = (key: string): string | null =>
    unquoted(attributes.find((each) => each.startsWith(key))?.slice(key.length) ?? null);
  const fileName = attribute("filename=");
  const type = attribute("type=");
  if (said.startsWith("<")) {
    return { name, value: said.slice(1), kind: "text of file", fileName: null, type };
  }
  if (!said.startsWith("@")) return { name, value: unquoted(said)!, kind: "text", fileName, type };
  return { name, value: unquoted(said.slice(1))!, kind: "file", fileName, type };
}

/** In quotes a value may hold semicolons. */
function unquoted(text: string | null): string | null {
  const [, quoted] = /^"((?:[^"\\]|\\.)*)"$/s.exec(text ?? "") ?? [];
  return quoted === undefined ? text : quoted.replace(/\\(["\\])/g, "$1");
}

function authenticationOf(given: GivenOptions): Authentication {
  const sigv4 = given.text("aws-sigv4");
  if (sigv4 !== null) {
    const [provider, second = "amz", region, service, ...more] = sigv4.split(":");
    if (provider !== "aws" || second !== "amz" || more.length > 0) {
      throw new UsageError(
        `Option --aws-sigv4 needs "aws:amz:region:service", not "${sigv4}"`,
      );
    }
    return { kind: "aws", region: region || null, service: service || null };
  }
  const last = given.each("basic", "digest", "anyauth").filter(({ isOn }) => isOn).at(-1);
  const kind = last?.row.long;
  return { kind: kind === "digest" ? "digest" : kind === "anyauth" ? "any" : "basic" };
}

function netrcOf(given: GivenOptions): NetrcOption | null {
  const file = given.text("netrc-file");
  const isOptional = given.has("netrc-optional");
  return file !== null || isOptional || given.has("netrc") ? { file, isOptional } : null;
}

function parseRange(text: string): string {
  if (!/^[0-9]*-?[0-9]*(?:,[0-9]*-[0-9]*)*$/.test(text) || !/[0-9]/.test(text)) {
    throw new UsageError(`Option -r needs "from-to", not "${text}"`);
  }
  return `bytes=${text.includes("-") ? text : `${text}-`}`;
}

function continueAtOf(given: GivenOptions): number | "there" | null {
  return given.text("continue-at") === "-" ? "there" : given.count("continue-at");
}

function timeConditionOf(text: string | null): TimeCondition | null {
  if (text === null) return null;
  return text.startsWith("-")
    ? { ifChanged: false, since: text.slice(1) }
    : { ifChanged: true, since: text };
}

function maxRedirectsOf(given: GivenOptions): number {
  if (given.text("max-redirs") === "-1") return Infinity;
  return given.count("max-redirs") ?? MAX_REDIRECTS;
}

function tlsOf(given: GivenOptions): TlsOption {
  for (const long of ["cert-type", "key-type"]) {
    const type = given.text(long);
    if (type !== null && type.toUpperCase() !== "PEM") {
      throw new UsageError(`Option --${long} understands PEM, not "${type}"`);
    }
  }
  const max = given.text("tls-max");
  if (max !== null && max !== "1.3" && max !== "default") {
    throw new UsageError(`Option --tls-max understands 1.3 and default, not "${max}"`);
  }
  const [cert, password] = certAndPassword(given.text("cert"));
  return {
    insecure: given.has("insecure"),
    caFile: given.text("cacert"),
    cert,
    key: given.text("key"),
    password: given.text("pass") ?? password,
    minVersion: given.has("tlsv1.3") ? "TLSv1.3" : given.has("tlsv1.2") ? "TLSv1.2" : null,
  };
}

/** A colon that is part of the path has a backslash before it, or is that of a drive. */
function certAndPassword(text: string | null): [cert: string | null, password: string | null] {
  if (text === null) return [null, null];
  const [, path, password] = /^((?:[A-Za-z]:(?=[\\/]))?(?:[^\\:]|\\.)*):(.*)$/s.exec(text) ??
    [text, text, null];
  return [path!.replace(/\\([\\:])/g, "$1"), password];
}

/** `host:port:address`, several addresses with commas between them. */
function parseAddresses(text: string): HostAddresses {
  const [, hostname, port, list] = /^\+?([^:]+):([0-9]{1,5}):(.+)$/.exec(text) ?? [];
  if (list === undefined) {
    throw new UsageError(`Option --resolve needs "host:port:address", not "${text}"`);
  }
  const addresses = list.split(",").map((address) => address.replace(/^\[(.*)\]$/, "$1"));
  return { hostname, port: Number(port), addresses };
}

/** `host:port:host:port`, where each may be empty. */
function parseOtherPlace(text: string): OtherPlace {
  const host = "(\\[[^\\]]*\\]|[^:\\[\\]]*)";
  const pattern = new RegExp(`^${host}:([0-9]{0,5}):${host}:([0-9]{0,5})$`);
  const [, hostname, port, otherHostname, otherPort] = pattern.exec(text) ?? [];
  if (hostname === undefined) {
    throw new UsageError(`Option --connect-to needs "host:port:host:port", not "${text}"`);
  }
  const bare = (name: string): string => name.replace(/^\[(.*)\]$/, "$1");
  return {
    hostname: bare(hostname).toLowerCase(),
    port: port === "" ? null : Number(port),
    otherHostname: bare(otherHostname),
    otherPort: otherPort === "" ? null : Number(otherPort),
  };
}

const PROXIES = ["proxy", "socks5", "socks5-hostname", "socks4a"];

/** As with curl, an empty one stands for none, and takes the place of the environment's. */
function proxiesOf(given: GivenOptions): string[] {
  return given.each(...PROXIES).filter(({ value }) => value !== "").map(({ row, value }) => {
    if (row.long === "proxy") return withScheme(value!);
    const scheme = row.long === "socks5-hostname" ? "socks5h" : row.long;
    return `${scheme}://${value}`;
  });
}

/** A URL without a scheme is one of http, as with curl; so is a proxy. */
export function withScheme(url: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`;
}
