/**
 * A connection over a socket of Deno, which brings bytes when it is asked for them.
 *
 * @module
 */
import type { Address, Conn, TlsInfo } from "../conn.ts";
import { busyError, closedError, resizedError } from "../conn_error.ts";
import { toStreamError } from "./deno_errors.ts";
import type { HttpError } from "../http_error.ts";
import type { PollBarrier } from "./poll_barrier.ts";
import { SocketConn } from "./socket_conn.ts";
import { SocketState } from "./socket_state.ts";
import { realTime } from "../real_time.ts";

/** An address of Deno. */
export interface DenoAddr {
  /** Missing after `startTls()`, which is for TCP only. */
  transport?: string;
  hostname?: string;
  port?: number;
  path?: string | null;
}

/** A socket of Deno, as far as it is used here. */
export interface DenoNativeConn {
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

function toAddress(addr: DenoAddr): Address {
  return addr.transport === "unix"
    ? { transport: "unix", path: addr.path ?? "" }
    : { transport: "tcp", hostname: addr.hostname ?? "", port: addr.port ?? 0 };
}

/** A connection of Deno. Owns: its native connection. */
export class DenoConn extends SocketConn implements Conn {
  /** Deno reads at the beginning of a turn; then timers run, and only then is told what came. */
  readonly tellsLate = true;
  readonly localAddr: Address;
  readonly remoteAddr: Address;
  readonly tls: TlsInfo | null;
  #native: DenoNativeConn;
  #barrier: PollBarrier;
  readonly #state: SocketState;
  #reading = false;
  /** The array of the pending read, and how long it was at the call. */
  #readInto: Uint8Array | null = null;
  #readBytes = 0;
  #readFailure: HttpError | null = null;
  #readDone!: (count: number | null) => void;
  #readFailed!: (error: unknown) => void;
  /** Whether the native `closeWrite()` is under way. */
  #ending = false;
  #bytesRead = 0;

  constructor(native: DenoNativeConn, barrier: PollBarrier, tls: TlsInfo | null) {
    const state = new SocketState();
    super(state);
    this.#state = state;
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

  startRead(
    p: Uint8Array,
    done: (count: number | null) => void,
    failed: (error: unknown) => void,
  ): void {
    const refusal = this.#readRefusal();
    if (refusal !== null) {
      realTime.queueMicrotask(() => failed(refusal));
    } else if (this.#state.isEnded || p.length === 0) {
      realTime.queueMicrotask(() => done(p.length === 0 ? 0 : null));
    } else {
      this.#reading = true;
      this.#readInto = p;
      this.#readBytes = p.length;
      this.#readDone = done;
      this.#readFailed = failed;
      this.#native.read(p).then(this.#onRead, this.#onReadError);
    }
  }

  #readRefusal(): HttpError | null {
    if (this.#reading) return busyError("body");
    if (this.#state.isClosed) return closedError("body");
    return this.#readFailure;
  }

  #onRead = (count: number | null): void => {
    this.#reading = false;
    const isThere = this.#readInto!.length === this.#readBytes;
    this.#readInto = null;
    if (this.#state.isClosed) return this.#readFailed(this.#lateRead());
    if (count === null) this.#state.isEnded = true;
    else this.#bytesRead += count;
    if (isThere || count === null) return this.#readDone(count);
    this.#readFailure = resizedError("body");
    this.#readFailed(this.#readFailure);
  };

  #onReadError = (error: unknown): void => {
    this.#reading = false;
    this.#readInto = null;
    if (this.#state.isClosed) return this.#readFailed(this.#lateRead());
    // Kept: the kernel tells of a reset once, and of an end of stream afterwards.
    this.#readFailure = toStreamError("body", error, this.tls);
    this.#readFailed(this.#readFailure);
  };

  startWrite(
    p: Uint8Array,
    done: (count: number) => void,
    failed: (error: unknown) => void,
  ): void {
    const refusal = this.#state.writeRefusal();
    if (refusal !== null) return failed(refusal);
    if (p.length === 0) return done(0);
    this.#state.output.start(p, done, failed);
    this.#native.write(p).then(this.#onWrite, this.#onWriteError);
  }

  #onWrite = (count: number): void => {
    const { isClosed, output } = this.#state;
    const p = output.array!;
    output.advance(count);
    if (isClosed) return this.#failLateWrite();
    if (p.length !== output.length) return output.fail(resizedError("request"));
    if (output.offset >= p.length) return output.succeed();
    this.#native.write(p.subarray(output.offset)).then(this.#onWrite, this.#onWriteError);
  };

  #onWriteError = (error: unknown): void => {
    const { isClosed, output } = this.#state;
    if (isClosed) this.#failLateWrite();
    else output.fail(toStreamError("request", error, this.tls));
  };

  /** The native write has come back after `close()`. */
  #failLateWrite(): void {
    try {
      this.#state.output.fail(closedError("request"));
    } finally {
      this.#settleWhenGone();
    }
  }

  /** The error of a native read that has come back after `close()`. */
  #lateRead(): HttpError {
    this.#settleWhenGone();
    return closedError("body");
  }

  #settleWhenGone(): void {
    const { output, gone } = this.#state;
    if (!this.#reading && output.array === null && !this.#ending) gone.settle();
  }

  async closeWrite(): Promise<void> {
    const state = this.#state;
    const refusal = state.endRefusal();
    if (refusal !== null) throw refusal;
    if (state.isWriteEnded) return;
    state.isWriteEnded = true;
    this.#ending = true;
    try {
      await this.#native.closeWrite();
    } catch (error) {
      throw state.isClosed ? closedError("request") : toStreamError("request", error, this.tls);
    } finally {
      this.#ending = false;
      if (this.#state.isClosed) this.#settleWhenGone();
    }
  }

  close(): void {
    if (this.#state.isClosed) return;
    this.#state.isClosed = true;
    try {
      this.#native.close();
    } catch {
      // Already closed by the runtime.
    }
    this.#barrier.closed();
    this.#settleWhenGone();
  }

  ref(): void {
    if (!this.#state.isClosed) this.#native.ref();
  }

  unref(): void {
    if (!this.#state.isClosed) this.#native.unref();
  }

  /**
   * Gives the native connection up for TLS. The object is closed afterwards.
   *
   * @throws {HttpError} `ERR_CLOSED`, or `ERR_INVALID_REQUEST`: a read or write is under way.
   */
  release(): DenoNativeConn {
    this.#state.checkIdle(this.#reading);
    this.#state.isClosed = true;
    this.#barrier.closed();
    return this.#native;
  }
}
