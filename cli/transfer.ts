/**
 * The transfers of one set of options: each asks for one URL, and writes what comes.
 *
 * @module
 */
import { utimes } from "node:fs/promises";
import { basename } from "node:path";
import { AuthTransport } from "../client/auth/auth_transport.ts";
import { digestAuth } from "../client/auth/digest_auth.ts";
import { Client } from "../client/client.ts";
import { httpDateMs } from "../client/recovery/retry_after.ts";
import { HttpError } from "../conn/http_error.ts";
import { type HttpRequest, operationOf } from "../transport/message/http_request.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import { type RoundTripper, Transport } from "../transport/transport.ts";
import type { CliIo } from "./cli_io.ts";
import { paintFor } from "./colours.ts";
import { readCookieFiles, writeCookieFile } from "./cookie_file.ts";
import { fieldLines, Narrator } from "./narrator.ts";
import type { GetOptions, Target } from "./options.ts";
import { inFolder, remoteName, statedName, withGlobbed } from "./output_name.ts";
import {
  dropValidator,
  isRest,
  keepValidator,
  type PartFile,
  partFile,
  validatorOf,
} from "./part_file.ts";
import { placesOf } from "./places.ts";
import { NO_BAR, type ProgressBar } from "./progress.ts";
import { type ChooseProxies, proxiesOf, withProxyHeaders } from "./proxies.ts";
import { RateLimit } from "./rate_limit.ts";
import { repeating } from "./repeating.ts";
import { givenHeaders, RequestMaker, type StatedRequest } from "./request.ts";
import { readText } from "./request_data.ts";
import { ResponseOutput } from "./response_output.ts";
import { ShownBody } from "./shown_body.ts";
import { tlsOf, trusting } from "./tls_files.ts";
import { FileSizeError, StatusError } from "./transfer_error.ts";
import { TransferFacts } from "./transfer_facts.ts";
import { TransferTraces } from "./transfer_traces.ts";
import { VERSION } from "./version.ts";
import { writeOut } from "./write_out.ts";

/** Bytes. Read and written at a time. */
const PIECE_BYTES = 256 * 1024;

/** Milliseconds between two looks at the clock while no bytes come. */
const TICK_MS = 200;

/** One transfer. */
export interface Job {
  readonly target: Target;
  /** The URL, with what its brackets stand for. */
  readonly url: string;
  /** What its brackets stand for. */
  readonly globbed: readonly string[];
  /** From 0. */
  readonly number: number;
}

/** How a transfer is told of. */
export interface Teller {
  /** Tells of a failure, and returns the exit code. */
  complain(error: unknown): number;
  /** What is said of a failure. */
  message(error: unknown): string;
  /** A bar for a transfer, or null. */
  bar(name: string, lengthBytes: number | null): ProgressBar;
}

/** What the transfers of one set of options share. Owns: its connections. */
export class TransferGroup {
  readonly #options: GetOptions;
  readonly #io: CliIo;
  readonly #requests: RequestMaker;
  readonly #transport: Transport;
  readonly #roundTripper: RoundTripper;
  readonly #traces: TransferTraces;
  readonly #proxies: ChooseProxies | null;
  readonly #jar: Awaited<ReturnType<typeof readCookieFiles>> | null;
  readonly #heads: ResponseOutput | null;
  readonly #format: string | null;
  readonly #teller: Teller;
  readonly #signal: AbortSignal;

  private constructor(
    options: GetOptions,
    io: CliIo,
    shared: {
      requests: RequestMaker;
      transport: Transport;
      roundTripper: RoundTripper;
      traces: TransferTraces;
      proxies: ChooseProxies | null;
      jar: Awaited<ReturnType<typeof readCookieFiles>> | null;
      format: string | null;
      teller: Teller;
      signal: AbortSignal;
    },
  ) {
    this.#options = options;
    this.#io = io;
    this.#requests = shared.requests;
    this.#transport = shared.transport;
    this.#roundTripper = shared.roundTripper;
    this.#traces = shared.traces;
    this.#proxies = shared.proxies;
    this.#jar = shared.jar;
    this.#format = shared.format;
    this.#teller = shared.teller;
    this.#signal = shared.signal;
    const { dumpHeader, createDirs } = options;
    const file = { path: dumpHeader ?? "", mode: "replace", createsFolders: createDirs } as const;
    this.#heads = dumpHeader === null
      ? null
      : new ResponseOutput(dumpHeader === "-" ? null : file, io.stdout);
  }

