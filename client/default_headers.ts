/**
 * Header lines that a client adds to its requests.
 *
 * @module
 */
import { HttpHeaders, type HttpHeadersInit } from "../http/http_headers.ts";
import { isSameOrigin } from "./origin.ts";

/** Header fields, in lower case, that no other origin may see. */
export const SECRETS: readonly string[] = [
  "authorization",
  "proxy-authorization",
  "cookie",
  "cookie2",
  "www-authenticate",
  "proxy-authenticate",
];

/** The lines of one client. Secrets among them are for the origin of its base URL, if it has one. */
export class DefaultHeaders {
  readonly #baseUrl: URL | undefined;
  readonly #own: HttpHeaders;
  readonly #foreign: HttpHeaders;

  /** @param sensitive More names, in lower case, of secrets. */
  constructor(
    lines: HttpHeadersInit | undefined,
    sensitive: readonly string[],
    baseUrl: URL | undefined,
  ) {
    this.#baseUrl = baseUrl;
    this.#own = new HttpHeaders(lines).freeze();
    const secrets = [...SECRETS, ...sensitive];
    const open = [...this.#own].filter(([name]) => !secrets.includes(name.toLowerCase()));
    this.#foreign = new HttpHeaders(open).freeze();
  }

  /** Whether there are none at all. */
  get isEmpty(): boolean {
    return this.#own.size === 0;
  }

  /** The lines for a request to `url` whose own lines are `given`: those of other names. */
  missingIn(given: HttpHeaders, url: URL): [string, string][] {
    if (this.isEmpty) return [];
    const isOwn = this.#baseUrl === undefined || isSameOrigin(this.#baseUrl, url);
    return [...(isOwn ? this.#own : this.#foreign)].filter(([name]) => !given.has(name));
  }
}
