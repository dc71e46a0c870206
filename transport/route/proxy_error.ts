/**
 * The error of a proxy that refuses, or that does not keep to its protocol.
 *
 * @module
 */
import { type Attempt, HttpError, keepStack } from "../../conn/http_error.ts";
import type { HttpHeaders } from "../../http/http_headers.ts";
import { NEVER_SENT } from "../attempt.ts";

/** What an HTTP proxy answered instead of opening a tunnel. */
export interface ProxyResponse {
  /** Integer 300..999. */
  readonly status: number;
  /** For example `Proxy-Authenticate`. */
  readonly headers: HttpHeaders;
  /** The first bytes of the body, 4096 at most: what came of them within a second. */
  readonly bodyStart: Uint8Array;
}

/** What else a {@linkcode ProxyError} carries. */
export interface ProxyErrorOptions {
  /** The proxy's URL without credentials. */
  proxy: string;
  /** The answer of an HTTP proxy. */
  response?: ProxyResponse;
  /** The reply code of a SOCKS server. */
  reply?: number;
  /** The error underneath. */
  cause?: unknown;
  /** Attempts before it. Default: there were none, and this one was never sent. */
  attempts?: readonly Attempt[];
}

/**
 * A proxy refused, or did not keep to its protocol. Its code is always `ERR_PROXY`, its phase
 * `"proxy"`; nothing of the request was sent, unless an attempt before this one had sent it. That a proxy cannot be reached is `ERR_DIAL`, that its
 * certificate is refused is `ERR_TLS`.
 *
 * @example
 * ```ts
 * import { HttpRequest, ProxyError, Transport } from "@roundtrip/http";
 *
 * await using transport = new Transport({ proxy: "http://127.0.0.1:1" });
 * try {
 *   await transport.roundTrip(new HttpRequest("https://example.com/"));
 * } catch (error) {
 *   if (error instanceof ProxyError && error.response?.status === 407) {
 *     console.log(error.response.headers.get("Proxy-Authenticate"));
 *   }
 * }
 * ```
 */
export class ProxyError extends HttpError {
  /** The proxy's URL, without credentials. */
  readonly proxy: string;
  /** What an HTTP proxy answered; null if it answered nothing, or nothing that makes sense. */
  readonly response: ProxyResponse | null;
  /** The code with which a SOCKS server refused; null if it was not that. */
  readonly reply: number | null;

  /**
   * Makes an error.
   *
   * @param message For people; may change.
   */
  constructor(message: string, options: ProxyErrorOptions) {
    const { proxy, response, reply, cause } = options;
    // Until a proxy has opened the way nothing of a request can have been sent.
    const { attempts = [NEVER_SENT] } = options;
    super("ERR_PROXY", message, { phase: "proxy", attempts, cause });
    this.proxy = proxy;
    this.response = response ?? null;
    this.reply = reply ?? null;
  }

  /** The same error, of a request that took these attempts. */
  override withAttempts(attempts: readonly Attempt[]): ProxyError {
    const { message, proxy, cause } = this;
    const response = this.response ?? undefined;
    const reply = this.reply ?? undefined;
    return keepStack(
      this,
      new ProxyError(message, { proxy, response, reply, cause, attempts }),
    );
  }
}

/**
 * A proxy has asked for a proof that can be given, and has closed the connection: the next one says
 * it at once.
 */
export class ProofWanted extends ProxyError {}
