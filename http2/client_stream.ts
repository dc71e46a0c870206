/**
 * One exchange on an HTTP/2 connection, at the client's end: the request as it goes out, the
 * response as it comes in. Every change of state goes through the table of `stream_state.ts`.
 *
 * @module
 */
import type { Conn } from "../conn/conn.ts";
import { closedError } from "../conn/conn_error.ts";
import type { Deviation } from "../http/deviation.ts";
import type { ExchangeEvents } from "../http/exchange_events.ts";
import { transition } from "../http/machine.ts";
import type { OutgoingRequest } from "../http/outgoing_request.ts";
import type { DecodedSection } from "./decoded_section.ts";
import { BodySender, type BodySenderOwner } from "./body_sender.ts";
import {
  CANCEL,
  errorCodeName,
  FLOW_CONTROL_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  streamError,
} from "./http2_error.ts";
import { ReceiveWindow } from "./receive_window.ts";
import { contentFraming, type Http2ResponseHead, responseHead } from "./response_head.ts";
import type { WindowedSender } from "./send_windows.ts";
import { ReceivedContent, StreamContent, type StreamContentOwner } from "./stream_content.ts";
import { StreamConn, TunnelOutput } from "./stream_conn.ts";
import { STREAM_TABLE, type StreamEvent, type StreamState } from "./stream_state.ts";

/** The connection, as its streams see it. @see RFC 9113 section 5.1 */
export interface StreamCarrier {
  /** The connection itself, for addresses. */
  readonly conn: Conn;
  /** Octets that a stream may hold once somebody reads it. */
  readonly streamWindowBytes: number;
  /** Borrows from the purse of windows. @returns How much; 0: there is not enough. */
  borrow(bytes: number): number;
  /** Gives back what was borrowed. */
  giveBack(bytes: number): void;
  /** Small DATA of the stream was read, or dropped. */
  smallDataUsed(stream: ClientStream): void;
  /** Asks for a turn to send. */
  wantTurn(stream: ClientStream): void;
  /**
   * Writes a DATA frame of at most what {@linkcode StreamCarrier.frameRoom} says.
   *
   * @param isCut Whether more could follow at once.
   */
  writeData(stream: ClientStream, content: Uint8Array, endStream: boolean, isCut: boolean): void;
  /** Octets that one DATA frame on the stream may have now. */
  frameRoom(stream: ClientStream): number;
  /** Writes the trailer section, which ends the stream. */
  writeTrailers(stream: ClientStream, trailers: readonly (readonly [string, string])[]): void;
  /** Writes RST_STREAM. */
  writeReset(stream: ClientStream, errorCode: number): void;
  /** Opens the stream's window further. */
  writeWindowUpdate(stream: ClientStream, bytes: number): void;
  /** The head of the answer has come: it is told when all that came with it has been taken apart. */
  responseCame(stream: ClientStream): void;
  /** The answer is complete, and the stream is not. */
  finishing(stream: ClientStream): void;
  /** The stream is closed, its place free. Called once. */
  streamClosed(stream: ClientStream): void;
}

/**
 * One exchange. Owns: its windows, its content both ways.
 *
 * @see RFC 9113 section 5.1
 */
