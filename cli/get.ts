/**
 * One request from the command line: sends it, and writes what comes.
 *
 * @module
 */
import { Client } from "../client/client.ts";
import { ResumingTransport } from "../client/recovery/resume.ts";
import { RetryingTransport } from "../client/recovery/retry_policy.ts";
import type { TlsOptions } from "../conn/conn.ts";
import { systemDialer } from "../conn/dial.ts";
import { unixDialer } from "../conn/unix_dialer.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import { parseProxies } from "../transport/route/route.ts";
import { type RoundTripper, Transport } from "../transport/transport.ts";
import type { CliIo } from "./cli_io.ts";
import { paintFor } from "./colours.ts";
import { readCookieFiles, writeCookieFile } from "./cookie_file.ts";
import { givenAddresses } from "./given_addresses.ts";
import { fieldLines, Narrator } from "./narrator.ts";
import type { GetOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { requestOf } from "./request.ts";
import { readTextFile } from "./request_data.ts";
import { ResponseOutput, StatusError } from "./response_output.ts";

/** Bytes. Read and written at a time. */
const PIECE_BYTES = 256 * 1024;

/** Milliseconds between two looks at the clock while no bytes come. */
const TICK_MS = 200;

/**
 * Sends the request that `options` state and writes its response.
 *
 * Cancel: `signal` rejects with its reason, also while output waits for its reader.
 *
 * @throws {HttpError} As `Client.do`.
 * @throws {FileError} What is to be sent, cookies or certificates cannot be read.
 * @throws {OutputError}
 * @throws {StatusError} With `--fail`.
 */
export async function get(options: GetOptions, io: CliIo, signal: AbortSignal): Promise<void> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  await Promise.race([send(options, io, signal), aborted]);
}

async function send(options: GetOptions, io: CliIo, signal: AbortSignal): Promise<void> {
  const request = await requestOf(options, io.stdin, signal);
  const tls = await tlsOf(options);
  const { cookieFiles, cookieJar } = options;
  const jar = cookieFiles.length > 0 || cookieJar !== null
    ? await readCookieFiles(cookieFiles)
    : null;
  const proxies = parseProxies(options.proxies);
  const narrator = options.verbose
    ? new Narrator(io.stderr, paintFor(io.stderr.isTerminal, io.env), proxies)
    : null;
  const transport = new Transport({
    tls,
    dialer: options.unixSocket === null
      ? givenAddresses(options.addresses, systemDialer())
      : unixDialer(options.unixSocket),
    dialTimeoutMs: options.connectTimeMs || undefined,
    proxy: options.proxies,
    trace: narrator ?? undefined,
  });
  const output = new ResponseOutput(options.output, io.stdout);
  const isFailure = ({ status }: HttpResponse): boolean => options.fail && status >= 400;
  const write = async (response: HttpResponse): Promise<void> => {
    if (options.include && !isFailure(response)) await output.write(headBytes(response));
  };
  try {
    const client = new Client({
      transport: included(repeating(observed(transport, narrator), options, narrator), write),
      maxRedirects: options.follow ? undefined : 0,
      jar,
    });
    const response = await client.do(request);
    if (isFailure(response)) throw new StatusError(response.status);
    await writeBody(response, output, progressFor(response, options, io));
    narrator?.timings(response.timings);
    await output.close();
  } finally {
    narrator?.end();
    transport.destroy();
    await output.discard();
    if (jar !== null && cookieJar !== null) await writeCookieFile(cookieJar, jar);
  }
}

async function tlsOf(options: GetOptions): Promise<TlsOptions> {
  const tls: TlsOptions = {};
  if (options.insecure) tls.insecureSkipVerify = true;
  if (options.caFile !== null) {
    tls.caCerts = [await readTextFile(options.caFile)];
    tls.caMode = "only";
  }
  return tls;
}

/** Tells of every request and response, redirects and repetitions included. */
function observed(transport: RoundTripper, narrator: Narrator | null): RoundTripper {
  if (narrator === null) return transport;
  return {
    roundTrip: async (request) => {
      narrator.request(request);
      const response = await transport.roundTrip(request);
      narrator.response(response);
      return response;
    },
  };
}

/** With `--retry`: asks again, also for the rest of a body that breaks off. */
function repeating(
  transport: RoundTripper,
  { retries }: GetOptions,
  narrator: Narrator | null,
): RoundTripper {
  if (retries === 0) return transport;
  const retrying = new RetryingTransport(transport, {
    attempts: retries + 1,
    budget: 0,
    onRetry: ({ delayMs, status, error }) =>
      narrator?.again(delayMs, error === null ? `status ${status}` : error.message),
  });
  return new ResumingTransport(retrying, {
    attempts: retries,
    onResume: ({ delayMs, error }) => narrator?.again(delayMs, error.message),
  });
}

/** Writes the head of every response, redirects included, before anything of its body. */
function included(
  transport: RoundTripper,
  write: (response: HttpResponse) => Promise<void>,
): RoundTripper {
  return {
    roundTrip: async (request) => {
      const response = await transport.roundTrip(request);
      await write(response);
      return response;
    },
  };
}

async function writeBody(
  response: HttpResponse,
  output: ResponseOutput,
  progress: Progress | null,
): Promise<void> {
  if (isTunnel(response)) {
    // Nobody here speaks what comes now.
    response.upgrade().close();
    return;
  }
  const ticking = progress === null ? undefined : setInterval(() => progress.tick(), TICK_MS);
  try {
    const piece = new Uint8Array(PIECE_BYTES);
    for (let n = await response.body.read(piece); n !== null; n = await response.body.read(piece)) {
      await output.writeBody(piece.subarray(0, n));
      progress?.add(n);
    }
    progress?.finish();
  } finally {
    clearInterval(ticking);
    progress?.erase();
  }
}

function isTunnel(response: HttpResponse): boolean {
  const { status } = response;
  return status === 101 || (response.request.method === "CONNECT" && status >= 200 && status < 300);
}

/** A bar for those who would else see nothing. */
function progressFor(response: HttpResponse, options: GetOptions, io: CliIo): Progress | null {
  const bodyIsSeen = io.stdout.isTerminal && (options.output === null || options.output === "-");
  if (options.silent || !io.stderr.isTerminal || bodyIsSeen) return null;
  return new Progress(io.stderr, response.contentLength);
}

/** The head as it came; each character of a field line is one byte. */
function headBytes(response: HttpResponse): Uint8Array {
  const { httpVersion, status, statusText, headers } = response;
  const lines = [`HTTP/${httpVersion} ${status} ${statusText}`, ...fieldLines(headers), "", ""];
  return Uint8Array.from(lines.join("\r\n"), (c) => c.charCodeAt(0));
}
