/**
 * The cookies of a jar, sorted by site, within limits. The library's jar stores into it.
 *
 * @module
 */
import type { Cookie } from "tough-cookie";

type Tough = typeof import("tough-cookie");

/** Counts. */
export interface CookieStoreLimits {
  readonly maxCookiesPerSite: number;
  readonly maxCookies: number;
}

/** What the library calls with a result. */
type Done<T> = (error: null, result: T) => void;

/**
 * A store in the library's sense, for synchronous use.
 *
 * The cookies of a site, which is a domain that somebody can register and all below it, are few: who
 * wants those of one host and path gets all of them and picks.
 */
export class CookieStore {
  /** The library asks before it calls. */
  readonly synchronous = true;
  readonly #tough: Tough;
  readonly #limits: CookieStoreLimits;
  readonly #sites: Map<string, Map<string, Cookie>> = new Map();

  constructor(tough: Tough, limits: CookieStoreLimits) {
    this.#tough = tough;
    this.#limits = limits;
  }

  /** How many cookies there are. */
  get size(): number {
    let size = 0;
    for (const cookies of this.#sites.values()) size += cookies.size;
    return size;
  }

  /** Every cookie that has not expired, in the order in which they were made. */
  all(): Cookie[] {
    const now = Date.now();
    return [...this.#sites.values()].flatMap((cookies) => [...cookies.values()])
      .filter((cookie) => !isExpired(cookie, now))
      .sort((a, b) => (a.creationIndex ?? 0) - (b.creationIndex ?? 0));
  }

  /** Whether a `Secure` cookie is there that this one would hide or replace (RFC 6265bis 5.7). */
  shadowsSecure(cookie: Cookie, host: string, path: string): boolean {
    const domain = cookie.domain ?? host;
    const { domainMatch, pathMatch } = this.#tough;
    return this.#of(domain).some((other) =>
      other.secure && other.key === cookie.key && pathMatch(cookie.path ?? path, other.path!) &&
      (domainMatch(other.domain!, domain) || domainMatch(domain, other.domain!))
    );
  }

  /** As the library asks: one cookie. */
  findCookie(domain: string, path: string, key: string, done: Done<Cookie | undefined>): void {
    done(null, this.#sites.get(this.#site(domain))?.get(idOf(domain, path, key)));
  }

  /** As the library asks: it picks those that match. */
  findCookies(domain: string, _path: string, _special: boolean, done: Done<Cookie[]>): void {
    done(null, this.#of(domain));
  }

  /** As the library asks: keeps a cookie, and drops others where there are too many. */
  putCookie(cookie: Cookie, done: Done<undefined>): void {
    const { domain, path, key } = cookie;
    const site = this.#site(domain!);
    const cookies = this.#sites.get(site) ?? new Map<string, Cookie>();
    this.#sites.set(site, cookies);
    cookies.set(idOf(domain!, path!, key), cookie);
    if (isExpired(cookie, Date.now())) this.#remove(cookie);
    while (cookies.size > this.#limits.maxCookiesPerSite) this.#dropOldest([cookies], cookie);
    while (this.size > this.#limits.maxCookies) this.#dropOldest(this.#sites.values(), cookie);
    done(null, undefined);
  }

  /** As the library asks: the same cookie with another value. */
  updateCookie(_old: Cookie, cookie: Cookie, done: Done<undefined>): void {
    this.putCookie(cookie, done);
  }

  /** As the library asks: an expired one. */
  removeCookie(domain: string, path: string, key: string, done: Done<undefined>): void {
    this.findCookie(domain, path, key, (_, cookie) => {
      if (cookie !== undefined) this.#remove(cookie);
      done(null, undefined);
    });
  }

  #of(domain: string): Cookie[] {
    return [...this.#sites.get(this.#site(domain))?.values() ?? []];
  }

  #site(domain: string): string {
    const options = { allowSpecialUseDomain: true, ignoreError: true };
    return this.#tough.getPublicSuffix(domain, options) ?? domain;
  }

  /** Drops one cookie, not `kept`: an expired one, else that which was used longest ago. */
  #dropOldest(sites: Iterable<Map<string, Cookie>>, kept: Cookie): void {
    const now = Date.now();
    let oldest: Cookie | null = null;
    let oldestMs = Infinity;
    for (const cookies of sites) {
      for (const cookie of cookies.values()) {
        const usedMs = isExpired(cookie, now) ? -Infinity : Number(cookie.lastAccessed);
        if (cookie !== kept && (oldest === null || usedMs < oldestMs)) {
          oldest = cookie;
          oldestMs = usedMs;
        }
      }
    }
    // Alone, and still one too many: the limit is 0.
    this.#remove(oldest ?? kept);
  }

  #remove(cookie: Cookie): void {
    const site = this.#site(cookie.domain!);
    const cookies = this.#sites.get(site);
    cookies?.delete(idOf(cookie.domain!, cookie.path!, cookie.key));
    if (cookies?.size === 0) this.#sites.delete(site);
  }
}

/** Only the path can hold a semicolon. */
function idOf(domain: string, path: string, key: string): string {
  return `${domain};${path};${key}`;
}

function isExpired(cookie: Cookie, nowMs: number): boolean {
  return (cookie.expiryTime() ?? Infinity) <= nowMs;
}
