/**
 * Layers around a transport: what is done before a request is sent, and with its answer.
 *
 * @module
 */
import { tellFault, tellRejection } from "../../conn/fault.ts";
import { type Attempt, HttpError } from "../../conn/http_error.ts";
import { NO_ATTEMPTS, UNTOLD } from "../../transport/attempt.ts";
import type { Clock } from "../../transport/clock.ts";
import {
  type HttpRequest,
  isRequest,
  joinOperation,
  notARequest,
} from "../../transport/message/http_request.ts";
import {
  attemptsOf,
  type HttpResponse,
  isResponse,
} from "../../transport/message/http_response.ts";
import { discardBody } from "../../transport/message/request_body.ts";
import { checkedRoundTripper, type RoundTripper } from "../../transport/transport.ts";
import { TimeLeft } from "../time_left.ts";
import { callersClock } from "../waiting_clock.ts";

/**
 * Stands between whoever sends requests and a transport: it may change the request, look at the answer
 * or give another, ask again, or refuse by throwing.
 *
 * @param request What is sent; `request.with({ … })` makes another one of it.
 * @param next Sends a request by what is below, within what is left of the time, and unless the
 * signal has been aborted. It may be called more than once: each call is an attempt of its own, and
 * whoever drops an answer closes its body. A stream can be sent only once.
 * @returns The answer.
 */
export type Layer = (
  request: HttpRequest,
  next: (request: HttpRequest) => Promise<HttpResponse>,
) => HttpResponse | Promise<HttpResponse>;

/**
 * Puts layers around a transport. The first one given is the outermost: it has the request first and the
 * answer last. Below a {@linkcode Client} they see every hop of a chain of redirects: a secret that a
 * layer adds goes to the origin that it is for only if the layer looks.
 *
 * What a layer throws is what the request fails with; an {@linkcode HttpError} then tells of all attempts
 * that were made through `next`. Answers that it had got are closed. One that gives no response is
 * `ERR_INVALID_REQUEST`, and one that hangs ends with the request's `timeoutMs`, or its signal: both hold
 * for all that a layer does, whatever the request that it passes on says of them. All that is made of the
 * request by `with()` belongs to the same operation.
 *
 * Cancel: the request's signal, in any phase; a layer that is at work then gets nothing more from `next`.
 *
 * @param inner What sends the requests in the end.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: `inner` is no transport, or a layer no function.
 *
 * @example
 * ```ts
 * import { Client, compose, type Layer } from "@roundtrip/http";
 * import { mockTransport } from "@roundtrip/http/testing";
 *
 * const mock = mockTransport();
 * mock.expect("GET", "https://api.test/").reply(200, "ok");
 * const numbered: Layer = async (request, next) => {
 *   const response = await next(request.with({ headers: [...request.headers, ["X-Call", "1"]] }));
 *   console.log(request.method, response.status);
 *   return response;
 * };
 * const client = new Client({ transport: compose(mock, numbered) });
 * console.log(await (await client.get("https://api.test/")).text());
 * ```
 */
export function compose(inner: RoundTripper, ...layers: Layer[]): RoundTripper {
  const clock = callersClock(undefined);
  return layers.reduceRight<RoundTripper>(
    (below, layer) => new LayeredTransport(below, layer, clock),
    checkedRoundTripper(inner),
  );
}

/** A transport below one layer. */
export class LayeredTransport implements RoundTripper {
  readonly #inner: RoundTripper;
  readonly #layer: Layer;
  readonly #clock: Clock;

  /** @throws {HttpError} `ERR_INVALID_REQUEST`: the layer is no function. */
  constructor(inner: RoundTripper, layer: Layer, clock: Clock) {
    if (typeof layer !== "function") throw invalid("A layer is no function");
    this.#inner = inner;
    this.#layer = layer;
    this.#clock = clock;
  }

