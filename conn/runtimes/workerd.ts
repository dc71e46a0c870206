/**
 * Connections of workerd, the runtime of Cloudflare's Workers: `cloudflare:sockets`. A connection
 * belongs to the request in which it was made, and to no other.
 *
 * @module
 */
import type {
  Address,
  Conn,
  Dialer,
  DialOptions,
  TcpAddress,
  TlsInfo,
  TlsOptions,
} from "../conn.ts";
import { abortable } from "../abortable.ts";
import { dialError, nativeCode } from "../conn_error.ts";
import { unguardedConn } from "../guarded_conn.ts";
import { HttpError } from "../http_error.ts";
import { keepAliveMs } from "../socket_options.ts";
import { StreamConn, type StreamPair } from "../streams.ts";
import {
  checkDial,
  type HonouredOptions,
  honours,
  invalidOption,
  serverNameFor,
  tellConnected,
} from "../tls_options.ts";
import { startTlsOver } from "./start_tls.ts";
import { handshakeError } from "./tls_session.ts";

/** A socket as `cloudflare:sockets` has it. */
interface WorkerdSocket extends StreamPair {
  /** Settles once it is connected, and secured if that was asked for. */
  readonly opened: Promise<unknown>;
  readonly closed: Promise<void>;
  close(): Promise<void>;
  /** The socket that takes the place of this one, which must not be used any more. */
  startTls(options: { expectedServerHostname: string }): WorkerdSocket;
}

interface WorkerdSockets {
  connect(
    address: { hostname: string; port: number },
    options: { secureTransport: "on" | "starttls"; allowHalfOpen: boolean },
  ): WorkerdSocket;
}

/**
 * What can be chosen of TLS: the name alone. Without ALPN the peer chooses nothing, which is
 * HTTP/1.1; that is why offers do no harm.
 */
const nativeTls: HonouredOptions = {
  caCerts: () => false,
  caMode: (mode) => mode === "extra",
  cert: () => false,
  key: () => false,
  serverName: () => true,
  alpnProtocols: () => true,
  minVersion: (version) => version === "TLSv1.2",
  insecureSkipVerify: (skip) => !skip,
  keyLog: () => false,
  verifyPeer: () => false,
};

const session: TlsInfo = {
  alpnProtocol: null,
  protocol: null,
  engine: "workerd",
  sessionReused: null,
  peerCertificate: null,
};

/** A connection over the streams of a socket. Owns: the socket. */
class WorkerdConn extends StreamConn {
  readonly socket: WorkerdSocket;

  constructor(socket: WorkerdSocket, remoteAddr: Address, tls: TlsInfo | null) {
    const localAddr: Address = { transport: "tcp", hostname: "", port: 0 };
    super(socket, { localAddr, remoteAddr, tls });
    this.socket = socket;
    socket.closed.catch(() => {});
  }

  override close(): void {
    super.close();
    discard(this.socket);
  }

  override async whenClosed(): Promise<void> {
    await super.whenClosed();
    await this.socket.closed.catch(() => {});
  }
}

const UNKNOWN = "Workers have no way to say it";

/** Dials with the sockets of Workers. */
export class WorkerdDialer implements Dialer {
  /** {@inheritDoc Dialer.dial} */
  async dial(address: Address, options: DialOptions = {}): Promise<Conn> {
    const { signal, tls } = options;
    checkDial(address, options);
    if (address.transport === "unix") throw unable("dial", "a Unix socket");
    if (options.localAddress !== undefined) {
      throw invalidOption("dial", "localAddress", "Workers cannot choose it");
    }
    if (options.tcpNoDelay !== undefined) throw invalidOption("dial", "tcpNoDelay", UNKNOWN);
    if (keepAliveMs(options) > 0) throw invalidOption("dial", "tcpKeepAliveMs", UNKNOWN);
    if (tls !== undefined) checkTls(tls);
    const sockets = await loadSockets();
    signal?.throwIfAborted();
    const serverName = tls === undefined ? null : serverNameFor(tls, address);
    // A handshake with another name than that of the address is done on the open connection.
    const isSecured = serverName === address.hostname;
    const { socket, opened } = open(sockets, address, isSecured ? "on" : "starttls");
    const close = () => discard(socket);
    await abortable(
      opened.catch((error) => failedDial(sockets, address, isSecured, error)),
      signal,
      { cancel: close, discard: close },
    );
    tellConnected(options, close);
    return serverName === null || isSecured
      ? new WorkerdConn(socket, address, isSecured ? session : null)
      : await secure(socket, address, serverName, signal);
  }

