/**
 * A dialer that finds the addresses of a host itself, and dials those alone that it has checked.
 *
 * @module
 */
import { abortable } from "../abortable.ts";
import { type Clock, systemClock } from "../clock.ts";
import type { Address, Conn, Dialer, DialOptions, TcpAddress, TlsOptions } from "../conn.ts";
import { addressText, dialError, nativeCode } from "../conn_error.ts";
import {
  blockedError,
  checkEgress,
  type CompiledEgress,
  compileEgress,
  deniedIp,
  type EgressPolicy,
} from "./egress.ts";
import { guardedClock } from "../guarded_clock.ts";
import { guardedConn, unguardedConn } from "../guarded_conn.ts";
import { type SocketOptions, socketOptions } from "../socket_options.ts";
import { HostCache } from "./host_cache.ts";
import { HttpError, printable } from "../http_error.ts";
import { checkNetwork } from "../network_guard.ts";
import { type IpAddress, ipText, parseHostIp, parseIp } from "./ip_address.ts";
import { isBelowLocalhost } from "./ip_class.ts";
import { alternateFamilies, type Attempt, staggeredRace } from "./staggered_race.ts";
import { resolveBySystem } from "./system_resolver.ts";
import { checkDial, tellConnected } from "../tls_options.ts";

/** How hosts are found and which of them may be dialled. */
export interface ResolvingDialerOptions {
  /** What dials the addresses that were found. */
  dialer: Dialer;
  /**
   * Finds the IP addresses of a host, best first. Default: the system's resolver, which is not asked
   * for `localhost.` and the names below it: they are 127.0.0.1 and ::1.
   */
  resolve?: (hostname: string) => Promise<string[]>;
  /**
   * IP addresses of hosts that are not looked up; case and a dot at the end of the name do not
   * count.
   */
  hosts?: Record<string, string | string[]>;
  /** Milliseconds for which found addresses are used again; 0 is off. @default {0} */
  dnsCacheTtlMs?: number;
  /** Names to remember at most, an integer from 1. @default {256} */
  maxCachedHosts?: number;
  /** Which addresses may be dialled. Default: all. */
  egress?: EgressPolicy;
  /** Tells the time to the cache and to the race. Default: the runtime's. */
  clock?: Clock;
}

/** An address to dial. */
interface Candidate {
  readonly family: number;
  readonly ip: IpAddress;
}

/** What a lookup that found nothing of use says; {@linkcode dialError} puts it behind the name. */
class UselessAnswer extends Error {}

class ResolvingDialer implements Dialer {
  readonly #dialer: Dialer;
  readonly #resolve: ((hostname: string) => Promise<string[]>) | null;
  readonly #hosts: ReadonlyMap<string, readonly Candidate[]>;
  readonly #cache: HostCache<readonly Candidate[]>;
  readonly #egress: CompiledEgress | null;
  readonly #clock: Clock;
  readonly pollBarrier?: (sure?: () => void) => Promise<void>;
  readonly holdsBack?: boolean;

