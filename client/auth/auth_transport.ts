/**
 * Requests that say who asks, and answers to servers that want to know.
 *
 * @module
 */
import { callersOptions } from "../../conn/callers_options.ts";
import { type Attempt, printable } from "../../conn/http_error.ts";
import { afterAttempts, NO_ATTEMPTS } from "../../transport/attempt.ts";
import type { Clock } from "../../transport/clock.ts";
import {
  type HttpRequest,
  isRequest,
  joinOperation,
  notARequest,
} from "../../transport/message/http_request.ts";
import { attemptsOf, type HttpResponse } from "../../transport/message/http_response.ts";
import { isReplayable } from "../../transport/message/request_body.ts";
import { checkedRoundTripper, type RoundTripper } from "../../transport/transport.ts";
import { TimeLeft } from "../time_left.ts";
import { callersClock } from "../waiting_clock.ts";
import { type Authenticator, type Finder, invalid, type Login } from "./authenticator.ts";
import { HeldBody } from "./held_body.ts";

/** Options of an {@linkcode AuthTransport}. */
export interface AuthOptions {
  /** For tests: a clock of their own, like that of the transport below. Default: the runtime's. */
  clock?: Clock;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof AuthOptions>(["clock"]);

/** Count. Refusals of one request that are answered: no credentials, a nonce too old, and once more. */
const MAX_ANSWERS = 3;

/**
 * Says who asks, by `basicAuth()`, `digestAuth()` or `bearerAuth()`: to the origins that the
 * credentials are for, and not where a redirect from elsewhere leads there. A request with an
 * `Authorization` of its own is sent as it is; to a `Client`, credentials in a URL are one.
 *
 * What is answered with 401 is sent again where there is more to say and the body can be sent again:
 * it can be produced twice, or nothing of it was sent. `digestAuth()` holds other bodies back by
 * `Expect: 100-continue`, until the server has asked for them. Otherwise the 401 is the answer. The
 * request's signal ends every wait; its `timeoutMs` is for all tries together.
 *
 * @see RFC 9110 section 11
 *
 * @example
 * ```ts
 * import { AuthTransport, Client, digestAuth, Transport } from "@roundtrip/http";
 *
 * const auth = digestAuth({ origins: "http://127.0.0.1:1", username: "me", password: "secret" });
 * const client = new Client({ transport: new AuthTransport(new Transport(), auth) });
 * try {
 *   console.log((await client.get("http://127.0.0.1:1/")).status);
 * } catch (error) {
 *   console.log((error as Error).message);
 * }
 * ```
 */
export class AuthTransport implements RoundTripper {
  readonly #transport: RoundTripper;
  readonly #auth: Authenticator;
  readonly #clock: Clock;

  /**
   * Makes a transport on another.
   *
   * @param transport What sends the requests.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: no transport, nothing that knows who asks, or an
   * unknown option.
   */
  constructor(transport: RoundTripper, auth: Authenticator, options: AuthOptions = {}) {
    options = callersOptions(
      options,
      OPTIONS,
      (name) => invalid(`Unknown auth option "${printable(name)}"`),
    );
    this.#transport = checkedRoundTripper(transport);
    if (typeof auth?.login !== "function") {
      throw invalid("auth is not what basicAuth(), digestAuth() or bearerAuth() makes");
    }
    this.#auth = auth;
    this.#clock = callersClock(options.clock);
  }

  /**
   * Sends a request, again if the server wants to know who asks.
   *
   * Cancel: the request's signal, in any phase.
   *
   * @returns The last answer, also 401 where no more can be said.
   * @throws {HttpError} As the transport below, with the attempts of all tries. `ERR_AUTH`: there is
   * no token. Or the signal's reason.
   */
  async roundTrip(request: HttpRequest): Promise<HttpResponse> {
    if (!isRequest(request)) throw notARequest("roundTrip", request);
    if (request.headers.has("authorization") || !this.#auth.isFor(request)) {
      return await this.#transport.roundTrip(request);
    }
    const held = isReplayable(request.body) ? null : new HeldBody(request.body!);
    try {
      return await this.#ask(joinOperation(request), held);
    } finally {
      held?.discard();
    }
  }

  async #ask(request: HttpRequest, held: HeldBody | null): Promise<HttpResponse> {
    const time = new TimeLeft(request, this.#clock);
    const { signal } = request;
    let earlier: readonly Attempt[] = NO_ATTEMPTS;
    let find: Finder = () => this.#auth.login(request);
    for (let answers = 0;; answers++) {
      try {
        if (signal?.aborted) throw signal.reason;
        const found = find();
        const login = found instanceof Promise ? await time.wait(found, signal) : found;
        const ready = this.#stated(request, login, { held, timeoutMs: time.timeoutMs });
        const response = await this.#transport.roundTrip(ready);
        if (response.status !== 401) {
          if (login !== null) this.#auth.accepted(login, response.headers);
          return response;
        }
        const next = await this.#answer(request, login, response);
        const maySend = answers < MAX_ANSWERS && (held === null || held.isWhole);
        if (next === null || !maySend) return response;
        earlier = [...earlier, ...attemptsOf(response)];
        await response.body.close();
        find = next;
      } catch (error) {
        throw afterAttempts(error, earlier, signal);
      }
    }
  }

  /** What else there is to say; null: nothing. */
  async #answer(
    request: HttpRequest,
    login: Login | null,
    { headers, body }: HttpResponse,
  ): Promise<Finder | null> {
    try {
      return await this.#auth.answer({ request, login, headers });
    } catch (error) {
      await body.close();
      throw error;
    }
  }

  #stated(
    request: HttpRequest,
    login: Login | null,
    { held, timeoutMs }: { held: HeldBody | null; timeoutMs: number },
  ): HttpRequest {
    const headers: [string, string][] = [...request.headers];
    if (login !== null) headers.push(["Authorization", login.value]);
    const asks = held !== null && this.#auth.holdsBodies && !request.headers.has("expect");
    if (asks) headers.push(["Expect", "100-continue"]);
    const body = held === null ? {} : { body: held.offer() };
    return request.with({ headers, timeoutMs, ...body });
  }
}
