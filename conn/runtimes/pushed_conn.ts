/**
 * Connections over sockets that push what they read, as those of Bun and Node do: their reads, and
 * what a broken socket is to reads and writes.
 *
 * @module
 */
import { busyError, closedError } from "../conn_error.ts";
import type { HttpError } from "../http_error.ts";
import type { Lent } from "../known_conn.ts";
import type { PushedBytes } from "./pushed_bytes.ts";
import { SocketConn } from "./socket_conn.ts";
import type { SocketState } from "./socket_state.ts";

/** What both adapters are derived from; each says how its socket flows and what its errors mean. */
export abstract class PushedConn extends SocketConn {
  readonly #state: SocketState;
  readonly #input: PushedBytes;

  /** @param state Which the adapter keeps up to date, as it does `input`. */
  constructor(state: SocketState, input: PushedBytes) {
    super(state);
    this.#state = state;
    this.#input = input;
  }

  /** Makes the socket bring what the pending read waits for. */
  protected abstract flow(): void;

  /** Makes the socket end its writing side. */
  protected abstract shutdown(): Promise<void>;

  /** A native error in our words. */
  protected abstract told(phase: "request" | "body", error: unknown): HttpError;

  get bytesRead(): number {
    return this.#input.readBytes;
  }

  /** With no promise of its own where the answer is there. */
  override read(p: Uint8Array): Promise<number | null> {
    const settled = this.#readAtOnce(p);
    if (settled !== null) return settled;
    const reading = this.#input.read(p);
    this.flow();
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
    this.flow();
  }

  override startLoan(lent: Lent, failed: (error: unknown) => void): boolean {
    const input = this.#input;
    const refused = this.#readRefusal();
    if (refused === null && input.waitingBytes > 0) {
      input.lendWaiting(lent);
      return true;
    }
    const settled = refused ?? this.#noMore();
    if (settled !== null) {
      settled.then(() => lent(null, true), failed);
      return true;
    }
    input.startLoan(lent, failed);
    this.flow();
    return true;
  }

  readChunk(maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const input = this.#input;
    const refused = this.#readRefusal();
    if (refused !== null) return refused;
    if (input.waitingBytes > 0) return Promise.resolve(input.takeChunk(maxBytes));
    const end = this.#noMore();
    if (end !== null) return end;
    const reading = input.readChunk(maxBytes);
    this.flow();
    return reading;
  }

  /** What a read gives that has nothing to wait for, else null. */
  #readAtOnce(p: Uint8Array): Promise<number | null> | null {
    const refused = this.#readRefusal();
    if (refused !== null) return refused;
    if (p.length === 0) return Promise.resolve(0);
    const input = this.#input;
    return input.waitingBytes > 0 ? Promise.resolve(input.take(p)) : this.#noMore();
  }

  /** What a read is told that may not begin. */
  #readRefusal(): Promise<never> | null {
    if (this.#input.isPending) return Promise.reject(busyError("body"));
    return this.#state.isClosed ? Promise.reject(closedError("body")) : null;
  }

  /** What a read is told that cannot bring anything any more. */
  #noMore(): Promise<null> | null {
    if (this.#state.isEnded) return Promise.resolve(null);
    return this.#state.isFailed ? Promise.reject(this.streamError("body")) : null;
  }

  /** Whether a read is pending on a whole socket and nothing has come for it. */
  protected get waitsForMore(): boolean {
    const { isClosed, isEnded, isFailed } = this.#state;
    return !isClosed && !isEnded && !isFailed && this.#input.isUntold;
  }

  /** Why no write can begin, or null. */
  protected writeRefusal(): HttpError | null {
    return this.#state.writeRefusal() ?? this.#writeFailure();
  }

  /** What has made the socket take nothing any more, or null. */
  #writeFailure(): HttpError | null {
    const state = this.#state;
    return state.isFailed ? this.streamError("request") : state.output.failure;
  }

  closeWrite(): Promise<void> {
    const state = this.#state;
    const refusal = state.endRefusal() ?? (state.isWriteEnded ? null : this.#writeFailure());
    if (refusal !== null) return Promise.reject(refusal);
    if (state.isWriteEnded) return Promise.resolve();
    state.isWriteEnded = true;
    return this.shutdown();
  }

  /** The socket is broken or closed: what is pending fails. */
  protected rejectPending(): void {
    const { output } = this.#state;
    if (this.#input.isPending) this.#input.fail(this.streamError("body"));
    if (output.array !== null) output.fail(this.streamError("request"));
  }

  /** Why a read or write fails on a socket that is broken or closed. */
  protected streamError(phase: "request" | "body"): HttpError {
    const state = this.#state;
    return state.isClosed ? closedError(phase) : this.told(phase, state.failure);
  }
}
