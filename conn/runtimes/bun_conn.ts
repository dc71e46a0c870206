/**
 * A connection over a socket of Bun, which pushes what it reads and takes only what fits when it
 * writes.
 *
 * @module
 */
import type { Address, Conn, TlsInfo, TlsOptions } from "../conn.ts";
import {
  busyError,
  closedError,
  endedError,
  lostError,
  nativeCode,
  nativeText,
  tlsError,
} from "../conn_error.ts";
import { Gone } from "../gone.ts";
import type { HttpError } from "../http_error.ts";
import type { PollBarrier } from "./poll_barrier.ts";
import { PushedBytes } from "./pushed_bytes.ts";
import { unusablePem } from "../tls_options.ts";
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
  upgradeTLS(options: BunUpgradeOptions): [raw: BunSocket, tls: BunSocket];
  data: BunConn;
  readonly alpnProtocol: string | false | null;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  getTLSVersion(): string;
  getPeerCertificate(): NativeCertificate;
}

/** The callbacks of a socket. */
export interface BunHandlers {
  binaryType: "uint8array";
  open(socket: BunSocket): void;
  handshake?(socket: BunSocket, success: boolean, error: Error | null): void;
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
  ca?: string[];
  cert?: string;
  key?: string;
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
export class BunConn implements Conn {
  localAddr: Address;
  remoteAddr: Address;
  tls: TlsInfo | null = null;
  #socket!: BunSocket;
  #barrier: PollBarrier | null;
  #opened = false;
  #closed = false;
  #gone: Gone = new Gone();
  #failed = false;
  #failure: unknown = undefined;
  /** The handshake under way. */
  #handshake: { options: TlsOptions; serverName: string } & PromiseWithResolvers<void> | null =
    null;

  #input: PushedBytes = new PushedBytes(freeLarge);
  #paused = false;
  #isRef = true;
  #ended = false;

  /** The array of the pending write, and how much of it is accepted. */
  #writing: Uint8Array | null = null;
  #writeOffset = 0;
  #resolveWrite!: (count: number) => void;
  #rejectWrite!: (error: unknown) => void;
  #writeEnded = false;
  #turns: WriteTurns = new WriteTurns();
  #bytesWritten = 0;

  constructor(address: Address, barrier: PollBarrier | null) {
    this.localAddr = address;
    this.remoteAddr = address;
    this.#barrier = barrier;
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
  };

  get bytesRead(): number {
    return this.#input.readBytes;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  read(p: Uint8Array): Promise<number | null> {
    const settled = this.#readAtOnce(p);
    if (settled !== null) return settled;
    const reading = this.#input.read(p);
    this.#flow();
    return reading;
  }

  startRead(
    p: Uint8Array,
    done: (count: number | null) => void,
    failed: (error: unknown) => void,
  ): void {
    const settled = this.#readAtOnce(p);
    if (settled !== null) {
      settled.then(done, failed);
      return;
    }
    this.#input.startRead(p, done, failed);
    this.#flow();
  }