  constructor(options: ResolvingDialerOptions) {
    const { dialer, dnsCacheTtlMs = 0, maxCachedHosts = 256 } = options;
    if (typeof dnsCacheTtlMs !== "number" || !(dnsCacheTtlMs >= 0)) {
      throw invalidOption("dnsCacheTtlMs", "not a number from 0");
    }
    if (!Number.isSafeInteger(maxCachedHosts) || maxCachedHosts < 1) {
      throw invalidOption("maxCachedHosts", "not an integer from 1");
    }
    if (options.resolve !== undefined && typeof options.resolve !== "function") {
      throw invalidOption("resolve", "not a function");
    }
    this.#dialer = dialer;
    this.#resolve = options.resolve ?? null;
    this.#hosts = readHosts(options.hosts ?? {});
    this.#egress = options.egress === undefined ? null : compileEgress(options.egress);
    this.#clock = guardedClock(options.clock ?? systemClock);
    this.#cache = new HostCache({
      ttlMs: dnsCacheTtlMs,
      maxHosts: maxCachedHosts,
      clock: this.#clock,
    });
    if (dialer.pollBarrier !== undefined) {
      this.pollBarrier = (sure) => dialer.pollBarrier!(sure);
    }
    if (dialer.holdsBack === true) this.holdsBack = true;
  }

  /** {@inheritDoc Dialer.dial} */
  async dial(address: Address, options: DialOptions = {}): Promise<Conn> {
    checkDial(address, options);
    options.signal?.throwIfAborted();
    if (address.transport === "unix") {
      if (this.#egress !== null) checkEgress(this.#egress, address);
      return await this.#dialer.dial(address, options);
    }
    const literal = parseHostIp(address.hostname);
    if (literal === null) return await this.#dialHost(address, options);
    if (this.#egress !== null) checkEgress(this.#egress, address);
    // What was judged is dialled, not a text that somebody else may read in another way.
    return await this.#dialer.dial({ ...address, hostname: ipText(literal) }, options);
  }

  /** {@inheritDoc Dialer.startTls} */
  startTls(conn: Conn, options: TlsOptions, signal?: AbortSignal): Promise<Conn> {
    return this.#dialer.startTls(conn, options, signal);
  }

  /** The addresses of a host that may be dialled, in the order in which they would be. */
  async lookUp(address: TcpAddress, signal: AbortSignal | undefined): Promise<string[]> {
    const found = await abortable(this.#lookUp(address), signal, {});
    return this.#permitted(address, found).map(ipText);
  }

  async #dialHost(address: TcpAddress, options: DialOptions): Promise<Conn> {
    const { signal, tls } = options;
    const socket = socketOptions(options);
    const found = await abortable(this.#lookUp(address), signal, {});
    const ips = this.#permitted(address, sameFamily(address, found, socket.localAddress));
    const race = staggeredRace(
      ips,
      (ip) => this.#attempt({ ...address, hostname: ipText(ip) }, socket),
      this.#clock,
    );
    const connecting = race.done.catch((error) => {
      throw failedHost(address, ips.length, error);
    });
    const conn = await abortable(connecting, signal, {
      cancel: race.cancel,
      discard: (late) => late.close(),
    });
    tellConnected(options, () => conn.close());
    if (tls === undefined) return conn;
    // Only the winner: the others need not see half a handshake.
    const named = { ...tls, serverName: tls.serverName ?? address.hostname };
    return await this.#dialer.startTls(unguardedConn(conn), named, signal);
  }

  /** @throws {HttpError} `ERR_BLOCKED`: none of them may be dialled. */
  #permitted(address: TcpAddress, found: readonly Candidate[]): IpAddress[] {
    const egress = this.#egress;
    const ips = found.map(({ ip }) => ip);
    if (egress === null) return ips;
    const denied = ips.map((ip) => deniedIp(egress, ip));
    const permitted = ips.filter((_, index) => denied[index] === null);
    if (permitted.length === 0) throw blockedError(address, denied.join(", "));
    return permitted;
  }

  #attempt(address: TcpAddress, socket: SocketOptions): Attempt<Conn> {
    const controller = new AbortController();
    const { signal } = controller;
    const dial = async () => guardedConn(await this.#dialer.dial(address, { signal, ...socket }));
    const done = dial();
    return {
      done,
      cancel: () => {
        done.then((late) => late.close(), () => {});
        controller.abort();
      },
    };
  }

  /** The addresses of a host, in the order in which they are tried; one at least. */
  async #lookUp(address: TcpAddress): Promise<readonly Candidate[]> {
    const name = address.hostname.toLowerCase();
    const fixed = this.#hosts.get(withoutDot(name));
    if (fixed !== undefined) return fixed;
    if (this.#resolve === null && isBelowLocalhost(name)) return loopback;
    // Asking for a name is talking to somebody, too.
    if (this.#resolve === null) checkNetwork(address);
    try {
      return await this.#cache.get(name, () => this.#ask(address.hostname));
    } catch (error) {
      throw dialError(address, nativeCode(error), error);
    }
  }

  async #ask(hostname: string): Promise<readonly Candidate[]> {
    const answer: unknown = this.#resolve === null
      ? (await resolveBySystem(hostname, 0)).map(({ address }) => address)
      : await this.#resolve(hostname);
    if (!Array.isArray(answer)) throw new UselessAnswer("resolve() gave no list of addresses");
    if (answer.length === 0) throw new UselessAnswer("the host has no address");
    return readCandidates(answer, (text) => {
      throw new UselessAnswer(`resolve() gave "${text}", which is not an IP address`);
    });
  }
}

/** Reads IP addresses, each once, the families in turns. */
function readCandidates(
  texts: readonly unknown[],
  refuse: (text: string) => never,
): readonly Candidate[] {
  const candidates = new Map<string, Candidate>();
  for (const text of texts) {
    const ip = typeof text === "string" ? parseIp(text) : null;
    if (ip === null) return refuse(printable(String(text)));
    candidates.set(ipText(ip), { family: ip.bytes.length === 4 ? 4 : 6, ip });
  }
  return alternateFamilies([...candidates.values()]);
}

const loopback: readonly Candidate[] = [
  { family: 4, ip: parseIp("127.0.0.1")! },
  { family: 6, ip: parseIp("::1")! },
];

function readHosts(
  hosts: Record<string, string | string[]>,
): ReadonlyMap<string, readonly Candidate[]> {
  return new Map(
    Object.entries(hosts).map(([name, value]) => {
      const shown = printable(name);
      if (name === "" || parseHostIp(name) !== null) {
        throw invalidOption("hosts", `"${shown}" is not the name of a host`);
      }
      const texts = Array.isArray(value) ? value : [value];
      if (texts.length === 0) throw invalidOption("hosts", `no address for "${shown}"`);
      const candidates = readCandidates(texts, (text) => {
        throw invalidOption("hosts", `"${text}" for "${shown}" is not an IP address`);
      });
      return [withoutDot(name.toLowerCase()), candidates];
    }),
  );
}

function withoutDot(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

/** The addresses that can be reached from `localAddress`. */
function sameFamily(
  address: TcpAddress,
  found: readonly Candidate[],
  localAddress: string | undefined,
): readonly Candidate[] {
  if (localAddress === undefined) return found;
  const family = localAddress.includes(":") ? 6 : 4;
  const same = found.filter((candidate) => candidate.family === family);
  if (same.length > 0) return same;
  throw dialError(address, "", new UselessAnswer(`no IPv${family} address, as localAddress is`));
}

/** Says of which host the address is that could not be dialled. */
function failedHost(address: TcpAddress, triedCount: number, error: unknown): unknown {
  if (!(error instanceof HttpError) || error.code !== "ERR_DIAL") return error;
  const tried = triedCount === 1 ? "its address" : `any of its ${triedCount} addresses`;
  const message = `Cannot connect to ${addressText(address)} at ${tried}: ${error.message}`;
  return new HttpError("ERR_DIAL", message, { phase: "dial", cause: error });
}

function invalidOption(key: string, reason: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", `Cannot use option ${key}: ${reason}`, {
    phase: "dial",
  });
}

