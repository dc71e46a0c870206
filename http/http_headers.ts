/**
 * Field lines as a caller sees them: order, case and repeats kept.
 *
 * @module
 */
import { HttpError, printable } from "../conn/http_error.ts";
import { isFieldValue, isToken, trimOws } from "./grammar.ts";
import { shownField } from "./shown_fields.ts";

/**
 * What header lists can be made of.
 *
 * @see RFC 9110 section 5
 */
export type HttpHeadersInit =
  | HttpHeaders
  | Headers
  | Record<string, string | string[]>
  | Iterable<readonly [string, string]>;

/**
 * Received lines, not taken apart.
 *
 * @see RFC 9112 section 5
 */
export interface WireLines {
  /** The section with what stands before it; each character is one byte. */
  readonly text: string;
  /** Four per line: where its name begins and ends, where its value begins and ends. */
  readonly offsets: readonly number[];
}

/**
 * A list of field lines. Keeps order, case and repeats; look-up ignores case.
 *
 * Names must be tokens. Values may hold HTAB and U+0020 to U+00FF without U+007F; white space at
 * their ends is cut. Each argument is turned into a string once, and that string is checked and
 * kept.
 *
 * @see RFC 9110 section 5
 *
 * @example Repeats are kept apart
 * ```ts
 * import { HttpHeaders } from "@roundtrip/http";
 *
 * const headers = new HttpHeaders([["X-Tag", "a"], ["x-tag", "b"]]);
 * if (headers.get("x-TAG") !== "a, b") throw new Error("joined");
 * if (headers.getAll("X-Tag").length !== 2) throw new Error("kept apart");
 * ```
 */
export class HttpHeaders implements Iterable<[string, string]> {
  #names: string[] = [];
  #values: string[] = [];
  /** Lower-case names, made at the first look-up. */
  #keys: string[] | null = null;
  /** Received lines that nobody has looked at yet. */
  #wire: WireLines | null = null;
  #frozen = false;
  #derived: { by: unknown; value: unknown } | null = null;

  static {
    // What `console.log` of the three runtimes looks for. Not declared: it is nobody's to call.
    Object.defineProperty(this.prototype, Symbol.for("nodejs.util.inspect.custom"), {
      value: shownByConsole,
    });
  }

  /**
   * Makes a list.
   *
   * @param init Lines to begin with, in their order. An array as a record's value makes one line
   * per member.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: a name that is no token, or a value with a character
   * that may not be sent.
   */
  constructor(init?: HttpHeadersInit) {
    if (init === undefined || init === null) return;
    if (typeof init !== "object") {
      throw invalid("Cannot use these headers: not an object");
    }
    if (Symbol.iterator in init) {
      for (const pair of init as Iterable<readonly [string, string]>) {
        if (typeof pair !== "object" || pair === null || pair.length !== 2) {
          throw invalid("Cannot use these headers: each must be a pair of name and value");
        }
        this.append(pair[0], pair[1]);
      }
    } else {
      for (const [name, value] of Object.entries(init as Record<string, string | string[]>)) {
        if (Array.isArray(value)) { for (const one of value) this.append(name, one); }
        else this.append(name, value);
      }
    }
  }

  /**
   * Headers over received text, taken apart at the first look. The text has passed the parser.
   *
   * @param text The section; each character is one byte.
   * @param offsets Four per line: where its name begins and ends, where its value begins and ends.
   * @see RFC 9112 section 5
   */
  static fromWire(text: string, offsets: readonly number[]): HttpHeaders {
    const headers = new HttpHeaders();
    headers.#wire = { text, offsets };
    return headers;
  }

  /** The received text, as long as nobody has looked at the lines; it is as it came then. */
  static wireOf(headers: HttpHeaders): WireLines | null {
    return headers.#wire;
  }

  /**
   * Headers that nobody can change. A list that is frozen already is not copied.
   *
   * @throws {HttpError} As the constructor.
   * @see RFC 9110 section 5
   */
  static frozen(init: HttpHeadersInit): HttpHeaders {
    return init instanceof HttpHeaders && init.#frozen ? init : new HttpHeaders(init).freeze();
  }

  /** How many field lines there are. */
  get size(): number {
    return this.#wire ? this.#wire.offsets.length >> 2 : this.#names.length;
  }

  /**
   * The field's values joined by `", "`, as RFC 9110 section 5.3 allows, or null. Use
   * {@linkcode getAll} for `Set-Cookie`, whose values cannot be joined.
   */
  get(name: string): string | null {
    const keys = this.#index();
    const key = name.toLowerCase();
    let found: string | null = null;
    for (let i = keys.indexOf(key); i !== -1; i = keys.indexOf(key, i + 1)) {
      found = found === null ? this.#values[i] : found + ", " + this.#values[i];
    }
    return found;
  }

