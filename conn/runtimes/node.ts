/**
 * Connections of Node: `node:net`, and `node:tls` once somebody asks for TLS.
 *
 * @module
 */
import * as net from "node:net";
import type { TLSSocket } from "node:tls";
import type { Address, Conn, Dialer, DialOptions, TcpAddress, TlsOptions } from "../conn.ts";
import { abortable } from "../abortable.ts";
import { dialError, nativeCode } from "../conn_error.ts";
import { keepAliveMs, type SocketOptions } from "../socket_options.ts";
import type { Barrier } from "./barrier_group.ts";
import { NodeConn } from "./node_conn.ts";
import { Intake } from "./node_intake.ts";
import type { NodeHandshake } from "./node_tls.ts";
import { alternateFamilies, type Attempt, staggeredRace } from "../names/staggered_race.ts";
import { resolveBySystem } from "../names/system_resolver.ts";
import { startTlsOver } from "./start_tls.ts";
import { checkDial, serverNameFor, tellConnected } from "../tls_options.ts";
import { TurnBarrier } from "./turn_barrier.ts";
import { endTurn } from "./turn_end.ts";

type Engine = typeof import("./node_tls.ts");

/** Dials with `node:net` and `node:tls`. */
export class NodeDialer implements Dialer {
  /** Null until TLS is asked for: loading it takes a third of the time that Node itself takes. */
  #engine: Engine | null = null;
  readonly #barrier: Barrier;
  /** One for all connections, with nothing of any dial. */
  #closed = (): void => this.#barrier.closed();

  /** @param barrier What proves on this runtime that the kernel was polled; default: what does on Node. */
  constructor(barrier: Barrier = new TurnBarrier(endTurn)) {
    this.#barrier = barrier;
  }

  /** {@inheritDoc Dialer.dial} */
  async dial(address: Address, options: DialOptions = {}): Promise<Conn> {
    const { signal, localAddress } = options;
    checkDial(address, options);
    const { tls: securely } = options;
    const serverName = securely && serverNameFor(securely, address);
    const engine = securely && (this.#engine ?? await this.#load());
    const security = securely && engine && {
      connect: engine.connectTls,
      options: engine.nodeTlsOptions({ options: securely, serverName: serverName! }),
      handshakeFor: () => engine.nodeHandshakeFor(securely, serverName!, signal),
    };
    signal?.throwIfAborted();
    const targets = address.transport === "tcp" && net.isIP(address.hostname) === 0
      ? await abortable(resolveTargets(address, localAddress), signal, {})
      : [onlyTarget(address, localAddress)];
    const race = staggeredRace(targets, (target) => start(target, options, security));
    const connecting = race.done.catch((error) => {
      throw dialError(address, nativeCode(error), error);
    });
    const { socket, intake, handshake } = await abortable(connecting, signal, {
      cancel: race.cancel,
      discard: (late) => late.socket.destroy(),
    });
    tellConnected(options, () => socket.destroy(), socket);
    this.#barrier.opened();
    const { localAddr, remoteAddr } = addresses(socket, address);
    if (engine === undefined || handshake === null) {
      return new NodeConn(socket, {
        localAddr,
        remoteAddr,
        tls: null,
        intake,
        onClose: this.#closed,
      });
    }
    const close = once(this.#closed);
    const under = { localAddr, remoteAddr, intake, close };
    return engine.nodeHandshake(socket as TLSSocket, handshake, under);
  }

  /** {@inheritDoc Dialer.startTls} */
  startTls(given: Conn, options: TlsOptions, signal?: AbortSignal): Promise<Conn> {
    return startTlsOver(given, options, signal, async (conn, serverName) => {
      const engine = this.#engine ?? await this.#load();
      signal?.throwIfAborted();
      return conn instanceof NodeConn
        ? await this.#secure(conn, engine, engine.nodeHandshakeFor(options, serverName, signal))
        : await engine.nodeTls(conn, { options, serverName, signal });
    });
  }

  async #load(): Promise<Engine> {
    return this.#engine = await import("./node_tls.ts");
  }

  /** {@inheritDoc Dialer.pollBarrier} */
  pollBarrier(sure?: () => void): Promise<void> {
    return this.#barrier.wait(sure);
  }

  /** Straight over the stream of a connection: no Duplex in between. */
  #secure(conn: NodeConn, engine: Engine, handshake: NodeHandshake): Promise<Conn> {
    const options = engine.nodeTlsOptions(handshake);
    const { localAddr, remoteAddr } = conn;
    const { stream, setRef, onClose } = conn.release();
    const close = once(() => {
      stream.destroy();
      onClose?.();
    });
    const session = engine.offeredSession(handshake);
    const socket = engine.connectTls({ ...options, ...session, socket: stream });
    const under = { localAddr, remoteAddr, setRef, close, whenClosed: () => conn.whenClosed() };
    return engine.nodeHandshake(socket, handshake, under);
  }
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}

