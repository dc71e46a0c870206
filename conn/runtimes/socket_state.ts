/**
 * What a connection over a socket of a runtime knows of itself: how far it has come to its end, and
 * the write that is under way. The adapter looks at it, and so does what the adapters share.
 *
 * @module
 */
import { busyError, closedError, endedError } from "../conn_error.ts";
import { Gone } from "../gone.ts";
import type { HttpError } from "../http_error.ts";
import { PendingWrite } from "./pending_write.ts";

/** The state of one connection. */
export class SocketState {
  /** `close()` was called, or the socket is another connection's now. */
  isClosed: boolean = false;
  /** The peer has ended its side. */
  isEnded: boolean = false;
  /** The socket is broken for reads and writes alike. Where each is told by itself it never is. */
  isFailed: boolean = false;
  /** The native error with which it broke, if there was one. */
  failure: unknown = undefined;
  /** `closeWrite()` was called. */
  isWriteEnded: boolean = false;
  readonly output: PendingWrite = new PendingWrite();
  readonly gone: Gone = new Gone();

  /** Why no write can begin, or null. */
  writeRefusal(): HttpError | null {
    if (this.output.array !== null) return busyError("request");
    if (this.isClosed) return closedError("request");
    return this.isWriteEnded ? endedError() : null;
  }

  /** Why the writing side cannot be ended, or null. */
  endRefusal(): HttpError | null {
    if (this.isClosed) return closedError("request");
    return this.output.array !== null ? busyError("request") : null;
  }

  /**
   * Order: before the socket is given up for TLS.
   *
   * @throws {HttpError} `ERR_CLOSED`, or `ERR_INVALID_REQUEST`: a read or write is under way.
   */
  checkIdle(isReading: boolean): void {
    if (this.isClosed) throw closedError("request");
    if (isReading) throw busyError("body");
    if (this.output.array !== null) throw busyError("request");
  }
}
