/**
 * The making of one connection: TCP, the way through proxies, then TLS, each within its time.
 *
 * @module
 */
import type { Address, Conn, Dialer, TcpAddress, TlsOptions } from "../conn/conn.ts";
import { addressText } from "../conn/conn_error.ts";
import { checkEgress, type CompiledEgress } from "../conn/names/egress.ts";
import { HttpError, type HttpErrorPhase } from "../conn/http_error.ts";
import type { Clock } from "./clock.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Tunnel } from "./connect_tunnel.ts";
import type { HttpRequest } from "./http_request.ts";
import { ListNode } from "./linked_list.ts";
import { ProxyError } from "./route/proxy_error.ts";
import { type PassageWatcher, passProxies, unreachable } from "./route/proxy_passage.ts";
import { addressOf, type ProxyServer } from "./route/proxy_server.ts";
import type { ProxySettings } from "./route/proxy_settings.ts";
import { forwarderOf, type Route, type RoutedRequest } from "./route/route.ts";
import type { DialTimes } from "./round_trip_times.ts";
import { type ClientTrace, traces } from "./trace.ts";

/** How connections are made. Milliseconds; 0 is off. */
export interface DialSettings {
  readonly dialer: Dialer;
  readonly tls: TlsOptions;
  /** For what is only asked of a proxy; the dialer judges what it dials. */
  readonly egress: CompiledEgress | null;
  readonly proxySettings: ProxySettings;
  readonly localAddress: string | undefined;
  readonly dialTimeoutMs: number;
  readonly tlsHandshakeTimeoutMs: number;
  readonly trace: ClientTrace | null;
}

type DialPhase = "dial" | "proxy" | "tls";

/** A connection being made. Owns: what has been opened, until `run` has returned it. */
export class Dial implements DialTimes, PassageWatcher {
  readonly route: Route;
  readonly startedAtMs: number;
  /** Among the dials under way. */
  readonly place: ListNode<Dial> = new ListNode<Dial>(this);
  /** Null once it has ended, as is the controller: a connection keeps its dial all its life. */
  #wanted: HttpRequest | null;
  readonly #settings: DialSettings;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  #controller: AbortController | null = new AbortController();
  /** Milliseconds of the phases that are over; null: it was not reached. */
  readonly #spentMs: Record<DialPhase, number | null> = { dial: null, proxy: null, tls: null };
  #phase: DialPhase = "dial";
  #phaseSinceMs: number;
  #ended = false;

  constructor(
    wanted: RoutedRequest,
    settings: DialSettings,
    time: { clock: Clock; deadlines: Deadlines },
  ) {
    this.route = wanted.route;
    this.#wanted = wanted.request;
    this.#settings = settings;
    this.#clock = time.clock;
    this.#deadlines = time.deadlines;
    this.startedAtMs = time.clock.now();
    this.#phaseSinceMs = this.startedAtMs;
  }

  /** What it does now, or did last. */
  get phase(): HttpErrorPhase {
    return this.#phase;
  }

  /** Milliseconds that connecting took, or has taken so far. */
  get dialMs(): number {
    return this.#phaseMs("dial") ?? 0;
  }

  /** Milliseconds that getting through the proxies took, or has taken so far; null without. */
  get proxyMs(): number | null {
    return this.#phaseMs("proxy");
  }

  /** Milliseconds that the TLS handshake took, or has taken so far; null without one. */
  get tlsMs(): number | null {
    return this.#phaseMs("tls");
  }

  /** Ends it; `run` rejects with `reason`. */
  abort(reason: unknown): void {
    this.#controller?.abort(reason);
  }

  /**
   * Makes the connection.
   *
   * @throws {HttpError} `ERR_DIAL`, `ERR_PROXY`, `ERR_TLS`, `ERR_TIMEOUT`, `ERR_INVALID_REQUEST`. Or
   * the reason of {@linkcode abort}.
   */
  async run(): Promise<Conn> {
    const { hostname, port, scheme, socketPath } = this.#request;
    const { proxies } = this.route;
    try {
      const server: TcpAddress = { transport: "tcp", hostname, port };
      if (proxies.length === 0) {
        if (scheme === "https:" && this.#settings.dialer.securesDials === true) {
          return await this.#connectSecurely(server);
        }
        const direct = await this.#connect(
          socketPath === null ? server : { transport: "unix", path: socketPath },
        );
        return scheme === "https:" ? await this.#secure(direct) : direct;
      }
      const passage = {
        proxies,
        target: forwarderOf(this.#request, this.route) === null ? server : null,
        signal: this.#signal,
        targetSpeaksFirst: false,
      };
      this.#checkEgress([...proxies.slice(1).map(addressOf), server]);
      const near = await this.#connect(addressOf(proxies[0]), proxies[0]);
      const there = await passProxies(near, passage, this.#settings.proxySettings, this);
      return scheme === "https:" ? await this.#secure(there) : there;
    } finally {
      this.#enter(this.#phase);
      this.#ended = true;
      this.#wanted = null;
      this.#controller = null;
    }
  }

  /** Of the request that it is for. Order: not after its end. */
  get #request(): HttpRequest {
    return this.#wanted!;
  }

