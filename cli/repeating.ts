/**
 * Requests that are tried again, and downloads that go on: `--retry`.
 *
 * @module
 */
import { ResumingTransport } from "../client/recovery/resume.ts";
import { RetryingTransport } from "../client/recovery/retry_policy.ts";
import type { HttpErrorCode } from "../conn/http_error.ts";
import type { RoundTripper } from "../transport/transport.ts";
import type { Narrator } from "./narrator.ts";
import type { GetOptions } from "./get_options.ts";

/** Those of curl. */
const STATUSES = [408, 429, 500, 502, 503, 504];

/** With `--retry-all-errors`; others are the caller's, and stay what they are. */
const ERRORS: HttpErrorCode[] = [
  "ERR_DIAL",
  "ERR_TLS",
  "ERR_PROXY",
  "ERR_CONNECTION_LOST",
  "ERR_TIMEOUT",
  "ERR_MALFORMED_RESPONSE",
  "ERR_HEADERS_TOO_LARGE",
];

/** Just below the whole of a wait. */
const WHOLE = 1 - Number.EPSILON;

/** With `--retry`: asks again, also for the rest of a body that breaks off. */
export function repeating(
  transport: RoundTripper,
  { retry, method, fail }: GetOptions,
  narrator: Narrator | null,
): RoundTripper {
  const { count, delayMs, maxTimeMs, allErrors } = retry;
  if (count === 0) return transport;
  const wait = delayMs === null
    ? {}
    : { baseDelayMs: delayMs, maxDelayMs: delayMs, random: () => WHOLE };
  const failing = Array.from({ length: 200 }, (_, index) => 400 + index);
  const retrying = new RetryingTransport(transport, {
    ...wait,
    attempts: count + 1,
    budget: 0,
    maxElapsedMs: maxTimeMs || undefined,
    statuses: allErrors && fail !== "never" ? failing : STATUSES,
    ...allErrors ? { errors: ERRORS, methods: [...EVERY_METHOD, method ?? "GET"] } : {},
    onRetry: ({ delayMs, status, error }) =>
      narrator?.again(delayMs, error === null ? `status ${status}` : error.message),
  });
  return new ResumingTransport(retrying, {
    ...wait,
    attempts: count,
    onResume: ({ delayMs, error }) => narrator?.again(delayMs, error.message),
  });
}

/** What is sent a second time where somebody says that everything may be. */
const EVERY_METHOD = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH"];
