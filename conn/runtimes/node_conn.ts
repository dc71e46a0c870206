/**
 * A connection over any Duplex of Node, most of all `net.Socket` and `TLSSocket`.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Address, Conn, TlsInfo } from "../conn.ts";
import type { ConnDuplex } from "./conn_duplex.ts";
import { lostError, nativeCode, nativeText, resizedError, tlsError } from "../conn_error.ts";
import { HttpError } from "../http_error.ts";
import { kernelIsEmpty } from "./kernel_look.ts";
import { type Intake, type IntakeTaker, intakeView } from "./node_intake.ts";
import { keepReadable, type WriteFailures } from "./lasting_socket.ts";
import type { Lent } from "../known_conn.ts";
import { PushedBytes } from "./pushed_bytes.ts";
import { PushedConn } from "./pushed_conn.ts";
import { SocketState } from "./socket_state.ts";
import { awaitTurnEnd, type TurnWaiter } from "./turn_end.ts";
import { WriteTurns } from "./write_turns.ts";
import { realTime } from "../real_time.ts";

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

/** What Node's own streams of the system have; the descriptor is -1 where there is none. */
type WithHandle = Duplex & { _handle?: { fd?: number } | null };

/** A stream that is a connection's. */
type Owned = Duplex & { [owner]: NodeConn };

/** A connection over a Duplex. Owns: the stream and its listeners. */
export class NodeConn extends PushedConn implements Conn, IntakeTaker, TurnWaiter, WriteFailures {
  readonly localAddr: Address;
  readonly remoteAddr: Address;
  readonly tls: TlsInfo | null;
  #stream: Duplex;
  #under: ConnDuplex | undefined;
  #closeUnder: (() => void) | undefined;
  #whenUnderClosed: (() => Promise<void> | undefined) | undefined;
  #setRef: ((ref: boolean) => void) | undefined;

