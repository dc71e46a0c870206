/**
 * A connection over a socket of Bun, which pushes what it reads and takes only what fits when it
 * writes.
 *
 * @module
 */
import type { Address, Conn, TlsInfo, TlsOptions } from "../conn.ts";
import { lostError, nativeCode, nativeText, resizedError, tlsError } from "../conn_error.ts";
import type { HttpError } from "../http_error.ts";
import { kernelIsEmpty } from "./kernel_look.ts";
import type { PollBarrier } from "./poll_barrier.ts";
import { PushedBytes } from "./pushed_bytes.ts";
import { PushedConn } from "./pushed_conn.ts";
import { keepAliveMs, type SocketOptions } from "../socket_options.ts";
import { SocketState } from "./socket_state.ts";
import { unusablePem } from "../tls_options.ts";
import { type SessionUse, sessionUse } from "../tls_sessions.ts";
import { WriteTurns } from "./write_turns.ts";
import {
  handshakeError,
  missingNames,
  type NativeCertificate,
  peerCertificate,
  verifyPeer,
} from "./tls_session.ts";

/** A socket of Bun, as far as it is used here. */
export interface BunSocket {
  write(data: Uint8Array, byteOffset?: number, byteLength?: number): number;
  shutdown(): void;
  close(): void;
  terminate(): void;
  pause(): void;
  resume(): void;
  ref(): void;
  unref(): void;
  setNoDelay(noDelay: boolean): boolean;
  setKeepAlive(enable: boolean, initialDelayMs: number): boolean;
  upgradeTLS(options: BunUpgradeOptions): [raw: BunSocket, tls: BunSocket];
  data: BunConn;
  readonly alpnProtocol: string | false | null;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly fd: number;
  getTLSVersion(): string;
  getPeerCertificate(): NativeCertificate;
  isSessionReused(): boolean;
  setSession(session: Uint8Array): void;
}

/** The callbacks of a socket. */
export interface BunHandlers {
  binaryType: "uint8array";
  open(socket: BunSocket): void;
  handshake?(socket: BunSocket, success: boolean, error: Error | null): void;
  /** Over TLS: the server has given a ticket, by which its session can be taken up. */
  session?(socket: BunSocket, ticket: Uint8Array): void;
  data(socket: BunSocket, chunk: Uint8Array): void;
  drain(socket: BunSocket): void;
  end(socket: BunSocket): void;
  error(socket: BunSocket, error: Error): void;
  close(socket: BunSocket, error?: Error): void;
  connectError(socket: BunSocket, error: Error): void;
}

interface BunUpgradeOptions {
  data: BunConn;
  socket: BunHandlers;
  tls: BunTls;
}

/** How Bun is told to secure a socket. */
export interface BunTls {
  rejectUnauthorized: boolean;
  serverName?: string;
  /** Authorities, certificate and key, parsed once. Default: those that Bun trusts, and none. */
  secureContext?: object;
  ALPNProtocols?: Uint8Array;
  minVersion: number;
}

/** Bytes. With more than this unread the socket is paused; one chunk is at most 512 KiB. */
const maxQueuedBytes = 64 * 1024;

/**
 * Lets the memory of a chunk that has been copied go at once, not at some collection: a download of
 * 1 GiB peaks 30 MiB lower for it. Small chunks are not worth the call. The chunk is empty after it.
 */
function freeLarge(chunk: Uint8Array): void {
  // Asking for the buffer of a small one costs more than all the rest of a read.
  if (chunk.length >= 64 * 1024) (chunk.buffer as ArrayBuffer).transfer(0);
}

/** A connection of Bun. Owns: its socket. */
export class BunConn extends PushedConn implements Conn {
  localAddr: Address;
  remoteAddr: Address;
  tls: TlsInfo | null = null;
  #socket!: BunSocket;
  #barrier: PollBarrier | null;
  #opened = false;
  /** The handshake under way. */
  #handshake: { options: TlsOptions; serverName: string } & PromiseWithResolvers<void> | null =
    null;
  #sessions: SessionUse | null = null;

  readonly #state: SocketState;
  readonly #input: PushedBytes;
  #paused = false;
  #isRef = true;
  #turns: WriteTurns = new WriteTurns();
  #tuning: SocketOptions | null;

