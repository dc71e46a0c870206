/**
 * A transport that keeps exchanges in a file that people can read, and answers from it.
 *
 * @module
 */
import { readFile, writeFile } from "node:fs/promises";
import { callersOptions } from "../conn/callers_options.ts";
import { HttpError, printable } from "../conn/http_error.ts";
import type { HttpRequest } from "../transport/message/http_request.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import { checkedRoundTripper, type RoundTripper } from "../transport/transport.ts";
import { type AnsweredCall, answeringTransport, type CallOutcome } from "./answering_transport.ts";
import { TapeError } from "./tape.ts";
import { SECRET_FIELDS } from "./tape_mask.ts";

/** A body in a snapshot: as JSON, as text, or as base64. */
export type SnapshotBody =
  | { readonly json: unknown }
  | { readonly text: string }
  | { readonly base64: string }
  | null;

/** An exchange in a snapshot. */
export interface SnapshotExchange {
  /** What was asked. */
  readonly request: {
    readonly method: string;
    readonly url: string;
    readonly headers: readonly (readonly [string, string])[];
    readonly body: SnapshotBody;
  };
  /** What was answered, content codings taken off. */
  readonly response: {
    readonly status: number;
    readonly headers: readonly (readonly [string, string])[];
    readonly body: SnapshotBody;
  };
}

/** How a snapshot works. */
export interface SnapshotOptions {
  /**
   * `"record"`: all is sent, and the file is made anew. `"replay"`: nothing is sent. `"update"`: sent is what the
   * file does not have.
   */
  mode: "record" | "replay" | "update";
  /** Sends what is recorded. Not needed to replay. */
  transport?: RoundTripper;
  /** Names of further fields whose values are secrets, and written as `***`. */
  secretFields?: readonly string[];
  /** Changes an exchange before it is kept: for secrets in URLs and bodies, which are written as they are. */
  mask?: (exchange: SnapshotExchange) => SnapshotExchange;
}

/** A transport over a file. */
export interface SnapshotTransport extends RoundTripper, AsyncDisposable {
  /** Writes the file, unless nothing was recorded. */
  save(): Promise<void>;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof SnapshotOptions>([
  "mode",
  "transport",
  "secretFields",
  "mask",
]);

/** Of the connection, or of what was taken off. */
const NOT_KEPT: ReadonlySet<string> = new Set(["connection", "transfer-encoding", "keep-alive"]);

/**
 * Makes a transport that records exchanges in a file, as messages and readable, or answers from it. Requests are
 * found by method, URL and body, each of them once, in the order in which they were recorded. `save()` it, or
 * dispose of it.
 *
 * @param file Path of the file, of JSON.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an option that is not known, no transport to record with.
 *
 * @example
 * ```ts
 * import { HttpRequest } from "@roundtrip/http";
 * import { mockTransport, snapshotTransport } from "@roundtrip/http/testing";
 *
 * const mock = mockTransport();
 * mock.expect("GET", "/a").reply(200, { a: 1 });
 * const snapshot = snapshotTransport("a.json", { mode: "record", transport: mock });
 * console.log(await (await snapshot.roundTrip(new HttpRequest("https://a.test/a"))).json());
 * // await snapshot.save();
 * ```
 */
export function snapshotTransport(file: string, options: SnapshotOptions): SnapshotTransport {
  const { mode, transport, secretFields = [], mask } = callersOptions(
    options,
    OPTIONS,
    (name) => invalid(`Unknown option of snapshotTransport "${printable(name)}"`),
  );
  if (!["record", "replay", "update"].includes(mode)) {
    throw invalid(`The mode of a snapshot is not "${printable(`${mode}`)}"`);
  }
  if (mode !== "replay" && transport === undefined) {
    throw invalid(`To ${mode} a snapshot needs a transport`);
  }
  const sender = transport === undefined ? null : checkedRoundTripper(transport);
  const secrets = new Set([...SECRET_FIELDS, ...secretFields.map((name) => name.toLowerCase())]);
  return new Snapshot(file, mode, sender, secrets, mask ?? ((exchange) => exchange));
}

class Snapshot implements SnapshotTransport {
  readonly #file: string;
  readonly #mode: SnapshotOptions["mode"];
  readonly #sender: RoundTripper | null;
  readonly #secrets: ReadonlySet<string>;
  readonly #mask: (exchange: SnapshotExchange) => SnapshotExchange;
  readonly #answering: RoundTripper;
  readonly #used: Set<number> = new Set();
  #loading: Promise<SnapshotExchange[]> | null = null;
  #isChanged = false;

