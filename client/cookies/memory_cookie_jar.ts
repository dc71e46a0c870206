/**
 * A cookie jar in memory, on the `tough-cookie` library with its list of public suffixes.
 *
 * @module
 */
import type { Cookie, CookieJar as LibraryJar, Store } from "tough-cookie";
import { HttpError, printable } from "../../conn/http_error.ts";
import type { CookieJar } from "./cookie_jar.ts";
import { CookieStore } from "./cookie_store.ts";

type Tough = typeof import("tough-cookie");

/** Options of a {@linkcode MemoryCookieJar}: bytes and counts, each 1 or more. */
export interface MemoryCookieJarOptions {
  /** Name and value of a cookie together; a larger one is ignored. @default {4096} */
  maxCookieBytes?: number;
  /**
   * Cookies of one site, which is a domain that can be registered and all below it. Beyond, the one
   * that was used longest ago is dropped.
   *
   * @default {180}
   */
  maxCookiesPerSite?: number;
  /** Cookies of all sites. Beyond, the one that was used longest ago is dropped. @default {3000} */
  maxCookies?: number;
  /** The `Cookie` header of one request; cookies that do not fit stay away. @default {8190} */
  maxHeaderBytes?: number;
}

/** A cookie as JSON. */
export interface StoredCookie {
  /** Not empty. */
  name: string;
  /** As the server sent it; each character is one byte. */
  value: string;
  /** The host that set it, or the domain that it is for. IPv6 without brackets. */
  domain: string;
  /** Whether hosts below `domain` do not get it. */
  hostOnly: boolean;
  /** Begins with a slash. */
  path: string;
  /** Whether only https requests get it. */
  secure: boolean;
  /** Whether scripts of a browser must not see it. */
  httpOnly: boolean;
  /** What the server said, which a browser heeds and this jar only keeps. */
  sameSite: "strict" | "lax" | "none" | null;
  /** When it ends, in ISO 8601; null: with the session. */
  expires: string | null;
}

/** A {@linkcode MemoryCookieJar} as JSON: secrets, in clear. */
export interface StoredCookies {
  /** Of this format. */
  version: 1;
  /** In the order in which they were made. */
  cookies: StoredCookie[];
}

/** Bytes. RFC 6265bis, section 5.6. */
const MAX_ATTRIBUTE_BYTES = 1024;

/** Milliseconds: 400 days, RFC 6265bis, section 5.5. */
const MAX_LIFE_MS = 400 * 24 * 3600 * 1000;

const DEFAULTS: Required<MemoryCookieJarOptions> = {
  maxCookieBytes: 4096,
  maxCookiesPerSite: 180,
  maxCookies: 3000,
  maxHeaderBytes: 8190,
};

// A tab may only stand around attributes; each character is a byte.
const LINE = /^[\t\x20-\x7e\x80-\xff]*$/;
const NAME =
  /^[\x21-\x3a\x3c\x3e-\x7e\x80-\xff](?:[\x20-\x3a\x3c\x3e-\x7e\x80-\xff]*[\x21-\x3a\x3c\x3e-\x7e\x80-\xff])?$/;
const VALUE =
  /^(?:[\x21-\x3a\x3c-\x7e\x80-\xff](?:[\x20-\x3a\x3c-\x7e\x80-\xff]*[\x21-\x3a\x3c-\x7e\x80-\xff])?)?$/;
