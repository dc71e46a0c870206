/**
 * The body of a response, on its way to a file or to whoever looks.
 *
 * @module
 */
import { utimes } from "node:fs/promises";
import { httpDateMs } from "../client/recovery/retry_after.ts";
import type { HttpResponse } from "../transport/message/http_response.ts";
import type { CliIo } from "./cli_io.ts";
import type { ExchangeWatch } from "./exchange_watch.ts";
import type { GetOptions } from "./get_options.ts";
import { dropValidator, keepValidator, type PartFile, validatorOf } from "./part_file.ts";
import type { ProgressBar } from "./progress.ts";
import { RateLimit } from "./rate_limit.ts";
import type { ResponseOutput } from "./response_output.ts";
import { ShownBody } from "./shown_body.ts";
import { FileSizeError } from "./transfer_error.ts";

/** Bytes. Read and written at a time. */
const PIECE_BYTES = 256 * 1024;

/** Milliseconds between two looks at the clock while no bytes come. */
const TICK_MS = 200;

/** What a body is written with. */
export interface Receiving {
  readonly output: ResponseOutput;
  readonly bar: ProgressBar;
  readonly part: PartFile | null;
  readonly options: GetOptions;
  readonly io: CliIo;
  readonly watch: ExchangeWatch;
  /** Whether a person sees it as it comes. */
  readonly isShown: boolean;
}

/**
 * Writes a body, and what is to be kept beside its file.
 *
 * @throws {OutputError}
 * @throws {FileSizeError}
 * @throws What reading it throws.
 */
export async function receive(response: HttpResponse, receiving: Receiving): Promise<void> {
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
  const { output, bar, options, io, watch, isShown } = receiving;
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
      watch.received(piece.subarray(0, n));
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
