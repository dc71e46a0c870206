/**
 * The transfers of one set of options: each asks for one URL, and writes what comes.
 *
 * @module
 */
import { AuthTransport } from "../client/auth/auth_transport.ts";
import { digestAuth } from "../client/auth/digest_auth.ts";
import { Client } from "../client/client.ts";
import type { HstsStore } from "../client/hsts_store.ts";
import type { HttpRequest } from "../transport/message/http_request.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import type { RoundTripper, Transport } from "../transport/transport.ts";
import { paintFor } from "./colours.ts";
import { readCookieFiles, writeCookieFile } from "./cookie_file.ts";
import { saveEtag } from "./etag_file.ts";
import { ExchangeWatch } from "./exchange_watch.ts";
import type { GetOptions } from "./get_options.ts";
import { fieldLines, Narrator } from "./narrator.ts";
import { statedName } from "./output_name.ts";
import { dropValidator, isRest, type PartFile } from "./part_file.ts";
import { NO_BAR, type ProgressBar } from "./progress.ts";
import { type ChooseProxies, proxiesOf, withProxyHeaders } from "./proxies.ts";
import { receive } from "./receiving.ts";
import { checkScheme, redirectRules } from "./redirect_rules.ts";
import { repeating } from "./repeating.ts";
import { givenHeaders, RequestMaker, type StatedRequest } from "./request.ts";
import { readText } from "./request_data.ts";
import { ResponseOutput } from "./response_output.ts";
import { SpeedWatch } from "./speed_watch.ts";
import type { Telling } from "./telling.ts";
import { StatusError } from "./transfer_error.ts";
import { TransferFacts } from "./transfer_facts.ts";
import { type Job, TransferOutput } from "./transfer_output.ts";
import { TransferTraces } from "./transfer_traces.ts";
import { openTransport } from "./transport_setup.ts";
import { VERSION } from "./version.ts";
import { shownVoice, tracedVoice, type Voice } from "./voice.ts";
import { writeOut } from "./write_out.ts";

/** How a transfer is told of. */
export interface Teller {
  /** Tells of a failure, and returns the exit code. */
  complain(error: unknown): number;
  /** What is said of a failure. */
  message(error: unknown): string;
  /** A bar for a transfer, or null. */
  bar(name: string, lengthBytes: number | null): ProgressBar;
}

/** What the transfers of one set of options share. */
interface Shared {
  readonly requests: RequestMaker;
  readonly transport: Transport;
  readonly roundTripper: RoundTripper;
  readonly traces: TransferTraces;
  readonly proxies: ChooseProxies | null;
  readonly jar: Awaited<ReturnType<typeof readCookieFiles>> | null;
  readonly hsts: HstsStore | null;
  readonly format: string | null;
  readonly teller: Teller;
  readonly telling: Telling;
  readonly signal: AbortSignal;
}

/** Does the transfers of one set of options. Owns: its connections. */
export class TransferGroup {
  readonly #options: GetOptions;
  readonly #shared: Shared;
  readonly #heads: ResponseOutput | null;

  private constructor(options: GetOptions, shared: Shared) {
    this.#options = options;
    this.#shared = shared;
    const { dumpHeader, createDirs, fileMode } = options;
    const file = {
      path: dumpHeader ?? "",
      mode: "replace",
      createsFolders: createDirs,
      permissions: fileMode,
    } as const;
    this.#heads = dumpHeader === null
      ? null
      : new ResponseOutput(dumpHeader === "-" ? null : file, shared.telling.io.stdout);
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
    told: Pick<Shared, "teller" | "telling" | "signal">,
  ): Promise<TransferGroup> {
    const { cookieFiles, cookieJar, dropsSessionCookies, hsts, verbose, writeOut: format } =
      options;
    const { io, trace, har } = told.telling;
    const jar = cookieFiles.length > 0 || cookieJar !== null
      ? await readCookieFiles(cookieFiles, dropsSessionCookies)
      : null;
    const known = hsts === null ? null : await import("./hsts_file.ts");
    const proxies = proxiesOf(options, io.env);
    const proxyFields = (await givenHeaders("--proxy-header", options.proxyHeaders, io.stdin))
      .flatMap(([name, value]): [string, string][] => value === null ? [] : [[name, value]]);
    const traces = new TransferTraces();
    const isWatched = verbose || format !== null || trace !== null || har !== null;
    const transport = await openTransport(options, io, {
      proxies,
      proxyFields,
      trace: isWatched ? traces.trace : undefined,
      dump: trace,
    });
    return new TransferGroup(options, {
      ...told,
      requests: new RequestMaker(options, io, told.signal),
      transport,
      roundTripper: proxies === null || options.tunnels
        ? transport
        : withProxyHeaders(transport, proxyFields, proxies),
      traces,
      proxies: options.tunnels ? null : proxies,
      jar,
      hsts: known === null ? null : await known.readHstsFile(hsts!, !options.tls.insecure),
      format: format?.startsWith("@") ? await readText(format.slice(1), io.stdin) : format,
    });
  }

