/**
 * The proxy that the environment names, by `HTTP_PROXY` and its like. Where Go and curl read them
 * differently: docs/decisions/0012.
 *
 * @module
 */
import { HttpError, printable } from "../../conn/http_error.ts";
import {
  type IpBlock,
  isInBlock,
  parseHostIp,
  parseIpBlock,
  unmappedBytes,
} from "../../conn/names/ip_address.ts";
import { isLocalhost, isOfClass } from "../../conn/names/ip_class.ts";
import type { HttpRequest } from "../message/http_request.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What `NO_PROXY` excepts: a host or a block of addresses, on one port or (null) on all. */
interface Exception {
  readonly port: number | null;
  readonly matches: (host: Host) => boolean;
}

/** Where a request goes. */
interface Host {
  /** Lower case, without a dot at its end. */
  readonly name: string;
  /** Null for a name. */
  readonly bytes: Uint8Array | null;
}

/**
 * Reads the proxies of the environment once, and tells for each request which one it takes.
 *
 * - `HTTP_PROXY` is for `http:` and `HTTPS_PROXY` for `https:` URLs, `ALL_PROXY` for both where
 *   theirs is not set. Lower case goes first, an empty value is none, and one without a scheme is
 *   an `http:` proxy. Which schemes a proxy may have is up to who uses it. Other requests are not
 *   proxied.
 * - Where `REQUEST_METHOD` is set, `HTTP_PROXY` in upper case is ignored: a CGI program gets it
 *   from the header of a request.
 * - `NO_PROXY` lists exceptions, with commas or spaces between them: `*` (no proxy at all); a name,
 *   for itself and all below it; with a dot or `*.` before it, for those below it alone; an IP
 *   address; a block, `10.0.0.0/8`. Each but `*` may end in a port; IPv6 then stands in brackets.
 *   What is none of these excepts nothing. Names are not resolved.
 * - `localhost`, names below it and loopback addresses are never proxied.
 *
 * Nothing calls this by itself: pass the result as the option `proxy` of a transport, which also
 * takes `"environment"` for the environment of the process. On Deno it needs `--allow-env`, unless
 * `env` is given.
 *
 * @param env Default: the environment of the process.
 * @returns Gives the proxy of a request, null for none. Each proxy is the same `URL` every time, for
 * reading only; its user name and password are those of the environment.
 * @throws {HttpError} `ERR_INVALID_REQUEST` (phase `"proxy"`): a variable that does not hold the URL
 * of a proxy, or an environment that may not be read. The value is not shown, it may hold a password.
 * @example
 * ```ts
 * import { HttpRequest, proxyFromEnvironment } from "@roundtrip/http";
 *
 * const proxyFor = proxyFromEnvironment({
 *   HTTPS_PROXY: "proxy.example:3128",
 *   NO_PROXY: "internal.example, 10.0.0.0/8",
 * });
 * const proxy = proxyFor(new HttpRequest("https://example.com/"));
 * if (proxy?.href !== "http://proxy.example:3128/") throw new Error("not the proxy");
 * if (proxyFor(new HttpRequest("https://a.internal.example/")) !== null) throw new Error("proxied");
 * ```
 */
export function proxyFromEnvironment(
  env?: Record<string, string | undefined>,
): (request: HttpRequest) => URL | null {
  return environmentProxy(env) ?? (() => null);
}

/**
 * As {@linkcode proxyFromEnvironment}.
 *
 * @returns Null: the environment names no proxy.
 */
export function environmentProxy(
  env?: Environment,
): ((request: HttpRequest) => URL | null) | null {
  const { proxies, isExcepted } = readEnvironment(env);
  if (proxies.size === 0) return null;
  return (request) => {
    const proxy = proxies.get(request.scheme) ?? null;
    if (proxy === null) return null;
    const host = hostOf(request);
    if (host.bytes === null ? isLocalhost(host.name) : isOfClass(host.bytes, "loopback")) {
      return null;
    }
    return isExcepted(request.port, host) ? null : proxy;
  };
}

/**
 * Reads a list like that of `NO_PROXY`.
 *
 * Pure.
 *
 * @returns Tells whether the list excepts the server of a request.
 */
export function noProxyList(list: string): (request: HttpRequest) => boolean {
  const isExcepted = readExceptions(list);
  return (request) => isExcepted(request.port, hostOf(request));
}

