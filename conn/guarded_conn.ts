/**
 * Connections that callers bring, held to what `conn.ts` promises: whatever one throws, resolves to
 * or never settles, those above see a connection that works or one that fails.
 *
 * @module
 */
import type { Address, Conn, TlsInfo } from "./conn.ts";
import { busyError, closedError, endedError, lostError } from "./conn_error.ts";
import { tellFault, tellRejection } from "./fault.ts";
import { checkedAddress, checkedTls, isUsable, looked, noConn } from "./given_conn.ts";
import { HttpError, printable } from "./http_error.ts";
import { KnownConn } from "./known_conn.ts";
import { realTime } from "./real_time.ts";

/**
 * A connection whose conduct can be relied on: `conn` itself where this package has made it, else
 * one over it.
 *
 * Takes `conn` over, also when it fails.
 *
 * @param conn What a dialer gave.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: it is no connection; what of it could be closed is.
 */
export function guardedConn(conn: Conn): Conn {
  const value: unknown = conn;
  if (typeof value !== "object" || value === null) throw noConn(`it is ${shown(value)}`);
  if (value instanceof GuardedConn || KnownConn.is(value)) return conn;
  try {
    return new GuardedConn(conn);
  } catch (error) {
    closeQuietly(conn);
    throw error;
  }
}

/** The connection that the caller brought, for the caller's own code. */
export function unguardedConn(conn: Conn): Conn {
  return conn instanceof GuardedConn ? conn.inner : conn;
}

/** What keeps the process alive and lets go of it. */
export type Holder = Pick<Conn, "ref" | "unref">;

/** The same, held to its promises as a connection is; null: it is no such thing. */
export function guardedHolder(holder: Holder | undefined): Holder | null {
  if (typeof holder?.ref !== "function" || typeof holder.unref !== "function") return null;
  return {
    ref: () => attempt("ref()", () => holder.ref()),
    unref: () => attempt("unref()", () => holder.unref()),
  };
}

/** Milliseconds. For how long the end of a connection of the caller's is waited for. */
const LINGER_MS = 1_000;

const METHODS = ["read", "write", "closeWrite", "close", "ref", "unref"] as const;

/** One read or write under way: it settles once, by whoever comes first. */
class Operation<T> {
  #isOver = false;
  readonly #done: (value: T) => void;
  readonly #failed: (error: unknown) => void;

  constructor(done: (value: T) => void, failed: (error: unknown) => void) {
    this.#done = done;
    this.#failed = failed;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  done(value: T): void {
    this.#isOver = true;
    this.#done(value);
  }

  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failed(error);
  }
}

/** A connection over one of the caller's. Owns: that one. */
class GuardedConn implements Conn {
  readonly inner: Conn;
  readonly localAddr: Address;
  readonly remoteAddr: Address;
  readonly tls: TlsInfo | null;
  /** There if the caller's has it, and `read` has not been replaced without it. */
  readonly readChunk?: (maxBytes: number) => Promise<Uint8Array<ArrayBuffer> | null>;
  /** As {@linkcode readChunk}. */
  readonly kernelIsEmpty?: () => boolean | null;
  readonly #startsReads: boolean;
  readonly #startsWrites: boolean;
  #reading: Operation<number | null> | null = null;
  #readingChunk: Operation<Uint8Array<ArrayBuffer> | null> | null = null;
  #writing: Operation<number> | null = null;
  #isClosed = false;
  #writeEnded = false;
  /** Whether it was said that it cannot tell of itself. */
  #isTold = false;
  /** What has been read and written at least, whatever the caller's says. */
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(inner: Conn) {
    this.inner = inner;
    for (const name of METHODS) {
      if (typeof looked(inner, name) !== "function") throw noConn(`${name} is no function`);
    }
    this.localAddr = checkedAddress(inner, "localAddr");
    this.remoteAddr = checkedAddress(inner, "remoteAddr");
    this.tls = checkedTls(looked(inner, "tls"));
    this.#startsReads = isUsable(inner, "startRead", "read");
    this.#startsWrites = isUsable(inner, "startWrite", "write");
    if (isUsable(inner, "readChunk", "read")) this.readChunk = this.#readChunk;
    if (isUsable(inner, "kernelIsEmpty", "read")) this.kernelIsEmpty = this.#kernelIsEmpty;
    this.#bytesRead = Math.max(0, this.#count("bytesRead"));
    this.#bytesWritten = Math.max(0, this.#count("bytesWritten"));
  }