  /** {@inheritDoc Dialer.startTls} */
  startTls(given: Conn, options: TlsOptions, signal?: AbortSignal): Promise<Conn> {
    return startTlsOver(given, options, signal, async (guarded, serverName) => {
      const conn = unguardedConn(guarded);
      if (!(conn instanceof WorkerdConn) || conn.tls !== null) {
        throw unable("secure", "what is no plain socket of theirs");
      }
      checkTls(options);
      conn.release();
      return await secure(conn.socket, conn.remoteAddr, serverName, signal);
    });
  }
}

/** Begins to connect. */
function open(
  { connect }: WorkerdSockets,
  { hostname, port }: TcpAddress,
  secureTransport: "on" | "starttls",
): { socket: WorkerdSocket; opened: Promise<unknown> } {
  try {
    const socket = connect({ hostname, port }, { secureTransport, allowHalfOpen: true });
    const opened = socket.opened.catch((error) => {
      discard(socket);
      throw error;
    });
    return { socket, opened };
  } catch (error) {
    throw dialError({ transport: "tcp", hostname, port }, nativeCode(error), error);
  }
}

/**
 * Tells a handshake that failed from a connection that was not made, for which there is one text.
 *
 * @throws {HttpError} `ERR_TLS`, `ERR_DIAL`.
 */
async function failedDial(
  sockets: WorkerdSockets,
  address: TcpAddress,
  isSecured: boolean,
  error: unknown,
): Promise<never> {
  if (isSecured) {
    const { socket, opened } = open(sockets, address, "starttls");
    const connects = await opened.then(() => true, () => false);
    discard(socket);
    if (connects) throw handshakeError(address.hostname, error);
  }
  throw dialError(address, nativeCode(error), error);
}

/** What fails here is not told before the first write. */
async function secure(
  plain: WorkerdSocket,
  address: Address,
  serverName: string,
  signal: AbortSignal | undefined,
): Promise<Conn> {
  let socket = plain;
  const close = () => discard(socket);
  const opened = (async () => {
    try {
      socket = plain.startTls({ expectedServerHostname: serverName });
      await socket.opened;
    } catch (error) {
      close();
      throw handshakeError(serverName, error);
    }
  })();
  await abortable(opened, signal, { cancel: close, discard: close });
  return new WorkerdConn(socket, address, session);
}

/** Closes what nobody has any more. */
function discard(socket: WorkerdSocket): void {
  socket.closed.catch(() => {});
  socket.close().catch(() => {});
}

/** Loaded within a request. Bundlers of other runtimes know no such module, and must not look for it. */
async function loadSockets(): Promise<WorkerdSockets> {
  const name = ["cloudflare", "sockets"].join(":");
  return await import(/* webpackIgnore: true */ /* @vite-ignore */ name);
}

function checkTls(options: TlsOptions): void {
  if (honours(nativeTls, options)) return;
  throw new HttpError(
    "ERR_INVALID_REQUEST",
    "Cannot use these TLS options: Workers can choose nothing but serverName",
    { phase: "tls" },
  );
}

function unable(what: "dial" | "secure", whom: string): HttpError {
  const phase = what === "dial" ? "dial" : "tls";
  return new HttpError("ERR_INVALID_REQUEST", `Workers cannot ${what} ${whom}`, { phase });
}