  get #signal(): AbortSignal {
    return this.#controller!.signal;
  }

  /** Of addresses that a proxy will connect to. */
  #checkEgress(addresses: readonly Address[]): void {
    const { egress } = this.#settings;
    if (egress !== null) { for (const address of addresses) checkEgress(egress, address); }
  }

  // PassageWatcher

  async secureProxy({ label }: ProxyServer, run: () => Promise<Conn>): Promise<Conn> {
    this.#enter("proxy");
    return await this.#handshake(label, run);
  }

  async openTunnel(
    { label }: ProxyServer,
    to: TcpAddress,
    run: () => Promise<Tunnel>,
  ): Promise<Tunnel> {
    const hop = { proxy: label, target: addressText(to) };
    this.#enter("proxy");
    this.#each((trace) => trace.proxyConnectStart?.(hop));
    try {
      const what = `Proxy ${hop.proxy}`;
      const tunnel = await this.#within(this.#settings.dialTimeoutMs, what, run);
      const { status } = tunnel;
      this.#each((trace) =>
        trace.proxyConnectDone?.({ ...hop, ...status === null ? {} : { status } })
      );
      return tunnel;
    } catch (error) {
      const response = error instanceof ProxyError ? error.response : null;
      const status = response === null ? {} : { status: response.status };
      this.#each((trace) => trace.proxyConnectDone?.({ ...hop, ...status, error }));
      throw error;
    }
  }

  async #connect(address: Address, proxy?: ProxyServer): Promise<Conn> {
    const { dialer, localAddress } = this.#settings;
    const signal = this.#signal;
    return await this.#connecting(
      address,
      proxy,
      () => dialer.dial(address, { signal, localAddress }),
    );
  }

  async #connecting<T>(
    address: Address,
    proxy: ProxyServer | undefined,
    step: () => Promise<T>,
  ): Promise<T> {
    this.#each((trace) => trace.connectStart?.({ address }));
    try {
      const what = proxy === undefined ? "Connecting" : `Connecting to proxy ${proxy.label}`;
      const connected = await this.#within(this.#settings.dialTimeoutMs, what, step);
      this.#each((trace) => trace.connectDone?.({ address }));
      return connected;
    } catch (failure) {
      const error = proxy === undefined ? failure : unreachable(proxy, failure);
      this.#each((trace) => trace.connectDone?.({ address, error }));
      throw error;
    }
  }

  /** The dialer does both steps; each has its time all the same. */
  async #connectSecurely(address: Address): Promise<Conn> {
    const { dialer, localAddress } = this.#settings;
    const signal = this.#signal;
    const connected = Promise.withResolvers<void>();
    const securing = dialer.dial(address, {
      signal,
      localAddress,
      tls: this.#tlsOptions,
      onConnect: connected.resolve,
    });
    // Of a dialer that does not tell when it is connected, or that fails before.
    securing.then(() => connected.resolve(), connected.reject);
    await this.#connecting(address, undefined, () => connected.promise);
    this.#enter("tls");
    return await this.#handshake(undefined, () => securing);
  }

  async #secure(conn: Conn): Promise<Conn> {
    const { dialer } = this.#settings;
    const signal = this.#signal;
    this.#enter("tls");
    return await this.#handshake(
      undefined,
      () => dialer.startTls(conn, this.#tlsOptions, signal),
    );
  }

  get #tlsOptions(): TlsOptions {
    const { tls } = this.#settings;
    return { ...tls, serverName: tls.serverName ?? this.#request.hostname };
  }

  /** @param proxy With whom; undefined: with the server. */
  async #handshake(proxy: string | undefined, run: () => Promise<Conn>): Promise<Conn> {
    const peer = proxy === undefined ? {} : { proxy };
    const what = `The TLS handshake${proxy === undefined ? "" : ` with proxy ${proxy}`}`;
    this.#each((trace) => trace.tlsHandshakeStart?.(peer));
    try {
      const secured = await this.#within(this.#settings.tlsHandshakeTimeoutMs, what, run);
      this.#each((trace) => trace.tlsHandshakeDone?.({ ...peer, tls: secured.tls ?? undefined }));
      return secured;
    } catch (error) {
      this.#each((trace) => trace.tlsHandshakeDone?.({ ...peer, error }));
      throw error;
    }
  }

  async #within<T>(limitMs: number, what: string, step: () => Promise<T>): Promise<T> {
    if (limitMs === 0) return await step();
    const deadline = this.#deadlines.set(limitMs, () => {
      const message = `${what} took more than ${limitMs} ms`;
      this.abort(new HttpError("ERR_TIMEOUT", message, { phase: this.#phase }));
    });
    try {
      return await step();
    } finally {
      this.#deadlines.clear(deadline);
    }
  }

  /** The phase before is over. */
  #enter(phase: DialPhase): void {
    this.#spentMs[this.#phase] = this.#phaseMs(this.#phase);
    this.#phase = phase;
    this.#phaseSinceMs = this.#clock.now();
  }

  #phaseMs(phase: DialPhase): number | null {
    const spentMs = this.#spentMs[phase];
    if (phase !== this.#phase || this.#ended) return spentMs;
    return (spentMs ?? 0) + this.#clock.now() - this.#phaseSinceMs;
  }

  #each(call: (trace: ClientTrace) => void): void {
    traces(this.#settings.trace, this.#wanted?.trace ?? null, call);
  }
}
