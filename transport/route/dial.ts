/**
 * The making of one connection: TCP, the way through proxies, then TLS, each within its time.
 *
 * @module
 */
import { abortable } from "../../conn/abortable.ts";
import type { Address, Conn, Dialer, TcpAddress, TlsOptions } from "../../conn/conn.ts";
import { addressText } from "../../conn/conn_error.ts";
import { checkEgress, type CompiledEgress } from "../../conn/names/egress.ts";
import { guardedConn, guardedHolder, type Holder, unguardedConn } from "../../conn/guarded_conn.ts";
import { HttpError, type HttpErrorPhase } from "../../conn/http_error.ts";
import type { SocketOptions } from "../../conn/socket_options.ts";
import { type TlsSessions, withSessions } from "../../conn/tls_sessions.ts";
import type { Clock } from "../clock.ts";
import type { Deadline, Deadlines } from "../deadlines.ts";
import type { Tunnel } from "./connect_tunnel.ts";
import type { HttpRequest } from "../message/http_request.ts";
import { ListNode } from "../linked_list.ts";
import { type Http2Mode, offeredProtocols, spokenOn } from "./spoken_protocol.ts";
import { ProxyError } from "./proxy_error.ts";
import { type PassageWatcher, passProxies, unreachable, untilProven } from "./proxy_passage.ts";
import { addressOf, type ProxyServer } from "./proxy_server.ts";
import type { ProxySettings } from "./proxy_settings.ts";
import { forwarderOf, type Route, type RoutedRequest } from "./route.ts";
import type { Tracer } from "../message/trace.ts";

/** Milliseconds that making a connection took; null where it did not happen. */
export interface DialTimes {
  readonly dialMs: number | null;
  readonly proxyMs: number | null;
  readonly tlsMs: number | null;
}

/** How connections are made. Milliseconds; 0 is off. */
export interface DialSettings {
  readonly dialer: Dialer;
  readonly tls: TlsOptions;
  /** Null: none is taken up again. */
  readonly sessions: TlsSessions | null;
  readonly http2Mode: Http2Mode;
  /** For what is only asked of a proxy; the dialer judges what it dials. */
  readonly egress: CompiledEgress | null;
  readonly proxySettings: ProxySettings;
  readonly socket: SocketOptions;
  readonly dialTimeoutMs: number;
  readonly tlsHandshakeTimeoutMs: number;
}

type DialPhase = "dial" | "proxy" | "tls";

/**
 * Milliseconds. How long a step that keeps the process alive, and cannot be kept from it, goes on
 * when nobody waits for the connection.
 */
const UNWANTED_MS = 1_000;

/** A connection being made. Owns: what has been opened, until `run` has returned it. */
export class Dial implements DialTimes, PassageWatcher {
  readonly route: Route;
  readonly startedAtMs: number;
  /** Among the dials under way. */
  readonly place: ListNode<Dial> = new ListNode<Dial>(this);
  /** Null once it has ended, as are tracer and controller: a connection keeps its dial all its life. */
  #wanted: HttpRequest | null;
  #tracer: Tracer | null;
  readonly #settings: DialSettings;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  #controller: AbortController | null = new AbortController();
  /** Milliseconds of the phases that are over; null: it was not reached. */
  readonly #spentMs: Record<DialPhase, number | null> = { dial: null, proxy: null, tls: null };
  #phase: DialPhase = "dial";
  #phaseSinceMs: number;
  #ended = false;
  #protocol: "http/1.1" | "h2" = "http/1.1";
  /** Whether anybody waits for a connection of its kind. */
  #isWanted = true;
  /** By what the step under way keeps the process alive; null: it cannot be let go of. */
  #holder: Holder | null = null;
  #unwantedDeadline: Deadline | null = null;

  constructor(
    wanted: RoutedRequest & { readonly tracer: Tracer | null },
    settings: DialSettings,
    time: { clock: Clock; deadlines: Deadlines },
  ) {
    this.route = wanted.route;
    this.#wanted = wanted.request;
    this.#tracer = wanted.tracer;
    this.#settings = settings;
    this.#clock = time.clock;
    this.#deadlines = time.deadlines;
    this.startedAtMs = time.clock.now();
    this.#phaseSinceMs = this.startedAtMs;
  }

