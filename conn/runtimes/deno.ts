/**
 * Connections of Deno: `Deno.connect` and `Deno.startTls`. No other file names that runtime.
 *
 * @module
 */
import type { Address, Conn, Dialer, DialOptions, TlsOptions } from "../conn.ts";
import { abortable } from "../abortable.ts";
import { nativeCode, tlsError } from "../conn_error.ts";
import { type DenoAddr, DenoConn, type DenoNativeConn } from "./deno_conn.ts";
import { tlsReason, toDialError } from "./deno_errors.ts";
import { holdsOwnAuthority } from "./own_authority.ts";
import { type BarrierEnd, PollBarrier } from "./poll_barrier.ts";
import { SecondDialer } from "./second_dialer.ts";
import { startTlsOver } from "./start_tls.ts";
import { keepAliveMs } from "../socket_options.ts";
import { systemError } from "../system_error.ts";
import {
  checkDial,
  type HonouredOptions,
  honours,
  invalidOption,
  serverNameFor,
  tellConnected,
} from "../tls_options.ts";

interface DenoRuntime {
  connect(options: {
    transport?: "tcp" | "unix";
    hostname?: string;
    port?: number;
    path?: string;
    signal?: AbortSignal;
  }): Promise<DenoNativeConn>;
  startTls(
    conn: DenoNativeConn,
    options: { hostname: string; caCerts?: string[]; alpnProtocols?: string[] },
  ): Promise<DenoNativeConn>;
  listen(options: { hostname: string; port: number }): {
    readonly addr: DenoAddr;
    accept(): Promise<DenoNativeConn>;
    close(): void;
  };
  permissions: {
    querySync(descriptor: { name: "net"; host: string }): { state: string };
  };
}

function runtime(): DenoRuntime {
  return (globalThis as unknown as { Deno: DenoRuntime }).Deno;
}

/** `Deno.startTls` drops what it does not know: no client certificate, no version, no peer. */
const nativeTls: HonouredOptions = {
  // Its engine refuses a server that shows the certificate of an authority, also one that is trusted.
  caCerts: (certs) => !certs.some(holdsOwnAuthority),
  caMode: (mode) => mode === "extra",
  cert: () => false,
  key: () => false,
  serverName: () => true,
  alpnProtocols: () => true,
  // TLS 1.2 is the lowest version that its engine has.
  minVersion: (version) => version === "TLSv1.2",
  insecureSkipVerify: (skip) => !skip,
  verifyPeer: () => false,
  keyLog: () => false,
};

/** Dials with Deno's own sockets. */
export class DenoDialer implements Dialer {
  #barrier: PollBarrier = new PollBarrier(barrierPair);
  #second: SecondDialer = new SecondDialer(this);

  /** {@inheritDoc Dialer.dial} */
  async dial(address: Address, options: DialOptions = {}): Promise<Conn> {
    const { signal, tls } = options;
    checkDial(address, options);
    if (tls !== undefined) refuseKeyLog(tls);
    const serverName = tls === undefined ? "" : serverNameFor(tls, address);
    const isProbed = address.transport === "tcp" && keepAliveMs(options) > 0;
    if (options.localAddress !== undefined || isProbed) {
      return this.#second.dial(address, options, serverName);
    }
    signal?.throwIfAborted();
    // An own controller, so that the runtime leaves nothing on the caller's signal.
    const controller = new AbortController();
    const target = address.transport === "tcp"
      ? { hostname: address.hostname, port: address.port, signal: controller.signal }
      : { transport: "unix" as const, path: address.path };
    const connecting = runtime().connect(target).catch((error) => {
      throw toDialError(address, error);
    });
    const native = await abortable(connecting, signal, {
      cancel: () => controller.abort(),
      discard: (late) => late.close(),
    });
    tellConnected(options, () => native.close());
    if (address.transport === "tcp") native.setNoDelay?.(options.tcpNoDelay ?? true);
    const conn = new DenoConn(native, this.#barrier, null);
    return tls === undefined ? conn : this.#secure(conn, tls, serverName, signal);
  }

  /** {@inheritDoc Dialer.startTls} */
  startTls(given: Conn, options: TlsOptions, signal?: AbortSignal): Promise<Conn> {
    return startTlsOver(given, options, signal, (conn, serverName) => {
      refuseKeyLog(options);
      return this.#secure(conn, options, serverName, signal);
    });
  }

  /** {@inheritDoc Dialer.pollBarrier} */
  pollBarrier(sure?: () => void): Promise<void> {
    return this.#second.pollBarrier(this.#barrier, sure);
  }

  async #secure(
    conn: Conn,
    options: TlsOptions,
    serverName: string,
    signal: AbortSignal | undefined,
  ): Promise<Conn> {
    // The native engine takes a plain TCP connection of its own, nothing else.
    const isNative = conn instanceof DenoConn && conn.tls === null &&
      conn.remoteAddr.transport === "tcp" && serverName !== "" && honours(nativeTls, options);
    if (!isNative) {
      const { nodeTls } = await import("./node_tls.ts");
      return await nodeTls(conn, { options, serverName, signal });
    }
    let native = conn.release();
    const handshake = async (): Promise<Conn> => {
      try {
        native = await runtime().startTls(native, {
          hostname: serverName,
          caCerts: options.caCerts,
          alpnProtocols: options.alpnProtocols,
        });
        const { alpnProtocol } = await native.handshake!();
        return new DenoConn(native, this.#barrier, {
          alpnProtocol,
          protocol: null,
          engine: "deno",
          sessionReused: null,
          peerCertificate: null,
        });
      } catch (error) {
        close();
        const failure = { code: nativeCode(error), syscall: "read" };
        throw tlsError(serverName, tlsReason(error), systemError(error, failure));
      }
    };
    const close = () => {
      try {
        native.close();
      } catch {
        // Consumed or closed already.
      }
    };
    return await abortable(handshake(), signal, { cancel: close, discard: (late) => late.close() });
  }
}

/** Neither engine tells its secrets to the program. */
function refuseKeyLog(options: TlsOptions): void {
  if (options.keyLog === undefined) return;
  throw invalidOption("TLS", "keyLog", "Deno writes the file that SSLKEYLOGFILE names instead");
}

/** Makes the two ends of a loopback connection, or null where that is not permitted. */
async function barrierPair(): Promise<[BarrierEnd, BarrierEnd] | null> {
  const { permissions, listen, connect } = runtime();
  // Asked for first: a listen() without permission would prompt.
  if (permissions.querySync({ name: "net", host: "127.0.0.1" }).state !== "granted") return null;
  const listener = listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const [near, far] = await Promise.all([
      connect({ hostname: "127.0.0.1", port: listener.addr.port }),
      listener.accept(),
    ]);
    if (far.remoteAddr.port !== near.localAddr.port) {
      near.close();
      far.close();
      throw new Error("Somebody else has connected");
    }
    near.setNoDelay?.(true);
    return [near, far];
  } finally {
    listener.close();
  }
}
