/**
 * One connection to a server, in the client's role: has one request sent at a time, reads its
 * response beside it, and says what becomes of the connection after both. No clock, no pool; the
 * owner brings both. Every change of state goes through the tables of `connection_state.ts` and
 * `response_state.ts`. Reading is not apart from the connection: nearly each of its steps is one of
 * both tables.
 *
 * @module
 */
import { BufferedReader } from "../conn/buffered_reader.ts";
import { startRead } from "../conn/by_callback.ts";
import { BufferedWriter } from "../conn/buffered_writer.ts";
import type { Conn } from "../conn/conn.ts";
import { HttpError } from "../conn/http_error.ts";
import { KnownConn } from "../conn/known_conn.ts";
import type {
  ClientConnectionOptions,
  ConnectionOwner,
  WrittenRequest,
} from "./client_exchange.ts";
import type { ExchangeEvents } from "../http/exchange_events.ts";
import { CONNECTION_TABLE, type ConnectionState, mayReuse } from "./connection_state.ts";
import { type Deviation, forbidsReuse } from "../http/deviation.ts";
import { responseFraming } from "./framing.ts";
import {
  bodyClosed,
  type ContentOwner,
  MAX_DRAIN_BYTES,
  ResponseContent,
} from "./response_content.ts";
import { transition } from "../http/machine.ts";
import { isPersistent } from "./persistence.ts";
import { RequestSender } from "./request_sender.ts";
import type { RequestState } from "./request_state.ts";
import { type Http1ResponseHead, ResponseHeadReader } from "./response_head.ts";
import {
  connectionLost,
  endedBeforeHead,
  headsTooLarge,
  switchNotAsked,
} from "./response_error.ts";
import { RESPONSE_TABLE, type ResponseState } from "./response_state.ts";

/**
 * A connection in the client's role.
 *
 * While it is idle one read is outstanding, so that the end of the stream and bytes that nobody
 * asked for are seen; the same read yields the first bytes of the next response.
 *
 * @see RFC 9112 section 9
 */
export class ClientConnection implements ContentOwner {
  /** The connection; its reads and writes are this object's. */
  readonly conn: Conn;
  /** The same if it may be asked to lend what comes, else null. */
  readonly #lender: KnownConn | null;
  readonly #owner: ConnectionOwner;
  readonly #options: ClientConnectionOptions;
  readonly #input: BufferedReader;
  readonly #sender: RequestSender;
  readonly #heads: ResponseHeadReader;

  #state: ConnectionState = "idle";
  #response: ResponseState = "complete";
  #reading = false;
  /** Whether the last read left nothing behind: it could have taken more. */
  #readAll = false;
  #persistent = true;

  #events: ExchangeEvents | null = null;
  #deviations: Deviation[] = [];
  #headBytes = 0;
  #unreadAtStart = true;
  /** Whether the last head that came was informational, and nothing has come since. */
  #unreadBehindInformational = false;
  #closeReason: unknown = undefined;

