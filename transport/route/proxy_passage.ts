/**
 * The way through proxies: TLS to each where it is wanted, and a tunnel to the next.
 *
 * @module
 */
import { abortable } from "../../conn/abortable.ts";
import type { Conn, TcpAddress } from "../../conn/conn.ts";
import { nativeText } from "../../conn/conn_error.ts";
import { guardedConn, unguardedConn } from "../../conn/guarded_conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import { parseIp } from "../../conn/names/ip_address.ts";
import { withSessions } from "../../conn/tls_sessions.ts";
import { withUnread } from "../../conn/unread_conn.ts";
import { connectTunnel, type Tunnel } from "./connect_tunnel.ts";
import { ProofWanted, ProxyError } from "./proxy_error.ts";
import { addressOf, isHttpProxy, type ProxyServer } from "./proxy_server.ts";
import type { ProxySettings } from "./proxy_settings.ts";
import { socksTunnel } from "./socks.ts";
import { spokenOn } from "./spoken_protocol.ts";

/** Where to go, and through what. */
export interface Passage {
  /** In the order in which they are passed; one at least. */
  readonly proxies: readonly ProxyServer[];
  /** Where the last proxy is to open a tunnel to; null: it is given requests as they are. */
  readonly target: TcpAddress | null;
  readonly signal: AbortSignal | undefined;
  /** Whether the target may speak first, so that its bytes may have been read with an answer. */
  readonly targetSpeaksFirst: boolean;
}

/** Who watches the steps and bounds their time. */
export interface PassageWatcher {
  /** TLS to a proxy. */
  secureProxy(proxy: ProxyServer, run: () => Promise<Conn>): Promise<Conn>;
  /** A tunnel from a proxy to a target, asked for over `through`. */
  openTunnel(
    proxy: ProxyServer,
    hop: { to: TcpAddress; through: Conn },
    run: () => Promise<Tunnel>,
  ): Promise<Tunnel>;
}

/**
 * Goes through the proxies. Takes over `conn`, which leads to the first and can be relied on:
 * whatever goes wrong, it is closed.
 *
 * Cancel: the signal closes `conn` and rejects with its reason at once.
 *
 * @throws {ProxyError} A proxy refused, or does not keep to its protocol.
 * @throws {HttpError} `ERR_TLS`: TLS to a proxy. `ERR_INVALID_REQUEST`: options that cannot be used.
 */
export async function passProxies(
  conn: Conn,
  { proxies, target, signal, targetSpeaksFirst }: Passage,
  settings: ProxySettings,
  watcher: PassageWatcher,
): Promise<Conn> {
  const isOneOfSeveral = proxies.filter(isHttpProxy).length > 1;
  let passed = conn;
  for (const [index, proxy] of proxies.entries()) {
    if (proxy.scheme === "https:") {
      const plain = passed;
      const way = "proxy " +
        proxies.slice(0, index + 1).map(({ identity }) => identity).join(" > ");
      const secure = () => secured(plain, proxy, signal, settings, way);
      passed = await watcher.secureProxy(proxy, secure);
    }
    const isLast = index === proxies.length - 1;
    const next = isLast ? target : addressOf(proxies[index + 1]);
    if (next === null) break;
    const open = async (through: Conn): Promise<Tunnel> => {
      if (!isHttpProxy(proxy)) return await socksHop(through, proxy, next, signal, settings);
      const tunnel = await connectTunnel(
        through,
        { proxy, target: next, isOneOfSeveral },
        settings,
      );
      if (tunnel.unread.length > 0 && !(isLast && targetSpeaksFirst)) throw spokeFirst(proxy);
      return tunnel;
    };
    const through = passed;
    const { unread } = await watcher.openTunnel(
      proxy,
      { to: next, through },
      () => closedOnFailure(through, proxy, signal, open(through)),
    );
    passed = withUnread(passed, unread);
  }
  return passed;
}

/** Count. Ways that are gone for one connection: each proxy may ask for a proof, and close. */
const MAX_PASSAGES = 4;

/**
 * Goes a way again, from its beginning, where a proxy wanted a proof and closed the connection.
 *
 * @param pass Dials, and goes through the proxies.
 * @throws As `pass` does.
 */
export async function untilProven<T>(pass: () => Promise<T>): Promise<T> {
  for (let passages = 1;; passages++) {
    try {
      return await pass();
    } catch (error) {
      if (!(error instanceof ProofWanted) || passages === MAX_PASSAGES) throw error;
    }
  }
}

/** SOCKS servers are asked for names, but with `socks5:` for the address that is found here. */
async function socksHop(
  conn: Conn,
  proxy: ProxyServer,
  target: TcpAddress,
  signal: AbortSignal | undefined,
  { lookUp }: ProxySettings,
): Promise<Tunnel> {
  let named = target;
  if (proxy.scheme === "socks5:" && parseIp(target.hostname) === null) {
    const found = await lookUp(target, signal);
    // Few SOCKS servers have IPv6, and there is one attempt.
    const hostname = found.find((ip) => !ip.includes(":")) ?? found[0];
    named = { ...target, hostname };
  }
  await socksTunnel(conn, proxy, named);
  return { status: null, unread: new Uint8Array(0) };
}

/** Says of which proxy it is that it could not be reached. */
export function unreachable(proxy: ProxyServer, error: unknown): unknown {
  if (!(error instanceof HttpError) || error.code !== "ERR_DIAL") return error;
  return named(proxy, error, error.phase);
}

function secured(
  conn: Conn,
  proxy: ProxyServer,
  signal: AbortSignal | undefined,
  { dialer, proxyTls, sessions }: ProxySettings,
  way: string,
): Promise<Conn> {
  const named = { ...proxyTls, serverName: proxyTls.serverName ?? proxy.hostname };
  const options = withSessions(named, sessions, way);
  const securing = async (): Promise<Conn> => {
    const made = guardedConn(await dialer.startTls(unguardedConn(conn), options, signal));
    spokenOn(made, "http/1.1");
    return made;
  };
  return closedOnFailure(conn, proxy, signal, securing());
}

async function closedOnFailure<T>(
  conn: Conn,
  proxy: ProxyServer,
  signal: AbortSignal | undefined,
  step: Promise<T>,
): Promise<T> {
  try {
    return await abortable(step, signal, {
      cancel: () => conn.close(),
      discard: (late) => (late as Partial<Conn>).close?.(),
    });
  } catch (error) {
    conn.close();
    throw signal?.aborted && error === signal.reason ? error : failed(proxy, error);
  }
}

/** What went wrong on the way to or through a proxy, as the caller is told. */
function failed(proxy: ProxyServer, error: unknown): HttpError {
  if (error instanceof HttpError) {
    switch (error.code) {
      // Of our own side: its name cannot be resolved, or must not be asked for.
      case "ERR_BLOCKED":
      case "ERR_DIAL":
      case "ERR_INVALID_REQUEST":
      case "ERR_PROXY":
        return error;
      case "ERR_TLS":
        return named(proxy, error, "proxy");
    }
  }
  const message = `Proxy ${proxy.label} failed: ${nativeText(error)}`;
  return new ProxyError(message, { proxy: proxy.label, cause: error });
}

function named(proxy: ProxyServer, error: HttpError, phase: HttpError["phase"]): HttpError {
  return new HttpError(error.code, `Proxy ${proxy.label}: ${error.message}`, {
    phase,
    cause: error,
  });
}

/** A proxy has sent more than its answer. */
export function spokeFirst({ label }: ProxyServer): ProxyError {
  return new ProxyError(`Proxy ${label} sent bytes behind its answer that nobody asked for`, {
    proxy: label,
  });
}
