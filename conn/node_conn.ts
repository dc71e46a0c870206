/**
 * A connection over any Duplex of Node, most of all `net.Socket` and `TLSSocket`.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Address, Conn, TlsInfo } from "./conn.ts";
import type { ConnDuplex } from "./conn_duplex.ts";
import {
  busyError,
  closedError,
  endedError,
  lostError,
  nativeCode,
  nativeText,
  tlsError,
} from "./conn_error.ts";
import { Gone } from "./gone.ts";
import { HttpError } from "./http_error.ts";
import { type Intake, intakeBytes, type IntakeTaker } from "./node_intake.ts";
import { keepReadable, type WriteFailures } from "./lasting_socket.ts";
import { awaitTurnEnd, type TurnWaiter } from "./turn_end.ts";
import { WriteTurns } from "./write_turns.ts";

/**
 * Bytes. A longer array is handed over in parts, so that `bytesWritten` tells how far a write came:
 * Node takes over the whole of what it is given.
 */
const writePartBytes = 1024 * 1024;

/** Milliseconds. For how long what came counts as all that came. */
const freshMs = 0.5;

/** What a {@linkcode NodeConn} is made of. */
export interface NodeConnOptions {
  localAddr: Address;
  remoteAddr: Address;
  tls: TlsInfo | null;
  /** The `onread` option that the stream was made with. */
  intake?: Intake;
  /** What the stream runs over, if that is a connection of ours. */
  under?: ConnDuplex;
  /** Called once when the connection closes. */
  onClose?: () => void;
  /** Settles once what the stream runs over is closed. Default: there is nothing. */
  whenUnderClosed?: () => Promise<void> | undefined;
  /** Keeps the process alive, or not; default: the methods of the stream, where it has them. */
  setRef?: (ref: boolean) => void;
}

/**
 * Whether a native error tells of TLS rather than of a lost connection.
 *
 * Pure.
 */
export function isTlsError(error: unknown): boolean {
  const code = nativeCode(error);
  return code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_") || code === "EPROTO";
}

const owner = Symbol("owner");

/** A stream that is a connection's. */
type Owned = Duplex & { [owner]: NodeConn };

/** A connection over a Duplex. Owns: the stream and its listeners. */
export class NodeConn implements Conn, IntakeTaker, TurnWaiter, WriteFailures {
  readonly localAddr: Address;
  readonly remoteAddr: Address;
  readonly tls: TlsInfo | null;
  #stream: Duplex;
  #under: ConnDuplex | undefined;
  #closeUnder: (() => void) | undefined;
  #whenUnderClosed: (() => Promise<void> | undefined) | undefined;
  #setRef: ((ref: boolean) => void) | undefined;
  #closed = false;
  #gone: Gone = new Gone();
  #failure: unknown = null;
  #failed = false;

  /** The array of the pending read. */
  #reading: Uint8Array | null = null;
  /** Bytes in it that have come; {@linkcode turnEnded} tells of them. */
  #gathered = 0;
  /** Whether what comes next is gathered: it is an answer, and more may have come behind it. */
  #gathers = false;
  /** When the kernel was polled for what the last read gave; -Infinity: not known. */
  #readAllAtMs = -Infinity;
  #resolveRead!: (count: number | null) => void;
  #rejectRead!: (error: unknown) => void;
  /** Chunks that came without a read, oldest first. */
  #queue: Uint8Array[] = [];
  #intake: Buffer | null = null;
  #flowing = false;
  #ended = false;
  #bytesRead = 0;

  /** The array of the pending write. */
  #writing: Uint8Array | null = null;
  #writeOffset = 0;
  #writeFailure: HttpError | null = null;
  #resolveWrite!: (count: number) => void;
  #rejectWrite!: (error: unknown) => void;
  #writeEnded = false;
  #bytesWritten = 0;
  #turns: WriteTurns = new WriteTurns();
  /** Native writes handed over and done; their callbacks come in order. */
  #handedOver = 0;
  #done = 0;
  /** Whether a native write is being handed over this moment. */
  #handing = false;

