/**
 * Heads of responses as the platform's `Headers`. A server says mostly what it said the last time: the
 * same names, most of the values. To copy the last head and change a line or two costs less than to
 * make each line anew.
 *
 * @module
 */
import { HttpHeaders } from "../../http/http_headers.ts";

/** Characters of a head that is kept: a string that is cut out of a text keeps all of it. */
const MAX_TEXT_LENGTH = 2 * 1024;

/** Count of lines of a head that is kept. */
const MAX_LINES = 32;

/** Count of servers. More are forgotten all at once. */
const MAX_SERVERS = 100;

/** By host and port. */
const lastHeads: Map<string, LastHead> = new Map();

/** The head that a server sent last. */
export class LastHead {
  #text = "";
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  /** Whether no name comes twice: only such lines can be replaced one by one. */
  #isEachOnce = true;
  #model: Response | null = null;
  #status = 0;
  #statusText = "";

  /**
   * The last head of the server, which is now this one; null if the lines are not those that came,
   * or too many to keep.
   *
   * @param authority Host and port of the server.
   */
  static of(authority: string, headers: HttpHeaders): LastHead | null {
    const wire = HttpHeaders.wireOf(headers);
    if (wire === null || wire.text.length > MAX_TEXT_LENGTH) return null;
    if (wire.offsets.length > 4 * MAX_LINES) return null;
    let last = lastHeads.get(authority);
    if (last === undefined) {
      if (lastHeads.size >= MAX_SERVERS) lastHeads.clear();
      lastHeads.set(authority, last = new LastHead());
    }
    if (wire.text !== last.#text) last.#become(wire.text, wire.offsets);
    return last;
  }

  /** Calls back for each line, in order. */
  forEach(visit: (value: string, name: string) => void): void {
    for (let i = 0; i < this.#names.length; i++) visit(this.#values[i], this.#names[i]);
  }

  /**
   * A response without a body to copy the head of; null if there is none. It changes with the
   * server's next head.
   *
   * @param status Integer 200..599.
   */
  model(status: number, statusText: string): Response | null {
    const isSame = status === this.#status && statusText === this.#statusText;
    if (isSame && this.#model !== null) return this.#model;
    if (!this.#isEachOnce) return null;
    this.#status = status;
    this.#statusText = statusText;
    const headers = new Headers();
    this.forEach((value, name) => headers.append(name, value));
    return this.#model = new Response(null, { status, statusText, headers });
  }

  #become(text: string, offsets: readonly number[]): void {
    const names = this.#names;
    const values = this.#values;
    const count = offsets.length >> 2;
    let isRenamed = count !== names.length;
    for (let i = 0; i < count; i++) {
      const name = text.slice(offsets[4 * i], offsets[4 * i + 1]);
      const value = text.slice(offsets[4 * i + 2], offsets[4 * i + 3]);
      if (name !== names[i]) {
        isRenamed = true;
        names[i] = name;
        values[i] = value;
      } else if (value !== values[i]) {
        if (!isRenamed) this.#model?.headers.set(name, value);
        values[i] = value;
      }
    }
    this.#text = text;
    if (!isRenamed) return;
    names.length = values.length = count;
    this.#isEachOnce = new Set(names.map((name) => name.toLowerCase())).size === count;
    this.#model = null;
  }
}