/**
 * Makes a dialer that finds the addresses of a host itself: from `hosts`, by `resolve`, or by the
 * system's resolver; where there is no `resolve`, names below `localhost` are this machine without
 * being looked up (RFC 6761 section 6.3). Every address is checked against the egress policy, and the one that was
 * checked is the one that is dialled: there is no second lookup that could answer differently.
 *
 * The addresses race as RFC 8305 says: the next is started 250 ms after the one before, or at once
 * when that fails; none is given up before another one has won. With `tls`, the winner is secured
 * for the name of the host.
 *
 * On Deno, `--allow-net` must permit the addresses, and for the system's resolver the names, each
 * without a port.
 *
 * Cancel: the signal ends every step at once. A lookup cannot be stopped, its answer is dropped.
 *
 * @returns `options.dialer` itself if no option asks for anything else.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an option that nobody could honour. The dialer's
 * `dial()` throws `ERR_BLOCKED` (phase `"dial"`) where the policy denies all addresses of a host,
 * and `ERR_DIAL` where there is none, `resolve` throws or gives anything but IP addresses, or none
 * of the addresses answers.
 * @see RFC 8305 sections 4 and 5
 * @example A host of one's own, and no way to anything else on this machine
 * ```ts
 * import { HttpError, resolvingDialer, systemDialer } from "@roundtrip/http/conn";
 *
 * const dialer = resolvingDialer({
 *   dialer: systemDialer(),
 *   hosts: { "api.test": "127.0.0.1" },
 *   egress: { deny: ["loopback", "private", "link-local", "metadata"] },
 * });
 * try {
 *   await dialer.dial({ transport: "tcp", hostname: "api.test", port: 80 });
 * } catch (error) {
 *   if (!(error instanceof HttpError) || error.code !== "ERR_BLOCKED") throw error;
 * }
 * ```
 */
export function resolvingDialer(options: ResolvingDialerOptions): Dialer {
  return hostFinder(options).dialer;
}

/** A dialer, and what it knows of hosts. */
export interface HostFinder {
  /** As of {@linkcode resolvingDialer}. */
  readonly dialer: Dialer;
  /**
   * The addresses of a host that may be dialled, in the order in which they would be.
   *
   * @throws {HttpError} `ERR_BLOCKED`, `ERR_DIAL`.
   */
  readonly lookUp: (address: TcpAddress, signal: AbortSignal | undefined) => Promise<string[]>;
}

/** As {@linkcode resolvingDialer}, for those who need addresses without dialling them. */
export function hostFinder(options: ResolvingDialerOptions): HostFinder {
  const { dialer, resolve, hosts, egress, dnsCacheTtlMs = 0 } = options;
  const isNeeded = (resolve ?? hosts ?? egress) !== undefined || dnsCacheTtlMs !== 0;
  const resolving = new ResolvingDialer(options);
  return {
    dialer: isNeeded ? resolving : dialer,
    lookUp: (address, signal) => resolving.lookUp(address, signal),
  };
}
