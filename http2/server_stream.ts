/**
 * One exchange on an HTTP/2 connection, at the server's end.
 *
 * @module
 */
import type { Conn, Reader } from "../conn/conn.ts";
import { closedError } from "../conn/conn_error.ts";
import { HttpError } from "../conn/http_error.ts";
import { HttpHeaders, type HttpHeadersInit } from "../http/http_headers.ts";
import { transition } from "../http/machine.ts";
import type { OutgoingContent } from "../http/outgoing_request.ts";
import { BodySender, type BodySenderOwner } from "./body_sender.ts";
import { CANCEL, FLOW_CONTROL_ERROR, NO_ERROR, streamError } from "./http2_error.ts";
import { ReceiveWindow } from "./receive_window.ts";
import type { WindowedSender } from "./send_windows.ts";
import { StreamConn, TunnelOutput } from "./stream_conn.ts";
import { StreamContent, type StreamContentOwner } from "./stream_content.ts";
import { STREAM_TABLE, type StreamEvent, type StreamState } from "./stream_state.ts";

/** The head of a request, as a server sees it. @see RFC 9113 section 8.3.1 */
export interface Http2RequestHead {
  /** `:method` */
  readonly method: string;
  /** `:scheme`; null in CONNECT. */
  readonly scheme: string | null;
  /** `:authority`, or else the field `host`; null where there is neither. */
  readonly authority: string | null;
  /** `:path`; null in CONNECT. */
  readonly path: string | null;
  /** `:protocol`, or null. @see RFC 8441 section 4 */
  readonly protocol: string | null;
  /** Its field lines. */
  readonly headers: HttpHeaders;
}

/** A response to send. @see RFC 9113 section 8.1 */
export interface Http2Response {
  /** Integer 200..999. */
  statusCode: number;
  /** Sent as they are, with names in lower case; `content-length` is added where it is known. */
  headers?: HttpHeadersInit;
  /** Text is sent as UTF-8. Default: none. */
  content?: string | Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Sent behind the content. */
  trailers?: [string, string][];
}

/** The connection, as its streams see it. @see RFC 9113 section 5.1 */
export interface ServerStreamCarrier {
  /** The connection itself, for addresses. */
  readonly conn: Conn;
  /** Writes a field section. */
  writeSection(
    stream: ServerStream,
    fields: Iterable<readonly [string, string]>,
    endStream: boolean,
  ): void;
  /** Asks for a turn to send. */
  wantTurn(stream: ServerStream): void;
  /** Octets that one DATA frame on the stream may have now. */
  frameRoom(stream: ServerStream): number;
  /** Writes a DATA frame. */
  writeData(stream: ServerStream, content: Uint8Array, endStream: boolean): void;
  /** Writes RST_STREAM. */
  writeReset(stream: ServerStream, errorCode: number): void;
  /** Opens the stream's window further. */
  writeWindowUpdate(stream: ServerStream, bytes: number): void;
  /** The stream is closed. */
  streamClosed(stream: ServerStream): void;
}

/**
 * One exchange. Owns: its windows, its content both ways.
 *
 * @see RFC 9113 section 5.1
 */
export class ServerStream implements WindowedSender, BodySenderOwner, StreamContentOwner {
  /** Odd integer from 1. */
  readonly id: number;
  /** The request. */
  readonly head: Http2RequestHead;
  /** Octets that may be sent. */
  windowBytes: number;
  /** What came, and what of it the peer was told may be followed by more. */
  readonly receiving: ReceiveWindow;
  /** Octets of the request's field sections, as limits count them. */
  sectionBytes: number = 0;
  isInRow: boolean = false;
  /** For the connection's table alone. */
  nextInRow: ServerStream | null = null;
  /** Settles when the response was handed over whole, or the stream has ended otherwise. */
  readonly sent: Promise<void>;
  /** The code of the RST_STREAM that has ended it, null where none did. */
  resetCode: number | null = null;
  readonly #carrier: ServerStreamCarrier;
  readonly #content: StreamContent;
  #state: StreamState = "idle";
  #sender: BodySender | null = null;
  /** What is written through the tunnel that the stream is. */
  #tunnel: TunnelOutput | null = null;
  #continueOwed: boolean;
  #resolveSent: () => void = () => {};