export class ClientStream implements WindowedSender, BodySenderOwner, StreamContentOwner {
  /** Odd integer from 1. */
  readonly id: number;
  /** What was asked. */
  readonly request: OutgoingRequest;
  /** Octets that may be sent. */
  windowBytes: number;
  /** What came, and what of it the peer was told may be followed by more. */
  readonly receiving: ReceiveWindow;
  /** Octets of the request that the runtime has accepted, with the heads of their frames. */
  writtenBytes: number = 0;
  /** Octets of the request that the runtime was given: the fate of those not accepted is unknown. */
  handedBytes: number = 0;
  /** Octets of the request that stand in frames: what is not written yet will be, or has been. */
  framedBytes: number = 0;
  /** Octets of the response, with the heads of their frames. */
  receivedBytes: number = 0;
  /** Whether the server says that it has done nothing with the request. */
  isUnprocessed: boolean = false;
  /** Whether a GOAWAY frame with an error is about this stream. */
  wasBlamed: boolean = false;
  /** Whether the connection has frames of it that the runtime was not given. */
  isFramed: boolean = false;
  /** Small DATA frames of which nothing was read. */
  smallDataCount: number = 0;
  isInRow: boolean = false;
  /** For the connection's table alone. */
  nextInRow: ClientStream | null = null;
  /** Octets borrowed from the purse. */
  #loanBytes = 0;
  readonly #carrier: StreamCarrier;
  #events: ExchangeEvents | null;
  #state: StreamState = "idle";
  #sender: BodySender | null = null;
  #content: StreamContent | null = null;
  /** What is written through the tunnel that the stream is. */
  #tunnel: TunnelOutput | null = null;
  /** Why nothing more can be written through it. */
  #tunnelFailure: { error: unknown } | null = null;
  #head: Http2ResponseHead | null = null;
  /** Octets of content still to come, where that is known. */
  #leftBytes: number | null = null;
  /** What was forgiven in the response so far. */
  readonly deviations: Deviation[] = [];
  /** Octets of all field sections so far, as limits count them. */
  sectionBytes: number = 0;
  /** Whether the end of the request, which is the stream's, waits to be handed over. */
  #hasLastFrame = false;
  /** Whether all of the request stands in frames. */
  #hasFramedAll = false;
  #wroteHead = false;
  #wroteRequest = false;
  #hasFirstByte = false;
  #isTold = false;

  /** Makes a stream that nothing was sent on. */
  constructor(
    id: number,
    request: OutgoingRequest,
    events: ExchangeEvents,
    carrier: StreamCarrier,
    sendBytes: number,
    receiveBytes: number,
  ) {
    this.id = id;
    this.request = request;
    this.#events = events;
    this.#carrier = carrier;
    this.windowBytes = sendBytes;
    this.receiving = new ReceiveWindow(receiveBytes);
  }

  /** What the stream is doing. */
  get state(): StreamState {
    return this.#state;
  }