  get bytesRead(): number {
    return this.#bytesRead = Math.max(this.#bytesRead, this.#count("bytesRead"));
  }

  get bytesWritten(): number {
    return this.#bytesWritten = Math.max(this.#bytesWritten, this.#count("bytesWritten"));
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
    if (refusal !== null) return realTime.queueMicrotask(() => failed(refusal));
    const room = p.length;
    const operation = this.#reading = new Operation(done, failed);
    const { inner } = this;
    // Nobody is told before this has returned.
    let isInside = true;
    const came = (n: number | null): void => {
      if (isInside) realTime.queueMicrotask(() => came(n));
      else this.#came(operation, n, room, p.length);
    };
    const broke = (error: unknown): void => {
      if (isInside) realTime.queueMicrotask(() => broke(error));
      else this.#readFailed(operation, error);
    };
    try {
      if (this.#startsReads) inner.startRead!(p, came, broke);
      else Promise.resolve(inner.read(p)).then(came, broke);
    } catch (error) {
      broke(error);
    }
    isInside = false;
  }

  #readRefusal(): HttpError | null {
    if (this.#reading !== null || this.#readingChunk !== null) return busyError("body");
    return this.#isClosed ? closedError("body") : null;
  }

  #came(
    operation: Operation<number | null>,
    n: number | null,
    room: number,
    roomLeft: number,
  ): void {
    if (operation.isOver) return;
    this.#reading = null;
    const isPossible = n === null ||
      (Number.isInteger(n) && n >= Math.min(1, room) && n <= room);
    if (!isPossible) return operation.fail(misbehaved("body", `read() gave ${shown(n)}`));
    // Nothing is left of what was read.
    if (roomLeft !== room) return operation.fail(misbehaved("body", "read() took the array away"));
    this.#bytesRead += n ?? 0;
    operation.done(n);
  }