  /** Makes the stream of a request whose head has come. */
  constructor(
    id: number,
    head: Http2RequestHead,
    carrier: ServerStreamCarrier,
    windows: { sendBytes: number; receiveBytes: number },
  ) {
    this.id = id;
    this.head = head;
    this.#carrier = carrier;
    this.windowBytes = windows.sendBytes;
    this.receiving = new ReceiveWindow(windows.receiveBytes);
    this.#content = new StreamContent(this, { kind: "streamEnd" }, []);
    this.#continueOwed = head.headers.get("expect")?.toLowerCase() === "100-continue";
    this.sent = new Promise((resolve) => this.#resolveSent = resolve);
    this.#step("headersReceived");
  }

  /** What the stream is doing. */
  get state(): StreamState {
    return this.#state;
  }

  /** Whether it is over. */
  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** The content of the request; answers `Expect: 100-continue` when it is first read. */
  get content(): Reader {
    return {
      read: (p) => {
        if (this.#continueOwed) {
          this.#continueOwed = false;
          this.inform(100);
        }
        return this.#content.read(p);
      },
    };
  }

  /** Trailer fields; null before the end of the content and where there are none. */
  get trailers(): HttpHeaders | null {
    return this.#content.trailers;
  }

  /** Sends an informational response, 100..199. */
  inform(statusCode: number, headers: HttpHeadersInit = []): void {
    if (!this.isClosed) this.#writeHead(statusCode, new HttpHeaders(headers), false);
  }

  /** Sends the final response; {@linkcode sent} settles when it was handed over. */
  respond(response: Http2Response): void {
    if (this.isClosed) return;
    // Behind it, nobody is asked for content any more.
    this.#continueOwed = false;
    const headers = new HttpHeaders(response.headers);
    const content = this.head.method === "HEAD" ? null : outgoing(response);
    const { lengthBytes = null } = content ?? {};
    if (lengthBytes !== null && !headers.has("content-length")) {
      headers.append("content-length", String(lengthBytes));
    }
    // Content of no octets needs no frame, for which there might be no window.
    const isEmpty = content === null || lengthBytes === 0;
    this.#writeHead(response.statusCode, headers, isEmpty);
    if (isEmpty) return this.#endSent();
    this.#sender = new BodySender(content, this, false);
    this.#sender.start();
  }

  /** Answers 200 to CONNECT. @returns The connection over the stream. */
  accept(headers: HttpHeadersInit = []): Conn {
    const output = new TunnelOutput();
    this.#tunnel = output;
    if (this.isClosed) {
      output.fail(closedError("request"));
    } else {
      this.#writeHead(200, new HttpHeaders(headers), false);
      this.#sender = new BodySender(output, this, false);
      this.#sender.start();
    }
    return new StreamConn(this, this.#carrier.conn, this.#content, output);
  }

  /** Ends the stream at once. */
  reset(errorCode: number): void {
    if (this.isClosed) return;
    this.#carrier.writeReset(this, errorCode);
    this.#step("resetSent");
    this.#close(new HttpError("ERR_CLOSED", "The stream was reset", { phase: "request" }));
  }

  /** As {@linkcode reset}; for connections over the stream. */
  cancel(errorCode: number): void {
    this.reset(errorCode);
  }

  #writeHead(statusCode: number, headers: HttpHeaders, endStream: boolean): void {
    const fields: [string, string][] = [[":status", String(statusCode)]];
    for (const [name, value] of headers) fields.push([name.toLowerCase(), value]);
    this.#carrier.writeSection(this, fields, endStream);
  }

  // What comes in.

  /**
   * The beginning of a DATA frame: what it costs, padding and all.
   *
   * @throws {Http2Violation} Of the stream.
   */
  dataBegins(frameBytes: number): void {
    if (!this.receiving.received(frameBytes)) {
      throw streamError(FLOW_CONTROL_ERROR, "sent more than the window of the stream allows");
    }
  }

  /** Content has come: `bytes[from..to)`. */
  dataReceived(bytes: Uint8Array, from: number, to: number): void {
    if (to > from) this.#content.add(bytes, from, to);
  }

  /** The request is complete. */
  endReceived(trailers: HttpHeaders | null): void {
    this.#step("endReceived");
    this.#content.end(trailers);
    if (this.isClosed) this.#close(null);
  }

  /** RST_STREAM has come, or the connection is gone. */
  ended(event: "resetReceived" | "connectionEnded", errorCode: number): void {
    if (this.isClosed) return;
    if (event === "resetReceived") this.resetCode = errorCode;
    this.#step(event);
    const code = this.#tunnel === null ? "ERR_INCOMPLETE_BODY" : "ERR_CONNECTION_LOST";
    this.#close(new HttpError(code, "The client ended the stream", { phase: "request" }));
  }

  contentUsed(bytes: number): void {
    if (bytes === 0 || this.isClosed || this.#state === "halfClosedRemote") return;
    const more = this.receiving.used(bytes);
    if (more > 0) this.#carrier.writeWindowUpdate(this, more);
  }

  contentWanted(): boolean {
    return false;
  }

  contentAbandoned(): void {
    if (!this.isClosed) this.reset(NO_ERROR);
  }

  streamConn(): Conn {
    return this.accept();
  }

  // What goes out.

  wantTurn(): void {
    this.#carrier.wantTurn(this);
  }

  sendTurn(): boolean {
    return this.#sender?.turn() === true;
  }

  get frameRoom(): number {
    return this.#carrier.frameRoom(this);
  }

  sendPart(part: Uint8Array, isLast: boolean): void {
    this.#carrier.writeData(this, part, isLast);
    if (isLast) this.#endSent();
  }

  contentEnded(trailers: readonly (readonly [string, string])[] | null): void {
    this.#sender = null;
    if (this.isClosed || this.#state === "halfClosedLocal") return;
    if (trailers !== null && trailers.length > 0) this.#carrier.writeSection(this, trailers, true);
    else this.#carrier.writeData(this, new Uint8Array(0), true);
    this.#endSent();
  }

  contentFailed(): void {
    this.#sender = null;
    this.reset(CANCEL);
  }

  #endSent(): void {
    this.#step("endSent");
    this.#resolveSent();
    if (this.isClosed) this.#close(null);
  }

  #close(error: HttpError | null): void {
    if (error !== null) {
      const sender = this.#sender;
      this.#sender = null;
      this.#tunnel?.fail(error);
      sender?.stop();
      this.#content.fail(error);
    }
    this.#resolveSent();
    this.#carrier.streamClosed(this);
  }

  #step(event: StreamEvent): void {
    this.#state = transition(STREAM_TABLE, this.#state, event);
  }
}

function outgoing(response: Http2Response): OutgoingContent | null {
  const { content, trailers = [] } = response;
  if (content === undefined && trailers.length === 0) return null;
  const bytes = typeof content === "string"
    ? new TextEncoder().encode(content)
    : content instanceof Uint8Array
    ? content
    : null;
  if (bytes !== null && trailers.length === 0) {
    return {
      bytes,
      lengthBytes: bytes.length,
      open: () => pieces([bytes]),
      trailers: () => Promise.resolve([]),
    };
  }
  const source = bytes !== null ? [bytes] : (content ?? []) as Iterable<Uint8Array>;
  return {
    bytes: null,
    lengthBytes: null,
    open: () => pieces(source),
    trailers: () => Promise.resolve(trailers),
  };
}

function pieces(content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): {
  next(): Promise<Uint8Array | null>;
  cancel(): void;
} {
  const iterator = Symbol.asyncIterator in content
    ? content[Symbol.asyncIterator]()
    : content[Symbol.iterator]();
  return {
    next: async () => {
      const { done, value } = await iterator.next();
      return done ? null : value;
    },
    cancel: () => void iterator.return?.(),
  };
}
