/**
 * What happens to a request, as it happens.
 *
 * @module
 */
import type { Address, TlsInfo } from "../conn/conn.ts";
import type { HttpError } from "../conn/http_error.ts";
import type { HttpHeaders } from "../http/http_headers.ts";

/**
 * Hooks, each optional, synchronous. Without one, nothing is done for it. What a hook throws ends no
 * request: it is an uncaught error; `got1xxResponse` alone may throw to end the exchange.
 */
export interface ClientTrace {
  /** A connection is wanted. */
  getConn?(event: { key: string }): void;
  /** A connection was got. */
  gotConn?(event: { id: number; reused: boolean; wasIdle: boolean; idleMs: number }): void;
  /** The connection was given back, or (`error`) why it was not kept. */
  putIdleConn?(event: { id: number; error?: HttpError }): void;
  /** A connection begins to be made. */
  connectStart?(event: { address: Address }): void;
  /** The connection is open, or could not be made. */
  connectDone?(event: { address: Address; error?: unknown }): void;
  /**
   * A proxy is asked for a tunnel to `target`, host and port of the server or of the next proxy.
   * `proxy` is its URL without credentials.
   */
  proxyConnectStart?(event: { proxy: string; target: string }): void;
  /**
   * The tunnel is open, or could not be opened.
   *
   * @param event `status`: what an HTTP proxy answered.
   */
  proxyConnectDone?(
    event: { proxy: string; target: string; status?: number; error?: unknown },
  ): void;
  /** The TLS handshake begins: with the server, or with the proxy at that URL. */
  tlsHandshakeStart?(event: { proxy?: string }): void;
  /** The TLS handshake has ended. */
  tlsHandshakeDone?(event: { proxy?: string; tls?: TlsInfo; error?: unknown }): void;
  /** The head was accepted by the runtime. */
  wroteHeaders?(): void;
  /** The body is held back until the server asks for it. */
  wait100Continue?(): void;
  /** The server asks for the body. */
  got100Continue?(): void;
  /** Any informational response, 100 included. Throwing ends the exchange with that error. */
  got1xxResponse?(status: number, headers: HttpHeaders): void;
  /** Sending has ended: all of it, or with an error. */
  wroteRequest?(event: { error?: unknown }): void;
  /** The first byte of a response came. */
  gotFirstResponseByte?(): void;
  /** The request is sent again, for the `attempt`-th time, because of `error`. */
  retry?(event: { attempt: number; error: HttpError }): void;
  /** The body was read to its end, closed, or failed; `bytes` as they came over the wire. */
  bodyDone?(event: { bytes: number; error?: unknown }): void;
  /** A response was dropped with its body unread; its connection has been closed. */
  bodyLeaked?(event: { id: number }): void;
}

/**
 * Calls the transport's hooks, then the request's. What a hook throws is thrown where nobody is in
 * the middle of something: as an uncaught error of its own turn.
 */
export function traces(
  transport: ClientTrace | null,
  request: ClientTrace | null,
  call: (trace: ClientTrace) => void,
): void {
  if (transport !== null) guarded(transport, call);
  if (request !== null) guarded(request, call);
}

function guarded(trace: ClientTrace, call: (trace: ClientTrace) => void): void {
  try {
    call(trace);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