  /** @param tuning What the socket is told when it opens; null: it has been told. */
  constructor(address: Address, barrier: PollBarrier | null, tuning: SocketOptions | null) {
    const state = new SocketState();
    const input = new PushedBytes(freeLarge);
    super(state, input);
    this.#state = state;
    this.#input = input;
    this.localAddr = address;
    this.remoteAddr = address;
    this.#barrier = barrier;
    this.#tuning = tuning;
  }

  /** One set for all connections; `socket.data` tells which one it is. */
  static readonly handlers: BunHandlers = {
    binaryType: "uint8array",
    open: (socket) => socket.data.#onOpen(socket),
    data: (socket, chunk) => socket.data.#onData(chunk),
    drain: (socket) => socket.data.#onDrain(),
    end: (socket) => socket.data.#onEnd(),
    error: (socket, error) => socket.data.#onFailure(error),
    close: (socket, error) => socket.data.#onClose(error),
    // Its presence keeps the rejection of connect() from being reported twice.
    connectError: () => {},
  };

  /** With a handshake handler Bun reports the handshake instead of failing by itself. */
  static readonly tlsHandlers: BunHandlers = {
    ...BunConn.handlers,
    handshake: (socket, success, error) => socket.data.#onHandshake(success, error),
    session: (socket, ticket) => socket.data.#sessions?.came(ticket),
  };

