/**
 * Requests that are tried again, by a policy that the caller chooses. It stands above the transport,
 * which on its own repeats only what a stale connection swallowed.
 *
 * @module
 */
import { callersOptions } from "../../conn/callers_options.ts";
import { tellRejection } from "../../conn/fault.ts";
import { type Attempt, HttpError, type HttpErrorCode, printable } from "../../conn/http_error.ts";
import { afterAttempts, NO_ATTEMPTS, UNTOLD } from "../../transport/attempt.ts";
import {
  type HttpRequest,
  isRequest,
  joinOperation,
  notARequest,
} from "../../transport/message/http_request.ts";
import { attemptsOf, type HttpResponse } from "../../transport/message/http_response.ts";
import { ProxyError } from "../../transport/route/proxy_error.ts";
import { isReplayable } from "../../transport/message/request_body.ts";
import { checkedRoundTripper, type RoundTripper } from "../../transport/transport.ts";
import { BackOff, type BackOffOptions, checkedAmount, checkedAttempts } from "./back_off.ts";
import { retryAfterMs } from "./retry_after.ts";
import { RetryBudget } from "./retry_budget.ts";
import { TimeLeft } from "../time_left.ts";

/** Something is about to be tried again. */
export interface RetryEvent {
  /** Which try failed, from 1. */
  readonly attempt: number;
  /** Milliseconds until the next. */
  readonly delayMs: number;
  /** What is sent again. */
  readonly request: HttpRequest;
  /** Status of the response that is dropped, or null. */
  readonly status: number | null;
  /** What was thrown, with the attempts of all tries so far, or null. */
  readonly error: HttpError | null;
}

/** Options of a {@linkcode RetryingTransport}. */
export interface RetryOptions extends BackOffOptions {
  /** Tries in all, the first included: 1 or more. @default {3} */
  attempts?: number;
  /** Statuses that are tried again, also those of a proxy's refusal. @default {[429, 502, 503, 504]} */
  statuses?: number[];
  /**
   * Codes of errors after which it is tried again.
   *
   * @default {["ERR_DIAL", "ERR_PROXY", "ERR_CONNECTION_LOST", "ERR_TIMEOUT"]}
   */
  errors?: HttpErrorCode[];
  /** Milliseconds since the call after which no try begins; 0: no limit. @default {0} */
  maxElapsedMs?: number;
  /**
   * Methods that may be sent twice. Others are sent again only with an `Idempotency-Key`, or where the
   * first try surely never left, or the server says that it did nothing with it. Default: those
   * that RFC 9110 calls idempotent.
   */
  methods?: string[];
  /**
   * Longest `Retry-After`, or `retry-after-ms`, that is waited for; if a server asks for more, its answer
   * is returned.
   *
   * @default {60000}
   */
  maxRetryAfterMs?: number;
  /** Retries that may be made at once before others must have succeeded; 0: no limit. @default {10} */
  budget?: number;
  /** Retries that each request without one adds to the budget, up to `budget`. @default {0.2} */
  budgetRefill?: number;
  /** Called before each wait. What it throws is thrown in the place of the next try. */
  onRetry?: (event: RetryEvent) => void;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof RetryOptions>([
  "attempts",
  "statuses",
  "errors",
  "maxElapsedMs",
  "methods",
  "maxRetryAfterMs",
  "budget",
  "budgetRefill",
  "onRetry",
  "baseDelayMs",
  "maxDelayMs",
  "clock",
  "random",
]);

const IDEMPOTENT: readonly string[] = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];

/** Errors of the network that may not happen again. */
const PASSING: readonly HttpErrorCode[] = [
  "ERR_DIAL",
  "ERR_PROXY",
  "ERR_CONNECTION_LOST",
  "ERR_TIMEOUT",
];

/** How a try ended. */
type Outcome = { readonly response: HttpResponse } | { readonly error: unknown };

/** What is known of all tries so far, the one that ended so included. Order: before a body is closed. */
function attemptsUntil(outcome: Outcome, earlier: readonly Attempt[]): readonly Attempt[] {
  if ("response" in outcome) return [...earlier, ...attemptsOf(outcome.response)];
  const { attempts } = outcome.error as HttpError;
  // Nothing was added to those before it.
  return attempts.length > earlier.length ? attempts : [...earlier, UNTOLD];
}

/**
 * Tries requests again: after errors of the network, and after answers that say "later".
 *
 * Sent again is only what may be: an idempotent method, a request with an `Idempotency-Key`, or one
 * whose error says that it was never sent in any try, or not processed (`attempt.verdict`); and never a
 * body that cannot be produced twice. Waits grow and are spread; `Retry-After` makes them longer. A
 * budget for all requests keeps a server that is down from being asked ever more. The request's
 * signal ends a wait; its `timeoutMs` is for all tries together.
 *
 * @see RFC 9110 section 9.2.2, RFC 9110 section 10.2.3
 *
 * @example
 * ```ts
 * import { Client, RetryingTransport, Transport } from "@roundtrip/http";
 *
 * const transport = new RetryingTransport(new Transport(), { attempts: 2, baseDelayMs: 1 });
 * try {
 *   console.log((await new Client({ transport }).get("http://127.0.0.1:1/")).status);
 * } catch (error) {
 *   console.log((error as Error).message);
 * }
 * ```
 */
export class RetryingTransport implements RoundTripper {
  readonly #transport: RoundTripper;
  readonly #attempts: number;
  readonly #statuses: ReadonlySet<number>;
  readonly #errors: ReadonlySet<string>;
  readonly #maxElapsedMs: number;
  readonly #methods: ReadonlySet<string>;
  readonly #maxRetryAfterMs: number;
  readonly #backOff: BackOff;
  readonly #budget: RetryBudget | null;
  readonly #onRetry: ((event: RetryEvent) => void) | undefined;