  /**
   * Does one transfer, and tells of it.
   *
   * @returns The exit code.
   */
  async run(job: Job): Promise<number> {
    const facts = new TransferFacts();
    const transfer = new TransferOutput(this.#options, job);
    const { skipsExisting, removeOnError } = this.#options;
    let failure: unknown = null;
    let code = 0;
    try {
      if (!skipsExisting || !(await transfer.isThere())) await this.#exchange(job, transfer, facts);
    } catch (error) {
      if (removeOnError) await transfer.output?.remove();
      failure = error;
    } finally {
      await transfer.output?.discard();
    }
    facts.end();
    const { signal, teller } = this.#shared;
    if (failure !== null) code = teller.complain(failure);
    if (!signal.aborted) await this.#writeOut(job, transfer, facts, { code, failure });
    return code;
  }

  /**
   * Ends it: cookies and what else was learned are written, connections are closed.
   *
   * @throws {OutputError}
   */
  async close(): Promise<void> {
    const { transport, jar, hsts } = this.#shared;
    transport.destroy();
    const { cookieJar, hsts: path, tls } = this.#options;
    await this.#heads?.close();
    if (jar !== null && cookieJar !== null) await writeCookieFile(cookieJar, jar);
    if (hsts === null || path === "" || tls.insecure) return;
    await (await import("./hsts_file.ts")).writeHstsFile(path!, hsts);
  }

  async #exchange(job: Job, transfer: TransferOutput, facts: TransferFacts): Promise<void> {
    const options = this.#options;
    const { requests, jar, hsts, format, telling, traces, proxies } = this.#shared;
    const part = await transfer.part();
    const { target: { upload }, url } = job;
    const stated = await requests.make({ url, upload, part });
    checkScheme(stated.request.scheme, options.schemes, "--proto");
    const narrator = this.#narrator();
    const speed = options.speed && new SpeedWatch(options.speed, performance.now());
    const watch = new ExchangeWatch({
      facts,
      tellsFacts: format !== null,
      narrator,
      har: telling.har,
      speed,
      proxies,
    }, traces);
    speed?.start();
    try {
      if (!options.namedByServer) transfer.openOutput(telling.io, part, null);
      const transport = repeating(watch.observed(this.#shared.roundTripper), options, narrator);
      const client = new Client({
        transport: this.#authenticated(this.#included(transport, transfer, watch), stated),
        ...redirectRules(options),
        jar,
        hsts,
      });
      const request = watch.counted(stated.request);
      const response = await client.do(speed === null ? request : limited(request, speed.signal));
      await this.#receive(response, { transfer, watch, narrator, part });
    } catch (error) {
      watch.failed(error);
      throw error;
    } finally {
      speed?.stop();
      watch.end();
    }
  }

  async #receive(
    response: HttpResponse,
    { transfer, watch, narrator, part }: {
      transfer: TransferOutput;
      watch: ExchangeWatch;
      narrator: Narrator | null;
      part: PartFile | null;
    },
  ): Promise<void> {
    const options = this.#options;
    const { teller, telling: { io } } = this.#shared;
    const isFailure = options.fail !== "never" && response.status >= 400;
    if (isFailure && options.fail === "without body") throw new StatusError(response.status);
    if (part !== null && !isFailure && !isRest(response, part)) {
      await response.body.close();
      if (part.path !== null) await dropValidator(part.path);
      return;
    }
    const name = options.namedByServer ? await statedName(response.headers) : null;
    const output = transfer.output ?? transfer.openOutput(io, part, name);
    const isShown = transfer.isShown(io);
    const bar = output.isSeen ? NO_BAR : teller.bar(transfer.label, response.contentLength);
    try {
      await receive(response, { output, bar, part, options, io, watch, isShown });
    } finally {
      bar.erase();
    }
    if (narrator !== null) {
      // What is told begins a line of its own.
      if (output.isWithinLine && io.stderr.isTerminal && options.verbose) io.stderr.write("\n");
      narrator.timings(response.timings);
    }
    if (options.etagSave !== null && response.ok) {
      await saveEtag(options.etagSave, response.headers);
    }
    if (isFailure) throw new StatusError(response.status);
  }

  /** Who tells what happens, in the ways that are asked for, or null. */
  #narrator(): Narrator | null {
    const { telling: { io: { stderr, env }, stamp, trace }, proxies } = this.#shared;
    const voices: Voice[] = [];
    if (this.#options.verbose) {
      const paint = paintFor(stderr.isTerminal, env);
      voices.push(shownVoice((text) => stderr.write(text), paint, stamp));
    }
    if (trace !== null) voices.push(tracedVoice(trace));
    return voices.length === 0 ? null : new Narrator(voices, proxies);
  }

  /** Writes the head of every response, redirects included, before anything of its body. */
  #included(
    transport: RoundTripper,
    transfer: TransferOutput,
    watch: ExchangeWatch,
  ): RoundTripper {
    return {
      roundTrip: async (request) => {
        const response = await transport.roundTrip(request);
        const head = headBytes(response);
        watch.response(response, head.length);
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
    transfer: TransferOutput,
    facts: TransferFacts,
    { code, failure }: { code: number; failure: unknown },
  ): Promise<void> {
    const { format, teller, telling: { io } } = this.#shared;
    if (format === null) return;
    const { method, referer } = this.#options;
    const told = facts.facts({
      url,
      method: method ?? "GET",
      referer,
      number,
      file: transfer.output?.path ?? null,
      exitCode: code,
      message: failure === null ? null : teller.message(failure),
      version: VERSION,
    });
    const headers = facts.lastResponse?.headers ?? null;
    for (const { to, text } of writeOut(format, { facts: told, headers })) {
      if (to === "stdout") await io.stdout.write(new TextEncoder().encode(text));
      else io.stderr.write(text);
    }
  }
}

/** The head as it came; each character of a field line is one byte. */
function headBytes(response: HttpResponse): Uint8Array {
  const { httpVersion, status, statusText, headers } = response;
  const lines = [`HTTP/${httpVersion} ${status} ${statusText}`, ...fieldLines(headers), "", ""];
  return Uint8Array.from(lines.join("\r\n"), (c) => c.charCodeAt(0));
}

/** The request, which ends with either signal. */
function limited(request: HttpRequest, signal: AbortSignal): HttpRequest {
  const signals = [signal, ...request.signal === null ? [] : [request.signal]];
  return request.with({ signal: AbortSignal.any(signals) });
}