  constructor(
    file: string,
    mode: SnapshotOptions["mode"],
    sender: RoundTripper | null,
    secrets: ReadonlySet<string>,
    mask: (exchange: SnapshotExchange) => SnapshotExchange,
  ) {
    this.#file = file;
    this.#mode = mode;
    this.#sender = sender;
    this.#secrets = secrets;
    this.#mask = mask;
    this.#answering = answeringTransport((call, request) => this.#answer(call, request), {
      transport: {},
      clock: null,
    });
  }

  roundTrip(request: HttpRequest): Promise<HttpResponse> {
    return this.#answering.roundTrip(request);
  }

  async save(): Promise<void> {
    if (!this.#isChanged) return;
    const exchanges = await this.#exchanges();
    await writeFile(this.#file, `${JSON.stringify({ snapshot: 1, exchanges }, null, 2)}\n`);
    this.#isChanged = false;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.save();
  }

  #exchanges(): Promise<SnapshotExchange[]> {
    return this.#loading ??= this.#mode === "record" ? Promise.resolve([]) : this.#load();
  }

  async #load(): Promise<SnapshotExchange[]> {
    let text: string;
    try {
      text = await readFile(this.#file, "utf8");
    } catch (cause) {
      if (this.#mode === "update" && (cause as { code?: string }).code === "ENOENT") return [];
      throw new TapeError(`Cannot read the snapshot ${this.#file}: ${(cause as Error).message}`);
    }
    const read = JSON.parse(text) as { snapshot?: number; exchanges?: SnapshotExchange[] };
    if (read.snapshot !== 1 || !Array.isArray(read.exchanges)) {
      throw new TapeError(`${this.#file} is no snapshot of version 1`);
    }
    return read.exchanges;
  }

  async #answer({ recorded }: AnsweredCall, request: HttpRequest): Promise<CallOutcome> {
    const exchanges = await this.#exchanges();
    const { method, url } = recorded;
    const asked = {
      method,
      url,
      headers: this.#fields(recorded.headers),
      body: bodyOf(recorded.body, recorded.headers.get("content-type")),
    };
    if (this.#mode !== "record") {
      const nothing: SnapshotExchange["response"] = { status: 200, headers: [], body: null };
      const key = keyOf(this.#mask({ request: asked, response: nothing }));
      const found = exchanges.findIndex((one, i) => !this.#used.has(i) && keyOf(one) === key);
      if (found !== -1) {
        this.#used.add(found);
        return answerOf(exchanges[found].response);
      }
    }
    if (this.#mode === "replay") {
      throw new TapeError(`${this.#file} has no further answer to ${method} ${url} with that body`);
    }
    // Its body has been read: what was read is sent.
    const again = request.body === null ? request : request.with({ body: recorded.body });
    const response = await this.#sender!.roundTrip(again);
    const bytes = await response.bytes();
    const headers = [...response.headers].filter(([name]) => !NOT_KEPT.has(name.toLowerCase()));
    const exchange = {
      request: asked,
      response: {
        status: response.status,
        headers: this.#fields(headers),
        body: bodyOf(bytes, response.headers.get("content-type")),
      },
    };
    this.#used.add(exchanges.push(this.#mask(exchange)) - 1);
    this.#isChanged = true;
    return {
      answer: { status: response.status, statusText: "", headers, content: bytes, fault: null },
    };
  }

  #fields(headers: Iterable<readonly [string, string]>): [string, string][] {
    return [...headers].map(([name, value]) => [
      name,
      this.#secrets.has(name.toLowerCase()) ? "***" : value,
    ]);
  }
}

function keyOf({ request: { method, url, body } }: SnapshotExchange): string {
  return JSON.stringify([method, url, body]);
}

function answerOf({ status, headers, body }: SnapshotExchange["response"]): CallOutcome {
  const content = bytesOf(body);
  const kept = headers.filter(([name]) => name.toLowerCase() !== "content-length");
  const pairs = kept.map(([name, value]): [string, string] => [name, value]);
  return { answer: { status, statusText: "", headers: pairs, content, fault: null } };
}

/** As people read it best, if it comes back the same. */
function bodyOf(bytes: Uint8Array, type: string | null): SnapshotBody {
  if (bytes.length === 0) return null;
  let text: string | null = null;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    const json: unknown = JSON.parse(text);
    if (/[/+]json\b/i.test(type ?? "") && JSON.stringify(json) === text) return { json };
  } catch {
    // Not JSON; without a text, not even that.
  }
  // deno-lint-ignore no-control-regex
  if (text !== null && !/[\x00-\x08\x0e-\x1f]/.test(text)) return { text };
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return { base64: btoa(binary) };
}

function bytesOf(body: SnapshotBody): Uint8Array | null {
  if (body === null) return null;
  if ("json" in body) return new TextEncoder().encode(JSON.stringify(body.json));
  if ("text" in body) return new TextEncoder().encode(body.text);
  return Uint8Array.from(atob(body.base64), (character) => character.charCodeAt(0));
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
