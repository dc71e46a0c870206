/**
 * An HTTP/2 connection at the client's end: the read loop, who gets which frame, and what goes out
 * in one write. No clock, no pool; the owner brings both.
 *
 * @module
 */
import { BufferedReader } from "../conn/buffered_reader.ts";
import { startRead } from "../conn/by_callback.ts";
import type { Conn } from "../conn/conn.ts";
import { type Http2Cause, HttpError, printable } from "../conn/http_error.ts";
import type { ParserMode } from "../http/deviation.ts";
import type { ExchangeEvents } from "../http/exchange_events.ts";
import { transition } from "../http/machine.ts";
import type { OutgoingRequest } from "../http/outgoing_request.ts";
import { BlockDecoder } from "./block_decoder.ts";
import { BlockEncoder } from "./block_encoder.ts";
import { ClientStream, type StreamCarrier } from "./client_stream.ts";
import {
  HTTP2_CONNECTION_TABLE,
  type Http2ConnectionEvent,
  type Http2ConnectionState,
} from "./connection_state.ts";
import { FieldBlock } from "./field_block.ts";
import { FloodGuard } from "./flood_guard.ts";
import { FrameReader } from "./frame_reader.ts";
import {
  ACK,
  CONTINUATION,
  DATA,
  DEFAULT_MAX_FRAME_BYTES,
  END_HEADERS,
  END_STREAM,
  FRAME_HEAD_BYTES,
  frameTypeName,
  GOAWAY,
  HEADERS,
  PING,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "./frame_types.ts";
import { FrameOutput, type FrameOutputOwner } from "./frame_output.ts";
import {
  CANCEL,
  connectionError,
  errorCodeName,
  FLOW_CONTROL_ERROR,
  Http2Violation,
  HTTP_1_1_REQUIRED,
  INTERNAL_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  SETTINGS_TIMEOUT,
  STREAM_CLOSED,
  streamError,
} from "./http2_error.ts";
import type { FrameWriter } from "./frame_writer.ts";
import { PREFACE } from "./preface.ts";
import { ReceiveWindow, WindowPurse } from "./receive_window.ts";
import { RequestBlocks } from "./request_fields.ts";
import { SendWindows } from "./send_windows.ts";
import {
  ENABLE_PUSH,
  INITIAL_WINDOW_SIZE,
  MAX_HEADER_LIST_SIZE,
  PeerSettings,
} from "./settings.ts";
import { StreamTable } from "./stream_table.ts";
import { DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES } from "./window_sizes.ts";

/** How an HTTP/2 connection works. @see RFC 9113 section 5 */
export interface Http2ConnectionOptions {
  /** How much is forgiven. */
  readonly mode: ParserMode;
  /** Octets that the field sections of one response may have together. */
  readonly maxResponseHeaderBytes: number;
  /** Capacity of the read buffer. */
  readonly readBufferBytes: number;
  /** Streams that are opened at once at the most. */
  readonly maxConcurrentStreams: number;
  /** Streams that are opened before the server has said how many it takes: 1..100. @default {100} */
  readonly assumedConcurrency?: number;
  /** Octets that a stream may hold while somebody reads it. */
  readonly streamWindowBytes: number;
  /** Octets that all streams together may hold. */
  readonly connectionWindowBytes: number;
}

/** Who holds the connection. Called synchronously; must not throw. @see RFC 9113 section 5.4 */
export interface Http2ConnectionOwner {
  /** How many streams may be open has changed: see {@linkcode Http2Connection.capacity}. */
  capacityChanged(): void;
  /** A stream is closed, its place free. */
  streamClosed(stream: ClientStream): void;
  /**
   * The answer of a stream is complete, and the stream is not. Bound the wait by its
   * `finishLimitReached()`.
   */
  finishing?(stream: ClientStream): void;
  /** Bytes came; all that they lead to is told in the same step. */
  received?(): void;
  /** The server has said its settings, at the beginning or anew. */
  settingsReceived?(settings: PeerSettings): void;
  /** The server has acknowledged the settings. */
  settingsAcknowledged?(): void;
  /** The server has answered the PING of that number. */
  pingAnswered?(number: number): void;
  /** GOAWAY has come. */
  goaway?(about: { lastStreamId: number; code: string; debugData: string }): void;
  /** The connection is closed; called once. Its socket may still be written to for a moment. */
  closed(error: unknown): void;
}

/** Octets. What a new stream may hold of which nobody has read anything. */
const FIRST_WINDOW_BYTES = 256 * 1024;

/** Of the connection's window: what all first windows together take at the most. The rest is lent. */
const FIRST_WINDOWS_PART = 0.4;

/** Octets. The longest DATA frame that is sent, whatever the peer takes: others wait behind it. */
const LARGEST_DATA_BYTES = 64 * 1024;

/** Heads that come late on a stream that we have reset: informational ones, a final one, trailers. */
const MAX_LATE_HEADS = 3;

/** Streams. What is opened before the server has said how many it takes. */
const UNKNOWN_CONCURRENCY = 100;

/** Streams. What is opened of a server that names no limit. */
const UNLIMITED_CONCURRENCY = 1_000;

/** Streams in a row that the server has refused: it is leaving. */
const MAX_REFUSED = 2;

/** Streams in a row that the server has reset without an answer. */
const MAX_RESET = 20;

/** Streams. How many that we have reset are remembered, so that what comes late is no glitch. */
const REMEMBERED_RESETS = 256;

/** The highest number of a stream. */
const MAX_STREAM_ID = 2 ** 31 - 1;

/**
 * A connection that carries many exchanges.
 *
 * @see RFC 9113
 */
export class Http2Connection implements StreamCarrier, FrameOutputOwner {
  readonly conn: Conn;
  readonly streamWindowBytes: number;
  readonly #options: Http2ConnectionOptions;
  readonly #owner: Http2ConnectionOwner;
  readonly #input: BufferedReader;
  readonly #writes: FrameOutput;
  readonly #frames: FrameReader = new FrameReader(DEFAULT_MAX_FRAME_BYTES);
  readonly #decoder: BlockDecoder = new BlockDecoder();
  readonly #encoder: BlockEncoder = new BlockEncoder();
  readonly #blocks: RequestBlocks = new RequestBlocks(this.#encoder);
  readonly #fieldBlock: FieldBlock;
  readonly #guard: FloodGuard = new FloodGuard();
  readonly #peer: PeerSettings = new PeerSettings();
  readonly #receiving: ReceiveWindow;
  readonly #purse: WindowPurse;
  readonly #firstWindowBytes: number;
  readonly #sending: SendWindows = new SendWindows();
  readonly #streams: StreamTable<ClientStream> = new StreamTable();
  /** Streams that we have reset and of which frames may still come; how many late heads have. */
  readonly #reset: Map<number, number> = new Map();
  /** Streams that we have reset since the last PING, and those that were reset before it. */
  #unseenResets = 0;
  #pingedResets = 0;
  /** Streams whose answers have come in the read at hand. */
  #answered: ClientStream[] = [];
  /** Streams with frames that the runtime was not given, and those whose frames it has. */
  #framed: ClientStream[] = [];
  #handed: ClientStream[] = [];
  #state: Http2ConnectionState = "opening";
  #nextId = 1;
  #lastGoawayId = MAX_STREAM_ID;
  /** What the last GOAWAY has said. */
  #goawayCause: Http2Cause | undefined;
  #settingsToAck = 1;
  #pingNumber = 0;
  #resetPing = 0;
  #isReading = false;
  /** Whether the connection's window is to be opened further. */
  #owesWindow = false;
  #refusedInARow = 0;
  #resetInARow = 0;
  /** Streams below were opened when it was not known how few the server takes. */
  #knownFromId = 0;
  #hasFirstFrame = false;

  /**
   * Makes the protocol of a connection and says hello.
   *
   * @param conn An open connection; nothing may have been read from it ahead.
   */
  constructor(conn: Conn, options: Http2ConnectionOptions, owner: Http2ConnectionOwner) {
    this.conn = conn;
    this.#options = options;
    this.#owner = owner;
    this.#input = new BufferedReader(conn, options.readBufferBytes);
    this.#writes = new FrameOutput(conn, this);
    this.#fieldBlock = new FieldBlock(options.maxResponseHeaderBytes);
    const { connectionWindowBytes, maxConcurrentStreams } = options;
    const firstWindowsBytes = Math.ceil(connectionWindowBytes * FIRST_WINDOWS_PART);
    this.#firstWindowBytes = Math.min(
      FIRST_WINDOW_BYTES,
      options.streamWindowBytes,
      Math.max(1, Math.floor(firstWindowsBytes / maxConcurrentStreams)),
    );
    this.streamWindowBytes = options.streamWindowBytes;
    this.#purse = new WindowPurse(
      connectionWindowBytes -
        Math.min(firstWindowsBytes, maxConcurrentStreams * this.#firstWindowBytes),
    );
    this.#receiving = new ReceiveWindow(DEFAULT_WINDOW_BYTES);
    this.#output.raw(PREFACE);
    this.#output.settings([
      [ENABLE_PUSH, 0],
      [INITIAL_WINDOW_SIZE, this.#firstWindowBytes],
      [MAX_HEADER_LIST_SIZE, Math.min(options.maxResponseHeaderBytes, 2 ** 32 - 1)],
    ]);
    if (connectionWindowBytes > DEFAULT_WINDOW_BYTES) {
      this.#output.windowUpdate(0, this.#receiving.grow(connectionWindowBytes));
    }
    this.#flushSoon();
    this.#arm();
  }

  /** What the connection is doing. */
  get state(): Http2ConnectionState {
    return this.#state;
  }

  /** How many streams are open. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /**
   * How many streams may be open at once now; 0: none is opened at the moment, and for good where
   * {@linkcode state} is `"retiring"` or `"closed"`.
   */
  get capacity(): number {
    if (this.#state === "retiring" || this.#state === "closed") return 0;
    return Math.max(0, this.concurrency - this.#unseenResets - this.#pingedResets);
  }

  /** How many streams both ends allow to be open at once. */
  get concurrency(): number {
    const { maxConcurrentStreams, isKnown } = this.#peer;
    const { assumedConcurrency = UNKNOWN_CONCURRENCY } = this.#options;
    const allowed = isKnown ? maxConcurrentStreams ?? UNLIMITED_CONCURRENCY : assumedConcurrency;
    return Math.min(allowed, this.#options.maxConcurrentStreams);
  }

  /** Whether the server takes CONNECT with a protocol; null: it has not said anything yet. */
  get takesProtocols(): boolean | null {
    return this.#peer.isKnown ? this.#peer.enableConnectProtocol : null;
  }

  /** Whether streams are connections, of whoever has them. */
  get hasTunnels(): boolean {
    for (const stream of this.#streams.values()) if (stream.isTunnel) return true;
    return false;
  }

  /** Whether no stream was ever opened. */
  get isFresh(): boolean {
    return this.#nextId === 1;
  }

  /**
   * Sends a request on a stream of its own.
   *
   * Order: only while {@linkcode capacity} is above the number of open streams.
   *
   * @throws {HttpError} `ERR_INVALID_REQUEST`: the server takes no head of that size, or no
   * protocol. `ERR_CONNECTION_LOST`: no streams are opened any more. Nothing was sent.
   */
  send(request: OutgoingRequest, events: ExchangeEvents): ClientStream {
    if (this.#state === "closed" || this.#state === "retiring") {
      throw lost("The connection takes no more requests");
    }
    if (request.protocol !== null && this.takesProtocols !== true) {
      throw invalid("The server does not take CONNECT with a protocol");
    }
    const { maxHeaderListBytes, maxFrameBytes } = this.#peer;
    const block = this.#blocks.block(request, maxHeaderListBytes);
    const stream = new ClientStream(
      this.#nextId,
      request,
      events,
      this,
      this.#sending.initialBytes,
      this.#firstWindowBytes,
    );
    this.#nextId += 2;
    this.#streams.add(stream);
    const { content, method } = request;
    // Content of no octets needs no frame, for which there might be no window.
    const endStream = method !== "CONNECT" && (content === null || content.bytes?.length === 0);
    const before = this.#output.length;
    this.#output.headers(stream.id, block, endStream, maxFrameBytes);
    this.#markFramed(stream);
    stream.headersFramed(this.#output.length - before, endStream);
    if (this.#nextId > MAX_STREAM_ID) this.retire();
    this.#flushSoon();
    return stream;
  }

  /** Opens no more streams; closes the connection when the last one has ended. */
  retire(): void {
    if (this.#state === "closed" || this.#state === "retiring") return;
    this.#step("retired");
    this.#owner.capacityChanged();
    this.#maybeLeave();
  }

  /** Asks whether the server is there. @returns The number by which its answer is told. */
  ping(): number {
    if (this.#state === "closed") return this.#pingNumber;
    const opaque = new Uint8Array(8);
    const number = ++this.#pingNumber;
    new DataView(opaque.buffer).setUint32(4, number);
    this.#output.ping(opaque, false);
    this.#flushSoon();
    return number;
  }

  /** The server has not acknowledged the settings in time. */
  settingsTimedOut(): void {
    if (this.#settingsToAck === 0 || this.#state === "closed") return;
    const what = "did not acknowledge the settings in time";
    const error = connectionError(SETTINGS_TIMEOUT, what, "ERR_CONNECTION_LOST");
    this.#violated(error, SETTINGS, 0);
  }

  /** Closes the connection; streams under way fail with `reason`. */
  close(reason: unknown): void {
    if (this.#state === "closed") return;
    this.#step("closeRequested");
    this.#end(reason, { code: NO_ERROR });
  }

  /** It is known from elsewhere that nobody is there: streams under way fail with `reason`. */
  failed(reason: unknown): void {
    if (this.#state === "closed") return;
    this.#step("failed");
    this.#end(reason, null);
  }

  /** The last words were not taken in time: closes the socket. */
  leaveNow(): void {
    this.outputEnded();
  }

  // StreamCarrier

  borrow(bytes: number): number {
    return this.#purse.lend(bytes);
  }

  giveBack(bytes: number): void {
    this.#purse.giveBack(bytes);
  }

  smallDataUsed(stream: ClientStream): void {
    this.#guard.smallDataUsed(stream.smallDataCount);
    stream.smallDataCount = 0;
  }

  wantTurn(stream: ClientStream): void {
    this.#sending.want(stream);
    this.#flushSoon();
  }

  frameRoom(stream: ClientStream): number {
    const { maxFrameBytes } = this.#peer;
    return Math.min(
      stream.windowBytes,
      this.#sending.windowBytes,
      maxFrameBytes,
      LARGEST_DATA_BYTES,
    );
  }

  writeData(stream: ClientStream, content: Uint8Array, endStream: boolean, isCut: boolean): void {
    stream.windowBytes -= content.length;
    this.#sending.windowBytes -= content.length;
    this.#output.data(stream.id, content, endStream);
    this.#guard.sent(content.length, isCut);
    stream.framedBytes += FRAME_HEAD_BYTES + content.length;
    this.#markFramed(stream);
    this.#flushSoon();
  }

  writeTrailers(stream: ClientStream, trailers: readonly (readonly [string, string])[]): void {
    const { maxFrameBytes, maxHeaderListBytes } = this.#peer;
    const block = this.#blocks.trailers(trailers, maxHeaderListBytes);
    const before = this.#output.length;
    this.#output.headers(stream.id, block, true, maxFrameBytes);
    stream.framedBytes += this.#output.length - before;
    this.#markFramed(stream);
    this.#flushSoon();
  }

  #markFramed(stream: ClientStream): void {
    if (stream.isFramed) return;
    stream.isFramed = true;
    this.#framed.push(stream);
  }

  writeReset(stream: ClientStream, errorCode: number): void {
    this.#output.rstStream(stream.id, errorCode);
    this.#rememberReset(stream.id);
    // The server may not have seen it when the next stream comes: it still counts there.
    this.#unseenResets++;
    if (this.#resetPing === 0) this.#pingForResets();
    this.#flushSoon();
  }

  #rememberReset(streamId: number): void {
    this.#reset.set(streamId, 0);
    if (this.#reset.size <= REMEMBERED_RESETS) return;
    for (const oldest of this.#reset.keys()) {
      this.#reset.delete(oldest);
      break;
    }
  }

  #pingForResets(): void {
    this.#pingedResets = this.#unseenResets;
    this.#unseenResets = 0;
    this.#resetPing = this.ping();
  }

  writeWindowUpdate(stream: ClientStream, bytes: number): void {
    this.#output.windowUpdate(stream.id, bytes);
    this.#flushSoon();
  }

  responseCame(stream: ClientStream): void {
    this.#answered.push(stream);
    this.#refusedInARow = 0;
    this.#resetInARow = 0;
  }

  finishing(stream: ClientStream): void {
    this.#owner.finishing?.(stream);
  }

  streamClosed(stream: ClientStream): void {
    this.#streams.delete(stream);
    this.#sending.leave(stream);
    this.#owner.streamClosed(stream);
    this.#maybeLeave();
  }

  // What goes out.

  /** What waits to be written. */
  get #output(): FrameWriter {
    return this.#writes.frames;
  }

  #flushSoon(): void {
    this.#writes.soon();
  }

  // FrameOutputOwner

  fillOutput(): void {
    // Not before it is written: a server that does not listen must not send for ever.
    if (this.#owesWindow) this.#output.windowUpdate(0, this.#receiving.tell());
    this.#owesWindow = false;
    if (this.#sending.waitingCount > 0) this.#sending.turn(this.#writes.hasRoom);
  }

  outputHanded(): void {
    const handed = this.#framed;
    this.#framed = this.#handed;
    this.#handed = handed;
    for (const stream of handed) {
      stream.isFramed = false;
      stream.handedBytes = stream.framedBytes;
    }
  }

  outputWritten(): void {
    this.#guard.wroteAnswers();
    for (const stream of this.#handed) {
      try {
        stream.framesWritten(stream.handedBytes);
      } catch (error) {
        // A hook of the caller's.
        stream.cancel(CANCEL, error);
      }
    }
    this.#handed.length = 0;
    if (this.#sending.waitingCount > 0 || this.#owesWindow) this.#flushSoon();
  }

  /** Nothing more is said. */
  outputEnded(): void {
    this.#writes.stop();
    this.#framed.length = 0;
    this.#handed.length = 0;
    this.conn.close();
  }

  outputFailed(error: unknown): void {
    if (this.#writes.isEnding) return this.outputEnded();
    if (this.#state === "closed") return;
    this.#step("failed");
    this.#end(error, null);
  }

  // What comes in.

  #arm(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    startRead(this.conn, this.#input.space(), this.#received, this.#readFailed);
  }

  readonly #received = (n: number | null): void => {
    this.#isReading = false;
    if (this.#state === "closed") return;
    if (n === null) return this.#peerEnded();
    this.#input.added(n);
    this.#guard.readBegins();
    this.#owner.received?.();
    if (this.#isClosed) return;
    try {
      this.#takeFrames();
    } catch (error) {
      this.#violated(error);
    }
    this.#tellAnswers();
    if (!this.#isClosed) this.#arm();
  };

  get #isClosed(): boolean {
    return this.#state === "closed";
  }

  readonly #readFailed = (error: unknown): void => {
    this.#isReading = false;
    if (this.#state === "closed") return;
    this.#step("failed");
    this.#end(error, null);
  };

  #peerEnded(): void {
    this.#step("peerClosed");
    const what = this.#hasFirstFrame
      ? "The server closed the connection"
      : "The server closed the connection before it said anything";
    const http2 = this.#goawayCause;
    const reason = new HttpError("ERR_CONNECTION_LOST", what, { phase: "response-header", http2 });
    this.#end(reason, null, (stream) => {
      if (!stream.hasAnswer || stream.isTunnel) return reason;
      const inBody = "The server closed the connection within the body";
      return new HttpError("ERR_INCOMPLETE_BODY", inBody, { phase: "body", http2 });
    });
  }

  #tellAnswers(): void {
    if (this.#answered.length === 0) return;
    const answered = this.#answered;
    this.#answered = [];
    for (const stream of answered) {
      try {
        stream.tellResponse();
      } catch (error) {
        // A hook of the caller's: the other answers are told all the same.
        stream.cancel(CANCEL, error);
      }
    }
  }

  #takeFrames(): void {
    const input = this.#input;
    const frames = this.#frames;
    if (!this.#hasFirstFrame) this.#refuseHttp1();
    for (;;) {
      const event = frames.read(input.bytes, input.start, input.end);
      if (event === "none") return;
      const from = input.start;
      if (event === "frame") this.#frame();
      else if (event === "dataBegins") this.#dataBegins();
      else this.#dataPart();
      if (this.#isClosed) return;
      input.consume(from - input.start + frames.used);
    }
  }

  /** Tells what the other end speaks, rather than what its first bytes would mean as a frame. */
  #refuseHttp1(): void {
    const { bytes, start, end } = this.#input;
    if (end - start >= 5 && String.fromCharCode(...bytes.subarray(start, start + 5)) === "HTTP/") {
      throw connectionError(PROTOCOL_ERROR, "speaks HTTP/1.1, not HTTP/2");
    }
  }

  #frame(): void {
    const { type, flags, streamId } = this.#frames;
    if (!this.#hasFirstFrame) {
      if (type !== SETTINGS || (flags & ACK) !== 0) {
        throw connectionError(PROTOCOL_ERROR, `sent ${frameTypeName(type)} before its settings`);
      }
      this.#hasFirstFrame = true;
    }
    if (this.#fieldBlock.isOpen && type !== CONTINUATION) {
      throw connectionError(PROTOCOL_ERROR, `sent ${frameTypeName(type)} within a field block`);
    }
    switch (type) {
      case HEADERS:
        return this.#headers();
      case CONTINUATION:
        return this.#continuation();
      case SETTINGS:
        return this.#settings();
      case WINDOW_UPDATE:
        return this.#windowUpdate();
      case PING:
        return this.#ping();
      case RST_STREAM:
        return this.#rstStream();
      case GOAWAY:
        return this.#goaway();
      case PUSH_PROMISE:
        throw connectionError(PROTOCOL_ERROR, "pushes, which it was told not to do");
      case PRIORITY:
        this.#guard.glitch();
        if (this.#frames.violation !== null) {
          const stream = this.#streamUnderWay(streamId);
          if (stream !== undefined) this.#streamViolated(stream, this.#frames.violation, type);
        }
        return;
      default:
        this.#guard.glitch();
    }
  }

  #streamUnderWay(streamId: number): ClientStream | undefined {
    const stream = this.#streams.get(streamId);
    return stream?.isClosed === true ? undefined : stream;
  }

  /** The stream that a frame is for, undefined where it is over. */
  #streamOf(type: number, streamId: number): ClientStream | undefined {
    const stream = this.#streamUnderWay(streamId);
    if (stream === undefined && ((streamId & 1) === 0 || streamId >= this.#nextId)) {
      const what = `sent ${frameTypeName(type)} on stream ${streamId}, which was never opened`;
      throw connectionError(PROTOCOL_ERROR, what);
    }
    return stream;
  }

  #headers(): void {
    const { flags, streamId, from, to } = this.#frames;
    this.#streamOf(HEADERS, streamId);
    const endStream = (flags & END_STREAM) !== 0;
    if ((flags & END_HEADERS) === 0) {
      this.#fieldBlock.begin(streamId, endStream, this.#input.bytes, from, to);
    } else {
      this.#section(streamId, this.#input.bytes, from, to, endStream);
    }
  }

  #continuation(): void {
    const { flags, streamId, from, to } = this.#frames;
    this.#fieldBlock.add(streamId, this.#input.bytes, from, to);
    if ((flags & END_HEADERS) === 0) return;
    const { endStream } = this.#fieldBlock;
    const block = this.#fieldBlock.take();
    this.#section(streamId, block, 0, block.length, endStream);
  }

  #section(
    streamId: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    endStream: boolean,
  ): void {
    const stream = this.#streamUnderWay(streamId);
    const limitBytes = this.#options.maxResponseHeaderBytes;
    const section = this.#decoder.decode(bytes, from, to, {
      limitBytes,
      usedBytes: stream?.sectionBytes,
      mode: this.#options.mode,
      section: stream?.hasAnswer === true ? "trailers" : "response",
      deviations: stream?.deviations ?? [],
    });
    if (stream === undefined) return this.#late(streamId, true);
    stream.sectionBytes = section.sizeBytes;
    stream.receivedBytes += FRAME_HEAD_BYTES + to - from;
    if (stream.state === "halfClosedRemote") return this.#behindTheEnd(stream);
    this.#guard.useful();
    try {
      stream.sectionReceived(section, endStream);
    } catch (error) {
      this.#streamViolated(stream, error, HEADERS);
    }
  }

  #dataBegins(): void {
    const { flags, streamId, length, contentBytes, isDataComplete } = this.#frames;
    if (!this.#hasFirstFrame || this.#fieldBlock.isOpen) return this.#frame();
    if (!this.#receiving.received(length)) {
      throw connectionError(FLOW_CONTROL_ERROR, "sent more than the connection's window allows");
    }
    // What came is bounded by the streams' own windows: the connection's is opened again at once.
    if (this.#receiving.gathered(length)) {
      this.#owesWindow = true;
      this.#flushSoon();
    }
    const stream = this.#streamOf(DATA, streamId);
    const endStream = (flags & END_STREAM) !== 0;
    if (!endStream) {
      const smallCount = this.#guard.data(contentBytes, stream?.smallDataCount ?? 0);
      if (stream !== undefined) stream.smallDataCount = smallCount;
    }
    if (stream === undefined) return this.#late(streamId, false);
    stream.receivedBytes += FRAME_HEAD_BYTES + length;
    if (stream.state === "halfClosedRemote") return this.#behindTheEnd(stream);
    try {
      stream.dataBegins(length);
      stream.contentUsed(length - contentBytes);
      if (isDataComplete && endStream) stream.dataEnded();
    } catch (error) {
      this.#streamViolated(stream, error, DATA);
    }
  }

  #dataPart(): void {
    const { flags, streamId, from, to, isDataComplete } = this.#frames;
    const stream = this.#streamUnderWay(streamId);
    if (stream === undefined || stream.state === "halfClosedRemote") return;
    if (to > from) this.#guard.useful();
    try {
      stream.dataReceived(this.#input.bytes, from, to);
      if (isDataComplete && (flags & END_STREAM) !== 0) stream.dataEnded();
    } catch (error) {
      this.#streamViolated(stream, error, DATA);
    }
  }

  /** HEADERS or DATA of a stream that is over. */
  #late(streamId: number, isHead: boolean): void {
    const lateHeads = this.#reset.get(streamId);
    if (lateHeads === undefined) {
      // It had come to its end: nothing may follow, which the server is told once.
      this.#guard.glitch();
      this.#rememberReset(streamId);
      this.#output.rstStream(streamId, STREAM_CLOSED);
      this.#flushSoon();
    } else if (isHead) {
      this.#reset.set(streamId, lateHeads + 1);
      if (lateHeads >= MAX_LATE_HEADS) this.#guard.glitch();
    }
  }

  /** The answer that was complete stands. */
  #behindTheEnd(stream: ClientStream): void {
    this.#guard.glitch();
    stream.refuseRest(STREAM_CLOSED, lost("The server sent more behind the end of its answer"));
  }

  #settings(): void {
    const { flags, from, to } = this.#frames;
    if ((flags & ACK) !== 0) {
      if (this.#settingsToAck === 0) {
        throw connectionError(PROTOCOL_ERROR, "acknowledged settings that were not sent");
      }
      this.#settingsToAck--;
      this.#owner.settingsAcknowledged?.();
      return;
    }
    this.#guard.answered();
    const peer = this.#peer;
    peer.apply(this.#input.bytes, from, to, true);
    this.#encoder.offered(peer.lowestHeaderTableBytes);
    this.#encoder.offered(peer.headerTableBytes);
    if (!this.#sending.initialChanged(peer.initialWindowBytes, this.#streams.values())) {
      throw connectionError(FLOW_CONTROL_ERROR, "makes a window too large by its settings");
    }
    // In front of every frame that makes use of them.
    this.#output.settingsAck();
    this.#step("settingsReceived");
    if (this.#streams.size > this.concurrency) this.#knownFromId = this.#nextId;
    this.#owner.settingsReceived?.(peer);
    this.#owner.capacityChanged();
    this.#flushSoon();
  }

  #windowUpdate(): void {
    const { streamId, from } = this.#frames;
    const bytes = this.#input.bytes;
    const increment = uint31(bytes, from);
    if (streamId === 0) {
      if (increment === 0) throw connectionError(PROTOCOL_ERROR, "opens the window by nothing");
      if (!this.#sending.opened(increment)) {
        throw connectionError(FLOW_CONTROL_ERROR, "opens the connection's window too far");
      }
    } else {
      const stream = this.#streamOf(WINDOW_UPDATE, streamId);
      if (stream !== undefined) {
        stream.windowBytes += increment;
        const violation = increment === 0
          ? streamError(PROTOCOL_ERROR, "opens a window by nothing", "ERR_CONNECTION_LOST")
          : stream.windowBytes > MAX_WINDOW_BYTES
          ? streamError(FLOW_CONTROL_ERROR, "opens a window too far", "ERR_CONNECTION_LOST")
          : null;
        if (violation !== null) return this.#streamViolated(stream, violation, WINDOW_UPDATE);
      }
    }
    this.#guard.windowOpened();
    if (this.#sending.waitingCount > 0) this.#flushSoon();
  }

  #ping(): void {
    const { flags, from, to } = this.#frames;
    const opaque = this.#input.bytes.subarray(from, to);
    if ((flags & ACK) === 0) {
      this.#guard.answered();
      this.#output.ping(opaque, true);
      this.#flushSoon();
      return;
    }
    const number = uint31(opaque, 4);
    if (number === 0 || number > this.#pingNumber || uint31(opaque, 0) !== 0) {
      return this.#guard.glitch();
    }
    this.#owner.pingAnswered?.(number);
    if (number < this.#resetPing) return;
    this.#resetPing = 0;
    this.#pingedResets = 0;
    if (this.#unseenResets > 0) this.#pingForResets();
    this.#owner.capacityChanged();
  }

  #rstStream(): void {
    const { streamId, from } = this.#frames;
    const code = uint32(this.#input.bytes, from);
    const stream = this.#streamOf(RST_STREAM, streamId);
    if (stream === undefined) {
      if (!this.#reset.has(streamId)) this.#guard.glitch();
      return;
    }
    stream.receivedBytes += FRAME_HEAD_BYTES + 4;
    const http2 = {
      frame: "RST_STREAM",
      code: errorCodeName(code),
      scope: "stream",
      from: "peer",
      lastStreamId: null,
      debugData: "",
    } satisfies Http2Cause;
    const message = `The server reset the stream: ${errorCodeName(code)}`;
    const { hasAnswer } = stream;
    const isIncomplete = hasAnswer && !stream.isTunnel;
    const error = new HttpError(
      isIncomplete ? "ERR_INCOMPLETE_BODY" : "ERR_CONNECTION_LOST",
      message,
      { phase: hasAnswer ? "body" : "response-header", http2 },
    );
    if (stream.state === "halfClosedRemote") {
      // Behind its end the answer stands, whatever the code.
      stream.uploadRefused(http2.code, error);
      return;
    }
    // Whoever has begun to answer has begun to process.
    stream.isUnprocessed = !stream.hasFirstByte &&
      (code === REFUSED_STREAM || code === HTTP_1_1_REQUIRED);
    // A head that is about to be told is told before its content fails.
    this.#tellAnswers();
    stream.resetReceived(http2.code, error);
    if (hasAnswer || (code === REFUSED_STREAM && streamId < this.#knownFromId)) return;
    this.#refusedInARow = code === REFUSED_STREAM ? this.#refusedInARow + 1 : 0;
    this.#resetInARow++;
    if (
      this.#refusedInARow >= MAX_REFUSED || this.#resetInARow >= MAX_RESET ||
      code === PROTOCOL_ERROR
    ) this.retire();
  }

  #goaway(): void {
    const { from, to } = this.#frames;
    const bytes = this.#input.bytes;
    const lastStreamId = uint31(bytes, from);
    const code = uint32(bytes, from + 4);
    if (lastStreamId > this.#lastGoawayId) {
      throw connectionError(PROTOCOL_ERROR, "takes a GOAWAY back");
    }
    this.#lastGoawayId = lastStreamId;
    const debugData = printable(
      String.fromCharCode(...bytes.subarray(from + 8, Math.min(to, from + 8 + 128))),
    );
    const http2 = {
      frame: "GOAWAY",
      code: errorCodeName(code),
      scope: "connection",
      from: "peer",
      lastStreamId,
      debugData,
    } satisfies Http2Cause;
    this.#goawayCause = http2;
    // Heads that are about to be told are told before their content fails.
    this.#tellAnswers();
    if (this.#isClosed) return;
    this.#step("goawayReceived");
    const refused = this.#streams.values().filter(({ id }) => id > lastStreamId);
    for (const stream of refused) {
      // Whoever has begun to answer has begun to process, whatever it says.
      stream.isUnprocessed = !stream.hasFirstByte;
      // Whoever is refused on its first stream would be refused again.
      stream.wasBlamed = code !== NO_ERROR && code !== HTTP_1_1_REQUIRED && stream.id === 1;
    }
    this.#owner.goaway?.({ lastStreamId, code: http2.code, debugData });
    this.#owner.capacityChanged();
    for (const stream of refused) {
      const { hasAnswer } = stream;
      const isIncomplete = hasAnswer && !stream.isTunnel;
      stream.connectionEnded(
        new HttpError(
          isIncomplete ? "ERR_INCOMPLETE_BODY" : "ERR_CONNECTION_LOST",
          `The server leaves: ${http2.code}`,
          { phase: hasAnswer ? "body" : "response-header", http2 },
        ),
      );
    }
    this.#maybeLeave();
  }

  // How things end.

  /** What the peer did wrong on a stream, or a hook of the caller's, ends it alone. */
  #streamViolated(stream: ClientStream, error: unknown, type: number): void {
    this.#tellAnswers();
    if (error instanceof Http2Violation) {
      if (error.scope === "connection") throw error;
      stream.cancel(error.errorCode, violationError(error, type, stream.hasAnswer));
    } else {
      // A head that contradicts itself is the peer's fault.
      const isMalformed = error instanceof HttpError && error.code === "ERR_MALFORMED_RESPONSE";
      stream.cancel(isMalformed ? PROTOCOL_ERROR : CANCEL, error);
    }
  }

  /** @param type Of the frame by which, or without which; on stream `streamId`. */
  #violated(
    error: unknown,
    type: number = this.#frames.type,
    streamId: number = this.#frames.streamId,
  ): void {
    if (this.#state === "closed") return;
    this.#step("failed");
    if (!(error instanceof Http2Violation)) {
      return this.#end(error, { code: INTERNAL_ERROR });
    }
    const reason = violationError(error, type, false);
    this.#end(reason, { code: error.errorCode, why: error.message }, (stream) => {
      const inBody = stream.hasAnswer;
      if (streamId === 0 || stream.id === streamId) return violationError(error, type, inBody);
      // A bystander: nothing is wrong with its own answer.
      return new HttpError("ERR_CONNECTION_LOST", `The connection was ended: ${reason.message}`, {
        phase: inBody ? "body" : "response-header",
        http2: reason.http2 ?? undefined,
        cause: reason,
      });
    });
  }

  /** The last stream of a connection that takes no more has ended. */
  #maybeLeave(): void {
    if (this.#state !== "retiring" || this.#streams.size > 0) return;
    this.#step("lastStreamEnded");
    // Behind what waits: the end of a request may be among it.
    this.#output.goaway(0, NO_ERROR);
    if (this.#writes.hasBegun) this.#writes.end();
    else this.outputEnded();
    this.#owner.closed(undefined);
  }

  /**
   * The state is closed: tells all who wait, and lets the socket go.
   *
   * @param lastWords The code that is said, and why; null: nothing can be said.
   */
  #end(
    reason: unknown,
    lastWords: { code: number; why?: string } | null,
    errorOf: (stream: ClientStream) => unknown = () => reason,
  ): void {
    this.#tellAnswers();
    // What was not handed over never will be: so it is told.
    this.#output.drop();
    for (const stream of this.#streams.values()) {
      stream.connectionEnded(errorOf(stream));
    }
    if (lastWords !== null && this.#writes.hasBegun) {
      this.#output.goaway(0, lastWords.code, lastWords.why);
      this.#writes.end();
    } else {
      this.outputEnded();
    }
    this.#owner.closed(reason);
  }

  #step(event: Http2ConnectionEvent): void {
    this.#state = transition(HTTP2_CONNECTION_TABLE, this.#state, event);
  }
}

function violationError(violation: Http2Violation, type: number, inBody: boolean): HttpError {
  const { errorCode, scope, httpErrorCode, message } = violation;
  const isLost = httpErrorCode === "ERR_CONNECTION_LOST";
  return new HttpError(
    httpErrorCode,
    `${isLost ? "T" : "Malformed response: t"}he server ${message}`,
    {
      phase: inBody ? "body" : "response-header",
      http2: {
        frame: frameTypeName(type),
        code: errorCodeName(errorCode),
        scope,
        from: "here",
        lastStreamId: null,
        debugData: "",
      },
    },
  );
}

function invalid(message: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "request" });
}

function lost(message: string): HttpError {
  return new HttpError("ERR_CONNECTION_LOST", message, { phase: "response-header" });
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]) >>> 0;
}

function uint31(bytes: Uint8Array, at: number): number {
  return uint32(bytes, at) & 0x7fffffff;
}