  #readFailed(operation: Operation<number | null>, error: unknown): void {
    if (operation.isOver) return;
    this.#reading = null;
    operation.fail(told("body", error));
  }

  readonly #readChunk = (maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> => {
    const refusal = this.#readRefusal();
    if (refusal !== null) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      const operation = this.#readingChunk = new Operation(resolve, reject);
      const broke = (error: unknown): void => {
        if (operation.isOver) return;
        this.#readingChunk = null;
        operation.fail(told("body", error));
      };
      const came = (chunk: Uint8Array<ArrayBuffer> | null): void => {
        if (operation.isOver) return;
        this.#readingChunk = null;
        if (chunk !== null && !isChunk(chunk, maxBytes)) {
          return operation.fail(misbehaved("body", `readChunk() gave ${shown(chunk)}`));
        }
        this.#bytesRead += chunk?.length ?? 0;
        // What else its buffer holds is not the reader's.
        const isOwn = chunk === null || chunk.length === chunk.buffer.byteLength;
        operation.done(isOwn ? chunk : chunk.slice());
      };
      try {
        Promise.resolve(this.inner.readChunk!(maxBytes)).then(came, broke);
      } catch (error) {
        broke(error);
      }
    });
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
    if (this.#isClosed) return failed(closedError("request"));
    if (this.#writeEnded) return failed(endedError());
    const { length } = p;
    const operation = this.#writing = new Operation(done, failed);
    const { inner } = this;
    const accepted = (n: number): void => this.#accepted(operation, n, length);
    const broke = (error: unknown): void => this.#writeFailed(operation, error, length);
    try {
      if (this.#startsWrites) inner.startWrite!(p, accepted, broke);
      else Promise.resolve(inner.write(p)).then(accepted, broke);
    } catch (error) {
      broke(error);
    }
  }

  #accepted(operation: Operation<number>, n: number, length: number): void {
    if (operation.isOver) return;
    this.#writing = null;
    // Whatever it gave, it may have written all of it.
    this.#bytesWritten += length;
    if (n === length) operation.done(length);
    else operation.fail(misbehaved("request", `write() of ${length} bytes gave ${shown(n)}`));
  }

  #writeFailed(operation: Operation<number>, error: unknown, length: number): void {
    if (operation.isOver) return;
    this.#writing = null;
    this.#countFailedWrite(length);
    operation.fail(told("request", error));
  }

  /** Where the caller's own count cannot be right, nobody knows how much has left. */
  #countFailedWrite(length: number): void {
    if (this.#count("bytesWritten") < this.#bytesWritten) this.#bytesWritten += length;
  }

  async closeWrite(): Promise<void> {
    if (this.#isClosed) throw closedError("request");
    if (this.#writing !== null) throw busyError("request");
    if (this.#writeEnded) return;
    this.#writeEnded = true;
    try {
      await this.inner.closeWrite();
    } catch (error) {
      throw told("request", error);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeQuietly(this.inner);
    // One that does not settle them would leave those who wait for ever.
    this.#reading?.fail(closedError("body"));
    this.#readingChunk?.fail(closedError("body"));
    this.#writing?.fail(closedError("request"));
    this.#reading = this.#readingChunk = this.#writing = null;
  }

  async whenClosed(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const bound = new Promise<void>((resolve) => {
        timer = realTime.setTimeout(resolve, LINGER_MS);
        (timer as { unref?(): void }).unref?.();
      });
      await Promise.race([this.inner.whenClosed?.(), bound]);
    } catch (error) {
      tellFault("whenClosed() of a dialer's connection failed", error);
    } finally {
      realTime.clearTimeout(timer);
    }
  }

  // Where they cannot be read nothing is known of what waits behind a read.

  get readsInParts(): boolean {
    return this.#flag("readsInParts");
  }

  get tellsLate(): boolean {
    return this.#flag("tellsLate");
  }

  #flag(name: "readsInParts" | "tellsLate"): boolean {
    const told = this.#asked(name, () => this.inner[name]);
    return told === undefined ? false : told !== false;
  }

  readonly #kernelIsEmpty = (): boolean | null => {
    const isEmpty = this.#asked("kernelIsEmpty()", () => this.inner.kernelIsEmpty!());
    return typeof isEmpty === "boolean" ? isEmpty : null;
  };

  /** What the caller's connection says of itself, null if it fails: that is told once. */
  #asked(name: string, ask: () => unknown): unknown {
    const what = `${name} of a dialer's connection failed`;
    try {
      const told = ask();
      tellRejection(what, told);
      return told;
    } catch (error) {
      if (!this.#isTold) tellFault(what, error);
      this.#isTold = true;
      return null;
    }
  }

  #count(name: "bytesRead" | "bytesWritten"): number {
    const told = this.#asked(name, () => this.inner[name]);
    return Number.isSafeInteger(told) ? told as number : -1;
  }

  ref(): void {
    attempt("ref()", () => this.inner.ref());
  }

  unref(): void {
    attempt("unref()", () => this.inner.unref());
  }
}

/** Calls a method that must not throw, and says so if it does. */
function attempt(name: string, call: () => void): void {
  const what = `${name} of a dialer's connection failed`;
  try {
    tellRejection(what, call());
  } catch (error) {
    tellFault(what, error);
  }
}

function closeQuietly(conn: Partial<Conn>): void {
  attempt("close()", () => {
    if (typeof conn.close === "function") return conn.close();
  });
}

function isChunk(chunk: unknown, maxBytes: number): boolean {
  return chunk instanceof Uint8Array && chunk.length >= 1 && chunk.length <= maxBytes;
}

/** An error of the caller's connection, in the words of `conn.ts` where it has others. */
function told(phase: "request" | "body", error: unknown): HttpError {
  return error instanceof HttpError ? error : lostError(phase, error);
}

/** The dialer's connection does not do what one must. */
function misbehaved(phase: "request" | "body", what: string): HttpError {
  const action = phase === "request" ? "write" : "read";
  return new HttpError("ERR_INVALID_REQUEST", `Cannot ${action}: the dialer's ${what}`, { phase });
}

/** A value of the caller's, for a message. */
function shown(value: unknown): string {
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : printable(String(value));
}
