/**
 * What one set of options asks for. Pure.
 *
 * @module
 */
import { MAX_KEEP_ALIVE_MS } from "../conn/socket_options.ts";
import type {
  Authentication,
  DataPart,
  GetOptions,
  Http2Option,
  NetrcOption,
  OutputOption,
  SpeedOption,
  Target,
  TlsOption,
} from "./get_options.ts";
import type { GivenOptions } from "./given_options.ts";
import {
  certAndPassword,
  parseAddresses,
  parseEncodedPart,
  parseFileMode,
  parseFormPart,
  parseHeader,
  parseOtherPlace,
  parseQueryPart,
  parseRange,
  parseSchemes,
  timeConditionOf,
  withScheme,
} from "./option_values.ts";
import { optionRow } from "./option_words.ts";
import { UsageError } from "./usage_error.ts";

const HTTP2_OPTIONS: Readonly<Record<string, Http2Option>> = {
  "http1.1": "never",
  "http2": "negotiated",
  "http2-prior-knowledge": "priorKnowledge",
};

/** How many redirects are followed, as with curl. */
const MAX_REDIRECTS = 50;

/**
 * What the options of one group ask for.
 *
 * @throws {UsageError}
 */
export function getOptions(given: GivenOptions, follow: boolean): GetOptions {
  const targets = targetsOf(given);
  const parts = dataParts(given);
  const isJson = given.text("json") !== null;
  const form = given.each("form", "form-string").map(parseFormPart);
  const uploads = given.texts("upload-file").length > 0;
  const inQuery = given.has("get");
  const sent = [parts.length > 0 && !inQuery, form.length > 0, uploads].filter(Boolean).length;
  if (sent > 1) throw new UsageError("Of data, -F and -T only one can be sent");
  const namedByServer = given.has("remote-header-name");
  const showsHeads = given.has("include") || given.has("show-headers");
  const include = showsHeads || given.has("head");
  if (namedByServer && showsHeads) {
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
    http2: HTTP2_OPTIONS[given.each(...Object.keys(HTTP2_OPTIONS)).at(-1)?.row.long ?? "http2"],
    pathAsIs: given.has("path-as-is"),
    schemes: parseSchemes(given.text("proto")),
    redirectSchemes: parseSchemes(given.text("proto-redir")),
    usualScheme: given.text("proto-default") ?? "http",
    hsts: given.text("hsts"),
    etagCompare: given.text("etag-compare"),
    etagSave: given.text("etag-save"),
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
    skipsExisting: given.has("skip-existing"),
    fileMode: parseFileMode(given.text("create-file-mode")),
    remoteTime: given.has("remote-time"),
    removeOnError: given.has("remove-on-error"),
    continueAt,
    maxFileBytes: given.bytes("max-filesize") ?? 0,
    bytesPerSecond: given.bytes("limit-rate") ?? 0,
    maxTimeMs: given.milliseconds("max-time") ?? 0,
    speed: speedOf(given),
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
    proxyTls: proxyTlsOf(given),
    maxConnsPerHost: given.count("parallel-max-host") ?? 0,
    unixSocket: given.text("unix-socket"),
    addresses: given.texts("resolve").map(parseAddresses),
    otherPlaces: given.texts("connect-to").map(parseOtherPlace),
    family: given.has("ipv6") ? 6 : given.has("ipv4") ? 4 : null,
    networkInterface: given.text("interface"),
    tcpKeepAliveMs: keepAliveOf(given),
    proxies: proxiesOf(given),
    tunnels: given.has("proxytunnel"),
    proxyUser: given.text("proxy-user"),
    proxyAuth: lastOf(given, "proxy-basic", "proxy-digest", "proxy-anyauth") === "proxy-digest"
      ? "digest"
      : "basic",
    proxyHeaders: given.texts("proxy-header").map((text) => parseHeader("--proxy-header", text)),
    usesEnvironment: given.each("preproxy", ...PROXIES).length === 0 && !given.has("disable") &&
      given.text("unix-socket") === null,
    noProxy: given.text("noproxy"),
    compressed: given.has("compressed"),
    follow,
    maxRedirects: maxRedirectsOf(given),
    fail: given.has("fail-with-body") ? "with body" : given.has("fail") ? "without body" : "never",
  };
}

