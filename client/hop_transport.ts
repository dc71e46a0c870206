/**
 * What a client's options put around its transport, for each hop.
 *
 * @module
 */
import { HttpError } from "../conn/http_error.ts";
import type { ContentCoding } from "../http/content_coding.ts";
import type { Clock } from "../transport/clock.ts";
import type { RoundTripper } from "../transport/transport.ts";
import { compressing } from "./layers/compress.ts";
import { RetryingTransport, type RetryOptions, retryOptions } from "./recovery/retry_policy.ts";
import { callersClock } from "./waiting_clock.ts";

/** The options that put something around a transport. */
export interface HopOptions {
  /** As of a client. */
  readonly retry?: boolean | RetryOptions;
  /** As of a client. */
  readonly compress?: ContentCoding;
  /** Of what waits. */
  readonly clock?: Clock;
}

/**
 * A transport for the hops of a client; the one that is given where nothing is asked for.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an option that it cannot have.
 */
export function hopTransport(transport: RoundTripper, options: HopOptions): RoundTripper {
  const { retry = false, compress, clock } = options;
  const below = retry === false ? transport : retrying(transport, retry, clock);
  // Coded once for all tries.
  return compress === undefined ? below : compressing(below, compress, callersClock(clock));
}

function retrying(
  transport: RoundTripper,
  retry: true | RetryOptions,
  clock: Clock | undefined,
): RoundTripper {
  if (retry !== true && (typeof retry !== "object" || retry === null)) {
    throw new HttpError(
      "ERR_INVALID_REQUEST",
      "retry is neither true nor false nor options",
      { phase: "client" },
    );
  }
  const own = retry === true ? {} : retryOptions(retry);
  return new RetryingTransport(transport, { ...own, clock: own.clock ?? clock });
}
