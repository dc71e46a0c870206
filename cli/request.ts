/**
 * The requests that the command line states.
 *
 * @module
 */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { HttpError } from "../conn/http_error.ts";
import { decodableCodings } from "../http/content_coding.ts";
import type { HttpHeadersInit } from "../http/http_headers.ts";
import { HttpRequest, type HttpRequestInit } from "../transport/message/http_request.ts";
import { parseUrlWithCredentials } from "../transport/message/request_url.ts";
import { awsFields } from "./aws_signature.ts";
import type { CliIo } from "./cli_io.ts";
import { basic, credentialsFor, userOf } from "./credentials.ts";
import { comparedEtag } from "./etag_file.ts";
import type { Credentials } from "./netrc.ts";
import type { GetOptions, HeaderOption } from "./get_options.ts";
import { parseHeader, withScheme } from "./option_values.ts";
import type { PartFile } from "./part_file.ts";
import { limitedBody } from "./rate_limit.ts";
import { type DataBody, dataBodyOf, queryText, readText, uploadBody } from "./request_data.ts";
import { UserInUrlError } from "./transfer_error.ts";

/** A request, and who asks where that is only told to a server that asks for it. */
export interface StatedRequest {
  readonly request: HttpRequest;
  readonly credentials: Credentials | null;
}

/** What is asked for. */
export interface RequestTarget {
  readonly url: string;
  /** Path of a file to send, or null. */
  readonly upload: string | null;
  /** What is there of it, or null. */
  readonly part: PartFile | null;
}

/** Makes the requests of one set of options: files and standard input are read once. */
export class RequestMaker {
  readonly #options: GetOptions;
  readonly #io: CliIo;
  readonly #signal: AbortSignal;
  readonly #once: Map<string, Promise<unknown>> = new Map();

  constructor(options: GetOptions, io: CliIo, signal: AbortSignal) {
    this.#options = options;
    this.#io = io;
    this.#signal = signal;
  }

  /**
   * Makes the request for a URL.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`.
   * @throws {FileError}
   * @throws {UsageError}
   * @throws {UserInUrlError}
   */
  async make({ url: text, upload, part }: RequestTarget): Promise<StatedRequest> {
    const options = this.#options;
    const { stdin } = this.#io;
    const given = withScheme(text, options.usualScheme);
    // What is wrong with the URL is said before standard input is waited for.
    const { username, password, host } = parseUrlWithCredentials(given);
    if (options.refusesUserInUrl && username + password !== "") throw new UserInUrlError(host);
    const query = options.query.length === 0
      ? ""
      : await this.#read("query", () => queryText(options.query, stdin));
    const whole = withQuery(given, query);
    const url = urlOf(whole, upload);
    const user = await this.#read("user", () => userOf(options, this.#io));
    const credentials = await credentialsFor(options, user, url, this.#io.env);
    const { kind } = options.authentication;
    const shown = kind === "basic" ? credentials : null;
    const fields = await this.#read("headers", () => givenHeaders("-H", options.headers, stdin));
    const withoutBody = {
      method: methodOf(options, upload),
      headers: [...fields, ...await this.#ownHeaders(fields, shown, part)],
      target: targetOf(options, whole),
      decompress: options.compressed,
      signal: this.#signal,
      timeoutMs: options.maxTimeMs,
    };
    new HttpRequest(url, sendable(withoutBody));
    const body = upload === null
      ? await this.#read("data", () => dataBodyOf(options, stdin))
      : await uploadBody(upload, stdin);
    const init = sendable(withBody(withoutBody, body, options.bytesPerSecond));
    if (options.authentication.kind !== "aws") {
      return { request: new HttpRequest(url, init), credentials };
    }
    const signed = await awsFields(url, init, credentials, options.authentication);
    return { request: new HttpRequest(url, signed), credentials: null };
  }

  /** Fields that the options ask for, unless `-H` says otherwise. */
  async #ownHeaders(
    given: readonly Field[],
    shown: Credentials | null,
    part: PartFile | null,
  ): Promise<Field[]> {
    const { bearer, cookies, compressed, data, referer, range, timeCondition, userAgent } =
      this.#options;
    const { etagCompare } = this.#options;
    const own: Field[] = [];
    const add = (name: string, value: string | null): void => {
      if (value !== null && !isGiven(given, name)) own.push([name, value]);
    };
    add("User-Agent", userAgent);
    add("Authorization", bearer !== null ? `Bearer ${bearer}` : shown && basic(shown));
    add("Cookie", cookies.join("; ") || null);
    add("Accept-Encoding", compressed ? decodableCodings().join(", ") : null);
    add("Accept", data?.kind === "json" ? "application/json" : "*/*");
    add("Referer", referer);
    add("Range", part === null ? range : `bytes=${part.bytes}-`);
    add("If-Range", part?.validator?.value ?? null);
    if (etagCompare !== null) add("If-None-Match", await comparedEtag(etagCompare));
    if (timeCondition !== null) {
      const { ifChanged, since } = timeCondition;
      add(ifChanged ? "If-Modified-Since" : "If-Unmodified-Since", await httpDate(since));
    }
    return own;
  }

  #read<T>(what: string, read: () => Promise<T>): Promise<T> {
    const begun = this.#once.get(what) as Promise<T> | undefined ?? read();
    this.#once.set(what, begun);
    return begun;
  }
}