  // Listeners that all connections share: most are idle, and should be small.
  static #onData = function (this: Owned, chunk: Uint8Array): void {
    this[owner].#took(chunk);
  };
  static #onEnd = function (this: Owned): void {
    this[owner].#streamEnded();
  };
  static #onError = function (this: Owned, error: unknown): void {
    this[owner].#broke(error);
  };
  static #onClose = function (this: Owned): void {
    this[owner].#streamClosed();
  };

  constructor(stream: Duplex, options: NodeConnOptions) {
    this.#stream = stream;
    this.localAddr = options.localAddr;
    this.remoteAddr = options.remoteAddr;
    this.tls = options.tls;
    this.#closeUnder = options.onClose;
    this.#whenUnderClosed = options.whenUnderClosed;
    this.#setRef = options.setRef;
    this.#under = options.under;
    if (options.under === undefined) {
      keepReadable(stream as Socket, this);
    } else {
      options.under.onFlushed = () => this.#flushed();
      options.under.onWriteFailed = (error) => this.writeFailed(error);
      options.under.mayRead = () => stream.readableLength < intakeBytes;
    }
    stream.pause();
    if (options.intake === undefined) {
      stream.on("data", NodeConn.#onData);
    } else {
      this.#intake = options.intake.buffer;
      options.intake.taker = this;
    }
    (stream as Owned)[owner] = this;
    stream.on("end", NodeConn.#onEnd);
    stream.on("error", NodeConn.#onError);
    stream.on("close", NodeConn.#onClose);
  }

  /**
   * Node tells of each TLS record by itself, and runs microtasks in between. So the first bytes
   * after a write, an answer as a rule, wait until the kernel has been polled once more, and are
   * told with all that has come by then. When that was long ago, more may have come.
   */
  get readsInParts(): boolean {
    if (this.tls === null) return this.#intake === null;
    return this.#queue.length > 0 || this.#ended || this.#failed ||
      performance.now() - this.#readAllAtMs > freshMs;
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#readAtOnce(p) ??
      new Promise((resolve, reject) => this.#awaitData(p, resolve, reject));
  }

  startRead(
    p: Uint8Array,
    done: (count: number | null) => void,
    failed: (error: unknown) => void,
  ): void {
    const settled = this.#readAtOnce(p);
    if (settled === null) this.#awaitData(p, done, failed);
    else settled.then(done, failed);
  }

  /** What a read gives that has nothing to wait for, else null. */
  #readAtOnce(p: Uint8Array): Promise<number | null> | null {
    if (this.#reading !== null) return Promise.reject(busyError("body"));
    if (this.#closed) return Promise.reject(closedError("body"));
    if (p.length === 0) return Promise.resolve(0);
    if (this.#queue.length > 0) return Promise.resolve(this.#takeQueued(p));
    if (this.#ended) return Promise.resolve(null);
    if (this.#failed) return Promise.reject(this.#streamError("body"));
    return null;
  }

  #awaitData(
    p: Uint8Array,
    done: (count: number | null) => void,
    failed: (error: unknown) => void,
  ): void {
    this.#reading = p;
    this.#resolveRead = done;
    this.#rejectRead = failed;
    if (!this.#flowing) {
      this.#flowing = true;
      this.#stream.resume();
    }
    this.#under?.wake();
  }

  #takeQueued(p: Uint8Array): number {
    const chunk = this.#queue[0];
    let count = chunk.length;
    if (count <= p.length) {
      p.set(chunk);
      this.#queue.shift();
    } else {
      count = p.length;
      p.set(chunk.subarray(0, count));
      this.#queue[0] = chunk.subarray(count);
    }
    this.#bytesRead += count;
    return count;
  }

  #took(chunk: Uint8Array): void {
    const p = this.#reading;
    if (p !== null && chunk.length <= p.length) {
      p.set(chunk);
      this.#finishRead(chunk.length);
    } else if (!this.#enqueue(chunk)) {
      this.#stream.pause();
    }
  }

  /** For the intake alone: takes what is in it. */
  took(count: number): boolean {
    const p = this.#reading;
    const intake = this.#intake!;
    const gathered = this.#gathered;
    if (p !== null && gathered + count <= p.length) {
      intake.copy(p, gathered, 0, count);
      if (!this.#gathers) {
        this.#finishRead(count);
      } else {
        this.#gathered += count;
        if (gathered === 0) awaitTurnEnd(this);
      }
      return true;
    }
    return this.#enqueue(new Uint8Array(intake.subarray(0, count)));
  }

  /** For the end of a turn alone: tells of what has been gathered. */
  turnEnded(polledAtMs: number): void {
    if (this.#gathered === 0) return;
    this.#finishRead(this.#gathered, polledAtMs);
  }

  #finishRead(count: number, polledAtMs: number = -Infinity): void {
    this.#reading = null;
    this.#gathered = 0;
    this.#gathers = false;
    this.#readAllAtMs = polledAtMs;
    this.#turns.turned();
    this.#bytesRead += count;
    this.#resolveRead(count);
  }

  /** Keeps a chunk and serves the pending read from it. Tells whether reading may go on. */
  #enqueue(chunk: Uint8Array): boolean {
    if (this.#closed) return false;
    this.#queue.push(chunk);
    const p = this.#reading;
    if (this.#gathered > 0) {
      this.#finishRead(this.#gathered);
    } else if (p !== null) {
      this.#reading = null;
      this.#resolveRead(this.#takeQueued(p));
    }
    this.#flowing = this.#queue.length === 0;
    return this.#flowing;
  }

  #streamEnded(): void {
    const failure = this.#under?.failure ?? null;
    if (failure !== null) return this.#broke(failure);
    this.#ended = true;
    if (this.#gathered > 0) return this.#finishRead(this.#gathered);
    if (this.#reading === null) return;
    this.#reading = null;
    this.#resolveRead(null);
  }

  #broke(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = error;
    // What came before it is told before it.
    if (this.#gathered > 0) this.#finishRead(this.#gathered);
    this.#rejectPending();
  }

  #streamClosed(): void {
    if (!this.#ended) this.#broke(undefined);
    else if (this.#writing !== null) this.#rejectPending();
    this.#gone.settle();
  }

  #rejectPending(): void {
    if (this.#reading !== null) {
      this.#reading = null;
      this.#rejectRead(this.#streamError("body"));
    }
    if (this.#writing !== null) {
      this.#writing = null;
      this.#rejectWrite(this.#streamError("request"));
    }
  }

  #streamError(phase: "request" | "body"): HttpError {
    return this.#closed ? closedError(phase) : this.#told(phase, this.#failure);
  }

  /** A native error in our words. */
  #told(phase: "request" | "body", error: unknown): HttpError {
    if (error instanceof HttpError) {
      return error.code === "ERR_CONNECTION_LOST" ? lostError(phase, error.cause) : error;
    }
    return this.tls !== null && isTlsError(error)
      ? tlsError("", nativeText(error), error)
      : lostError(phase, error ?? undefined);
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
    if (this.#writeFailure !== null) return failed(this.#writeFailure);
    if (p.length === 0) return done(0);
    this.#writing = p;
    this.#gathers = this.tls !== null;
    this.#writeOffset = 0;
    this.#resolveWrite = done;
    this.#rejectWrite = failed;
    if (this.#writeParts()) this.#turns.accepted(p.length, done);
    else if (this.#writeFailure !== null) failed(this.#writeFailure);
  }

  /** Hands parts over until one is not accepted at once. Tells whether all of them were. */
  #writeParts(): boolean {
    const p = this.#writing!;
    const stream = this.#stream;
    while (this.#writeOffset < p.length) {
      const offset = this.#writeOffset;
      const isWhole = offset === 0 && p.length <= writePartBytes;
      const part = isWhole ? p : p.subarray(offset, offset + writePartBytes);
      this.#handedOver++;
      this.#handing = true;
      stream.write(part, this.#onWritten);
      this.#handing = false;
      // A write that failed at once was not accepted.
      if (this.#writeFailure !== null) {
        this.#writing = null;
        return false;
      }
      this.#writeOffset += part.length;
      this.#bytesWritten += part.length;
      if (stream.writableLength > 0 || this.#under?.isFlushed === false) return false;
    }
    this.#writing = null;
    return true;
  }

  #onWritten = (error?: Error | null): void => {
    this.#done++;
    // Callbacks of parts that were accepted at once come late and mean nothing.
    if (this.#writing === null || this.#done !== this.#handedOver) return;
    if (error) this.#broke(error);
    else this.#writeOn();
  };

  /** For the stream alone: writing has failed; what the peer said before can still be read. */
  writeFailed(error: unknown): void {
    if (this.#writeFailure !== null) return;
    this.#writeFailure = this.#told("request", error);
    if (this.#writing === null || this.#handing) return;
    this.#writing = null;
    this.#rejectWrite(this.#writeFailure);
  }

  #flushed(): void {
    if (this.#writing !== null && this.#done === this.#handedOver) this.#writeOn();
  }

  #writeOn(): void {
    if (this.#under?.isFlushed === false) return;
    const p = this.#writing!;
    if (this.#writeParts()) this.#resolveWrite(p.length);
    else if (this.#writeFailure !== null) this.#rejectWrite(this.#writeFailure);
  }

  closeWrite(): Promise<void> {
    if (this.#closed) return Promise.reject(closedError("request"));
    if (this.#writing !== null) return Promise.reject(busyError("request"));
    if (this.#writeEnded) return Promise.resolve();
    if (this.#failed) return Promise.reject(this.#streamError("request"));
    if (this.#writeFailure !== null) return Promise.reject(this.#writeFailure);
    this.#writeEnded = true;
    return new Promise<void>((resolve, reject) => {
      this.#stream.end((error?: Error | null) => {
        if (error) reject(this.#streamError("request"));
        else resolve();
      });
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#gathered = 0;
    this.#rejectPending();
    try {
      this.#stream.destroy();
    } catch {
      // Nothing is left to close.
    }
    this.#closeUnder?.();
  }

  async whenClosed(): Promise<void> {
    await this.#gone.when();
    await this.#whenUnderClosed?.();
  }

  ref(): void {
    this.#keepAlive(true);
  }

  unref(): void {
    this.#keepAlive(false);
  }

  #keepAlive(ref: boolean): void {
    if (this.#closed) return;
    if (this.#setRef !== undefined) return this.#setRef(ref);
    const stream = this.#stream as Duplex & { ref?(): void; unref?(): void };
    if (ref) stream.ref?.();
    else stream.unref?.();
  }

  /**
   * Gives the stream up for TLS. The object is closed afterwards.
   *
   * @returns The stream, and what it was made with and is now the caller's to call.
   * @throws {HttpError} `ERR_CLOSED`, or `ERR_INVALID_REQUEST`: a read or write is under way.
   */
  release(): Pick<NodeConnOptions, "setRef" | "onClose"> & { stream: Duplex } {
    if (this.#closed) throw closedError("request");
    if (this.#reading !== null) throw busyError("body");
    if (this.#writing !== null) throw busyError("request");
    this.#closed = true;
    const stream = this.#stream;
    stream.pause();
    stream.off("data", NodeConn.#onData);
    stream.off("end", NodeConn.#onEnd);
    stream.off("close", NodeConn.#onClose);
    stream.once("close", () => this.#gone.settle());
    return { stream, setRef: this.#setRef, onClose: this.#closeUnder };
  }
}