  /**
   * Makes a transport on another.
   *
   * @param transport What sends the requests.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, or a value it cannot have.
   */
  constructor(transport: RoundTripper, options: RetryOptions = {}) {
    options = retryOptions(options);
    this.#transport = checkedRoundTripper(transport);
    this.#attempts = checkedAttempts(options.attempts ?? 3);
    this.#statuses = new Set(options.statuses ?? [429, 502, 503, 504]);
    this.#errors = new Set(options.errors ?? PASSING);
    this.#maxElapsedMs = checkedAmount("maxElapsedMs", options.maxElapsedMs ?? 0) || Infinity;
    this.#methods = new Set(options.methods ?? IDEMPOTENT);
    this.#maxRetryAfterMs = checkedAmount("maxRetryAfterMs", options.maxRetryAfterMs ?? 60_000);
    this.#backOff = new BackOff(options);
    const budget = checkedAmount("budget", options.budget ?? 10);
    const refill = checkedAmount("budgetRefill", options.budgetRefill ?? 0.2);
    this.#budget = budget === 0 ? null : new RetryBudget(budget, refill);
    this.#onRetry = options.onRetry;
  }

  /**
   * Sends a request, more than once if need be.
   *
   * @returns The last answer, also one whose status would be tried again.
   * @throws {HttpError} As the transport below; the error of the last try, with the attempts of all.
   * Or the signal's reason.
   */
  async roundTrip(request: HttpRequest): Promise<HttpResponse> {
    if (!isRequest(request)) throw notARequest("roundTrip", request);
    const time = new TimeLeft(request, this.#backOff.clock);
    const latestAt = this.#maxElapsedMs === Infinity
      ? Infinity
      : this.#backOff.clock.now() + this.#maxElapsedMs;
    let current = joinOperation(request);
    let earlier = NO_ATTEMPTS;
    for (let attempt = 1;; attempt++) {
      const outcome = await this.#try(current, earlier);
      const delayMs = this.#delayMs(outcome, request, attempt, { time, latestAt });
      if (delayMs === null) {
        if ("error" in outcome) throw outcome.error;
        return outcome.response;
      }
      earlier = attemptsUntil(outcome, earlier);
      if ("response" in outcome) await outcome.response.body.close();
      const told: unknown = this.#onRetry?.({
        attempt,
        delayMs,
        request,
        status: "response" in outcome ? outcome.response.status : null,
        error: "error" in outcome ? outcome.error as HttpError : null,
      });
      tellRejection("onRetry failed", told);
      await this.#backOff.wait(delayMs, request.signal);
      current = request.with({ timeoutMs: timeoutMs(time, earlier) });
    }
  }

  async #try(request: HttpRequest, earlier: readonly Attempt[]): Promise<Outcome> {
    try {
      return { response: await this.#transport.roundTrip(request) };
    } catch (error) {
      return { error: afterAttempts(error, earlier, request.signal) };
    }
  }

  /** How long to wait before the next try; null: there is none. */
  #delayMs(
    outcome: Outcome,
    request: HttpRequest,
    attempt: number,
    { time, latestAt }: { time: TimeLeft; latestAt: number },
  ): number | null {
    const mayHelp = "error" in outcome
      ? this.#isPassing(outcome.error)
      : this.#statuses.has(outcome.response.status);
    if (!mayHelp && "response" in outcome) this.#budget?.succeeded();
    if (!mayHelp) return null;
    if (attempt === this.#attempts || !this.#maySend(outcome, request)) return null;
    const asked = "response" in outcome
      ? retryAfterMs(outcome.response.headers, Date.now()) ?? 0
      : 0;
    if (asked > this.#maxRetryAfterMs) return null;
    const delayMs = Math.max(asked, this.#backOff.delayMs(attempt));
    // Waiting for longer than there is time would only hide what happened.
    if (delayMs >= time.leftMs) return null;
    if (latestAt !== Infinity && this.#backOff.clock.now() + delayMs > latestAt) return null;
    return this.#budget === null || this.#budget.take() ? delayMs : null;
  }

  /** What a proxy answers counts as what a server does: wrong credentials stay wrong. */
  #isPassing(error: unknown): boolean {
    if (!(error instanceof HttpError) || !this.#errors.has(error.code)) return false;
    const refusal = error instanceof ProxyError ? error.response : null;
    return refusal === null || this.#statuses.has(refusal.status);
  }

  /** Whether sending it again cannot do harm. */
  #maySend(outcome: Outcome, request: HttpRequest): boolean {
    if (!isReplayable(request.body) || request.signal?.aborted) return false;
    const verdict = "error" in outcome ? (outcome.error as HttpError).attempt?.verdict : undefined;
    const isUntouched = verdict === "never-sent" || verdict === "not-processed";
    return isUntouched || this.#methods.has(request.method) ||
      request.headers.has("idempotency-key") || request.headers.has("x-idempotency-key");
  }
}

/**
 * The options that a caller states.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown one.
 */
export function retryOptions(options: RetryOptions): RetryOptions {
  return callersOptions(
    options,
    OPTIONS,
    (name) => invalid(`Unknown retry option "${printable(name)}"`),
  );
}

/** What is left for the next try. */
function timeoutMs(time: TimeLeft, earlier: readonly Attempt[]): number {
  try {
    return time.timeoutMs;
  } catch (error) {
    throw afterAttempts(error, earlier, null);
  }
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