  readonly #state: SocketState;
  readonly #input: PushedBytes;
  /** Whether what comes next is gathered: it is an answer, and more may have come behind it. */
  #gathers = false;
  /** When the kernel was polled for what the last read gave; -Infinity: not known. */
  #readAllAtMs = -Infinity;
  readonly #hasIntake: boolean;
  #flowing = false;
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
    const state = new SocketState();
    const input = new PushedBytes(() => {});
    super(state, input);
    this.#state = state;
    this.#input = input;
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
    return this.#input.waitingBytes > 0 || this.#state.isEnded || this.#state.isFailed ||
      realTime.now() - this.#readAllAtMs > freshMs;
  }

  kernelIsEmpty(): boolean | null {
    if (!this.waitsForMore) return false;
    // What waits on the way up from another connection cannot be seen.
    if (this.#under !== undefined) return null;
    return kernelIsEmpty((this.#stream as WithHandle)._handle?.fd);
  }

  /** Where there is an intake it is lent. Records of TLS are gathered first, which needs an array. */
  override startLoan(lent: Lent, failed: (error: unknown) => void): boolean {
    return this.#hasIntake && super.startLoan(lent, failed);
  }

  /** Makes the stream bring what the pending read waits for. */
  protected override flow(): void {
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
    if (this.#state.isClosed) return false;
    this.#input.keep(chunk);
    this.#flowing = this.#input.waitingBytes === 0;
    return this.#flowing;
  }

  #streamEnded(): void {
    const failure = this.#under?.failure ?? null;
    if (failure !== null) return this.#broke(failure);
    this.#state.isEnded = true;
    this.#input.end();
  }

  #broke(error: unknown): void {
    if (this.#state.isFailed) return;
    this.#state.isFailed = true;
    this.#state.failure = error;
    // What came before it is told before it.
    if (this.#input.gatheredBytes > 0) this.#input.tellGathered();
    this.rejectPending();
  }

  #streamClosed(): void {
    if (!this.#state.isEnded) this.#broke(undefined);
    else if (this.#state.output.array !== null) this.rejectPending();
    this.#state.gone.settle();
  }

  protected override told(phase: "request" | "body", error: unknown): HttpError {
    if (error instanceof HttpError) {
      return error.code === "ERR_CONNECTION_LOST" ? lostError(phase, error.cause) : error;
    }
    return this.tls !== null && isTlsError(error)
      ? tlsError("", nativeText(error), error)
      : lostError(phase, error ?? undefined);
  }

  startWrite(
    p: Uint8Array,
    done: (count: number) => void,
    failed: (error: unknown) => void,
  ): void {
    const refusal = this.writeRefusal();
    if (refusal !== null) return failed(refusal);
    if (p.length === 0) return done(0);
    const output = this.#state.output;
    output.start(p, done, failed);
    this.#gathers = this.tls !== null;
    if (this.#writeParts()) {
      output.drop();
      this.#turns.accepted(p.length, done);
    } else if (output.failure !== null) {
      output.fail(output.failure);
    }
  }

  /** Hands parts over until one is not accepted at once. Tells whether all of them were. */
  #writeParts(): boolean {
    const output = this.#state.output;
    const stream = this.#stream;
    const p = output.array!;
    while (output.offset < output.length) {
      if (p.length !== output.length) {
        output.failure = resizedError("request");
        return false;
      }
      const { offset } = output;
      const isWhole = offset === 0 && p.length <= writePartBytes;
      const part = isWhole ? p : p.subarray(offset, offset + writePartBytes);
      this.#handedOver++;
      this.#handing = true;
      stream.write(part, this.#onWritten);
      this.#handing = false;
      // A write that failed at once was not accepted, nor one that closed the connection.
      if (output.failure !== null || output.array === null) return false;
      output.advance(part.length);
      if (stream.writableLength > 0 || this.#under?.isFlushed === false) return false;
    }
    return true;
  }

  #onWritten = (error?: Error | null): void => {
    this.#done++;
    // Callbacks of parts that were accepted at once come late and mean nothing.
    if (this.#state.output.array === null || this.#done !== this.#handedOver) return;
    if (error) this.#broke(error);
    else this.#writeOn();
  };

  /** For the stream alone: writing has failed; what the peer said before can still be read. */
  writeFailed(error: unknown): void {
    const output = this.#state.output;
    if (output.failure !== null) return;
    output.failure = this.told("request", error);
    if (output.array !== null && !this.#handing) output.fail(output.failure);
  }

  #flushed(): void {
    if (this.#state.output.array !== null && this.#done === this.#handedOver) this.#writeOn();
  }

  #writeOn(): void {
    if (this.#under?.isFlushed === false) return;
    const output = this.#state.output;
    if (this.#writeParts()) output.succeed();
    else if (output.failure !== null) output.fail(output.failure);
  }

  protected override shutdown(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#stream.end((error?: Error | null) => {
        if (error) reject(this.streamError("request"));
        else resolve();
      });
    });
  }

  close(): void {
    if (this.#state.isClosed) return;
    this.#state.isClosed = true;
    this.#input.clear();
    this.rejectPending();
    try {
      this.#stream.destroy();
    } catch {
      // Nothing is left to close.
    }
    this.#closeUnder?.();
  }

  override async whenClosed(): Promise<void> {
    await super.whenClosed();
    await this.#whenUnderClosed?.();
  }

  ref(): void {
    this.#keepAlive(true);
  }

  unref(): void {
    this.#keepAlive(false);
  }

  #keepAlive(ref: boolean): void {
    if (this.#state.isClosed) return;
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
    this.#state.checkIdle(this.#input.isPending);
    this.#state.isClosed = true;
    const stream = this.#stream;
    stream.pause();
    stream.off("data", NodeConn.#onData);
    stream.off("end", NodeConn.#onEnd);
    stream.off("close", NodeConn.#onClose);
    stream.once("close", () => this.#state.gone.settle());
    return { stream, setRef: this.#setRef, onClose: this.#closeUnder };
  }
}