  /**
   * Reads what all of them need.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`.
   * @throws {FileError}
   * @throws {InterfaceError}
   */
  static async open(
    options: GetOptions,
    io: CliIo,
    teller: Teller,
    signal: AbortSignal,
  ): Promise<TransferGroup> {
    const { cookieFiles, cookieJar, dropsSessionCookies, writeOut: format } = options;
    const tls = await tlsOf(options.tls, io);
    const proxyTls = await trusting(options.proxyInsecure, options.proxyCaFile);
    const proxyFields = (await givenHeaders("--proxy-header", options.proxyHeaders, io.stdin))
      .flatMap(([name, value]): [string, string][] => value === null ? [] : [[name, value]]);
    const jar = cookieFiles.length > 0 || cookieJar !== null
      ? await readCookieFiles(cookieFiles, dropsSessionCookies)
      : null;
    const proxies = proxiesOf(options, io.env);
    const traces = new TransferTraces();
    const transport = new Transport({
      tls,
      http2: options.http2 === "priorKnowledge"
        ? { priorKnowledge: true }
        : options.http2 === "negotiated",
      ...placesOf(options),
      dialTimeoutMs: options.connectTimeMs || undefined,
      // 0 would be as long as it takes.
      expectContinueTimeoutMs: options.continueTimeMs === null
        ? undefined
        : Math.max(1, Math.ceil(options.continueTimeMs)),
      proxy: proxies,
      proxyAuth: options.proxyAuth,
      proxyTls,
      proxyConnectHeaders: proxyFields.length === 0 ? undefined : proxyFields,
      trace: options.verbose || format !== null ? traces.trace : undefined,
    });
    return new TransferGroup(options, io, {
      requests: new RequestMaker(options, io, signal),
      transport,
      roundTripper: proxies === null
        ? transport
        : withProxyHeaders(transport, proxyFields, proxies),
      traces,
      proxies,
      jar,
      format: format?.startsWith("@") ? await readText(format.slice(1), io.stdin) : format,
      teller,
      signal,
    });
  }

