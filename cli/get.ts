/**
 * One request from the command line: sends it, and writes what comes.
 *
 * @module
 */
import { Client } from "../client/client.ts";
import type { TlsOptions } from "../conn/conn.ts";
import { unixDialer } from "../conn/unix_dialer.ts";
import { HttpRequest } from "../transport/http_request.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { parseProxies } from "../transport/route.ts";
import { type RoundTripper, Transport } from "../transport/transport.ts";
import type { CliIo } from "./cli_io.ts";
import { paintFor } from "./colours.ts";
import { fieldLines, Narrator } from "./narrator.ts";
import type { GetOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { readTextFile, requestData } from "./request_data.ts";
import { ResponseOutput } from "./response_output.ts";

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
 * @throws {FileError} What is to be sent, or the certificates, cannot be read.
 * @throws {OutputError}
 */
export async function get(options: GetOptions, io: CliIo, signal: AbortSignal): Promise<void> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  await Promise.race([send(options, io, signal), aborted]);
}

async function send(options: GetOptions, io: CliIo, signal: AbortSignal): Promise<void> {
  const request = await requestOf(options, io, signal);
  const tls = await tlsOf(options);
  const proxies = parseProxies(options.proxies);
  const narrator = options.verbose
    ? new Narrator(io.stderr, paintFor(io.stderr.isTerminal, io.env), proxies)
    : null;
  const transport = new Transport({
    tls,
    proxy: options.proxies,
    dialer: options.unixSocket === null ? undefined : unixDialer(options.unixSocket),
    trace: narrator ?? undefined,
  });
  const output = new ResponseOutput(options.output, io.stdout);
  try {
    const client = new Client({
      transport: observed(transport, narrator, async (response) => {
        if (options.include) await output.write(headBytes(response));
      }),
      maxRedirects: options.follow ? undefined : 0,
    });
    const response = await client.do(request);
    await writeBody(response, output, progressFor(response, options, io));
    narrator?.timings(response.timings);
    await output.close();
  } finally {
    narrator?.end();
    transport.destroy();
    await output.discard();
  }
}

async function requestOf(
  options: GetOptions,
  io: CliIo,
  signal: AbortSignal,
): Promise<HttpRequest> {
  const headers = [...options.headers];
  const addUnlessGiven = (name: string, value: string): void => {
    if (!headers.some(([given]) => given.toLowerCase() === name.toLowerCase())) {
      headers.push([name, value]);
    }
  };
  if (options.compressed) addUnlessGiven("Accept-Encoding", "gzip, deflate");
  if (options.data?.kind === "json") {
    addUnlessGiven("Content-Type", "application/json");
    addUnlessGiven("Accept", "application/json");
  } else if (options.data !== null) {
    addUnlessGiven("Content-Type", "application/x-www-form-urlencoded");
  }
  const init = {
    method: options.method ?? (options.data === null ? "GET" : "POST"),
    headers,
    decompress: options.compressed,
    signal,
    timeoutMs: options.maxTimeMs,
  };
  // What is wrong with the rest is said before standard input is waited for.
  const request = new HttpRequest(options.url, init);
  if (options.data === null) return request;
  return new HttpRequest(options.url, { ...init, body: await requestData(options.data, io.stdin) });
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

/** Sees every request and response, redirects included. */
function observed(
  transport: Transport,
  narrator: Narrator | null,
  onResponse: (response: HttpResponse) => Promise<void>,
): RoundTripper {
  return {
    roundTrip: async (request) => {
      narrator?.request(request);
      const response = await transport.roundTrip(request);
      narrator?.response(response);
      await onResponse(response);
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
