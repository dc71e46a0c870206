/**
 * Hosts that want to be asked by https only.
 *
 * @module
 */
import { callersOptions } from "../conn/callers_options.ts";
import { tellFault } from "../conn/fault.ts";
import { HttpError, printable } from "../conn/http_error.ts";
import { parseHostIp } from "../conn/names/ip_address.ts";
import { parseDigits } from "../http/grammar.ts";

/** Options of an {@linkcode HstsStore}. */
export interface HstsStoreOptions {
  /** Hosts that are known at once, 1 or more; beyond, no other is taken in. @default {10000} */
  maxHosts?: number;
  /** For tests: milliseconds since 1970. Default: `Date.now`. */
  now?: () => number;
}

/** A host as JSON. */
export interface StoredHstsHost {
  /** In lower case, without a dot at its end. */
  host: string;
  /** Whether the same holds for all hosts below it. */
  includeSubDomains: boolean;
  /** Until when, in ISO 8601. */
  expires: string;
}

/** An {@linkcode HstsStore} as JSON. */
export interface StoredHsts {
  /** Of this format. */
  version: 1;
  /** Those that were told of longest ago first. */
  hosts: StoredHstsHost[];
}

const OPTIONS: ReadonlySet<string> = new Set<keyof HstsStoreOptions>(["maxHosts", "now"]);

/** Milliseconds: ten years. What lasts longer lasts so long. */
const MAX_AGE_MS = 10 * 365 * 24 * 3600 * 1000;

interface KnownHost {
  readonly includeSubDomains: boolean;
  readonly expiresAtMs: number;
}

/** What one field says. */
interface Policy {
  readonly maxAgeSeconds: number;
  readonly includeSubDomains: boolean;
}

/**
 * Remembers in memory which hosts have said, in `Strict-Transport-Security`, that they are to be
 * asked by https only, for a `Client` or `createFetch` (`hsts`): an `http:` URL of theirs becomes
 * `https:` before anything is sent, the first one and those of redirects; port 80 becomes 443, and
 * another one stays.
 *
 * Only what comes by https counts. Do not share a store with a transport that does not check
 * certificates (`insecureSkipVerify`). IP addresses are never known. There is no list of hosts that
 * are known from the beginning.
 *
 * @see RFC 6797
 *
 * @example
 * ```ts
 * import { Client, HstsStore } from "@roundtrip/http";
 *
 * const hsts = new HstsStore();
 * hsts.note("https://example.com/", "max-age=31536000; includeSubDomains");
 * const again = HstsStore.fromJSON(JSON.parse(JSON.stringify(hsts)));
 * if (!again.isKnown("www.example.com")) throw new Error("forgotten");
 * const client = new Client({ hsts: again });
 * if (typeof client.get !== "function") throw new Error("it is a client");
 * ```
 */
export class HstsStore {
  readonly #maxHosts: number;
  readonly #now: () => number;
  readonly #hosts: Map<string, KnownHost> = new Map();

  /**
   * Makes an empty store.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, or a value it cannot have.
   */
  constructor(options: HstsStoreOptions = {}) {
    options = callersOptions(
      options,
      OPTIONS,
      (name) => invalid(`Unknown HSTS option "${printable(name)}"`),
    );
    const { maxHosts = 10_000, now = Date.now } = options;
    if (!Number.isSafeInteger(maxHosts) || maxHosts < 1) throw invalid("maxHosts is not 1 or more");
    if (typeof now !== "function") throw invalid("now is not a function");
    this.#maxHosts = maxHosts;
    this.#now = now;
  }

  /**
   * A store with the hosts of another. Those whose time is over, or that are beyond `maxHosts`, are
   * left out.
   *
   * @param json What `toJSON` gave.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: not that.
   */
  static fromJSON(json: unknown, options?: HstsStoreOptions): HstsStore {
    const store = new HstsStore(options);
    const { version, hosts } = (json ?? {}) as Partial<StoredHsts>;
    if (version !== 1 || !Array.isArray(hosts) || !hosts.every(isStored)) {
      throw invalid("Cannot read these hosts: not what toJSON() gave");
    }
    const nowMs = store.#nowMs();
    for (const { host, includeSubDomains, expires } of hosts) {
      const expiresAtMs = Math.min(Date.parse(expires), nowMs + MAX_AGE_MS);
      store.#remember(host, { includeSubDomains, expiresAtMs }, nowMs);
    }
    return store;
  }

