/**
 * A dialer that goes through proxies: what a transport does with its option `proxy`, for any use.
 *
 * @module
 */
import { abortable } from "../../conn/abortable.ts";
import type {
  Address,
  Conn,
  Dialer,
  DialOptions,
  TcpAddress,
  TlsOptions,
} from "../../conn/conn.ts";
import { systemDialer } from "../../conn/dial.ts";
import { guardedConn, unguardedConn } from "../../conn/guarded_conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import { hostFinder } from "../../conn/names/resolving_dialer.ts";
import { socketOptions } from "../../conn/socket_options.ts";
import { hasUnread } from "../../conn/unread_conn.ts";
import { checkDial, tellConnected } from "../../conn/tls_options.ts";
import { systemClock } from "../clock.ts";
import {
  type PassageWatcher,
  passProxies,
  spokeFirst,
  unreachable,
  untilProven,
} from "./proxy_passage.ts";
import { addressOf, type ProxyServer } from "./proxy_server.ts";
import { type ProxySettings, proxySettings, type ProxySpeechOptions } from "./proxy_settings.ts";
import { parseProxies, type ProxyChoice } from "./route.ts";

/** Options of {@linkcode proxyDialer}. */
export interface ProxyDialerOptions extends ProxySpeechOptions {
  /**
   * What reaches the first proxy, and does the TLS.
   *
   * @default {systemDialer()}
   */
  dialer?: Dialer;
  /** Finds the addresses of hosts for `socks5:`, as in a transport. Default: the system's resolver. */
  resolve?: (hostname: string) => Promise<string[]>;
}

/** Nobody watches, and time is the caller's: the signal ends every step. */
const unwatched: PassageWatcher = {
  secureProxy: (_proxy, run) => run(),
  openTunnel: (_proxy, _hop, run) => run(),
};

class ProxyDialer implements Dialer {
  readonly #proxies: readonly ProxyServer[];
  readonly #settings: ProxySettings;
  readonly pollBarrier?: (sure?: () => void) => Promise<void>;
  readonly holdsBack?: boolean;

  constructor(proxies: readonly ProxyServer[], settings: ProxySettings) {
    this.#proxies = proxies;
    this.#settings = settings;
    const { dialer } = settings;
    if (dialer.pollBarrier !== undefined) {
      this.pollBarrier = (sure) => dialer.pollBarrier!(sure);
    }
    if (dialer.holdsBack === true) this.holdsBack = true;
  }

  /** {@inheritDoc Dialer.dial} */
  async dial(address: Address, options: DialOptions = {}): Promise<Conn> {
    checkDial(address, options);
    if (address.transport === "unix") {
      throw invalid("a Unix socket cannot be reached through a proxy");
    }
    const { tls, signal } = options;
    const first = { signal, ...socketOptions(options) };
    const conn = await this.#pass(address, first, tls === undefined);
    tellConnected(options, () => conn.close());
    if (tls === undefined) return conn;
    const named = { ...tls, serverName: tls.serverName ?? address.hostname };
    return await this.#settings.dialer.startTls(unguardedConn(conn), named, signal);
  }

  /** {@inheritDoc Dialer.startTls} */
  startTls(conn: Conn, options: TlsOptions, signal?: AbortSignal): Promise<Conn> {
    if (hasUnread(conn)) {
      conn.close();
      return Promise.reject(spokeFirst(this.#proxies.at(-1)!));
    }
    return this.#settings.dialer.startTls(conn, options, signal);
  }

  #pass(target: TcpAddress, options: DialOptions, targetSpeaksFirst: boolean): Promise<Conn> {
    const { signal } = options;
    const passage = { proxies: this.#proxies, target, signal, targetSpeaksFirst };
    return untilProven(async () => {
      const conn = await this.#first(options);
      return await passProxies(conn, passage, this.#settings, unwatched);
    });
  }

  /** A connection to the first proxy. */
  async #first(options: DialOptions): Promise<Conn> {
    const [first] = this.#proxies;
    const { signal } = options;
    try {
      const dialing = (async () =>
        guardedConn(await this.#settings.dialer.dial(addressOf(first), options)))();
      return await abortable(dialing, signal, { discard: (late) => late.close() });
    } catch (error) {
      throw unreachable(first, error);
    }
  }
}

/**
 * Makes a dialer that reaches every address through proxies: HTTP proxies by `CONNECT`, SOCKS
 * servers by their protocol. Dialers compose: give it to a transport, which may have proxies of its
 * own behind these, or use it for other protocols than HTTP.
 *
 * Connections that it makes have the address of the first proxy as their `remoteAddr`; TLS over them
 * needs a `serverName`, which a transport gives, and so does `dial()` with `tls`.
 *
 * Time is not bounded here: give `dial()` a signal.
 *
 * @param proxies One proxy, or several in the order in which they are passed.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: no proxy, or options that cannot be used. The dialer's
 * `dial()` throws `ERR_DIAL` where the first proxy cannot be reached, {@linkcode ProxyError} where
 * one refuses, `ERR_TLS` where the certificate of a proxy or of the server is refused.
 *
 * @example Through a SOCKS server to an HTTP proxy, and from there to the server
 * ```ts
 * import { HttpRequest, proxyDialer, Transport } from "@roundtrip/http";
 *
 * await using transport = new Transport({
 *   dialer: proxyDialer("socks5h://127.0.0.1:1"),
 *   proxy: "http://proxy.example:3128",
 * });
 * try {
 *   const response = await transport.roundTrip(new HttpRequest("https://example.com/"));
 *   console.log(await response.text());
 * } catch (error) {
 *   console.log((error as Error).message);
 * }
 * ```
 */
export function proxyDialer(
  proxies: NonNullable<ProxyChoice>,
  options: ProxyDialerOptions = {},
): Dialer {
  const parsed = parseProxies(proxies);
  if (parsed.length === 0) throw invalid("no proxy is given");
  const { dialer = systemDialer(), resolve } = options;
  const { lookUp } = hostFinder({ dialer, resolve });
  return new ProxyDialer(
    parsed,
    proxySettings(options, { dialer, lookUp, clock: systemClock, sessions: null }),
  );
}

function invalid(why: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", `Cannot dial through proxies: ${why}`, {
    phase: "proxy",
  });
}
