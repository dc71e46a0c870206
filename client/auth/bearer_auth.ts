/**
 * The scheme Bearer: a token, and where the next one comes from.
 *
 * @module
 */
import { callersOptions } from "../../conn/callers_options.ts";
import { tellFault } from "../../conn/fault.ts";
import { HttpError, printable } from "../../conn/http_error.ts";
import type { Clock } from "../../transport/clock.ts";
import type { HttpRequest } from "../../transport/message/http_request.ts";
import { callersClock } from "../waiting_clock.ts";
import {
  type Authenticator,
  invalid,
  type Login,
  type Origins,
  OriginSet,
  type Refusal,
} from "./authenticator.ts";

/**
 * Gets a token. Ask with another client than the one that waits for it.
 *
 * @param refused The token that a server has refused; null: there was none.
 */
export type TokenSource = (refused: string | null) => string | Promise<string>;

/** Options of {@linkcode bearerAuth}. */
export interface BearerAuthOptions {
  /** The servers that may be shown the token: `"https://api.example.com"`. */
  origins: Origins;
  /** Visible ASCII; or what gets one when it is first needed, and after each refusal. */
  token: string | TokenSource;
  /** Milliseconds that getting a token may take; 0 is off. @default {30000} */
  tokenTimeoutMs?: number;
  /** For tests: a clock of their own. Default: the runtime's. */
  clock?: Clock;
}

const OPTIONS: ReadonlySet<string> = new Set<keyof BearerAuthOptions>([
  "origins",
  "token",
  "tokenTimeoutMs",
  "clock",
]);

/** Milliseconds. Timers beyond fire at once on every runtime. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What was shown. */
interface BearerLogin extends Login {
  readonly token: string;
  /** Whether it was shown in the place of one that was refused. */
  readonly isSecond: boolean;
}

/**
 * Shows a token with every request to these origins, for an `AuthTransport`.
 *
 * Where `token` is a function, a 401 gets the next one, and what was refused is sent once more with
 * it if its body can be sent again. However many requests are refused at once, it is called once, and
 * all wait for it, each within its own `timeoutMs` and until its own signal aborts; where it fails, or
 * takes longer than `tokenTimeoutMs`, all that wait fail with it, and the next request calls it again.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an unknown option, no origin, no token, or a value that an
 * option cannot have.
 * @see RFC 6750
 *
 * @example
 * ```ts
 * import { AuthTransport, bearerAuth, Transport } from "@roundtrip/http";
 *
 * const auth = bearerAuth({ origins: "https://api.example.com", token: () => "from somewhere" });
 * await using transport = new Transport();
 * const authenticated = new AuthTransport(transport, auth);
 * if (typeof authenticated.roundTrip !== "function") throw new Error("it is a transport");
 * ```
 */
export function bearerAuth(options: BearerAuthOptions): Authenticator {
  options = callersOptions(
    options,
    OPTIONS,
    (name) => invalid(`Unknown option of bearerAuth() "${printable(name)}"`),
  );
  return new BearerAuth(options);
}

/** Owns: the token, and the call that gets the next one. */
class BearerAuth implements Authenticator {
  readonly holdsBodies: boolean = false;
  readonly #origins: OriginSet;
  /** Null: there is one token, and no other. */
  readonly #source: TokenSource | null;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  /** Null: it is to be got. */
  #token: string | null;
  /** For all who wait. */
  #getting: Promise<string> | null = null;

  constructor({ origins, token, tokenTimeoutMs = 30_000, clock }: BearerAuthOptions) {
    this.#origins = new OriginSet(origins);
    this.#source = typeof token === "function" ? token : null;
    if (this.#source === null && !isToken(token)) {
      throw invalid("token is neither visible ASCII nor a function");
    }
    this.#token = this.#source === null ? token as string : null;
    if (typeof tokenTimeoutMs !== "number" || !(tokenTimeoutMs >= 0)) {
      throw invalid(`tokenTimeoutMs is not a number of milliseconds: ${tokenTimeoutMs}`);
    }
    this.#timeoutMs = tokenTimeoutMs;
    this.#clock = callersClock(clock);
  }

  isFor(request: HttpRequest): boolean {
    return this.#origins.covers(request);
  }

  login(): BearerLogin | Promise<BearerLogin> {
    return this.#token === null ? this.#next(null, false) : loginWith(this.#token, false);
  }

  answer({ login }: Refusal): (() => Promise<BearerLogin>) | null {
    const { token, isSecond } = login as BearerLogin;
    if (this.#source === null) return null;
    // Another may have got one since this was shown.
    if (this.#token === token) this.#token = null;
    return isSecond ? null : () => this.#next(token, true);
  }

  accepted(): void {}

  async #next(refused: string | null, isSecond: boolean): Promise<BearerLogin> {
    return loginWith(this.#token ?? await (this.#getting ??= this.#get(refused)), isSecond);
  }

  async #get(refused: string | null): Promise<string> {
    try {
      return this.#token = await this.#got(refused);
    } finally {
      this.#getting = null;
    }
  }

  #got(refused: string | null): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    let isOver = false;
    const expire = (): void => {
      isOver = true;
      reject(tooLate(this.#timeoutMs));
    };
    const timer = this.#timeoutMs === 0
      ? null
      : this.#clock.startTimer(expire, Math.min(this.#timeoutMs, MAX_TIMER_MS));
    // Not in this step: whoever gets it has to have that noted first.
    const called: Promise<unknown> = Promise.resolve().then(() => this.#source!(refused));
    called.then((token) => {
      if (isOver) return;
      if (timer !== null) this.#clock.stopTimer(timer);
      if (isToken(token)) resolve(token);
      else reject(noToken("token() gave something else than visible ASCII"));
    }, (error) => {
      // Those who waited were told that it took too long.
      if (isOver) return tellFault("token() failed after its time", error);
      if (timer !== null) this.#clock.stopTimer(timer);
      reject(noToken("token() failed", error));
    });
    return promise;
  }
}

function loginWith(token: string, isSecond: boolean): BearerLogin {
  return { value: `Bearer ${token}`, token, isSecond };
}

function isToken(token: unknown): token is string {
  return typeof token === "string" && /^[\x21-\x7e]+$/.test(token);
}

function noToken(message: string, cause?: unknown): HttpError {
  return new HttpError("ERR_AUTH", message, { phase: "client", cause });
}

function tooLate(timeoutMs: number): HttpError {
  const message = `Getting a token took more than ${timeoutMs} ms`;
  return new HttpError("ERR_TIMEOUT", message, { phase: "client" });
}
