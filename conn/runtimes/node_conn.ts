/**
 * A connection over any Duplex of Node, most of all `net.Socket` and `TLSSocket`.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Address, Conn, TlsInfo } from "../conn.ts";
import type { ConnDuplex } from "./conn_duplex.ts";
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
import { HttpError } from "../http_error.ts";
import { type Intake, type IntakeTaker, intakeView } from "./node_intake.ts";
import { keepReadable, type WriteFailures } from "./lasting_socket.ts";
import { PushedBytes } from "./pushed_bytes.ts";
import { awaitTurnEnd, type TurnWaiter } from "./turn_end.ts";
import { WriteTurns } from "./write_turns.ts";

/**
 * Bytes. A longer array is handed over in parts, so that `bytesWritten` tells how far a write came:
 * Node takes over the whole of what it is given.
 */
const writePartBytes = 1024 * 1024;

/** Bytes. With this much decrypted and not read, no more is read from what a stream runs over. */
const maxDecryptedBytes = 64 * 1024;

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

  #input: PushedBytes = new PushedBytes(() => {});
  /** Whether what comes next is gathered: it is an answer, and more may have come behind it. */
  #gathers = false;
  /** When the kernel was polled for what the last read gave; -Infinity: not known. */
  #readAllAtMs = -Infinity;
  readonly #hasIntake: boolean;
  #flowing = false;
  #ended = false;

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
      options.under.mayRead = () => stream.readableLength < maxDecryptedBytes;
    }
    stream.pause();
    this.#hasIntake = options.intake !== undefined;
    if (options.intake === undefined) stream.on("data", NodeConn.#onData);
    else options.intake.taker = this;
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
    if (this.tls === null) return !this.#hasIntake;
    return this.#input.waitingBytes > 0 || this.#ended || this.#failed ||
      performance.now() - this.#readAllAtMs > freshMs;
  }

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

  /** Makes the stream bring what the pending read waits for. */
  #flow(): void {
    if (!this.#flowing) {
      this.#flowing = true;
      this.#stream.resume();
    }
    this.#under?.wake();
  }

  #took(chunk: Uint8Array): void {
    if (!this.#serve(chunk) && !this.#keep(chunk)) this.#stream.pause();
  }

  /** For the intake alone: takes what is in it. */
  took(count: number): boolean {
    const bytes = intakeView(count);
    return this.#serve(bytes) || this.#keep(new Uint8Array(bytes));
  }

  #serve(bytes: Uint8Array): boolean {
    this.#turns.turned();
    const input = this.#input;
    if (this.#gathers && input.gather(bytes)) {
      if (input.gatheredBytes === bytes.length) awaitTurnEnd(this);
      return true;
    }
    this.#gathers = false;
    this.#readAllAtMs = -Infinity;
    return input.serve(bytes, false);
  }

  /** For the end of a turn alone: tells of what has been gathered. */
  turnEnded(polledAtMs: number): void {
    if (this.#input.gatheredBytes === 0) return;
    this.#gathers = false;
    this.#readAllAtMs = polledAtMs;
    this.#input.tellGathered();
  }

  /** Keeps a chunk. Tells whether reading may go on. */
  #keep(chunk: Uint8Array): boolean {
    if (this.#closed) return false;
    this.#input.keep(chunk);
    this.#flowing = this.#input.waitingBytes === 0;
    return this.#flowing;
  }

  #streamEnded(): void {
    const failure = this.#under?.failure ?? null;
    if (failure !== null) return this.#broke(failure);
    this.#ended = true;
    this.#input.end();
  }

  #broke(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = error;
    // What came before it is told before it.
    if (this.#input.gatheredBytes > 0) this.#input.tellGathered();
    this.#rejectPending();
  }

  #streamClosed(): void {
    if (!this.#ended) this.#broke(undefined);
    else if (this.#writing !== null) this.#rejectPending();
    this.#gone.settle();
  }

  #rejectPending(): void {
    if (this.#input.isPending) this.#input.fail(this.#streamError("body"));
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
    this.#input.clear();
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
    if (this.#input.isPending) throw busyError("body");
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