  /** What is spoken on the connection. Order: once it is made. */
  get protocol(): "http/1.1" | "h2" {
    return this.#protocol;
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

  /** Somebody waits for it: it keeps the process alive, and takes all the time that it may. */
  want(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#holder?.ref();
    this.#clearUnwanted();
  }

  /**
   * Nobody waits for it any more: it goes on for others, but does not keep the process alive, or not
   * for long.
   */
  unwant(): void {
    if (!this.#isWanted || this.#ended) return;
    this.#isWanted = false;
    this.#letGo();
  }

  /** A step begins that keeps the process alive by `holder`. */
  #hold(holder: Holder | null): void {
    if (holder === this.#holder) return;
    // Whoever goes on with the connection finds it as it was made.
    if (!this.#isWanted) this.#holder?.ref();
    this.#holder = holder;
    if (!this.#isWanted) this.#letGo();
  }

  #letGo(): void {
    if (this.#holder !== null) {
      this.#holder.unref();
      this.#clearUnwanted();
    } else {
      this.#unwantedDeadline ??= this.#deadlines.set(UNWANTED_MS, () => {
        const message = "Nobody waited for the connection any more";
        this.abort(new HttpError("ERR_CLOSED", message, { phase: this.#phase }));
      });
    }
  }

  #clearUnwanted(): void {
    this.#deadlines.clear(this.#unwantedDeadline);
    this.#unwantedDeadline = null;
  }

  /**
   * Makes the connection.
   *
   * @returns One that can be relied on, whatever the dialer is.
   * @throws {HttpError} `ERR_DIAL`, `ERR_PROXY`, `ERR_TLS`, `ERR_TIMEOUT`, `ERR_INVALID_REQUEST`. Or
   * what the dialer throws, or the reason of {@linkcode abort}.
   */
  async run(): Promise<Conn> {
    const conn = await this.#run();
    this.#protocol = spokenOn(conn, this.route.versions);
    return conn;
  }

  async #run(): Promise<Conn> {
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
        targetSpeaksFirst: this.route.versions === "h2c",
      };
      this.#checkEgress([...proxies.slice(1).map(addressOf), server]);
      const there = await untilProven(async () => {
        this.#enter("dial");
        const near = await this.#connect(addressOf(proxies[0]), proxies[0]);
        return await passProxies(near, passage, this.#settings.proxySettings, this);
      });
      return scheme === "https:" ? await this.#secure(there) : there;
    } finally {
      this.#enter(this.#phase);
      this.#ended = true;
      this.want();
      this.#holder = null;
      this.#wanted = null;
      this.#tracer = null;
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
    this.#hold(null);
    return await this.#handshake(label, run);
  }

  async openTunnel(
    { label }: ProxyServer,
    hop: { to: TcpAddress; through: Conn },
    run: () => Promise<Tunnel>,
  ): Promise<Tunnel> {
    const told = { proxy: label, target: addressText(hop.to) };
    this.#enter("proxy");
    this.#hold(hop.through);
    this.#tracer?.tell("proxyConnectStart", told);
    try {
      const what = `Proxy ${label}`;
      const tunnel = await this.#within(this.#settings.dialTimeoutMs, what, run, hop.through);
      const { status } = tunnel;
      this.#tracer?.tell("proxyConnectDone", { ...told, ...status === null ? {} : { status } });
      return tunnel;
    } catch (error) {
      const response = error instanceof ProxyError ? error.response : null;
      const status = response === null ? {} : { status: response.status };
      this.#tracer?.tell("proxyConnectDone", { ...told, ...status, error });
      throw error;
    }
  }

  async #connect(address: Address, proxy?: ProxyServer): Promise<Conn> {
    const { dialer, socket } = this.#settings;
    const signal = this.#signal;
    this.#hold(null);
    return await this.#connecting(
      address,
      proxy,
      () => this.#dialed(() => dialer.dial(address, { signal, ...socket })),
    );
  }

  /**
   * What the dialer makes, if it is a connection. The signal ends the wait for it, whether the dialer
   * heeds the signal or not; what comes later is closed.
   */
  async #dialed(dial: () => Promise<Conn>): Promise<Conn> {
    const made = (async () => guardedConn(await dial()))();
    return await abortable(made, this.#signal, { discard: (late) => late.close() });
  }