  /** The hosts whose time is not over; what `JSON.stringify` calls. */
  toJSON(): StoredHsts {
    const nowMs = this.#nowMs();
    const hosts = [...this.#hosts].filter(([, { expiresAtMs }]) => expiresAtMs > nowMs)
      .map(([host, { includeSubDomains, expiresAtMs }]) => ({
        host,
        includeSubDomains,
        expires: new Date(expiresAtMs).toISOString(),
      }));
    return { version: 1, hosts };
  }

  /**
   * Takes what a response says, or ignores it: what is malformed, not by https, or of an IP address.
   *
   * @param url What was requested.
   * @param value Of `Strict-Transport-Security`; of several fields only the first counts.
   * @see RFC 6797 section 8.1
   */
  note(url: string | URL, value: string): void {
    const { protocol, hostname } = new URL(url);
    const policy = protocol === "https:" ? parsedPolicy(value) : null;
    const host = canonicalHost(hostname);
    if (policy === null || host === null) return;
    this.#hosts.delete(host);
    if (policy.maxAgeSeconds === 0) return;
    const nowMs = this.#nowMs();
    const { includeSubDomains } = policy;
    const expiresAtMs = nowMs + Math.min(policy.maxAgeSeconds * 1000, MAX_AGE_MS);
    this.#remember(host, { includeSubDomains, expiresAtMs }, nowMs);
  }

  /**
   * Whether a host is to be asked by https only: it said so, or one above it said so for all below.
   *
   * @param hostname As `URL` gives it.
   * @see RFC 6797 section 8.2
   */
  isKnown(hostname: string): boolean {
    const host = canonicalHost(hostname);
    if (host === null || this.#hosts.size === 0) return false;
    const nowMs = this.#nowMs();
    for (let name = host;;) {
      const known = this.#hosts.get(name);
      const isAbout = known !== undefined && (name === host || known.includeSubDomains);
      if (isAbout && known.expiresAtMs > nowMs) return true;
      const dot = name.indexOf(".");
      if (dot === -1) return false;
      name = name.slice(dot + 1);
    }
  }

  /** An answer that has come must not depend on a clock of the caller's. */
  #nowMs(): number {
    try {
      const nowMs = this.#now();
      if (Number.isFinite(nowMs)) return nowMs;
      throw new TypeError(`it gave ${nowMs}`);
    } catch (error) {
      tellFault("now() of an HstsStore failed", error);
      return Date.now();
    }
  }

  #remember(host: string, known: KnownHost, nowMs: number): void {
    if (!(known.expiresAtMs > nowMs)) return;
    if (this.#hosts.size >= this.#maxHosts) {
      for (const [name, { expiresAtMs }] of this.#hosts) {
        if (expiresAtMs <= nowMs) this.#hosts.delete(name);
      }
      // None is dropped for it: who has many hosts could unprotect all others.
      if (this.#hosts.size >= this.#maxHosts) return;
    }
    this.#hosts.set(host, known);
  }
}

/** Null: an IP address. Pure. */
function canonicalHost(hostname: string): string | null {
  if (hostname === "" || hostname.startsWith("[") || parseHostIp(hostname) !== null) return null;
  return hostname.toLowerCase().replace(/\.$/, "");
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const DIRECTIVE = new RegExp(
  `[ \\t]*(?:(${TOKEN})[ \\t]*(?:=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))[ \\t]*)?)?(?:;|$)`,
  "gsy",
);

/**
 * What a field says; null: nothing that counts.
 *
 * @see RFC 6797 section 6.1
 */
function parsedPolicy(value: string): Policy | null {
  const directives: Map<string, string | null> = new Map();
  let end = 0;
  for (const { 0: text, 1: name, 2: quoted, 3: token, index } of value.matchAll(DIRECTIVE)) {
    end = index + text.length;
    if (name === undefined) continue;
    const key = name.toLowerCase();
    if (directives.has(key)) return null;
    directives.set(key, quoted?.replace(/\\(.)/gs, "$1") ?? token ?? null);
  }
  if (end < value.length) return null;
  const seconds = directives.get("max-age") ?? "";
  // More than can be counted is as long as it can be.
  const isDigits = /^[0-9]+$/.test(seconds);
  if (!isDigits || (directives.get("includesubdomains") ?? null) !== null) return null;
  return {
    maxAgeSeconds: parseDigits(seconds) ?? Infinity,
    includeSubDomains: directives.has("includesubdomains"),
  };
}

function isStored(value: unknown): value is StoredHstsHost {
  const { host, includeSubDomains, expires } = (value ?? {}) as Partial<StoredHstsHost>;
  return typeof host === "string" && canonicalHost(host) === host &&
    typeof includeSubDomains === "boolean" && typeof expires === "string" &&
    !Number.isNaN(Date.parse(expires));
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
