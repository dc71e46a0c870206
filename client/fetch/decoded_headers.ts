/**
 * Headers of a response whose content coding was taken off. Programs see what the server sent, as the
 * standard has it; what the platform's server sends on must not tell of the coding.
 *
 * @module
 */

/**
 * What programs see of `Content-Encoding` and `Content-Length` where a content coding was taken off:
 * `"keep"`, the server's, as the Fetch Standard has it; `"drop"`: neither.
 */
export type DecodedHeaders = "keep" | "drop";

/** Field lines: ours, or the platform's. */
export interface WebFields {
  forEach(visit: (value: string, name: string) => void): void;
}

/** Whether a field is about the content with its coding on. */
export function tellsOfCoding(name: string): boolean {
  return /^content-(?:encoding|length)$/i.test(name);
}

/** Defined when the first is made: to name the platform's class makes Node load its `fetch`. */
let makeShown: ((lines: WebFields, behind: Headers) => Headers) | null = null;

/**
 * Makes `response.headers` show other lines than stand behind it. What a program changes is changed
 * behind it too.
 */
export function showHeaders(response: Response, lines: WebFields): void {
  const behind = response.headers;
  let shown: Headers | null = null;
  Object.defineProperty(response, "headers", {
    configurable: true,
    get: () => {
      makeShown ??= defineShown();
      return shown ??= makeShown(lines, behind);
    },
  });
}

/** What changes the platform's `Headers`; methods, which are properties to some type libraries. */
interface Changes {
  append(name: string, value: string): void;
  delete(name: string): void;
  set(name: string, value: string): void;
}

function defineShown(): (lines: WebFields, behind: Headers) => Headers {
  class ShownHeaders extends (Headers as unknown as new () => Changes) {
    readonly #behind: Headers;

    constructor(lines: WebFields, behind: Headers) {
      super();
      lines.forEach((value, name) => super.append(name, value));
      this.#behind = behind;
    }

    override append(name: string, value: string): void {
      super.append(name, value);
      this.#behind.append(name, value);
    }

    override set(name: string, value: string): void {
      super.set(name, value);
      this.#behind.set(name, value);
    }

    override delete(name: string): void {
      super.delete(name);
      this.#behind.delete(name);
    }
  }
  return (lines, behind) => new ShownHeaders(lines, behind) as unknown as Headers;
}
