/**
 * A connection over any Duplex of Node, most of all `net.Socket` and `TLSSocket`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
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
import { keepReadable } from "./lasting_socket.ts";
import { PushedBytes } from "./pushed_bytes.ts";
import { WriteTurns } from "./write_turns.ts";

/**
 * Bytes. A longer array is handed over in parts, so that `bytesWritten` tells how far a write came:
 * Node takes over the whole of what it is given.
 */
const writePartBytes = 1024 * 1024;

/** Bytes. Most that one read of the kernel brings: of a download, three times what 64 KiB do. */
const intakeBytes = 256 * 1024;

/** Bytes. With this much decrypted and not read, no more is read from what a stream runs over. */
const maxDecryptedBytes = 64 * 1024;

/**
 * One for all connections: Node calls back in the same step in which it has read, and what came is
 * copied before the callback returns.
 */
const intakeBuffer = Buffer.allocUnsafeSlow(intakeBytes);

/**
 * The `onread` option of a socket: Node reads into a buffer and calls back, without a stream of
 * chunks. It costs a fifth of what `"data"` events cost.
 *
 * Order: pause the socket until {@linkcode NodeConn} has taken the intake over.
 */
export class Intake {
  readonly buffer: Buffer = intakeBuffer;
  /** Called with the count of bytes that are in the buffer; false pauses the socket. */
  receive: (count: number) => boolean = () => false;
  readonly callback = (count: number): boolean => this.receive(count);
}

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

/** A connection over a Duplex. Owns: the stream and its listeners. */
export class NodeConn implements Conn {
  readonly localAddr: Address;
  readonly remoteAddr: Address;
  readonly tls: TlsInfo | null;
  #stream: Duplex;
  #under: ConnDuplex | undefined;
  #onClose: (() => void) | undefined;
  #whenUnderClosed: (() => Promise<void> | undefined) | undefined;
  #setRef: ((ref: boolean) => void) | undefined;
  #closed = false;
  #gone: Gone = new Gone();
  #failure: unknown = null;
  #failed = false;

  #input: PushedBytes = new PushedBytes(() => {});
  #intake: Buffer | null = null;
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

  constructor(stream: Duplex, options: NodeConnOptions) {
    this.#stream = stream;
    this.localAddr = options.localAddr;
    this.remoteAddr = options.remoteAddr;
    this.tls = options.tls;
    this.#onClose = options.onClose;
    this.#whenUnderClosed = options.whenUnderClosed;
    this.#setRef = options.setRef;
    this.#under = options.under;
    if (options.under === undefined) {
      keepReadable(stream as Socket, this.#onWriteFailed);
    } else {
      options.under.onFlushed = this.#onFlushed;
      options.under.onWriteFailed = this.#onWriteFailed;
      options.under.mayRead = () => stream.readableLength < maxDecryptedBytes;
    }
    stream.pause();
    if (options.intake === undefined) {
      stream.on("data", this.#onData);
    } else {
      this.#intake = options.intake.buffer;
      options.intake.receive = this.#onIntake;
    }
    stream.on("end", this.#onEnd);
    stream.on("error", this.#onError);
    stream.on("close", this.#onStreamClose);
  }

  /** Node tells of each TLS record by itself, and runs microtasks in between. */
  get readsInParts(): boolean {
    return this.#intake === null || this.tls !== null;
  }

  get bytesRead(): number {
    return this.#input.readBytes;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  read(p: Uint8Array): Promise<number | null> {
    const input = this.#input;
    if (input.isPending) return Promise.reject(busyError("body"));
    if (this.#closed) return Promise.reject(closedError("body"));
    if (p.length === 0) return Promise.resolve(0);
    if (input.waitingBytes > 0) return Promise.resolve(input.take(p));
    return this.#noMore() ?? this.#flow(input.read(p));
  }

  readChunk(maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const input = this.#input;
    if (input.isPending) return Promise.reject(busyError("body"));
    if (this.#closed) return Promise.reject(closedError("body"));
    if (input.waitingBytes > 0) return Promise.resolve(input.takeChunk(maxBytes));
    return this.#noMore() ?? this.#flow(input.readChunk(maxBytes));
  }

  /** What a read is told that cannot bring anything any more. */
  #noMore(): Promise<null> | null {
    if (this.#ended) return Promise.resolve(null);
    return this.#failed ? Promise.reject(this.#streamError("body")) : null;
  }

  /** Makes the stream bring what `reading` waits for. */
  #flow<T>(reading: Promise<T>): Promise<T> {
    if (!this.#flowing) {
      this.#flowing = true;
      this.#stream.resume();
    }
    this.#under?.wake();
    return reading;
  }

  #onData = (chunk: Uint8Array): void => {
    if (!this.#serve(chunk) && !this.#keep(chunk)) this.#stream.pause();
  };

  #onIntake = (count: number): boolean => {
    const bytes = this.#intake!.subarray(0, count);
    return this.#serve(bytes) || this.#keep(new Uint8Array(bytes));
  };

  #serve(bytes: Uint8Array): boolean {
    const isServed = this.#input.serve(bytes, false);
    if (isServed) this.#turns.turned();
    return isServed;
  }

  /** Keeps a chunk. Tells whether reading may go on. */
  #keep(chunk: Uint8Array): boolean {
    if (this.#closed) return false;
    this.#input.keep(chunk);
    this.#flowing = this.#input.waitingBytes === 0;
    return this.#flowing;
  }

  #onEnd = (): void => {
    const failure = this.#under?.failure ?? null;
    if (failure !== null) return this.#onError(failure);
    this.#ended = true;
    this.#input.end();
  };

  #onError = (error: unknown): void => {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = error;
    this.#rejectPending();
  };

  #onStreamClose = (): void => {
    if (!this.#ended) this.#onError(undefined);
    else if (this.#writing !== null) this.#rejectPending();
    this.#gone.settle();
  };

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
    if (this.#writing !== null) return Promise.reject(busyError("request"));
    if (this.#closed) return Promise.reject(closedError("request"));
    if (this.#writeEnded) return Promise.reject(endedError());
    if (this.#failed) return Promise.reject(this.#streamError("request"));
    if (this.#writeFailure !== null) return Promise.reject(this.#writeFailure);
    if (p.length === 0) return Promise.resolve(0);
    this.#writing = p;
    this.#writeOffset = 0;
    if (this.#writeParts()) return this.#turns.accepted(p.length);
    return this.#writeFailure === null
      ? new Promise<number>(this.#captureWrite)
      : Promise.reject(this.#writeFailure);
  }

  #captureWrite = (
    resolve: (count: number) => void,
    reject: (error: unknown) => void,
  ): void => {
    this.#resolveWrite = resolve;
    this.#rejectWrite = reject;
  };

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
    if (error) this.#onError(error);
    else this.#writeOn();
  };

  /** Writing has failed; what the peer said before can still be read. */
  #onWriteFailed = (error: unknown): void => {
    if (this.#writeFailure !== null) return;
    this.#writeFailure = this.#told("request", error);
    if (this.#writing === null || this.#handing) return;
    this.#writing = null;
    this.#rejectWrite(this.#writeFailure);
  };

  #onFlushed = (): void => {
    if (this.#writing !== null && this.#done === this.#handedOver) this.#writeOn();
  };

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
    this.#onClose?.();
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
    stream.off("data", this.#onData);
    stream.off("end", this.#onEnd);
    stream.off("close", this.#onStreamClose);
    stream.once("close", () => this.#gone.settle());
    return { stream, setRef: this.#setRef, onClose: this.#onClose };
  }
}