  /**
   * Does one transfer, and tells of it.
   *
   * @returns The exit code.
   */
  async run(job: Job): Promise<number> {
    const facts = new TransferFacts();
    const transfer = new Transfer(this.#options, job);
    let failure: unknown = null;
    let code = 0;
    try {
      await this.#exchange(job, transfer, facts);
    } catch (error) {
      if (this.#options.removeOnError) await transfer.output?.remove();
      failure = error;
    } finally {
      await transfer.output?.discard();
    }
    facts.end();
    if (failure !== null) code = this.#teller.complain(failure);
    if (!this.#signal.aborted) await this.#writeOut(job, transfer, facts, { code, failure });
    return code;
  }

  /**
   * Ends it: cookies are written, connections are closed.
   *
   * @throws {OutputError}
   */
  async close(): Promise<void> {
    this.#transport.destroy();
    const { cookieJar } = this.#options;
    await this.#heads?.close();
    if (this.#jar !== null && cookieJar !== null) await writeCookieFile(cookieJar, this.#jar);
  }

  async #exchange(job: Job, transfer: Transfer, facts: TransferFacts): Promise<void> {
    const options = this.#options;
    const io = this.#io;
    const part = await transfer.part();
    const { target: { upload }, url } = job;
    const stated = await this.#requests.make({ url, upload, part });
    const narrator = options.verbose
      ? new Narrator(io.stderr, paintFor(io.stderr.isTerminal, io.env), this.#proxies)
      : null;
    const operations: Set<number> = new Set();
    const observed = this.#observed(narrator, facts, operations);
    const bars: ProgressBar[] = [];
    try {
      if (!options.namedByServer) transfer.openOutput(io, part, null);
      const transport = repeating(observed, options, narrator);
      const client = new Client({
        transport: this.#authenticated(this.#included(transport, transfer, facts), stated),
        ...redirectRules(options),
        jar: this.#jar,
      });
      const request = this.#format === null
        ? stated.request
        : stated.request.with({ onUploadProgress: ({ bytes }) => facts.sent(bytes) });
      const response = await client.do(request);
      const isFailure = options.fail !== "never" && response.status >= 400;
      if (isFailure && options.fail === "without body") throw new StatusError(response.status);
      if (part !== null && !isFailure && !isRest(response, part)) {
        await response.body.close();
        if (part.path !== null) await dropValidator(part.path);
        return;
      }
      const name = options.namedByServer ? await statedName(response.headers) : null;
      const output = transfer.output ?? transfer.openOutput(io, part, name);
      const bar = output.isSeen ? NO_BAR : this.#teller.bar(transfer.label, response.contentLength);
      bars.push(bar);
      await receive(response, { output, bar, part, options, io, isShown: transfer.isShown(io) });
      narrator?.timings(response.timings);
      if (isFailure) throw new StatusError(response.status);
    } finally {
      narrator?.end();
      for (const bar of bars) bar.erase();
      for (const operation of operations) this.#traces.delete(operation);
    }
  }

  /** Tells of every request and response, redirects and repetitions included. */
  #observed(
    narrator: Narrator | null,
    facts: TransferFacts,
    operations: Set<number>,
  ): RoundTripper {
    const transport = this.#roundTripper;
    if (narrator === null && this.#format === null) return transport;
    const traces = narrator === null ? [facts] : [facts, narrator];
    return {
      roundTrip: async (request) => {
        const operation = operationOf(request);
        operations.add(operation);
        this.#traces.add(operation, traces);
        narrator?.request(request);
        facts.request();
        const response = await transport.roundTrip(request);
        narrator?.response(response);
        return response;
      },
    };
  }

  /** Writes the head of every response, redirects included, before anything of its body. */
  #included(transport: RoundTripper, transfer: Transfer, facts: TransferFacts): RoundTripper {
    return {
      roundTrip: async (request) => {
        const response = await transport.roundTrip(request);
        const head = headBytes(response);
        facts.response(response, head.length);
        await this.#heads?.write(head);
        if (this.#options.include) await transfer.output!.write(head);
        return response;
      },
    };
  }

  /** Answers a server that asks who asks: that of the first request. */
  #authenticated(
    transport: RoundTripper,
    { request, credentials }: StatedRequest,
  ): RoundTripper {
    const { kind } = this.#options.authentication;
    if (credentials === null || kind === "basic" || kind === "aws") return transport;
    const { name: username, password } = credentials;
    // Of data: and its like, which have no server.
    if (!URL.canParse("/", request.href)) return transport;
    const origins = new URL("/", request.href);
    const auth = digestAuth({ origins, username, password, allowBasic: kind === "any" });
    return new AuthTransport(transport, auth);
  }

  async #writeOut(
    { url, number }: Job,
    transfer: Transfer,
    facts: TransferFacts,
    { code, failure }: { code: number; failure: unknown },
  ): Promise<void> {
    if (this.#format === null) return;
    const { method, referer } = this.#options;
    const told = facts.facts({
      url,
      method: method ?? "GET",
      referer,
      number,
      file: transfer.output?.path ?? null,
      exitCode: code,
      message: failure === null ? null : this.#teller.message(failure),
      version: VERSION,
    });
    const headers = facts.lastResponse?.headers ?? null;
    for (const { to, text } of writeOut(this.#format, { facts: told, headers })) {
      if (to === "stdout") await this.#io.stdout.write(new TextEncoder().encode(text));
      else this.#io.stderr.write(text);
    }
  }
}

/** What one transfer writes to. */
class Transfer {
  readonly #options: GetOptions;
  readonly #job: Job;
  #output: ResponseOutput | null = null;

  constructor(options: GetOptions, job: Job) {
    this.#options = options;
    this.#job = job;
  }

  /** Null: it is not known yet. */
  get output(): ResponseOutput | null {
    return this.#output;
  }

  /** What it is called beside its bar. */
  get label(): string {
    const path = this.#path(null);
    return path === null ? this.#job.url : basename(path);
  }

  /** Whether a person sees the body as it comes. */
  isShown({ stdout }: CliIo): boolean {
    return stdout.isTerminal && this.#job.target.output.kind === "standard";
  }

  /** What is there of a download that goes on; null: it begins. */
  async part(): Promise<PartFile | null> {
    const { continueAt } = this.#options;
    return continueAt === null ? null : await partFile(this.#path(null), continueAt);
  }

  /** @param name What the server calls it, or null. */
  openOutput({ stdout }: CliIo, part: PartFile | null, name: string | null): ResponseOutput {
    const { clobber, createDirs } = this.#options;
    const path = this.#path(name);
    const mode = part !== null
      ? "append"
      : name !== null
      ? "new"
      : clobber
      ? "replace"
      : "numbered";
    const isAsked = this.#job.target.output.kind !== "standard";
    const target = path === null ? null : { path, mode, createsFolders: createDirs } as const;
    return this.#output = new ResponseOutput(target, stdout, isAsked);
  }

  #path(name: string | null): string | null {
    const { target: { output }, globbed, url } = this.#job;
    const { outputDir } = this.#options;
    if (output.kind === "standard" || (output.kind === "file" && output.path === "-")) return null;
    return output.kind === "file"
      ? inFolder(outputDir, withGlobbed(output.path, globbed))
      : inFolder(outputDir, name ?? remoteName(url));
  }
}

/** What a body is written with. */
interface Receiving {
  readonly output: ResponseOutput;
  readonly bar: ProgressBar;
  readonly part: PartFile | null;
  readonly options: GetOptions;
  readonly io: CliIo;
  /** Whether a person sees it as it comes. */
  readonly isShown: boolean;
}

async function receive(response: HttpResponse, receiving: Receiving): Promise<void> {
  const { output, part, options } = receiving;
  // What is on the disk is what the validator is of, or nothing is known of it.
  const validator = options.include || response.uncompressed ? null : validatorOf(response, part);
  try {
    await writeBody(response, receiving);
  } catch (error) {
    await output.discard();
    if (output.path !== null && validator !== null) await keepValidator(output.path, validator);
    throw error;
  }
  if (response.status === 304 && options.timeCondition !== null) return;
  await output.close();
  if (output.path === null) return;
  await dropValidator(output.path);
  const modifiedMs = httpDateMs(response.headers.get("last-modified"));
  if (options.remoteTime && modifiedMs !== null) {
    // As with curl, a time that cannot be set is no failure.
    await utimes(output.path, modifiedMs / 1000, modifiedMs / 1000).catch(() => {});
  }
}

async function writeBody(response: HttpResponse, receiving: Receiving): Promise<void> {
  const { output, bar, options, io, isShown } = receiving;
  if (isTunnel(response)) {
    // Nobody here speaks what comes now.
    response.upgrade().close();
    return;
  }
  const { maxFileBytes, bytesPerSecond } = options;
  const isTooLong = (bytes: number): boolean => maxFileBytes > 0 && bytes > maxFileBytes;
  if (isTooLong(response.contentLength ?? 0)) throw new FileSizeError(maxFileBytes);
  const limit = bytesPerSecond === 0 ? null : new RateLimit(bytesPerSecond);
  const shown = new ShownBody(response.headers, isShown && !options.raw, io);
  const piece = new Uint8Array(limit?.pieceBytes(PIECE_BYTES) ?? PIECE_BYTES);
  const ticking = bar.isDrawn ? setInterval(() => bar.tick(), TICK_MS) : undefined;
  let bytes = 0;
  try {
    for (let n = await response.body.read(piece); n !== null; n = await response.body.read(piece)) {
      bytes += n;
      if (isTooLong(bytes)) throw new FileSizeError(maxFileBytes);
      for (const text of shown.add(piece.subarray(0, n))) await output.write(text);
      bar.add(n);
      await limit?.spend(n, response.request.signal ?? undefined);
    }
    bar.finish();
  } finally {
    clearInterval(ticking);
    // Of a body that breaks off, what has come.
    for (const text of shown.end()) await output.write(text);
  }
}

function isTunnel(response: HttpResponse): boolean {
  const { status } = response;
  return status === 101 || (response.request.method === "CONNECT" && status >= 200 && status < 300);
}

/** The head as it came; each character of a field line is one byte. */
function headBytes(response: HttpResponse): Uint8Array {
  const { httpVersion, status, statusText, headers } = response;
  const lines = [`HTTP/${httpVersion} ${status} ${statusText}`, ...fieldLines(headers), "", ""];
  return Uint8Array.from(lines.join("\r\n"), (c) => c.charCodeAt(0));
}

/** With `-L --max-redirs 0`, as with curl, a redirect is one too many. */
function redirectRules(
  { follow, maxRedirects, tellsReferer }: GetOptions,
): Pick<
  NonNullable<ConstructorParameters<typeof Client>[0]>,
  "maxRedirects" | "checkRedirect" | "referer"
> {
  const referer = tellsReferer;
  if (!follow) return { maxRedirects: 0, referer };
  if (maxRedirects > 0) {
    return { maxRedirects: Math.min(maxRedirects, Number.MAX_SAFE_INTEGER), referer };
  }
  const checkRedirect = (_next: HttpRequest): void => {
    throw new HttpError("ERR_REDIRECT", "More than 0 redirects", { phase: "redirect" });
  };
  return { maxRedirects: 1, checkRedirect, referer };
}
