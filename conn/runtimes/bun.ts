/**
 * Connections of Bun: `Bun.connect` and `upgradeTLS`. No other file names that runtime.
 *
 * @module
 */
import type { Address, Conn, Dialer, DialOptions, TlsOptions } from "../conn.ts";
import { abortable } from "../abortable.ts";
import { BunConn, type BunHandlers, type BunSocket, type BunTls, withPem } from "./bun_conn.ts";
import { dialError, nativeCode } from "../conn_error.ts";
import { type BarrierEnd, PollBarrier } from "./poll_barrier.ts";
import { SecondDialer } from "./second_dialer.ts";
import { startTlsOver } from "./start_tls.ts";
import {
  checkDial,
  type HonouredOptions,
  honours,
  isIpAddress,
  serverNameFor,
  tellConnected,
} from "../tls_options.ts";

interface BunConnectOptions {
  data: BunConn;
  socket: BunHandlers;
  allowHalfOpen: boolean;
  hostname?: string;
  port?: number;
  unix?: string;
  tls?: BunTls;
}

interface BunRuntime {
  connect(options: BunConnectOptions): Promise<BunSocket>;
  listen(options: {
    hostname: string;
    port: number;
    allowHalfOpen: boolean;
    data?: BunConn;
    socket: BunHandlers;
  }): { readonly port: number; stop(closeActiveConnections?: boolean): void };
}

function runtime(): BunRuntime {
  return (globalThis as unknown as { Bun: BunRuntime }).Bun;
}

/** Bun's own engine does all of it; `nativeTlsOptions()` says how. */
const nativeTls: HonouredOptions = {
  caCerts: () => true,
  caMode: () => true,
  cert: () => true,
  key: () => true,
  serverName: () => true,
  alpnProtocols: () => true,
  minVersion: () => true,
  insecureSkipVerify: () => true,
  verifyPeer: () => true,
  keyLog: () => false,
};

async function nativeTlsOptions(options: TlsOptions, serverName: string): Promise<BunTls> {
  let secure: object | undefined;
  if (options.caCerts !== undefined || options.cert !== undefined) {
    // Bun would parse every authority at each dial; the context around this one it does not take.
    const { secureContext } = await import("./node_tls.ts");
    secure = secureContext(options).context;
  }
  return {
    // Never left out: Bun takes an object without any option for "no TLS".
    rejectUnauthorized: options.insecureSkipVerify !== true,
    // Without a name Bun checks the address that it is connected to.
    serverName: isIpAddress(serverName) ? "" : serverName,
    secureContext: secure,
    ALPNProtocols: options.alpnProtocols && alpnWireFormat(options.alpnProtocols),
    minVersion: options.minVersion === "TLSv1.3" ? 0x0304 : 0x0303,
  };
}

/** The list as the extension has it: each name after its length. Bun takes no other form. */
function alpnWireFormat(protocols: string[]): Uint8Array {
  const encoder = new TextEncoder();
  return Uint8Array.from(protocols.flatMap((protocol) => {
    const bytes = encoder.encode(protocol);
    return [bytes.length, ...bytes];
  }));
}

/** Dials with Bun's own sockets. */
export class BunDialer implements Dialer {
  #barrier: PollBarrier = new PollBarrier(barrierPair);
  #second: SecondDialer = new SecondDialer(this);

  /** {@inheritDoc Dialer.dial} */
  async dial(address: Address, options: DialOptions = {}): Promise<Conn> {
    const { signal, tls } = options;
    checkDial(address, options);
    const serverName = tls === undefined ? "" : serverNameFor(tls, address);
    if (options.localAddress !== undefined) return this.#second.dial(address, options, serverName);
    if (tls !== undefined && !(checksName(serverName, address) && honours(nativeTls, tls))) {
      return this.startTls(await this.dial(address, { ...options, tls: undefined }), tls, signal);
    }
    const secure = tls && await nativeTlsOptions(tls, serverName);
    signal?.throwIfAborted();
    const conn = new BunConn(address, this.#barrier, options);
    const handshake = tls && conn.handshake(tls, serverName);
    const target = address.transport === "tcp"
      ? { hostname: address.hostname, port: address.port }
      : { unix: address.path };
    const connecting = withPem(() =>
      runtime().connect({
        ...target,
        data: conn,
        socket: tls === undefined ? BunConn.handlers : BunConn.tlsHandlers,
        allowHalfOpen: true,
        tls: secure,
      })
    ).catch((error) => {
      throw dialError(address, nativeCode(error), error);
    });
    const discard = () => conn.close();
    await abortable(connecting, signal, { discard });
    tellConnected(options, discard, conn);
    if (handshake !== undefined) await abortable(handshake, signal, { cancel: discard });
    return conn;
  }

  /** {@inheritDoc Dialer.startTls} */
  startTls(given: Conn, options: TlsOptions, signal?: AbortSignal): Promise<Conn> {
    return startTlsOver(given, options, signal, async (conn, serverName) => {
      // The native engine takes a plain connection of its own, nothing else.
      const isNative = conn instanceof BunConn && conn.tls === null &&
        checksName(serverName, conn.remoteAddr) && honours(nativeTls, options);
      if (!isNative) {
        const { nodeTls } = await import("./node_tls.ts");
        signal?.throwIfAborted();
        return await nodeTls(conn, { options, serverName, signal });
      }
      const native = await nativeTlsOptions(options, serverName);
      signal?.throwIfAborted();
      const secure = new BunConn(conn.remoteAddr, this.#barrier, null);
      const handshake = secure.handshake(options, serverName);
      secure.upgrade(conn, native);
      await abortable(handshake, signal, { cancel: () => secure.close() });
      return secure;
    });
  }

  /** {@inheritDoc Dialer.pollBarrier} */
  pollBarrier(sure?: () => void): Promise<void> {
    return this.#second.pollBarrier(this.#barrier, sure);
  }
}

/** Whether Bun's engine can check this name: an IP address only if it is connected to it. */
function checksName(serverName: string, address: Address): boolean {
  return !isIpAddress(serverName) ||
    (address.transport === "tcp" && address.hostname === serverName);
}

/** Makes the two ends of a loopback connection. */
async function barrierPair(): Promise<[BarrierEnd, BarrierEnd]> {
  const address: Address = { transport: "tcp", hostname: "127.0.0.1", port: 0 };
  const far = new BunConn(address, null, {});
  const near = new BunConn(address, null, {});
  const accepted = Promise.withResolvers<void>();
  const listener = runtime().listen({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: {
      ...BunConn.handlers,
      open: (socket) => {
        socket.data = far;
        BunConn.handlers.open(socket);
        accepted.resolve();
      },
    },
  });
  try {
    await runtime().connect({
      hostname: "127.0.0.1",
      port: listener.port,
      data: near,
      socket: BunConn.handlers,
      allowHalfOpen: true,
    });
    await accepted.promise;
    if (portOf(far.remoteAddr) !== portOf(near.localAddr)) {
      near.close();
      far.close();
      throw new Error("Somebody else has connected");
    }
    near.unref();
    far.unref();
    return [near, far];
  } finally {
    listener.stop();
  }
}

function portOf(address: Address): number | null {
  return address.transport === "tcp" ? address.port : null;
}