/** @returns Milliseconds. */
function keepAliveOf(given: GivenOptions): number {
  const seconds = given.count("keepalive-time") ?? 0;
  if (seconds <= MAX_KEEP_ALIVE_MS / 1000) return 1000 * seconds;
  throw new UsageError(`Option --keepalive-time takes ${MAX_KEEP_ALIVE_MS / 1000} s at most`);
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
  const kind = lastOf(given, "basic", "digest", "anyauth");
  return { kind: kind === "digest" ? "digest" : kind === "anyauth" ? "any" : "basic" };
}

/** Which of these flags is set last, or undefined. */
function lastOf(given: GivenOptions, ...longs: string[]): string | undefined {
  return given.each(...longs).filter(({ isOn }) => isOn).at(-1)?.row.long;
}

/** As with curl, each of the two brings the other. */
function speedOf(given: GivenOptions): SpeedOption | null {
  const leastBytes = given.bytes("speed-limit");
  const timeMs = given.milliseconds("speed-time");
  if (leastBytes === null && timeMs === null) return null;
  const speed = { leastBytesPerSecond: leastBytes ?? 1, timeMs: timeMs ?? 30_000 };
  return speed.leastBytesPerSecond > 0 && speed.timeMs > 0 ? speed : null;
}

function netrcOf(given: GivenOptions): NetrcOption | null {
  const file = given.text("netrc-file");
  const isOptional = given.has("netrc-optional");
  return file !== null || isOptional || given.has("netrc") ? { file, isOptional } : null;
}

function continueAtOf(given: GivenOptions): number | "there" | null {
  return given.text("continue-at") === "-" ? "there" : given.count("continue-at");
}

function maxRedirectsOf(given: GivenOptions): number {
  if (given.text("max-redirs") === "-1") return Infinity;
  return given.count("max-redirs") ?? MAX_REDIRECTS;
}

function tlsOf(given: GivenOptions): TlsOption {
  checkPem(given, "cert-type", "key-type");
  const max = given.text("tls-max");
  if (max !== null && max !== "1.3" && max !== "default") {
    throw new UsageError(`Option --tls-max understands 1.3 and default, not "${max}"`);
  }
  const [cert, password] = certAndPassword(given.text("cert"));
  return {
    insecure: given.has("insecure"),
    caFile: given.text("cacert"),
    caFolder: given.text("capath"),
    cert,
    key: given.text("key"),
    password: given.text("pass") ?? password,
    pinnedKeys: given.text("pinnedpubkey"),
    minVersion: given.has("tlsv1.3") ? "TLSv1.3" : given.has("tlsv1.2") ? "TLSv1.2" : null,
    resumes: !given.has("no-sessionid"),
  };
}

function proxyTlsOf(given: GivenOptions): TlsOption {
  checkPem(given, "proxy-cert-type", "proxy-key-type");
  const [cert, password] = certAndPassword(given.text("proxy-cert"));
  return {
    insecure: given.has("proxy-insecure"),
    caFile: given.text("proxy-cacert"),
    caFolder: given.text("proxy-capath"),
    cert,
    key: given.text("proxy-key"),
    password: given.text("proxy-pass") ?? password,
    pinnedKeys: given.text("proxy-pinnedpubkey"),
    minVersion: null,
    resumes: true,
  };
}

/** @throws {UsageError} One of these says that a file is no PEM. */
function checkPem(given: GivenOptions, ...longs: string[]): void {
  for (const long of longs) {
    const type = given.text(long);
    if (type !== null && type.toUpperCase() !== "PEM") {
      throw new UsageError(`Option --${long} understands PEM, not "${type}"`);
    }
  }
}

const PROXIES = ["proxy", "socks5", "socks5-hostname", "socks4a"];

/** As with curl, an empty one stands for none, and takes the place of the environment's. */
function proxiesOf(given: GivenOptions): string[] {
  const first = given.text("preproxy");
  const proxies = given.each(...PROXIES).filter(({ value }) => value !== "");
  return [
    ...first === null ? [] : [withScheme(first)],
    ...proxies.map(({ row, value }) => {
      if (row.long === "proxy") return withScheme(value!);
      const scheme = row.long === "socks5-hostname" ? "socks5h" : row.long;
      return `${scheme}://${value}`;
    }),
  ];
}