  kernelIsEmpty(): boolean | null {
    return this.waitsForMore && kernelIsEmpty(this.#socket.fd);
  }

  /** Makes the socket bring what the pending read waits for. */
  protected override flow(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
    if (this.#isRef) this.#socket.ref();
  }

  #onData(chunk: Uint8Array): void {
    // After a release the raw socket still brings the cipher text.
    if (this.#state.isClosed) return;
    this.#turns.turned();
    const input = this.#input;
    if (input.serve(chunk, true)) return;
    input.keep(chunk);
    if (input.waitingBytes > maxQueuedBytes && !this.#paused) {
      this.#paused = true;
      this.#socket.pause();
      // What nobody reads does not keep the process alive, as on the other runtimes.
      if (this.#isRef && this.#state.output.array === null) this.#socket.unref();
    }
  }

  #onEnd(): void {
    if (this.#state.isClosed) return;
    this.#state.isEnded = true;
    this.#input.end();
  }

  #onFailure(error: unknown): void {
    if (this.#handshake !== null) return this.#failHandshake(error);
    if (!this.#state.isFailed) {
      this.#state.isFailed = true;
      this.#state.failure = error;
    }
    this.rejectPending();
  }

  #onClose(error: unknown): void {
    // With both sides ended Bun closes at once, and leaves the end of the stream out.
    if (error === undefined && this.#state.isWriteEnded) this.#onEnd();
    this.#onFailure(error);
    this.#state.gone.settle();
  }

  protected override told(phase: "request" | "body", error: unknown): HttpError {
    return this.tls !== null && nativeCode(error) === "EPROTO"
      ? tlsError("", nativeText(error), error)
      : lostError(phase, error);
  }

  startWrite(
    p: Uint8Array,
    done: (count: number) => void,
    failed: (error: unknown) => void,
  ): void {
    const refusal = this.writeRefusal();
    if (refusal !== null) return failed(refusal);
    const output = this.#state.output;
    const count = this.#socket.write(p);
    if (count === p.length) {
      output.writtenBytes += count;
      return this.#turns.accepted(count, done);
    }
    if (count < 0) return failed(this.streamError("request"));
    output.start(p, done, failed);
    output.advance(count);
    // A paused socket was let go of; one that has still to write is not.
    if (this.#paused && this.#isRef) this.#socket.ref();
  }

  #onDrain(): void {
    const output = this.#state.output;
    const p = output.array;
    if (p === null) return;
    if (p.length !== output.length) return output.fail(resizedError("request"));
    const { offset } = output;
    const count = this.#socket.write(p, offset, p.length - offset);
    if (count < 0) return this.#onFailure(undefined);
    output.advance(count);
    if (output.offset >= p.length) output.succeed();
  }

  protected override shutdown(): Promise<void> {
    this.#socket.shutdown();
    return Promise.resolve();
  }

  close(): void {
    if (this.#state.isClosed) return;
    this.#state.isClosed = true;
    this.#input.clear();
    // Over TLS close() waits until the peer has taken the half of it that was accepted.
    const isCut = this.#state.output.array !== null;
    this.rejectPending();
    try {
      // Over TLS end() would wait for the peer, and nothing could close the socket after it.
      if (isCut) this.#socket.terminate();
      else this.#socket.close();
    } catch {
      // Closed already.
    }
    if (this.#opened) this.#barrier?.closed();
  }

  ref(): void {
    this.#isRef = true;
    if (!this.#state.isClosed) this.#socket.ref();
  }

  unref(): void {
    this.#isRef = false;
    if (!this.#state.isClosed) this.#socket.unref();
  }

  #onOpen(socket: BunSocket): void {
    this.#socket = socket;
    this.#opened = true;
    const ticket = this.#sessions?.offer() ?? null;
    if (ticket !== null) socket.setSession(ticket);
    this.#barrier?.opened();
    if (this.remoteAddr.transport === "unix") {
      this.localAddr = { transport: "unix", path: "" };
      return;
    }
    if (this.#tuning !== null) tune(socket, this.#tuning);
    this.#tuning = null;
    this.localAddr = {
      transport: "tcp",
      hostname: socket.localAddress,
      port: socket.localPort,
    };
    this.remoteAddr = {
      transport: "tcp",
      hostname: socket.remoteAddress,
      port: socket.remotePort,
    };
  }

  /** Waits for the handshake; call it before the socket connects. */
  handshake(options: TlsOptions, serverName: string): Promise<void> {
    this.#handshake = { options, serverName, ...Promise.withResolvers<void>() };
    this.#sessions = sessionUse(options, serverName, "bun");
    this.#handshake.promise.catch(() => {});
    return this.#handshake.promise;
  }

  #onHandshake(success: boolean, error: Error | null): void {
    const handshake = this.#handshake;
    // A renegotiation is none of ours.
    if (handshake === null || this.#state.isClosed) return;
    const { options, serverName } = handshake;
    const verifies = options.insecureSkipVerify !== true;
    try {
      if (verifies && !success) throw error;
      // Of an offered session the certificate is known, and was checked; it is costly to ask for.
      const isKnown = verifies && this.#sessions?.hasOffered === true &&
        this.#socket.isSessionReused();
      const certificate = isKnown ? null : this.#socket.getPeerCertificate();
      // With the checks off, a handshake that broke is known by the missing certificate.
      if (!isKnown && certificate?.raw === undefined) throw error;
      const problem = verifies
        ? error ?? (certificate && missingNames(certificate, serverName))
        : undefined;
      if (problem) throw problem;
      this.tls = tlsInfo(this.#socket, certificate);
      verifyPeer(serverName, options, this.tls);
      if (this.#sessions !== null) this.tls = this.#sessions.succeeded(this.tls);
    } catch (reason) {
      this.#failHandshake(reason);
      return;
    }
    this.#handshake = null;
    handshake.resolve();
  }

  #failHandshake(reason: unknown): void {
    const { serverName, reject } = this.#handshake!;
    this.#handshake = null;
    this.#sessions?.failed();
    this.close();
    reject(handshakeError(serverName, reason ?? undefined));
  }

  /** Starts TLS on the socket of another connection, which is closed afterwards. */
  upgrade(other: BunConn, tls: BunTls): void {
    other.#state.checkIdle(other.#input.isPending);
    const socket = other.#socket;
    const [, secure] = withPem(() =>
      socket.upgradeTLS({ data: this, socket: BunConn.tlsHandlers, tls })
    );
    other.#state.isClosed = true;
    other.#barrier?.closed();
    if (other.#paused) socket.resume();
    this.#socket = secure;
    if (!this.#opened) this.#onOpen(secure);
  }
}

/** Tells the system how to treat a socket. */
function tune(socket: BunSocket, options: SocketOptions): void {
  socket.setNoDelay(options.tcpNoDelay ?? true);
  const idleMs = keepAliveMs(options);
  if (idleMs > 0) socket.setKeepAlive(true, idleMs);
}

function tlsInfo(socket: BunSocket, certificate: NativeCertificate | null): TlsInfo {
  return {
    alpnProtocol: socket.alpnProtocol || null,
    protocol: socket.getTLSVersion(),
    engine: "bun",
    sessionReused: socket.isSessionReused(),
    peerCertificate: certificate && peerCertificate(certificate),
  };
}

/**
 * Calls Bun with TLS options.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: what Bun throws at once, rather than later, is about
 * certificates and keys.
 */
export function withPem<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw unusablePem(error);
  }
}