  /** Whether it counts against the limit of the server. */
  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Whether content of the request is still to be sent. */
  get isSending(): boolean {
    return (this.#sender !== null && !this.isClosed) || this.#hasLastFrame;
  }

  /** Whether the content of the request is being held back. */
  get awaitingContinue(): boolean {
    return this.#sender?.isHeldBack === true && !this.#sender.isOver;
  }

  /** Whether all of the request was accepted by the runtime. */
  get isRequestWritten(): boolean {
    return this.#hasFramedAll && this.writtenBytes === this.framedBytes;
  }

  /** Whether the head of an answer has come. */
  get hasAnswer(): boolean {
    return this.#head !== null;
  }

  /** Whether anything of an answer has come, an informational one too. */
  get hasFirstByte(): boolean {
    return this.#hasFirstByte;
  }

  /** Whether the server has accepted that the stream is a connection. */
  get isTunnel(): boolean {
    return this.#content !== null && this.#content.framing.kind === "tunnel";
  }

  // The request.

  /** The HEADERS frame stands in the output; `endStream`: nothing follows. */
  headersFramed(bytes: number, endStream: boolean): void {
    this.framedBytes += bytes;
    this.#step("headersSent");
    const { content, expectContinue, method } = this.request;
    // A tunnel has no content; its stream stays open.
    this.#hasFramedAll = endStream || method === "CONNECT";
    if (endStream) this.#step("endSent");
    if (this.#hasFramedAll || content === null) return;
    this.#sender = new BodySender(content, this, expectContinue);
    this.#sender.start();
  }

  /** Sends held-back content although nobody asked for it. */
  continueTimedOut(): void {
    if (this.awaitingContinue) this.#sender!.proceed();
  }

  /** Whether the answer is complete, and the stream waits for nothing but the server. */
  get isStalled(): boolean {
    if (this.#state !== "halfClosedRemote") return this.#isOverAlready;
    return this.#sender !== null && this.#sender.readyBytes > 0;
  }

  /** Whether nothing can follow an answer behind which the server has not ended the stream. */
  get #isOverAlready(): boolean {
    return !this.isClosed && this.#isTold && this.#content!.framing.kind === "none";
  }

  /**
   * The server does not end a stream whose answer is complete, or does not take the rest of the
   * request: ends it from here. Nothing happens before the answer is.
   */
  finishLimitReached(): void {
    if (this.#isOverAlready && this.#state !== "halfClosedRemote") return this.contentAbandoned();
    if (this.#state !== "halfClosedRemote" || this.#sender === null || this.isTunnel) return;
    this.#stopSending();
    if (this.#isTold) this.#answerIsComplete();
  }

  /** What stood in frames so far was accepted by the runtime, up to so many octets. */
  framesWritten(upToBytes: number): void {
    if (upToBytes > this.writtenBytes) this.writtenBytes = upToBytes;
    if (this.#events !== null) {
      this.#tellHeadWritten();
      if (this.isRequestWritten) this.#wroteEnd(undefined);
      this.#forget();
    }
    if (this.#hasLastFrame && this.handedBytes === this.framedBytes) this.#close();
  }

  #tellHeadWritten(): void {
    if (this.#wroteHead) return;
    this.#wroteHead = true;
    this.#events?.wroteHead();
  }

  wantTurn(): void {
    this.#carrier.wantTurn(this);
  }

  sendTurn(): boolean {
    return this.#sender !== null && this.#sender.turn();
  }

  get frameRoom(): number {
    return this.#carrier.frameRoom(this);
  }

  sendPart(part: Uint8Array, isLast: boolean, isCut: boolean): void {
    this.#carrier.writeData(this, part, isLast, isCut);
    if (isLast) this.#endSent();
  }

  contentEnded(trailers: readonly (readonly [string, string])[] | null): void {
    if (this.isClosed || this.#state === "halfClosedLocal") {
      this.#sender = null;
      return;
    }
    if (trailers !== null && trailers.length > 0) this.#carrier.writeTrailers(this, trailers);
    else this.#carrier.writeData(this, NOTHING, true, false);
    this.#sender = null;
    this.#endSent();
  }

  contentFailed(error: unknown): void {
    this.#sender = null;
    this.#tunnel?.fail(error);
    this.#wroteEnd(error);
    this.cancel(CANCEL, error);
  }

  #endSent(): void {
    this.#hasFramedAll = true;
    this.#step("endSent");
    // The connection may be closed when nothing is left on it: not before it has handed that over.
    this.#hasLastFrame = this.isClosed;
  }

  #wroteEnd(error: unknown): void {
    if (this.#wroteRequest) return;
    this.#wroteRequest = true;
    this.#events?.wroteRequest(error);
  }

  /**
   * Ends the sending before its end: the server does not want the rest. Whoever is told, or gave the
   * content, may end the stream meanwhile.
   */
  #stopSending(): void {
    const sender = this.#sender;
    this.#sender = null;
    sender?.stop();
    // Whoever refuses the rest has read the head: the word of the runtime comes later.
    this.#tellHeadWritten();
    this.#wroteEnd(undefined);
  }

  /** Lets the content go: the exchange has failed. */
  #dropContent(reason: unknown): void {
    const sender = this.#sender;
    this.#sender = null;
    if (this.smallDataCount > 0) this.#carrier.smallDataUsed(this);
    if (this.isTunnel) {
      this.#tunnelFailure ??= { error: reason };
      this.#tunnel?.fail(reason);
    }
    sender?.stop();
  }

  // The response.

  /**
   * A field section has come.
   *
   * @throws {Http2Violation} Of the stream.
   */
  sectionReceived(section: DecodedSection, endStream: boolean): void {
    this.#tellFirstByte();
    if (this.isClosed) return;
    if (this.#head !== null) {
      this.#trailers(section, endStream);
      return;
    }
    const head = responseHead(section, endStream);
    if (head.statusCode < 200) {
      if (head.statusCode === 100) this.#sender?.proceed();
      this.#events?.informational(head);
      return;
    }
    const framing = contentFraming(this.request.method, head, endStream, this.deviations);
    this.#head = head;
    this.#leftBytes = framing.kind === "none" || (framing.kind === "streamEnd" && isEmpty(head))
      ? 0
      : framing.kind === "length"
      ? framing.bytes
      : null;
    this.#content = new StreamContent(this, framing, this.deviations);
    this.#carrier.responseCame(this);
    // Whoever refuses does not want the rest; what was held back is not sent any more.
    if (this.#sender !== null && (head.statusCode >= 300 || this.awaitingContinue)) {
      this.#stopSending();
      if (this.isClosed) return;
    }
    if (endStream) this.#endReceived(null);
  }

  #trailers(section: DecodedSection, endStream: boolean): void {
    if (section.violation !== null) throw section.violation;
    if (!endStream) throw streamError(PROTOCOL_ERROR, "sent a second final head");
    this.#endReceived(section.fields.headers);
  }

  /**
   * The beginning of a DATA frame: what it costs, padding and all.
   *
   * @throws {Http2Violation} Of the stream.
   */
  dataBegins(frameBytes: number): void {
    if (!this.receiving.received(frameBytes)) {
      throw streamError(FLOW_CONTROL_ERROR, "sent more than the window of the stream allows");
    }
    if (this.#head === null) throw streamError(PROTOCOL_ERROR, "sent DATA before a final head");
  }

  /**
   * Content has come: `bytes[from..to)`.
   *
   * @throws {Http2Violation} Of the stream.
   */
  dataReceived(bytes: Uint8Array, from: number, to: number): void {
    const length = to - from;
    if (length === 0) return;
    if (this.#leftBytes !== null) {
      // Never an octet beyond the length.
      if (length > this.#leftBytes) {
        throw streamError(PROTOCOL_ERROR, "sent more content than its head allows");
      }
      this.#leftBytes -= length;
    }
    this.#content!.add(bytes, from, to);
  }

  /** The stream has ended behind its DATA. */
  dataEnded(): void {
    this.#endReceived(null);
  }

  #endReceived(trailers: StreamContent["trailers"]): void {
    if (this.#leftBytes !== null && this.#leftBytes > 0) {
      // A length that stands in the head of an answer without content says nothing.
      throw streamError(
        PROTOCOL_ERROR,
        `ended ${this.#leftBytes} octets before its length`,
        "ERR_INCOMPLETE_BODY",
      );
    }
    this.#step("endReceived");
    this.#content!.end(trailers);
    if (this.isClosed) this.#close();
    else if (this.#isTold) this.#answerIsComplete();
  }

  /** All that came with the head has been taken apart: tells the answer. */
  tellResponse(): void {
    const head = this.#head;
    const content = this.#content;
    if (this.#events === null || head === null || content === null || this.#isTold) return;
    content.makeWhole();
    this.#allWasUsed(content);
    // Whoever answers has read the request: the word of the runtime comes later.
    if (this.#sender === null) this.framesWritten(this.framedBytes);
    else this.#tellHeadWritten();
    this.#events?.finalHead?.(head);
    const events = this.#events;
    // Whoever is told may end the exchange.
    if (events === null) return;
    this.#isTold = true;
    events.response(head, new ReceivedContent(content));
    if (content.framing.kind === "tunnel") this.#events = null;
    this.#answerIsComplete();
    this.#forget();
  }

  /**
   * An answer that came to its end before the request did: ends the stream, if the rest of the
   * request is not sent any more. Else it goes on until it is.
   */
  #answerIsComplete(): void {
    if (this.isClosed || this.isTunnel) return;
    if (this.#state === "halfClosedRemote" && this.#sender === null) return this.#reset(NO_ERROR);
    if (this.#state === "halfClosedRemote" || this.#isOverAlready) this.#carrier.finishing(this);
  }

  /** Nothing more is told of an exchange that is over. */
  #forget(): void {
    if (this.#isTold && this.#wroteRequest && this.isClosed) this.#events = null;
  }

  #tellFirstByte(): void {
    if (this.#hasFirstByte) {
      // Behind an informational one.
      if (this.#head === null) this.#events?.nextFirstByte?.();
      return;
    }
    this.#hasFirstByte = true;
    this.#events?.firstByte();
  }

  // StreamContentOwner

  contentUsed(bytes: number): void {
    this.#allWasUsed(this.#content);
    if (this.isClosed) return this.#giveBack();
    if (bytes === 0 || this.#state === "halfClosedRemote") return;
    const more = this.receiving.used(bytes);
    if (more > 0) this.#carrier.writeWindowUpdate(this, more);
  }

  contentWanted(): boolean {
    const { streamWindowBytes } = this.#carrier;
    const by = streamWindowBytes - this.receiving.sizeBytes;
    if (by <= 0 || this.isClosed || this.#state === "halfClosedRemote") return false;
    const lent = this.#carrier.borrow(by);
    if (lent === 0) return false;
    this.#loanBytes += lent;
    const { receiving } = this;
    this.#carrier.writeWindowUpdate(this, receiving.grow(receiving.sizeBytes + lent));
    return true;
  }

  contentAbandoned(): void {
    if (!this.isClosed) this.#reset(CANCEL);
    this.#stopSending();
    this.#forget();
  }

  streamConn(): Conn {
    const output = new TunnelOutput();
    this.#tunnel = output;
    if (this.isClosed) {
      output.fail(this.#tunnelFailure?.error ?? closedError("request"));
    } else {
      this.#sender = new BodySender(output, this, false);
      this.#sender.start();
    }
    return new StreamConn(this, this.#carrier.conn, this.#content!, output);
  }

  #allWasUsed(content: StreamContent | null): void {
    if (this.smallDataCount === 0 || content === null || content.unreadBytes > 0) return;
    this.#carrier.smallDataUsed(this);
  }

  /** Of a stream that is over, what was borrowed and is not taken up by unread content. */
  #giveBack(): void {
    const bytes = this.#loanBytes - (this.#content?.unreadBytes ?? 0);
    if (bytes <= 0) return;
    this.#loanBytes -= bytes;
    this.#carrier.giveBack(bytes);
  }

  // The end.

  /** Ends the exchange from here; whoever waits is told `reason`. */
  cancel(errorCode: number, reason: unknown): void {
    if (!this.isClosed) {
      this.#reset(errorCode);
      this.#dropContent(reason);
    }
    this.#tell(reason);
  }

  /** Whoever had the response will not read what came of it before it failed. */
  dropUnread(): void {
    this.#content?.dropFailed();
  }

  /** The connection is gone, or does not serve this stream: nothing more follows. */
  connectionEnded(reason: unknown): void {
    if (this.isClosed) {
      if (!this.#hasLastFrame) return;
      this.#close();
      if (this.#isTold) this.#tell(reason);
      return;
    }
    // What stands in frames and was not handed over will not be.
    if (this.handedBytes < this.framedBytes) this.#hasFramedAll = false;
    this.framedBytes = this.handedBytes;
    this.#step("connectionEnded");
    this.#close();
    this.#dropContent(reason);
    this.#tell(reason);
  }

  /** RST_STREAM has come: nothing more follows. */
  resetReceived(code: string, reason: unknown): void {
    if (this.isClosed) return;
    this.#closedByPeer(code);
    this.#dropContent(reason);
    this.#tell(reason);
  }

  /** RST_STREAM has come behind a complete answer: the server needs no more of the request. */
  uploadRefused(code: string, reason: unknown): void {
    this.#closedByPeer(code);
    if (this.isTunnel) this.#dropContent(reason);
    else this.#stopSending();
    this.#forget();
  }

  #closedByPeer(code: string): void {
    const events = this.#events;
    this.#step("resetReceived");
    this.#close();
    // Last: whoever is told may end the exchange.
    events?.streamReset?.(this.id, code, "peer");
  }

  /** The server has broken a rule behind its complete answer, which stands. */
  refuseRest(errorCode: number, reason: unknown): void {
    this.#reset(errorCode);
    if (this.isTunnel) this.#dropContent(reason);
    else this.#stopSending();
    this.#forget();
  }

  #reset(errorCode: number): void {
    const events = this.#events;
    this.#carrier.writeReset(this, errorCode);
    this.#step("resetSent");
    this.#close();
    events?.streamReset?.(this.id, errorCodeName(errorCode), "here");
  }

  #tell(reason: unknown): void {
    const events = this.#events;
    this.#events = null;
    this.#content?.fail(reason);
    if (!this.#isTold) events?.failed(reason);
    else if (!this.#wroteRequest) events?.wroteRequest(reason);
    this.#wroteRequest = true;
  }

  #close(): void {
    this.#hasLastFrame = false;
    this.#giveBack();
    this.#carrier.streamClosed(this);
    this.#forget();
  }

  #step(event: StreamEvent): void {
    this.#state = transition(STREAM_TABLE, this.#state, event);
  }
}

const NOTHING = new Uint8Array(0);

/** Whether content was announced that has no octets; trailers may follow. */
function isEmpty({ fields }: Http2ResponseHead): boolean {
  return fields.contentLength !== -1;
}