  /** @throws What the layer throws; as {@linkcode compose} says. */
  async roundTrip(request: HttpRequest): Promise<HttpResponse> {
    if (!isRequest(request)) throw notARequest("roundTrip", request);
    const call = new LayerCall(joinOperation(request), this.#inner, this.#clock);
    return await call.answer(this.#layer);
  }
}

/** One request on its way through one layer. Owns: its body, until `next` is called. */
class LayerCall {
  readonly #request: HttpRequest;
  readonly #inner: RoundTripper;
  readonly #time: TimeLeft;
  /** What is known of each attempt that `next` has made. */
  #attempts: readonly Attempt[] = NO_ATTEMPTS;
  /** What `next` gave. */
  readonly #responses: HttpResponse[] = [];
  #isPassedOn = false;
  /** What it has failed with. */
  #failure: { readonly error: unknown } | null = null;

  constructor(request: HttpRequest, inner: RoundTripper, clock: Clock) {
    this.#request = request;
    this.#inner = inner;
    this.#time = new TimeLeft(request, clock);
  }

  async answer(layer: Layer): Promise<HttpResponse> {
    const { signal, body } = this.#request;
    try {
      if (signal?.aborted) throw signal.reason;
      return await this.#time.wait(this.#throughLayer(layer), signal);
    } catch (error) {
      this.#failure = { error };
      this.#responses.forEach(letGo);
      throw this.#told(error);
    } finally {
      // No transport will.
      if (!this.#isPassedOn) discardBody(body);
    }
  }

  async #throughLayer(layer: Layer): Promise<HttpResponse> {
    const response = await layer(this.#request, (request) => {
      const answer = this.#next(request);
      // Whoever waits for it is told; a layer that has forgotten it ends no process.
      answer.catch(() => {});
      return answer;
    });
    if (!isResponse(response)) throw invalid("A layer gave no response");
    // Nobody waits for it any more.
    if (this.#failure !== null) letGo(response);
    return response;
  }

  async #next(request: HttpRequest): Promise<HttpResponse> {
    if (!isRequest(request)) throw notARequest("next", request);
    let inTime: HttpRequest;
    try {
      this.#checkFailure();
      if (this.#request.signal?.aborted) throw this.#request.signal.reason;
      inTime = this.#within(request);
    } catch (error) {
      discardBody(request.body);
      throw this.#told(error);
    }
    this.#isPassedOn = true;
    let response: HttpResponse;
    try {
      response = await this.#inner.roundTrip(inTime);
    } catch (error) {
      const told = this.#told(error);
      const known = told instanceof HttpError ? told.attempts : NO_ATTEMPTS;
      this.#attempts = known.length > this.#attempts.length ? known : [...this.#attempts, UNTOLD];
      throw told;
    }
    if (!isResponse(response)) throw invalid("What is below a layer gave no response");
    this.#attempts = [...this.#attempts, ...attemptsOf(response)];
    if (this.#failure !== null) letGo(response);
    this.#checkFailure();
    this.#responses.push(response);
    return response;
  }

  /** A request with what is left of the time, and the caller's signal besides its own. */
  #within(request: HttpRequest): HttpRequest {
    const leftMs = this.#time.timeoutMs;
    const { timeoutMs, signal } = request;
    const isShorter = leftMs === 0 || (timeoutMs > 0 && timeoutMs <= leftMs);
    const { signal: callers } = this.#request;
    const hasIts = callers === null || signal === callers;
    if (isShorter && hasIts) return request;
    return request.with({
      timeoutMs: isShorter ? timeoutMs : leftMs,
      signal: hasIts
        ? signal ?? undefined
        : signal === null
        ? callers
        : AbortSignal.any([callers, signal]),
    });
  }

  #checkFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** The error with what is known of the attempts before it. */
  #told(error: unknown): unknown {
    const { signal } = this.#request;
    if (!(error instanceof HttpError) || (signal?.aborted && error === signal.reason)) return error;
    const earlier = this.#attempts.filter((attempt) => !error.attempts.includes(attempt));
    return earlier.length === 0 ? error : error.withAttempts([...earlier, ...error.attempts]);
  }
}

function letGo(response: HttpResponse): void {
  const what = "A response that a layer had got could not be closed";
  try {
    tellRejection(what, response.body.close());
  } catch (error) {
    tellFault(what, error);
  }
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
