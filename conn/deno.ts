/**
 * Connections of Deno: `Deno.connect` and `Deno.startTls`. No other file names that runtime.
 *
 * @module
 */
import type { Address, Conn, Dialer, DialOptions, TlsInfo, TlsOptions } from "./conn.ts";
import { abortable } from "./abortable.ts";
import {
  busyError,
  closedError,
  dialError,
  endedError,
  lostError,
  nativeCode,
  nativeText,
  tlsError,
} from "./conn_error.ts";
import { Gone } from "./gone.ts";
import type { HttpError } from "./http_error.ts";
import { type BarrierEnd, PollBarrier } from "./runtimes/poll_barrier.ts";
import {
  checkDial,
  checkTlsOptions,
  type HonouredOptions,
  honours,
  serverNameFor,
  tellConnected,
} from "./tls_options.ts";

interface DenoAddr {
  /** Missing after `startTls()`, which is for TCP only. */
  transport?: string;
  hostname?: string;
  port?: number;
  path?: string | null;
}

interface DenoNativeConn {
  read(p: Uint8Array): Promise<number | null>;
  write(p: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
  ref(): void;
  unref(): void;
  setNoDelay?(noDelay?: boolean): void;
  handshake?(): Promise<{ alpnProtocol: string | null }>;
  readonly localAddr: DenoAddr;
  readonly remoteAddr: DenoAddr;
}

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
  caCerts: () => true,
  caMode: (mode) => mode === "extra",
  cert: () => false,
  key: () => false,
  serverName: () => true,
  alpnProtocols: () => true,
  // TLS 1.2 is the lowest version that its engine has.
  minVersion: (version) => version === "TLSv1.2",
  insecureSkipVerify: (skip) => !skip,
  verifyPeer: () => false,
};

/** Native error classes that tell of a lost connection rather than of TLS. */
const lostNames: ReadonlySet<string> = new Set([
  "BrokenPipe",
  "ConnectionAborted",
  "ConnectionReset",
  "NotConnected",
  "TimedOut",
  "UnexpectedEof",
]);

function toAddress(addr: DenoAddr): Address {
  return addr.transport === "unix"
    ? { transport: "unix", path: addr.path ?? "" }
    : { transport: "tcp", hostname: addr.hostname ?? "", port: addr.port ?? 0 };
}

function toDialError(address: Address, error: unknown): HttpError {
  const name = (error as { name?: string }).name;
  let code = nativeCode(error);
  if (name === "NotCapable") code = "EPERM";
  // The resolver's errors have no code.
  else if (code === "" && nativeText(error).includes("failed to lookup address")) {
    code = "ENOTFOUND";
  }
  return dialError(address, code, error);
}

/**
 * What Deno's engine says in its messages, in our words; its errors have no codes. Wording only:
 * nothing depends on it.
 */
const tlsReasons: readonly (readonly [said: string, reason: string])[] = [
  ["not valid for any names", "the certificate names no host"],
  ["not valid for name", "the certificate is for another host"],
  ["UnknownIssuer", "the certificate is of an unknown authority"],
  ["CaUsedAsEndEntity", "the certificate is of an authority, not of a host"],
  ["not valid after", "the certificate has expired"],
  ["not valid before", "the certificate is not valid yet"],
  ["corrupt message", "the peer does not speak TLS"],
  ["end of file", "the connection was closed during the handshake"],
];

function tlsReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return tlsReasons.find(([said]) => text.includes(said))?.[1] ?? nativeText(error);
}

function toStreamError(
  phase: "request" | "body",
  error: unknown,
  tls: TlsInfo | null,
): HttpError {
  const name = (error as { name?: string }).name ?? "";
  return tls !== null && !lostNames.has(name)
    ? tlsError("", tlsReason(error), error)
    : lostError(phase, error);
}