  async #connecting<T>(
    address: Address,
    proxy: ProxyServer | undefined,
    step: () => Promise<T>,
  ): Promise<T> {
    this.#tracer?.tell("connectStart", { address });
    try {
      const what = proxy === undefined ? "Connecting" : `Connecting to proxy ${proxy.label}`;
      const connected = await this.#within(this.#settings.dialTimeoutMs, what, step);
      this.#tracer?.tell("connectDone", { address });
      return connected;
    } catch (failure) {
      const error = proxy === undefined ? failure : unreachable(proxy, failure);
      this.#tracer?.tell("connectDone", { address, error });
      throw error;
    }
  }

  /** The dialer does both steps; each has its time all the same. */
  async #connectSecurely(address: Address): Promise<Conn> {
    const { dialer, socket } = this.#settings;
    const signal = this.#signal;
    const connected = Promise.withResolvers<void>();
    let holder: Holder | null = null;
    this.#hold(null);
    const securing = this.#dialed(() =>
      dialer.dial(address, {
        signal,
        ...socket,
        tls: this.#tlsOptions,
        onConnect: (told) => {
          holder = guardedHolder(told);
          connected.resolve();
        },
      })
    );
    // Of a dialer that does not tell when it is connected, or that fails before.
    securing.then(() => connected.resolve(), connected.reject);
    await this.#connecting(address, undefined, () => connected.promise);
    this.#enter("tls");
    this.#hold(holder);
    return await this.#handshake(undefined, () => securing);
  }

  async #secure(conn: Conn): Promise<Conn> {
    const { dialer } = this.#settings;
    const signal = this.#signal;
    this.#enter("tls");
    this.#hold(null);
    return await this.#handshake(undefined, async () => {
      try {
        return await this.#dialed(() =>
          dialer.startTls(unguardedConn(conn), this.#tlsOptions, signal)
        );
      } catch (error) {
        // A dialer that has not taken it over, or does not close it.
        conn.close();
        throw error;
      }
    });
  }

  get #tlsOptions(): TlsOptions {
    const { http2Mode, tls } = this.#settings;
    const options = {
      ...tls,
      alpnProtocols: offeredProtocols(tls.alpnProtocols, this.route.versions, http2Mode),
      serverName: tls.serverName ?? this.#request.hostname,
    };
    return withSessions(options, this.#settings.sessions, this.route.key);
  }

  /** @param proxy With whom; undefined: with the server. */
  async #handshake(proxy: string | undefined, run: () => Promise<Conn>): Promise<Conn> {
    const peer = proxy === undefined ? {} : { proxy };
    const what = `The TLS handshake${proxy === undefined ? "" : ` with proxy ${proxy}`}`;
    this.#tracer?.tell("tlsHandshakeStart", peer);
    try {
      const secured = await this.#within(
        this.#settings.tlsHandshakeTimeoutMs,
        what,
        run,
        null,
      );
      this.#tracer?.tell("tlsHandshakeDone", { ...peer, tls: secured.tls ?? undefined });
      return secured;
    } catch (error) {
      this.#tracer?.tell("tlsHandshakeDone", { ...peer, error });
      throw error;
    }
  }

  /**
   * @param talk For a step of several questions and answers: over what it has them. Null: that cannot
   * be watched.
   */
  async #within<T>(
    limitMs: number,
    what: string,
    step: () => Promise<T>,
    talk?: Conn | null,
  ): Promise<T> {
    if (limitMs === 0) return await step();
    let deadline: Deadline;
    const set = (delayMs: number, readBefore: number): void => {
      deadline = this.#deadlines.set(delayMs, (lateMs) => {
        // One that cannot be watched is believed once.
        const bytesRead = talk === null ? 1 : talk?.bytesRead ?? 0;
        // It had answered while the program was busy: that time is given back for the next answer.
        if (bytesRead > readBefore && lateMs > 0) return set(Math.min(lateMs, limitMs), bytesRead);
        const message = `${what} took more than ${limitMs} ms`;
        this.abort(new HttpError("ERR_TIMEOUT", message, { phase: this.#phase }));
      }, true);
    };
    set(limitMs, talk?.bytesRead ?? 0);
    try {
      return await step();
    } finally {
      this.#deadlines.clear(deadline!);
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
}
