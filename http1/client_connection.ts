/**
 * One connection to a server, in the client's role: sends one request at a time, reads its
 * response beside it. No clock, no pool; the owner brings both. Every change of state goes through
 * the tables of `connection_state.ts`, `request_state.ts` and `response_state.ts`.
 *
 * @module
 */
import { BufferedReader } from "../conn/buffered_reader.ts";
import { startRead } from "../conn/by_callback.ts";
import { BufferedWriter } from "../conn/buffered_writer.ts";
import type { Conn } from "../conn/conn.ts";
import { HttpError } from "../conn/http_error.ts";
import type {
  ClientConnectionOptions,
  ConnectionOwner,
  ExchangeEvents,
  OutgoingRequest,
} from "./client_exchange.ts";
import { CONNECTION_TABLE, type ConnectionState, mayReuse } from "./connection_state.ts";
import { ContentSender, type OutgoingContent } from "./content_sender.ts";
import { type Deviation, forbidsReuse } from "./field_lines_reader.ts";
import { responseFraming } from "./framing.ts";
import {
  bodyClosed,
  type ContentOwner,
  MAX_DRAIN_BYTES,
  ResponseContent,
} from "./response_content.ts";
import { transition } from "../http/machine.ts";
import { isPersistent } from "./persistence.ts";
import { REQUEST_TABLE, type RequestState } from "./request_state.ts";
import { type ResponseHead, ResponseHeadReader } from "./response_head.ts";
import {
  connectionLost,
  endedBeforeHead,
  headsTooLarge,
  MAX_INFORMATIONAL,
  switchNotAsked,
  tooManyInformational,
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
  readonly #owner: ConnectionOwner;
  readonly #options: ClientConnectionOptions;
  readonly #input: BufferedReader;
  readonly #output: BufferedWriter;
  readonly #heads: ResponseHeadReader;

  #state: ConnectionState = "idle";
  #request: RequestState = "complete";
  #response: ResponseState = "complete";
  #reading = false;
  /** Whether the last read left nothing behind: it could have taken more. */
  #readAll = false;
  #persistent = true;

  #outgoing: OutgoingRequest | null = null;
  #events: ExchangeEvents | null = null;
  #sender: ContentSender | null = null;
  #deviations: Deviation[] = [];
  #headBytes = 0;
  #informationalCount = 0;
  #unreadAtStart = true;
  #writeError: unknown = undefined;
  #closeReason: unknown = undefined;

  /**
   * Makes the protocol of a connection.
   *
   * @param conn An open connection; nothing may have been read from it ahead.
   */
  constructor(conn: Conn, options: ClientConnectionOptions, owner: ConnectionOwner) {
    this.conn = conn;
    this.#options = options;
    this.#owner = owner;
    this.#input = new BufferedReader(conn, options.readBufferBytes);
    this.#output = new BufferedWriter(conn, options.writeBufferBytes);
    this.#heads = new ResponseHeadReader(options.mode);
    this.#arm();
  }

  /** What the connection is doing. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** State of the request under way, for tests and inspection. */
  get requestState(): RequestState {
    return this.#request;
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
  send(request: OutgoingRequest, events: ExchangeEvents): void {
    this.#state = transition(CONNECTION_TABLE, this.#state, "requestStarted");
    this.#request = "head";
    this.#response = "head";
    this.#persistent = !request.close;
    this.#outgoing = request;
    this.#events = events;
    // Not cleared but replaced: the last response still lists its own.
    this.#deviations = [];
    this.#headBytes = 0;
    this.#informationalCount = 0;
    this.#unreadAtStart = true;
    const output = this.#output;
    output.text(request.head);
    const { content } = request;
    const goesAlong = content === null ||
      (!request.expectContinue && content.bytes !== null &&
        content.bytes.length <= output.available);
    if (goesAlong) {
      if (content !== null) output.add(content.bytes!);
      output.startFlush(this.#wroteAll, this.#writeFailed);
    } else {
      this.#sendContent(request, content);
    }
  }

  /** Sends the content although the server has not asked for it yet. */
  continueTimedOut(): void {
    if (this.#request !== "awaitingContinue") return;
    this.#request = transition(REQUEST_TABLE, this.#request, "continueTimedOut");
    this.#sender?.proceed();
  }

  /** Whether the content is being held back. */
  get awaitingContinue(): boolean {
    return this.#request === "awaitingContinue";
  }

  /**
   * Closes the connection. An exchange under way fails with `reason`.
   */
  close(reason: unknown): void {
    if (this.#state === "closed") return;
    this.#state = transition(CONNECTION_TABLE, this.#state, "closeRequested");
    this.#fail(reason);
  }

  // What happens to the sending side.

  readonly #wroteAll = (): void => {
    if (this.#outgoing === null) return;
    if (this.#outgoing.content === null) {
      this.#request = transition(REQUEST_TABLE, this.#request, "headSentNoContent");
    } else {
      this.#request = transition(REQUEST_TABLE, this.#request, "headSent");
      this.#request = transition(REQUEST_TABLE, this.#request, "contentEnded");
    }
    const events = this.#events!;
    events.wroteHead();
    events.wroteRequest(undefined);
    this.#maybeFinish();
  };

  readonly #writeFailed = (error: unknown): void => {
    if (this.#state !== "exchanging" && this.#state !== "draining") return;
    if (this.#request === "withheld") return;
    this.#writeError = error;
    this.#request = transition(REQUEST_TABLE, this.#request, "writeFailed");
    this.#events?.wroteRequest(error);
    // The response is still read: a refusal may have been sent before the connection broke.
    this.#maybeFinish();
  };

  async #sendContent(request: OutgoingRequest, content: OutgoingContent): Promise<void> {
    const sender = new ContentSender(this.#output, content);
    this.#sender = sender;
    try {
      await this.#output.flush();
      // A final response or the end of the connection may have come meanwhile.
      if (this.#sender !== sender || sender.stopped) return;
      // The server may have asked before the runtime has said that the head was written.
      const holdsBack = request.expectContinue && !sender.released;
      const event = holdsBack ? "headSentExpectingContinue" : "headSent";
      this.#request = transition(REQUEST_TABLE, this.#request, event);
      this.#events!.wroteHead();
      if (holdsBack) await sender.mayProceed;
      if (this.#sender !== sender || sender.stopped) return;
      await sender.send();
    } catch (error) {
      if (this.#sender !== sender || sender.stopped) return;
      if (sender.sourceFailed) this.#contentFailed(error);
      else this.#writeFailed(error);
      return;
    }
    if (this.#sender !== sender || sender.stopped) return;
    this.#request = transition(REQUEST_TABLE, this.#request, "contentEnded");
    this.#events?.wroteRequest(undefined);
    this.#maybeFinish();
  }

  #contentFailed(error: unknown): void {
    if (this.#state !== "exchanging" && this.#state !== "draining") return;
    this.#request = transition(REQUEST_TABLE, this.#request, "contentFailed");
    this.#events?.wroteRequest(error);
    this.#state = transition(CONNECTION_TABLE, this.#state, "failed");
    this.#fail(error);
  }

  /**
   * Ends the sending before its end: the response is good, the connection is not, unless it was
   * content held back that the answer came without.
   */
  #stopSending(event: "sendingStopped" | "finalResponseReceived" = "sendingStopped"): void {
    this.#sender?.stop();
    this.#request = transition(REQUEST_TABLE, this.#request, event);
    this.#events?.wroteRequest(undefined);
  }

  // What happens to the receiving side.

  /** Keeps one read outstanding. */
  #arm(): void {
    if (this.#reading) return;
    this.#reading = true;
    startRead(this.conn, this.#input.space(), this.#received, this.#readFailed);
  }

  readonly #received = (n: number | null): void => {
    this.#reading = false;
    if (this.#state === "closed") return;
    if (n === null) return this.#ended();
    this.#input.added(n);
    this.#readAll = this.#input.end < this.#input.bytes.length;
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
    }
    this.#advance();
  };

  readonly #readFailed = (error: unknown): void => {
    this.#reading = false;
    if (this.#state === "closed") return;
    this.#state = transition(CONNECTION_TABLE, this.#state, "failed");
    this.#fail(this.#writeError ?? error);
  };

  /** The stream ended while no content was being read. */
  #ended(): void {
    const wasIdle = this.#state === "idle";
    this.#state = transition(CONNECTION_TABLE, this.#state, "peerClosed");
    if (wasIdle) return this.#fail(connectionLost("The server closed an idle connection"));
    this.#response = transition(RESPONSE_TABLE, this.#response, "truncated");
    this.#fail(
      this.#writeError ??
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
      if (this.#response === "head" || this.#response === "content") {
        this.#response = transition(RESPONSE_TABLE, this.#response, "malformed");
      }
      this.#state = transition(CONNECTION_TABLE, this.#state, "failed");
      this.#fail(error);
    }
  }

  #informational(head: ResponseHead): void {
    if (head.statusCode === 101) {
      if (!this.#outgoing!.upgrade) throw switchNotAsked();
      this.#response = transition(RESPONSE_TABLE, this.#response, "switchingReceived");
      this.#switch(head);
      return;
    }
    if (++this.#informationalCount > MAX_INFORMATIONAL) {
      throw tooManyInformational(MAX_INFORMATIONAL);
    }
    this.#response = transition(RESPONSE_TABLE, this.#response, "informationalReceived");
    if (head.statusCode === 100) {
      if (this.#request === "awaitingContinue") {
        this.#request = transition(REQUEST_TABLE, this.#request, "continueReceived");
      }
      this.#sender?.proceed();
    }
    this.#events!.informational(head);
  }

  #final(head: ResponseHead): void {
    const { mode, maxResponseHeaderBytes } = this.#options;
    const framing = responseFraming(this.#outgoing!.method, head, mode, this.#deviations);
    if (framing.kind === "tunnel") {
      this.#response = transition(RESPONSE_TABLE, this.#response, "switchingReceived");
      this.#switch(head);
      return;
    }
    if (framing.kind === "closeDelimited" || !isPersistent(head)) this.#persistent = false;
    const holdsBack = this.#outgoing!.expectContinue && this.#sender?.released === false;
    if (this.#request === "awaitingContinue") this.#stopSending("finalResponseReceived");
    else if (this.#request === "head" && holdsBack) this.#stopSending();
    else this.#request = transition(REQUEST_TABLE, this.#request, "finalResponseReceived");
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
    if (head.statusCode >= 300 && this.#isSendingContent && !this.#sender!.handedOver) {
      this.#stopSending();
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

  get #isSendingContent(): boolean {
    return this.#sender !== null && (this.#request === "content" || this.#request === "head");
  }

  #switch(head: ResponseHead): void {
    if (this.#isSendingContent) this.#stopSending();
    else if (this.#request === "awaitingContinue") this.#stopSending("finalResponseReceived");
    // Whoever switches has read the head: the runtime's word for it comes later.
    else if (this.#request === "head") this.#wroteAll();
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
    if (this.#state !== "exchanging" && this.#state !== "draining") return;
    // All of the request was handed over with its head; only the runtime's word is missing.
    if (this.#request === "head" && this.#sender === null) return;
    if (this.#isSendingContent) {
      // Everything is on its way: only the word of the runtime, or of the source, is missing.
      if (this.#sender!.handedOver) {
        this.#owner.finishing?.();
        return;
      }
      this.#stopSending();
      if (this.#isClosed) return;
    }
    const { mode } = this.#options;
    // The body may have deviated too.
    const persistent = this.#persistent &&
      (this.#deviations.length === 0 || !forbidsReuse(this.#deviations, mode));
    const reuse = mayReuse(this.#request, this.#response, persistent, this.#input.buffered);
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

  /** The content was read to its end, all of it with the head? */
  contentEnded(withHead: boolean): void {
    if (this.#response !== "content") return;
    this.#response = transition(RESPONSE_TABLE, this.#response, "contentEnded");
    this.#maybeFinish(withHead && this.#readAll);
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
    const worthwhile = this.#persistent && this.#request === "complete" &&
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
    if (this.#response !== "complete" || !this.#isSendingContent) return;
    this.#stopSending();
    this.#maybeFinish();
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
    this.#outgoing = null;
    this.#events = null;
    this.#sender = null;
    this.#writeError = undefined;
  }

  /** The state is closed: lets go of everything, and says why to whoever waits. */
  #fail(reason: unknown): void {
    const events = this.#response === "content" || this.#response === "complete"
      ? null
      : this.#events;
    this.#closeReason = reason;
    this.#sender?.stop();
    this.#clear();
    this.conn.close();
    events?.failed(reason);
    this.#owner.closed(reason);
  }
}
