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

/** A line that a client adds. */
interface DefaultLine {
  readonly name: string;
  readonly value: string;
  /** Whose origin alone may see it, if it is a secret; undefined: any may. */
  readonly home: URL | undefined;
}

/** What {@linkcode DefaultHeaders} are made of. */
export interface DefaultHeadersInit {
  readonly lines: HttpHeadersInit | undefined;
  /** More names, in lower case, of secrets. */
  readonly sensitive: readonly string[];
  readonly baseUrl: URL | undefined;
  /** Those of the client that this one extends: its lines of other names stay, and their homes. */
  readonly extended?: DefaultHeaders;
}

/** The lines of one client. Secrets among them are for the origin of its base URL, if it has one. */
export class DefaultHeaders {
  readonly #lines: readonly DefaultLine[];
  readonly #secrets: ReadonlySet<string>;

  /** @throws {HttpError} `ERR_INVALID_REQUEST`: lines that may not be sent. */
  constructor({ lines, sensitive, baseUrl, extended }: DefaultHeadersInit) {
    const own = new HttpHeaders(lines);
    this.#lines = [
      // A secret that was for everybody is for the first base URL that there is.
      ...(extended === undefined ? [] : extended.#lines).filter(({ name }) => !own.has(name))
        .map((line) => ({ ...line, home: line.home ?? baseUrl })),
      ...[...own].map(([name, value]) => ({ name, value, home: baseUrl })),
    ];
    this.#secrets = new Set([...SECRETS, ...sensitive]);
  }

  /** Whether there are none at all. */
  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  /** The lines for a request to `url` whose own lines are `given`: those of other names. */
  missingIn(given: HttpHeaders, url: URL): [string, string][] {
    return this.#lines
      .filter((line) => !given.has(line.name) && this.#maySee(line, url))
      .map(({ name, value }) => [name, value]);
  }

  #maySee({ name, home }: DefaultLine, url: URL): boolean {
    return home === undefined || !this.#secrets.has(name.toLowerCase()) || isSameOrigin(home, url);
  }
}
