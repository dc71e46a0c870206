/**
 * The making of one connection: TCP, then TLS, each within its time.
 *
 * @module
 */
import type { Address, Conn, Dialer, TlsOptions } from "../conn/conn.ts";
import { HttpError, type HttpErrorPhase } from "../conn/http_error.ts";
import type { Clock } from "./clock.ts";
import type { Deadlines } from "./deadlines.ts";
import type { HttpRequest } from "./http_request.ts";
import type { Route, RoutedRequest } from "./route.ts";
import type { DialTimes } from "./round_trip_times.ts";
import { type ClientTrace, traces } from "./trace.ts";

/** How connections are made. Milliseconds; 0 is off. */
export interface DialSettings {
  readonly dialer: Dialer;
  readonly tls: TlsOptions;
  readonly localAddress: string | undefined;
  readonly dialTimeoutMs: number;
  readonly tlsHandshakeTimeoutMs: number;
  readonly trace: ClientTrace | null;
}

/** A connection being made. Owns: what has been opened, until `run` has returned it. */
export class Dial implements DialTimes {
  readonly route: Route;
  readonly startedAtMs: number;
  readonly #request: HttpRequest;
  readonly #settings: DialSettings;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #controller: AbortController = new AbortController();
  #connectedAtMs: number | null = null;
  #endedAtMs: number | null = null;

  constructor(
    wanted: RoutedRequest,
    settings: DialSettings,
    time: { clock: Clock; deadlines: Deadlines },
  ) {
    this.route = wanted.route;
    this.#request = wanted.request;
    this.#settings = settings;
    this.#clock = time.clock;
    this.#deadlines = time.deadlines;
    this.startedAtMs = time.clock.now();
  }

  /** What it does now, or did last. */
  get phase(): HttpErrorPhase {
    return this.#connectedAtMs === null || this.#request.scheme !== "https:" ? "dial" : "tls";
  }

  /** Milliseconds that connecting took, or has taken so far. */
  get dialMs(): number {
    return (this.#connectedAtMs ?? this.#endedAtMs ?? this.#clock.now()) - this.startedAtMs;
  }

  /** Milliseconds that getting through the proxies took, or has taken so far; null without. */
  get proxyMs(): number | null {
    return null;
  }

  /** Milliseconds that the TLS handshake took, or has taken so far; null without one. */
  get tlsMs(): number | null {
    if (this.#connectedAtMs === null || this.#request.scheme !== "https:") return null;
    return (this.#endedAtMs ?? this.#clock.now()) - this.#connectedAtMs;
  }

  /** Ends it; `run` rejects with `reason`. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /**
   * Makes the connection.
   *
   * @throws {HttpError} `ERR_DIAL`, `ERR_TLS`, `ERR_TIMEOUT`, `ERR_INVALID_REQUEST`. Or the reason
   * of {@linkcode abort}.
   */
  async run(): Promise<Conn> {
    const { hostname, port, scheme, socketPath } = this.#request;
    const { dialer, localAddress } = this.#settings;
    const address: Address = socketPath === null
      ? { transport: "tcp", hostname, port }
      : { transport: "unix", path: socketPath };
    const { signal } = this.#controller;
    try {
      this.#each((trace) => trace.connectStart?.({ address }));
      let conn: Conn;
      try {
        conn = await this.#within(
          this.#settings.dialTimeoutMs,
          () => dialer.dial(address, { signal, localAddress }),
        );
      } catch (error) {
        this.#each((trace) => trace.connectDone?.({ address, error }));
        throw error;
      }
      this.#connectedAtMs = this.#clock.now();
      this.#each((trace) => trace.connectDone?.({ address }));
      return scheme !== "https:" ? conn : await this.#secure(conn);
    } finally {
      this.#endedAtMs = this.#clock.now();
    }
  }

  async #secure(conn: Conn): Promise<Conn> {
    const { dialer, tls } = this.#settings;
    const options: TlsOptions = { ...tls, serverName: tls.serverName ?? this.#request.hostname };
    this.#each((trace) => trace.tlsHandshakeStart?.());
    try {
      const secured = await this.#within(
        this.#settings.tlsHandshakeTimeoutMs,
        () => dialer.startTls(conn, options, this.#controller.signal),
      );
      this.#each((trace) => trace.tlsHandshakeDone?.({ tls: secured.tls ?? undefined }));
      return secured;
    } catch (error) {
      this.#each((trace) => trace.tlsHandshakeDone?.({ error }));
      throw error;
    }
  }

  async #within<T>(limitMs: number, step: () => Promise<T>): Promise<T> {
    if (limitMs === 0) return await step();
    const deadline = this.#deadlines.set(limitMs, () => this.abort(this.#timeout(limitMs)));
    try {
      return await step();
    } finally {
      this.#deadlines.clear(deadline);
    }
  }

  #timeout(limitMs: number): HttpError {
    const { phase } = this;
    const what = phase === "dial" ? "Connecting" : "The TLS handshake";
    return new HttpError("ERR_TIMEOUT", `${what} took more than ${limitMs} ms`, { phase });
  }

  #each(call: (trace: ClientTrace) => void): void {
    traces(this.#settings.trace, this.#request.trace, call);
  }
}