  /**
   * Makes the protocol of a connection.
   *
   * @param conn An open connection; nothing may have been read from it ahead.
   */
  constructor(conn: Conn, options: ClientConnectionOptions, owner: ConnectionOwner) {
    this.conn = conn;
    this.#lender = KnownConn.is(conn) ? conn : null;
    this.#options = options;
    this.#owner = owner;
    this.#input = new BufferedReader(conn, options.readBufferBytes);
    this.#sender = new RequestSender(new BufferedWriter(conn, options.writeBufferBytes), {
      isExchanging: () => this.#isExchanging,
      requestWritten: () => this.#maybeFinish(),
      writeFailed: () => this.#writeFailed(),
      sourceFailed: (error) => this.#sourceFailed(error),
    });
    this.#heads = new ResponseHeadReader(options.mode);
    this.#arm();
  }

  /** What the connection is doing. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** State of the request under way, for tests and inspection. */
  get requestState(): RequestState {
    return this.#sender.state;
  }

  /** State of the response under way, for tests and inspection. */
  get responseState(): ResponseState {
    return this.#response;
  }

  /**
   * Sends a request and reports its response to `events`.
   *
   * Order: only while {@linkcode state} is `"idle"`.
   * Cancel: {@linkcode close}.
   *
   * @throws {IllegalTransitionError} The connection is not idle.
   */
  send(request: WrittenRequest, events: ExchangeEvents): void {
    this.#state = transition(CONNECTION_TABLE, this.#state, "requestStarted");
    this.#response = "head";
    this.#persistent = !request.close;
    this.#events = events;
    // Not cleared but replaced: the last response still lists its own.
    this.#deviations = [];
    this.#headBytes = 0;
    this.#unreadAtStart = true;
    this.#unreadBehindInformational = false;
    this.#sender.send(request, events);
  }

  /** Sends the content although the server has not asked for it yet. */
  continueTimedOut(): void {
    this.#sender.continueTimedOut();
  }

  /** Whether the content is being held back. */
  get awaitingContinue(): boolean {
    return this.#sender.awaitingContinue;
  }

  /**
   * Closes the connection. An exchange under way fails with `reason`.
   */
  close(reason: unknown): void {
    if (this.#state === "closed") return;
    this.#state = transition(CONNECTION_TABLE, this.#state, "closeRequested");
    this.#fail(reason);
  }

  // What the sending side tells.

  get #isExchanging(): boolean {
    return this.#state === "exchanging" || this.#state === "draining";
  }

  #writeFailed(): void {
    // The response is still read: a refusal may have been sent before the connection broke.
    if (this.#response === "head" && !this.#isClosed) this.#owner.unanswered?.();
    else this.#maybeFinish();
  }

  #sourceFailed(error: unknown): void {
    this.#state = transition(CONNECTION_TABLE, this.#state, "failed");
    this.#fail(error);
  }

  // What happens to the receiving side.

  /** Keeps one read outstanding. */
  #arm(): void {
    if (this.#reading) return;
    this.#reading = true;
    if (this.startLoan(this.#lent, this.#readFailed)) {
      this.#input.rest();
      return;
    }
    startRead(this.conn, this.#input.space(), this.#received, this.#readFailed);
  }

  readonly #received = (n: number | null): void => {
    this.#reading = false;
    if (this.#state === "closed") return;
    if (n === null) return this.#ended();
    this.#input.added(n);
    this.#came(this.#input.end < this.#input.bytes.length);
  };

  readonly #lent = (bytes: Uint8Array<ArrayBuffer> | null, isAll: boolean): void => {
    this.#reading = false;
    if (this.#state === "closed") return;
    if (bytes === null) return this.#ended();
    this.#input.lend(bytes);
    try {
      this.#came(isAll);
    } finally {
      this.#input.keep();
    }
  };

  /** Something was read into the buffer. */
  #came(isAll: boolean): void {
    this.#readAll = isAll;
    this.#owner.received?.();
    if (this.#state === "idle") {
      this.#state = transition(CONNECTION_TABLE, this.#state, "unsolicitedDataReceived");
      this.#fail(connectionLost("Unsolicited bytes on an idle connection"));
      return;
    }
    if (this.#unreadAtStart) {
      this.#unreadAtStart = false;
      this.#events!.firstByte();
      if (this.#isClosed) return;
    } else if (this.#unreadBehindInformational) {
      this.#unreadBehindInformational = false;
      this.#events!.nextFirstByte?.();
    }
    this.#advance();
  }

  readonly #readFailed = (error: unknown): void => {
    this.#reading = false;
    if (this.#state === "closed") return;
    this.#state = transition(CONNECTION_TABLE, this.#state, "failed");
    this.#fail(this.#sender.writeError ?? error);
  };

  /** The stream ended while no content was being read. */
  #ended(): void {
    const wasIdle = this.#state === "idle";
    this.#state = transition(CONNECTION_TABLE, this.#state, "peerClosed");
    if (wasIdle) return this.#fail(connectionLost("The server closed an idle connection"));
    this.#response = transition(RESPONSE_TABLE, this.#response, "truncated");
    this.#fail(
      this.#sender.writeError ??
        endedBeforeHead(this.#input.buffered),
    );
  }

  /** Reads heads from what is buffered; asks for more when they are not complete. */
  #advance(): void {
    try {
      while (this.#response === "head") {
        const input = this.#input;
        const head = input.buffered === 0
          ? null
          : this.#heads.read(input.bytes, input.start, input.end, this.#deviations);
        const headBytes = this.#headBytes + (head === null ? input.buffered : this.#heads.length);
        const limitBytes = this.#options.maxResponseHeaderBytes;
        if (headBytes > limitBytes) throw headsTooLarge(limitBytes);
        if (head === null) {
          this.#arm();
          return;
        }
        this.#headBytes = headBytes;
        input.consume(this.#heads.length);
        if (head.statusCode < 200) this.#informational(head);
        else this.#final(head);
        if (this.#isClosed) return;
      }
    } catch (error) {
      // What it was told of may have made its owner close it, and thrown all the same.
      if (this.#isClosed) return;
      if (this.#response === "head" || this.#response === "content") {
        this.#response = transition(RESPONSE_TABLE, this.#response, "malformed");
      }
      this.#state = transition(CONNECTION_TABLE, this.#state, "failed");
      this.#fail(error);
    }
  }

  #informational(head: Http1ResponseHead): void {
    if (head.statusCode === 101) {
      if (!this.#sender.request.upgrade) throw switchNotAsked();
      this.#response = transition(RESPONSE_TABLE, this.#response, "switchingReceived");
      this.#switch(head);
      return;
    }
    this.#response = transition(RESPONSE_TABLE, this.#response, "informationalReceived");
    if (head.statusCode === 100) this.#sender.continueReceived();
    const events = this.#events!;
    events.informational(head);
    if (this.#isClosed) return;
    if (this.#input.buffered === 0) this.#unreadBehindInformational = true;
    else events.nextFirstByte?.();
  }

  #final(head: Http1ResponseHead): void {
    const { mode, maxResponseHeaderBytes } = this.#options;
    const framing = responseFraming(this.#sender.request.method, head, mode, this.#deviations);
    if (framing.kind === "tunnel") {
      this.#response = transition(RESPONSE_TABLE, this.#response, "switchingReceived");
      this.#switch(head);
      return;
    }
    if (framing.kind === "closeDelimited" || !isPersistent(head)) this.#persistent = false;
    this.#sender.finalResponseReceived();
    // Whoever is told may have closed the connection.
    if (this.#isClosed) return;
    const content = new ResponseContent(this, this.#input, framing, {
      framing,
      mode,
      deviations: this.#deviations,
      code: "ERR_MALFORMED_RESPONSE",
      maxTrailerBytes: maxResponseHeaderBytes - this.#headBytes,
    });
    const event = framing.kind === "none" ? "contentlessHeadReceived" : "finalHeadReceived";
    this.#response = transition(RESPONSE_TABLE, this.#response, event);
    // Whoever answers 3xx or more before the end of the content does not want the rest of it.
    const sender = this.#sender;
    if (head.statusCode >= 300 && sender.isSendingContent && !sender.contentHandedOver) {
      sender.stop();
      if (this.#isClosed) return;
    }
    const events = this.#events!;
    events.finalHead?.(head);
    content.takeBuffered();
    events.response(head, content);
    this.#maybeFinish(this.#readAll);
  }

  get #isClosed(): boolean {
    return this.#state === "closed";
  }

  #switch(head: Http1ResponseHead): void {
    this.#sender.protocolSwitched();
    if (this.#isClosed) return;
    this.#state = transition(CONNECTION_TABLE, this.#state, "protocolSwitched");
    const content = new ResponseContent(this, this.#input, { kind: "tunnel" }, null);
    const events = this.#events!;
    this.#clear();
    events.response(head, content);
  }

  // How an exchange ends. The methods without `#` are for the content.

  /** Settles the connection's fate once both directions have ended, the receiving one just now? */
  #maybeFinish(wasJustRead: boolean = false): void {
    if (this.#response !== "complete") return;
    if (!this.#isExchanging || this.#sender.awaitsWord) return;
    if (this.#sender.isSendingContent) {
      // Everything is on its way: only the word of the runtime, or of the source, is missing.
      if (this.#sender.contentHandedOver) {
        this.#owner.finishing?.();
        return;
      }
      this.#sender.stop();
      if (this.#isClosed) return;
    }
    const { mode } = this.#options;
    // The body may have deviated too.
    const persistent = this.#persistent &&
      (this.#deviations.length === 0 || !forbidsReuse(this.#deviations, mode));
    const reuse = mayReuse(this.requestState, this.#response, persistent, this.#input.buffered);
    this.#clear();
    if (reuse) {
      this.#state = transition(CONNECTION_TABLE, this.#state, "exchangeCompleted");
      this.#arm();
      this.#owner.idle(wasJustRead);
    } else {
      this.#state = transition(CONNECTION_TABLE, this.#state, "lastExchangeCompleted");
      this.conn.close();
      this.#owner.closed(undefined);
    }
  }

  /** Is lent what comes of the content, if the connection lends. */
  startLoan(
    lent: (bytes: Uint8Array<ArrayBuffer> | null, isAll: boolean) => void,
    failed: (error: unknown) => void,
  ): boolean {
    return this.#lender !== null && this.#lender.startLoan(lent, failed);
  }

  /** More of the content came, and nothing stood behind it? */
  contentCame(isAll: boolean): void {
    this.#readAll = isAll;
    this.#owner.received?.();
  }

  /** The content was read to its end, this moment? */
  contentEnded(wasJustRead: boolean): void {
    if (this.#response !== "content") return;
    this.#response = transition(RESPONSE_TABLE, this.#response, "contentEnded");
    this.#maybeFinish(wasJustRead && this.#readAll);
  }

  /** Reading the content failed. Returns what to tell the reader. */
  contentFailed(error: unknown): unknown {
    if (this.#state === "closed") return this.#closeReason ?? error;
    const truncated = error instanceof HttpError && error.code !== "ERR_MALFORMED_RESPONSE";
    this.#response = transition(
      RESPONSE_TABLE,
      this.#response,
      truncated ? "truncated" : "malformed",
    );
    this.#state = transition(CONNECTION_TABLE, this.#state, "failed");
    // Whoever reads the content is told; the response itself was there.
    this.#events = null;
    this.#fail(error);
    return error;
  }

  /** The caller gave the content up: whether the rest is worth reading. */
  contentAbandoned(leftBytes: number | null): boolean {
    if (this.#state !== "exchanging") return false;
    const worthwhile = this.#persistent && this.requestState === "complete" &&
      (leftBytes === null || leftBytes <= MAX_DRAIN_BYTES);
    if (!worthwhile) {
      this.close(bodyClosed());
      return false;
    }
    this.#state = transition(CONNECTION_TABLE, this.#state, "contentAbandoned");
    return true;
  }

  /** The rest of the request is not taken in time: the connection is not worth the wait. */
  sendLimitReached(): void {
    if (this.#response !== "complete" || !this.#sender.isSendingContent) return;
    this.#sender.stop();
    this.#maybeFinish();
  }

  /** Writing has failed, and no response came in time: it is not waited for any longer. */
  answerLimitReached(): void {
    if (this.requestState !== "aborted" || this.#response !== "head" || this.#isClosed) return;
    this.#state = transition(CONNECTION_TABLE, this.#state, "failed");
    this.#fail(this.#sender.writeError);
  }

  /** Draining took too much: bytes here, time by the owner. */
  drainLimitReached(): void {
    if (this.#state !== "draining") return;
    this.#state = transition(CONNECTION_TABLE, this.#state, "drainLimitReached");
    this.#fail(bodyClosed());
  }

  /** Bytes behind the head that switched the protocol. */
  takeUnread(): Uint8Array<ArrayBuffer> {
    const { bytes, start, end } = this.#input;
    this.#input.consume(end - start);
    return bytes.slice(start, end);
  }

  #clear(): void {
    this.#events = null;
    this.#sender.clear();
  }

  /** The state is closed: lets go of everything, and says why to whoever waits. */
  #fail(reason: unknown): void {
    const events = this.#response === "content" || this.#response === "complete"
      ? null
      : this.#events;
    this.#closeReason = reason;
    this.#sender.abandon();
    this.#clear();
    this.conn.close();
    events?.failed(reason);
    this.#owner.closed(reason);
  }
}