/** A connection of Deno. Owns: its native connection. */
class DenoConn implements Conn {
  readonly localAddr: Address;
  readonly remoteAddr: Address;
  readonly tls: TlsInfo | null;
  #native: DenoNativeConn;
  #barrier: PollBarrier;
  #closed = false;
  #gone: Gone = new Gone();
  #reading = false;
  #ended = false;
  #readFailure: HttpError | null = null;
  #readDone!: (count: number | null) => void;
  #readFailed!: (error: unknown) => void;
  #writeDone!: (count: number) => void;
  #writeFailed!: (error: unknown) => void;
  /** The whole array that is being written. */
  #writing: Uint8Array | null = null;
  /** How much of it was accepted by earlier native writes. */
  #writeOffset = 0;
  #writeEnded = false;
  /** Whether the native `closeWrite()` is under way. */
  #ending = false;
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(native: DenoNativeConn, barrier: PollBarrier, tls: TlsInfo | null) {
    this.#native = native;
    this.#barrier = barrier;
    this.tls = tls;
    this.localAddr = toAddress(native.localAddr);
    this.remoteAddr = toAddress(native.remoteAddr);
    barrier.opened();
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  read(p: Uint8Array): Promise<number | null> {
    return new Promise((resolve, reject) => this.startRead(p, resolve, reject));
  }

  startRead(
    p: Uint8Array,
    done: (count: number | null) => void,
    failed: (error: unknown) => void,
  ): void {
    const refusal = this.#readRefusal();
    if (refusal !== null) {
      queueMicrotask(() => failed(refusal));
    } else if (this.#ended || p.length === 0) {
      queueMicrotask(() => done(p.length === 0 ? 0 : null));
    } else {
      this.#reading = true;
      this.#readDone = done;
      this.#readFailed = failed;
      this.#native.read(p).then(this.#onRead, this.#onReadError);
    }
  }

  #readRefusal(): HttpError | null {
    if (this.#reading) return busyError("body");
    if (this.#closed) return closedError("body");
    return this.#readFailure;
  }

  #onRead = (count: number | null): void => {
    this.#reading = false;
    if (this.#closed) return this.#readFailed(this.#late("body"));
    if (count === null) this.#ended = true;
    else this.#bytesRead += count;
    this.#readDone(count);
  };

  #onReadError = (error: unknown): void => {
    this.#reading = false;
    if (this.#closed) return this.#readFailed(this.#late("body"));
    // Kept: the kernel tells of a reset once, and of an end of stream afterwards.
    this.#readFailure = toStreamError("body", error, this.tls);
    this.#readFailed(this.#readFailure);
  };

  write(p: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => this.startWrite(p, resolve, reject));
  }

  startWrite(
    p: Uint8Array,
    done: (count: number) => void,
    failed: (error: unknown) => void,
  ): void {
    if (this.#writing !== null) return failed(busyError("request"));
    if (this.#closed) return failed(closedError("request"));
    if (this.#writeEnded) return failed(endedError());
    if (p.length === 0) return done(0);
    this.#writing = p;
    this.#writeOffset = 0;
    this.#writeDone = done;
    this.#writeFailed = failed;
    this.#native.write(p).then(this.#onWrite, this.#onWriteError);
  }

  #onWrite = (count: number): void => {
    const p = this.#writing!;
    this.#bytesWritten += count;
    this.#writeOffset += count;
    if (!this.#closed && this.#writeOffset < p.length) {
      this.#native.write(p.subarray(this.#writeOffset)).then(this.#onWrite, this.#onWriteError);
      return;
    }
    this.#writing = null;
    if (this.#closed) this.#writeFailed(this.#late("request"));
    else this.#writeDone(p.length);
  };

  #onWriteError = (error: unknown): void => {
    this.#writing = null;
    this.#writeFailed(this.#writeError(error));
  };

  #writeError(error: unknown): HttpError {
    return this.#closed ? this.#late("request") : toStreamError("request", error, this.tls);
  }

  /** The error of what the runtime returns after `close()`. */
  #late(phase: "request" | "body"): HttpError {
    this.#settleWhenGone();
    return closedError(phase);
  }

  #settleWhenGone(): void {
    if (!this.#reading && this.#writing === null && !this.#ending) this.#gone.settle();
  }

  async closeWrite(): Promise<void> {
    if (this.#closed) throw closedError("request");
    if (this.#writing !== null) throw busyError("request");
    if (this.#writeEnded) return;
    this.#writeEnded = true;
    this.#ending = true;
    try {
      await this.#native.closeWrite();
    } catch (error) {
      throw this.#writeError(error);
    } finally {
      this.#ending = false;
      if (this.#closed) this.#settleWhenGone();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#native.close();
    } catch {
      // Already closed by the runtime.
    }
    this.#barrier.closed();
    this.#settleWhenGone();
  }

  whenClosed(): Promise<void> {
    return this.#gone.when();
  }

  ref(): void {
    if (!this.#closed) this.#native.ref();
  }

  unref(): void {
    if (!this.#closed) this.#native.unref();
  }

  /**
   * Gives the native connection up for TLS. The object is closed afterwards.
   *
   * @throws {HttpError} `ERR_CLOSED`, or `ERR_INVALID_REQUEST`: a read or write is under way.
   */
  release(): DenoNativeConn {
    if (this.#closed) throw closedError("request");
    if (this.#reading) throw busyError("body");
    if (this.#writing !== null) throw busyError("request");
    this.#closed = true;
    this.#barrier.closed();
    return this.#native;
  }
}

/** Dials with Deno's own sockets. */
export class DenoDialer implements Dialer {
  #barrier: PollBarrier = new PollBarrier(barrierPair);
  /** What dials from a given address; Deno itself cannot choose it. */
  #second: Dialer | null = null;

  /** {@inheritDoc Dialer.dial} */
  async dial(address: Address, options: DialOptions = {}): Promise<Conn> {
    const { signal, tls } = options;
    checkDial(address, options);
    const serverName = tls === undefined ? "" : serverNameFor(tls, address);
    if (options.localAddress !== undefined) {
      const { NodeDialer } = await import("./runtimes/node.ts");
      this.#second ??= new NodeDialer();
      const conn = await this.#second.dial(address, { ...options, tls: undefined });
      return tls === undefined ? conn : await this.startTls(conn, { ...tls, serverName }, signal);
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
    if (address.transport === "tcp") native.setNoDelay?.(true);
    const conn = new DenoConn(native, this.#barrier, null);
    return tls === undefined ? conn : this.#secure(conn, tls, serverName, signal);
  }

  /** {@inheritDoc Dialer.startTls} */
  async startTls(conn: Conn, options: TlsOptions, signal?: AbortSignal): Promise<Conn> {
    try {
      checkTlsOptions(options);
      const serverName = serverNameFor(options, conn.remoteAddr);
      signal?.throwIfAborted();
      return await this.#secure(conn, options, serverName, signal);
    } catch (error) {
      conn.close();
      throw error;
    }
  }

  /** {@inheritDoc Dialer.pollBarrier} */
  async pollBarrier(): Promise<void> {
    await Promise.all([this.#barrier.wait(), this.#second?.pollBarrier?.()]);
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
      const { nodeTls } = await import("./runtimes/node_tls.ts");
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
          peerCertificate: null,
        });
      } catch (error) {
        close();
        throw tlsError(serverName, tlsReason(error), error);
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