  /** The values of each of the field's lines, in order; empty if there is none. */
  getAll(name: string): string[] {
    const keys = this.#index();
    const key = name.toLowerCase();
    const found: string[] = [];
    for (let i = keys.indexOf(key); i !== -1; i = keys.indexOf(key, i + 1)) {
      found.push(this.#values[i]);
    }
    return found;
  }

  /** Whether a line of that name is there. */
  has(name: string): boolean {
    return this.#index().includes(name.toLowerCase());
  }

  /** Puts one line in the place of the field's first one, and removes the others. */
  set(name: string, value: string): void {
    const [checkedName, checkedValue] = this.#check(name, value);
    const keys = this.#index();
    const key = checkedName.toLowerCase();
    const first = keys.indexOf(key);
    if (first === -1) {
      this.#push(checkedName, checkedValue);
      return;
    }
    for (let i = keys.indexOf(key, first + 1); i !== -1; i = keys.indexOf(key, i)) this.#remove(i);
    this.#names[first] = checkedName;
    this.#values[first] = checkedValue;
  }

  /** Adds a line at the end. */
  append(name: string, value: string): void {
    const [checkedName, checkedValue] = this.#check(name, value);
    this.#unpack();
    this.#push(checkedName, checkedValue);
  }

  /** Removes every line of that name. */
  delete(name: string): void {
    this.#checkMutable();
    const keys = this.#index();
    const key = name.toLowerCase();
    for (let i = keys.indexOf(key); i !== -1; i = keys.indexOf(key, i)) this.#remove(i);
  }

  /** Refuses every later change; a request's headers are frozen so that it can be sent again. */
  freeze(): this {
    this.#frozen = true;
    return this;
  }

  /**
   * What a pure function makes of the list. Of one that is frozen it is kept, for the function that
   * asked last.
   *
   * @throws What `by` throws.
   */
  derived<T>(by: (headers: HttpHeaders) => T): T {
    if (this.#derived?.by === by) return this.#derived.value as T;
    const value = by(this);
    if (this.#frozen) this.#derived = { by, value };
    return value;
  }

  /** Calls back for each line, in order; cheaper than iterating. */
  forEach(callback: (value: string, name: string) => void): void {
    this.#unpack();
    for (let i = 0; i < this.#names.length; i++) callback(this.#values[i], this.#names[i]);
  }

  /** The same lines as the platform's `Headers`: lower-case, joined, without order. */
  toWeb(): Headers {
    const headers = new Headers();
    for (const [name, value] of this) headers.append(name, value);
    return headers;
  }

  /**
   * The lines for a log, in order, with the values of secrets masked: `Authorization`, `Cookie`,
   * `Set-Cookie`, and what is named after a token, a key or the like. `console.log` masks them too.
   * All of them as they are: `[...headers]`.
   */
  toJSON(): [string, string][] {
    return Array.from(this, ([name, value]) => shownField(name, value));
  }

  /** The lines, in order, with the case in which they were given. */
  *[Symbol.iterator](): IterableIterator<[string, string]> {
    this.#unpack();
    for (let i = 0; i < this.#names.length; i++) yield [this.#names[i], this.#values[i]];
  }

  #push(name: string, value: string): void {
    this.#names.push(name);
    this.#values.push(value);
    this.#keys?.push(name.toLowerCase());
  }

  #remove(i: number): void {
    this.#names.splice(i, 1);
    this.#values.splice(i, 1);
    this.#keys?.splice(i, 1);
  }

  #index(): string[] {
    this.#unpack();
    return this.#keys ??= this.#names.map((name) => name.toLowerCase());
  }

  #unpack(): void {
    const wire = this.#wire;
    if (wire === null) return;
    this.#wire = null;
    const { text, offsets } = wire;
    for (let i = 0; i < offsets.length; i += 4) {
      this.#names.push(text.slice(offsets[i], offsets[i + 1]));
      this.#values.push(text.slice(offsets[i + 2], offsets[i + 3]));
    }
  }

  #checkMutable(): void {
    if (this.#frozen) throw invalid("Cannot change these headers: they belong to a request");
  }

  #check(name: string, value: string): [string, string] {
    this.#checkMutable();
    return checkedField(name, value);
  }
}

/** The lines as an object; those of one name as a list. */
function shownByConsole(
  this: HttpHeaders,
  depth: number,
  options: object,
  inspect: (value: unknown, options: object) => string,
): string {
  if (depth < 0) return "[HttpHeaders]";
  const fields: Map<string, string | string[]> = new Map();
  for (const [name, value] of this.toJSON()) {
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : [before, value].flat());
  }
  return `HttpHeaders ${inspect(Object.fromEntries(fields), options)}`;
}

/**
 * A field name and value as strings that may be sent; both are converted exactly once.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: a name that is no token, or a value with a character
 * that may not be sent.
 * @see RFC 9110 section 5.1, RFC 9110 section 5.5
 */
export function checkedField(name: string, value: string): [string, string] {
  const checkedName = `${name}`;
  if (!isToken(checkedName)) {
    throw invalid(`Cannot use header name "${printable(checkedName)}": not a token`);
  }
  const checkedValue = trimOws(`${value}`);
  if (!isFieldValue(checkedValue)) {
    // The value may be a secret: it is not shown.
    throw invalid(`Cannot use the value of header "${checkedName}": a character may not be sent`);
  }
  return [checkedName, checkedValue];
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "request" });
}