  readChunk(maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const input = this.#input;
    if (input.isPending) return Promise.reject(busyError("body"));
    if (this.#closed) return Promise.reject(closedError("body"));
    if (input.waitingBytes > 0) return Promise.resolve(input.takeChunk(maxBytes));
    const end = this.#noMore();
    if (end !== null) return end;
    const reading = input.readChunk(maxBytes);
    this.#flow();
    return reading;
  }

  /** What a read gives that has nothing to wait for, else null. */
  #readAtOnce(p: Uint8Array): Promise<number | null> | null {
    const input = this.#input;
    if (input.isPending) return Promise.reject(busyError("body"));
    if (this.#closed) return Promise.reject(closedError("body"));
    if (p.length === 0) return Promise.resolve(0);
    return input.waitingBytes > 0 ? Promise.resolve(input.take(p)) : this.#noMore();
  }

  /** What a read is told that cannot bring anything any more. */
  #noMore(): Promise<null> | null {
    if (this.#ended) return Promise.resolve(null);
    return this.#failed ? Promise.reject(this.#streamError("body")) : null;
  }

  /** Makes the socket bring what the pending read waits for. */
  #flow(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
    if (this.#isRef) this.#socket.ref();
  }

  #onData(chunk: Uint8Array): void {
    // After a release the raw socket still brings the cipher text.
    if (this.#closed) return;
    this.#turns.turned();
    const input = this.#input;
    if (input.serve(chunk, true)) return;
    input.keep(chunk);
    if (input.waitingBytes > maxQueuedBytes && !this.#paused) {
      this.#paused = true;
      this.#socket.pause();
      // What nobody reads does not keep the process alive, as on the other runtimes.
      if (this.#isRef && this.#writing === null) this.#socket.unref();
    }
  }

  #onEnd(): void {
    if (this.#closed) return;
    this.#ended = true;
    this.#input.end();
  }

  #onFailure(error: unknown): void {
    if (this.#handshake !== null) return this.#failHandshake(error);
    if (!this.#failed) {
      this.#failed = true;
      this.#failure = error;
    }
    this.#rejectPending();
  }

  #onClose(error: unknown): void {
    // With both sides ended Bun closes at once, and leaves the end of the stream out.
    if (error === undefined && this.#writeEnded) this.#onEnd();
    this.#onFailure(error);
    this.#gone.settle();
  }

  #rejectPending(): void {
    if (this.#ended) this.#input.end();
    else if (this.#input.isPending) this.#input.fail(this.#streamError("body"));
    if (this.#writing !== null) {
      this.#writing = null;
      this.#rejectWrite(this.#streamError("request"));
    }
  }

  #streamError(phase: "request" | "body"): HttpError {
    if (this.#closed) return closedError(phase);
    const error = this.#failure;
    return this.tls !== null && nativeCode(error) === "EPROTO"
      ? tlsError("", nativeText(error), error)
      : lostError(phase, error);
  }

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
    if (this.#failed) return failed(this.#streamError("request"));
    const count = this.#socket.write(p);
    if (count === p.length) {
      this.#bytesWritten += count;
      return this.#turns.accepted(count, done);
    }
    if (count < 0) return failed(this.#streamError("request"));
    this.#bytesWritten += count;
    this.#writing = p;
    this.#writeOffset = count;
    this.#resolveWrite = done;
    this.#rejectWrite = failed;
    // A paused socket was let go of; one that has still to write is not.
    if (this.#paused && this.#isRef) this.#socket.ref();
  }

  #onDrain(): void {
    const p = this.#writing;
    if (p === null) return;
    const offset = this.#writeOffset;
    const count = this.#socket.write(p, offset, p.length - offset);
    if (count < 0) {
      this.#onFailure(undefined);
      return;
    }
    this.#bytesWritten += count;
    this.#writeOffset += count;
    if (this.#writeOffset < p.length) return;
    this.#writing = null;
    this.#resolveWrite(p.length);
  }

  closeWrite(): Promise<void> {
    if (this.#closed) return Promise.reject(closedError("request"));
    if (this.#writing !== null) return Promise.reject(busyError("request"));
    if (this.#writeEnded) return Promise.resolve();
    if (this.#failed) return Promise.reject(this.#streamError("request"));
    this.#writeEnded = true;
    this.#socket.shutdown();
    return Promise.resolve();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#input.clear();
    this.#ended = false;
    // Over TLS close() waits until the peer has taken the half of it that was accepted.
    const isCut = this.#writing !== null;
    this.#rejectPending();
    try {
      // Over TLS end() would wait for the peer, and nothing could close the socket after it.
      if (isCut) this.#socket.terminate();
      else this.#socket.close();
    } catch {
      // Closed already.
    }
    if (this.#opened) this.#barrier?.closed();
  }

  whenClosed(): Promise<void> {
    return this.#gone.when();
  }

  ref(): void {
    this.#isRef = true;
    if (!this.#closed) this.#socket.ref();
  }

  unref(): void {
    this.#isRef = false;
    if (!this.#closed) this.#socket.unref();
  }

  #onOpen(socket: BunSocket): void {
    this.#socket = socket;
    this.#opened = true;
    this.#barrier?.opened();
    if (this.remoteAddr.transport === "unix") {
      this.localAddr = { transport: "unix", path: "" };
      return;
    }
    socket.setNoDelay(true);
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
    this.#handshake.promise.catch(() => {});
    return this.#handshake.promise;
  }

  #onHandshake(success: boolean, error: Error | null): void {
    const handshake = this.#handshake;
    // A renegotiation is none of ours.
    if (handshake === null || this.#closed) return;
    const { options, serverName } = handshake;
    const verifies = options.insecureSkipVerify !== true;
    try {
      if (verifies && !success) throw error;
      // With the checks off, a handshake that broke is known by the missing certificate.
      const certificate = this.#socket.getPeerCertificate();
      if (certificate?.raw === undefined) throw error;
      const problem = verifies ? error ?? missingNames(certificate, serverName) : undefined;
      if (problem) throw problem;
      this.tls = tlsInfo(this.#socket, certificate);
      verifyPeer(serverName, options, this.tls);
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
    this.close();
    reject(handshakeError(serverName, reason ?? undefined));
  }

  /** Starts TLS on the socket of another connection, which is closed afterwards. */
  upgrade(other: BunConn, tls: BunTls): void {
    other.#checkIdle();
    const socket = other.#socket;
    const [, secure] = withPem(() =>
      socket.upgradeTLS({ data: this, socket: BunConn.tlsHandlers, tls })
    );
    other.#closed = true;
    other.#barrier?.closed();
    if (other.#paused) socket.resume();
    this.#socket = secure;
    if (!this.#opened) this.#onOpen(secure);
  }

  #checkIdle(): void {
    if (this.#closed) throw closedError("request");
    if (this.#input.isPending) throw busyError("body");
    if (this.#writing !== null) throw busyError("request");
  }
}

function tlsInfo(socket: BunSocket, certificate: NativeCertificate): TlsInfo {
  return {
    alpnProtocol: socket.alpnProtocol || null,
    protocol: socket.getTLSVersion(),
    engine: "bun",
    peerCertificate: peerCertificate(certificate),
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