const DOMAIN = /^[0-9a-z_-]+(?:\.[0-9a-z_-]+)*$/;
const HOST = /^[^\s;/\\?#@]+$/;
const PATH = /^\/[\x20-\x3a\x3c-\x7e\x80-\xff]*$/;
// That of a URL, which is taken where the server names none, may hold a semicolon.
const STORED_PATH = /^\/[\x20-\x7e\x80-\xff]*$/;

/**
 * Keeps cookies in memory, and gives each request those that are for it: by host, path, `Secure` and
 * expiry.
 *
 * A cookie for a public suffix, such as `co.uk`, for another host, with control characters, too large,
 * or against the rules of its prefix is ignored. `Secure` cookies are neither set nor sent without
 * https, also on the own machine, and are not replaced from there. What is neither http nor https, a
 * Unix socket too, has no host that a cookie could be for: it sets none and is sent none. The library
 * is loaded when a method first needs it.
 *
 * @see RFC 6265
 *
 * @example
 * ```ts
 * import { MemoryCookieJar } from "@roundtrip/http";
 *
 * const jar = new MemoryCookieJar();
 * await jar.setCookie(new URL("https://example.com/a"), "session=1; Path=/; Secure");
 * const again = MemoryCookieJar.fromJSON(JSON.parse(JSON.stringify(jar)));
 * const cookie = await again.getCookieHeader(new URL("https://example.com/b"));
 * if (cookie !== "session=1") throw new Error("lost");
 * ```
 */
export class MemoryCookieJar implements CookieJar {
  readonly #options: Required<MemoryCookieJarOptions>;
  /** Until the library is loaded. */
  #waiting: readonly StoredCookie[] = [];
  #loading: Promise<Loaded> | null = null;
  #loaded: Loaded | null = null;

  /**
   * Makes an empty jar.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, or a value it cannot have.
   */
  constructor(options: MemoryCookieJarOptions = {}) {
    this.#options = { ...DEFAULTS };
    for (const [name, value] of Object.entries(options)) {
      if (!Object.hasOwn(DEFAULTS, name)) {
        throw invalid(`Unknown cookie jar option "${printable(name)}"`);
      }
      if (value === undefined) continue;
      if (!Number.isSafeInteger(value) || value < 1) throw invalid(`${name} is not 1 or more`);
      this.#options[name as keyof MemoryCookieJarOptions] = value;
    }
  }

  /**
   * A jar with the cookies of another. Those that have expired, or are beyond the limits, are left
   * out.
   *
   * @param json What `toJSON` gave.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: not that.
   */
  static fromJSON(json: unknown, options?: MemoryCookieJarOptions): MemoryCookieJar {
    const jar = new MemoryCookieJar(options);
    const { version, cookies } = (json ?? {}) as Partial<StoredCookies>;
    if (version !== 1 || !Array.isArray(cookies) || !cookies.every(isStored)) {
      throw invalid("Cannot read these cookies: not what toJSON() gave");
    }
    jar.#waiting = cookies.map((cookie) => ({ ...cookie }));
    return jar;
  }

  /** The cookies that have not expired, session cookies too; what `JSON.stringify` calls. */
  toJSON(): StoredCookies {
    const cookies = this.#loaded?.store.all().map(stored) ?? [...this.#waiting];
    return { version: 1, cookies };
  }

  /** Takes a cookie, or ignores it. Never throws because of it. */
  async setCookie(url: URL, setCookie: string): Promise<void> {
    if (!isWeb(url)) return;
    const { tough, jar, store } = await this.#load();
    const cookie = this.#parsed(tough, setCookie);
    if (cookie === null) return;
    const plain = plainUrl(url);
    const isSecure = url.protocol === "https:";
    if (!isSecure && store.shadowsSecure(cookie, plain.hostname, plain.pathname)) return;
    try {
      jar.setCookieSync(cookie, plain);
    } catch {
      // Not this host's, or for a public suffix: as if it had not been sent.
    }
  }

  /** The value of `Cookie`, longest path first, then oldest first; empty if there is none. */
  async getCookieHeader(url: URL): Promise<string> {
    if (!isWeb(url)) return "";
    const { jar } = await this.#load();
    let header = "";
    for (const { key, value } of jar.getCookiesSync(plainUrl(url))) {
      const longer = `${header}${header === "" ? "" : "; "}${key}=${value}`;
      if (longer.length <= this.#options.maxHeaderBytes) header = longer;
    }
    return header;
  }

  /** A cookie that may be kept and sent, or null. */
  #parsed(tough: Tough, setCookie: string): Cookie | null {
    const { maxCookieBytes } = this.#options;
    const isLine = setCookie.length <= maxCookieBytes + 8 * MAX_ATTRIBUTE_BYTES &&
      LINE.test(setCookie);
    const cookie = isLine ? tough.Cookie.parse(setCookie) : undefined;
    if (cookie === undefined || !NAME.test(cookie.key) || !VALUE.test(cookie.value)) return null;
    if (cookie.key.length + cookie.value.length > maxCookieBytes) return null;
    const { domain, path } = cookie;
    // A trailing dot, or a name that is not in its wire form, could mean another host than it seems to.
    if (domain !== null && !DOMAIN.test(domain)) return null;
    if (path !== null && (path.length > MAX_ATTRIBUTE_BYTES || !PATH.test(path))) return null;
    // The library knows the prefixes in their usual case only; browsers know them in any.
    if (/^__(?:secure|host)-/i.test(cookie.key) && !/^__(?:Secure|Host)-/.test(cookie.key)) {
      return null;
    }
    // To the library, each use of a cookie begins its Max-Age anew.
    const now = Date.now();
    const endsAtMs = cookie.expiryTime(new Date(now));
    const endsWithSession = cookie.maxAge === null && cookie.expires === "Infinity";
    if (endsAtMs !== undefined && !endsWithSession) {
      cookie.expires = new Date(Math.max(0, Math.min(endsAtMs, now + MAX_LIFE_MS)));
    }
    cookie.maxAge = null;
    cookie.extensions = null;
    return cookie;
  }

  async #load(): Promise<Loaded> {
    if (this.#loaded !== null) return this.#loaded;
    this.#loading ??= loadLibrary(this.#options);
    const loaded = await this.#loading;
    if (this.#loaded === null) {
      this.#loaded = loaded;
      for (const one of this.#waiting) restore(loaded, one);
      this.#waiting = [];
    }
    return loaded;
  }
}

/** The library, once it is needed. */
interface Loaded {
  readonly tough: Tough;
  readonly jar: LibraryJar;
  readonly store: CookieStore;
}

async function loadLibrary(limits: Required<MemoryCookieJarOptions>): Promise<Loaded> {
  const tough = await import("tough-cookie");
  const store = new CookieStore(tough, limits);
  // The library's type also asks for the calls that return promises, which a synchronous store is spared.
  const jar = new tough.CookieJar(store as unknown as Store, {
    allowSecureOnLocal: false,
    prefixSecurity: "silent",
  });
  return { tough, jar, store };
}

function restore({ tough, store }: Loaded, one: StoredCookie): void {
  const now = new Date();
  const cookie = new tough.Cookie({
    key: one.name,
    value: one.value,
    domain: one.domain,
    hostOnly: one.hostOnly,
    path: one.path,
    secure: one.secure,
    httpOnly: one.httpOnly,
    sameSite: one.sameSite ?? undefined,
    expires: one.expires === null ? "Infinity" : new Date(one.expires),
    creation: now,
    lastAccessed: now,
  });
  store.putCookie(cookie, () => {});
}

function stored(cookie: Cookie): StoredCookie {
  const { expires, sameSite } = cookie;
  return {
    name: cookie.key,
    value: cookie.value,
    domain: cookie.domain!,
    hostOnly: cookie.hostOnly ?? false,
    path: cookie.path!,
    secure: cookie.secure,
    httpOnly: cookie.httpOnly,
    sameSite: sameSite === "strict" || sameSite === "lax" || sameSite === "none" ? sameSite : null,
    expires: expires instanceof Date ? expires.toISOString() : null,
  };
}

function isStored(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { name, value: text, domain, hostOnly, path, secure, httpOnly, sameSite, expires } =
    value as Record<string, unknown>;
  return typeof name === "string" && NAME.test(name) &&
    typeof text === "string" && VALUE.test(text) &&
    typeof domain === "string" && HOST.test(domain) &&
    typeof path === "string" && STORED_PATH.test(path) &&
    [hostOnly, secure, httpOnly].every((flag) => typeof flag === "boolean") &&
    (sameSite === null || ["strict", "lax", "none"].includes(sameSite as string)) &&
    (expires === null || typeof expires === "string" && !Number.isNaN(Date.parse(expires)));
}

function isWeb({ protocol }: URL): boolean {
  return protocol === "http:" || protocol === "https:";
}

/** The URL so that the library, which decodes paths, sees the path as it is sent. */
function plainUrl(url: URL): URL {
  const plain = new URL(url.origin);
  plain.pathname = url.pathname.replaceAll("%", "%25");
  return plain;
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