type Target = net.TcpNetConnectOpts | net.IpcNetConnectOpts;

interface Connected {
  socket: net.Socket;
  intake: Intake;
  /** Under way; null without TLS. */
  handshake: NodeHandshake | null;
}

/** The target of an address that needs no lookup. */
function onlyTarget(address: Address, localAddress: string | undefined): Target {
  return address.transport === "unix"
    ? { path: address.path }
    : { host: address.hostname, port: address.port, localAddress };
}

/**
 * Finds the addresses of a host. Node's own race gives each of them up after 250 ms, and so cannot
 * reach a slow one.
 */
async function resolveTargets(
  address: TcpAddress,
  localAddress: string | undefined,
): Promise<Target[]> {
  const { hostname, port } = address;
  try {
    const family = localAddress === undefined ? 0 : net.isIP(localAddress);
    const found = await resolveBySystem(hostname, family);
    return alternateFamilies(found).map(({ address: host }) => ({ host, port, localAddress }));
  } catch (error) {
    throw dialError(address, nativeCode(error), error);
  }
}

/** As the types do not have it: what the option `session` comes to. */
type SessionSocket = TLSSocket & { setSession(session: Uint8Array): void };

/** How sockets of TLS are made. */
interface Security {
  connect: Engine["connectTls"];
  options: ReturnType<Engine["nodeTlsOptions"]>;
  /** One for each attempt that connects: what is offered by one is not offered by another. */
  handshakeFor(): NodeHandshake;
}

/** Starts to connect; with `security` the socket is one of TLS. */
export function start(
  target: Target,
  wanted: SocketOptions,
  security?: Security,
): Attempt<Connected> {
  const intake = new Intake();
  const options = { ...target, onread: intake, allowHalfOpen: true };
  const socket = security === undefined
    ? net.connect(options)
    : security.connect({ ...security.options, ...options });
  // Nothing is read before somebody asks for it; a handshake reads by itself.
  if (security === undefined) socket.pause();
  const done = new Promise<Connected>((resolve, reject) => {
    // Stays when the dial fails: later errors are of no interest and must not be unhandled.
    socket.on("error", reject);
    // Before the handshake begins, and not before there is a connection: a session is offered once.
    socket.prependOnceListener("connect", () => {
      socket.off("error", reject);
      if ("port" in target) tune(socket, wanted);
      const handshake = security?.handshakeFor() ?? null;
      const ticket = handshake?.sessions?.offer() ?? null;
      if (ticket !== null) (socket as SessionSocket).setSession(ticket);
      resolve({ socket, intake, handshake });
    });
  });
  return {
    done,
    cancel: () => {
      socket.on("error", () => {});
      socket.destroy();
    },
  };
}

/** Tells the system how to treat a socket. */
function tune(socket: net.Socket, options: SocketOptions): void {
  socket.setNoDelay(options.tcpNoDelay ?? true);
  const idleMs = keepAliveMs(options);
  if (idleMs > 0) socket.setKeepAlive(true, idleMs);
}

/** The ends of a socket. */
export function addresses(
  socket: net.Socket,
  address: Address,
): { localAddr: Address; remoteAddr: Address } {
  if (address.transport === "unix") {
    return { localAddr: { transport: "unix", path: "" }, remoteAddr: address };
  }
  return {
    localAddr: {
      transport: "tcp",
      hostname: socket.localAddress ?? "",
      port: socket.localPort ?? 0,
    },
    remoteAddr: {
      transport: "tcp",
      hostname: socket.remoteAddress ?? address.hostname,
      port: socket.remotePort ?? address.port,
    },
  };
}