function hostOf({ hostname }: HttpRequest): Host {
  const ip = parseHostIp(hostname);
  return { name: withoutDot(hostname.toLowerCase()), bytes: ip && unmappedBytes(ip.bytes) };
}

interface Settings {
  readonly proxies: ReadonlyMap<string, URL>;
  readonly isExcepted: (port: number, host: Host) => boolean;
}

function readEnvironment(given: Environment | undefined): Settings {
  try {
    const world = globalThis as { process?: { env?: Environment } };
    return readGiven(given ?? world.process?.env ?? {});
  } catch (cause) {
    if (cause instanceof HttpError) throw cause;
    throw invalid("Cannot read the environment: not permitted", cause);
  }
}

function readGiven(env: Environment): Settings {
  const all = readProxy(env, ["all_proxy", "ALL_PROXY"]);
  const http = readProxy(env, isCgi(env) ? ownLowerCase(env) : ["http_proxy", "HTTP_PROXY"]) ?? all;
  const https = readProxy(env, ["https_proxy", "HTTPS_PROXY"]) ?? all;
  const proxies = new Map<string, URL>();
  if (http !== null) proxies.set("http:", http);
  if (https !== null) proxies.set("https:", https);
  const noProxy = firstOf(env, ["no_proxy", "NO_PROXY"])?.value ?? "";
  return { proxies, isExcepted: readExceptions(noProxy) };
}

function readExceptions(list: string): Settings["isExcepted"] {
  const exceptions = list.split(/[\s,]+/).flatMap(parseException);
  return (asked, host) =>
    exceptions.some(({ port, matches }) => (port === null || port === asked) && matches(host));
}

function isCgi(env: Environment): boolean {
  return (env["REQUEST_METHOD"] ?? "") !== "";
}

/** Windows answers to both cases with the one value that there is: how it is really written counts. */
function ownLowerCase(env: Environment): string[] {
  return Object.keys(env).filter((name) => name === "http_proxy");
}

function firstOf(
  env: Environment,
  names: readonly string[],
): { name: string; value: string } | null {
  for (const name of names) {
    const value = (env[name] ?? "").trim();
    if (value !== "") return { name, value };
  }
  return null;
}

function readProxy(env: Environment, names: readonly string[]): URL | null {
  const found = firstOf(env, names);
  if (found === null) return null;
  const { name, value } = found;
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(value);
  const url = parseUrl(hasScheme ? value : `http://${value}`);
  if (url !== null && url.hostname !== "" && url.port !== "0") return url;
  throw invalid(`Cannot use environment variable ${printable(name)}: not the URL of a proxy`);
}

/** None or one. */
function parseException(text: string): Exception[] {
  if (text === "") return [];
  if (text === "*") return [{ port: null, matches: () => true }];
  const whole = parseBlock(text);
  if (whole !== null) return [{ port: null, matches: inBlock(whole) }];
  const [, host, digits] = /^(.+?)(?::([0-9]+))?$/.exec(text)!;
  const port = digits === undefined ? null : Number(digits);
  const inner = /^\[(.*)\]$/.exec(host)?.[1];
  const block = parseBlock(inner ?? host);
  if (block !== null) return [{ port, matches: inBlock(block) }];
  const matches = inner === undefined ? belowName(host) : null;
  return matches === null ? [] : [{ port, matches }];
}

/** A URL cannot say of which link an address is: a zone does not count. */
function parseBlock(text: string): IpBlock | null {
  return parseIpBlock(text.replace(/%[^/]*/, ""));
}

function inBlock(block: IpBlock): Exception["matches"] {
  return ({ bytes }) => bytes !== null && isInBlock(bytes, block);
}

/** Matches a name and those below it, or with a dot or `*.` before it those below it alone. */
function belowName(text: string): Exception["matches"] | null {
  const [, prefix, rest] = /^(\*?\.)?(.*)$/.exec(text)!;
  // As a URL would hold it: lower case, Punycode.
  const url = /[/?#@\\:]/.test(rest) ? null : parseUrl(`http://${rest}`);
  if (url === null || parseHostIp(url.hostname) !== null) return null;
  const name = withoutDot(url.hostname);
  const isSelfToo = prefix === undefined;
  return (host) =>
    host.bytes === null &&
    (host.name.endsWith(`.${name}`) || isSelfToo && host.name === name);
}

function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

function withoutDot(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

function invalid(message: string, cause?: unknown): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "proxy", cause });
}