/** A header field; null: one of ours that is not to be sent. */
export type Field = readonly [name: string, value: string | null];

/**
 * Header fields as they were given, those of files included.
 *
 * @throws {FileError}
 * @throws {UsageError}
 */
export async function givenHeaders(
  option: string,
  headers: readonly HeaderOption[],
  stdin: CliIo["stdin"],
): Promise<Field[]> {
  const fields: Field[] = [];
  for (const header of headers) {
    if (!("file" in header)) {
      fields.push([header.name, header.value]);
      continue;
    }
    for (const line of (await readText(header.file, stdin)).split(/\r?\n/)) {
      if (line.trim() === "") continue;
      const one = parseHeader(option, line);
      if (!("file" in one)) fields.push([one.name, one.value]);
    }
  }
  return fields;
}

function isGiven(fields: readonly Field[], name: string): boolean {
  return fields.some(([given]) => given.toLowerCase() === name.toLowerCase());
}

/** Fields that are sent. An empty `User-Agent` is how our own is taken away. */
function sentFields(fields: readonly Field[]): [string, string][] {
  return fields.flatMap(([name, value]): [string, string][] =>
    value !== null ? [[name, value]] : name.toLowerCase() === "user-agent" ? [[name, ""]] : []
  );
}

type Init = Omit<HttpRequestInit, "headers"> & { readonly headers: readonly Field[] };

function sendable(init: Init): HttpRequestInit {
  return { ...init, headers: sentFields(init.headers) as HttpHeadersInit };
}

function withBody(init: Init, data: DataBody | null, bytesPerSecond: number): Init {
  if (data === null) return init;
  const { contentType, contentLength } = data;
  const body = bytesPerSecond === 0 ? data.body : limitedBody(data.body, bytesPerSecond);
  const lengthBytes = contentLength ??
    (data.body instanceof Uint8Array ? data.body.length : undefined);
  const headers = withContentType(init.headers, contentType);
  const isChunked = init.headers.some(([name, value]) =>
    name.toLowerCase() === "transfer-encoding" && value !== null
  );
  return { ...init, headers, body, contentLength: isChunked ? undefined : lengthBytes };
}

/** What the command line says of the type counts; but only who makes a form knows its boundary. */
function withContentType(given: readonly Field[], contentType: string | null): Field[] {
  if (contentType === null) return [...given];
  if (!isGiven(given, "content-type")) return [...given, ["Content-Type", contentType]];
  const boundary = /; boundary=.*$/.exec(contentType)?.[0];
  if (boundary === undefined) return [...given];
  return given.map(([name, value]) => {
    const isBare = name.toLowerCase() === "content-type" && value !== null &&
      !/;\s*boundary=/i.test(value);
    return isBare ? [name, value + boundary] : [name, value];
  });
}

function methodOf({ method, data, form }: GetOptions, upload: string | null): string {
  if (method !== null) return method;
  if (upload !== null) return "PUT";
  return data !== null || form.length > 0 ? "POST" : "GET";
}

/** What is added to a query stands before the fragment. */
function withQuery(url: string, query: string): string {
  if (query === "") return url;
  const [, before, fragment] = /^([^#]*)(.*)$/s.exec(url)!;
  const mark = !before.includes("?") ? "?" : /[?&]$/.test(before) ? "" : "&";
  return before + mark + query + fragment;
}

/** The URL, with, as curl does, the name of the uploaded file behind a slash at its end. */
function urlOf(text: string, upload: string | null): URL {
  const url = parseUrlWithCredentials(text);
  if (upload !== null && upload !== "-" && upload !== "." && url.pathname.endsWith("/")) {
    url.pathname += encodeURIComponent(basename(upload));
  }
  return url;
}

function targetOf({ requestTarget, pathAsIs }: GetOptions, url: string): string | undefined {
  if (requestTarget !== null) return requestTarget;
  if (!pathAsIs) return undefined;
  const [, path] = /^[^:]+:\/\/[^/?#]*([^#]*)/.exec(url)!;
  return path.startsWith("/") ? path : `/${path}`;
}

/** A date, or the time of a file. */
async function httpDate(since: string): Promise<string> {
  const file = await stat(since).catch(() => null);
  const ms = file?.mtimeMs ?? Date.parse(since);
  if (Number.isNaN(ms)) {
    throw new HttpError("ERR_INVALID_REQUEST", `Neither a date nor a file: "${since}"`, {
      phase: "client",
    });
  }
  return new Date(ms).toUTCString();
}
