/**
 * An HTTP/2 connection at the server's end. For tests, demonstrations and mocks; no clock, no
 * routing, and of the rules for requests only those without which nothing works.
 *
 * @module
 */
import { BufferedReader } from "../conn/buffered_reader.ts";
import type { Conn } from "../conn/conn.ts";
import { BlockDecoder } from "./block_decoder.ts";
import type { DecodedSection } from "./decoded_section.ts";
import { BlockEncoder } from "./block_encoder.ts";
import { FieldBlock } from "./field_block.ts";
import { AUTHORITY, METHOD, PATH, PROTOCOL, PSEUDO, SCHEME } from "./field_kind.ts";
import { FrameReader } from "./frame_reader.ts";
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from "./frame_types.ts";
import { FrameOutput, type FrameOutputOwner } from "./frame_output.ts";
import {
  connectionError,
  FLOW_CONTROL_ERROR,
  Http2Violation,
  NO_ERROR,
  PROTOCOL_ERROR,
  STREAM_CLOSED,
  streamError,
} from "./http2_error.ts";
import { PREFACE } from "./preface.ts";
import { ReceiveWindow } from "./receive_window.ts";
import { SendWindows } from "./send_windows.ts";
import { ServerStream, type ServerStreamCarrier } from "./server_stream.ts";
import {
  ENABLE_CONNECT_PROTOCOL,
  INITIAL_WINDOW_SIZE,
  MAX_CONCURRENT_STREAMS,
  PeerSettings,
} from "./settings.ts";
import { StreamTable } from "./stream_table.ts";
import { DEFAULT_WINDOW_BYTES, MAX_WINDOW_BYTES } from "./window_sizes.ts";

/** How a server talks. @see RFC 9113 section 6.5.2 */
export interface Http2ServerOptions {
  /** Streams that the client may have open at once. @default {100} */
  readonly maxConcurrentStreams?: number;
  /** Octets that the client may send on a new stream. @default {65535} */
  readonly windowBytes?: number;
  /** Whether CONNECT takes a protocol. @default {false} */
  readonly enableConnectProtocol?: boolean;
}

/** Octets. Most that the field sections of a request may take here. */
const MAX_REQUEST_FIELD_BYTES = 64 * 1024;

/** Octets. The longest DATA frame that is sent, whatever the client takes: others wait behind it. */
const LARGEST_DATA_BYTES = 64 * 1024;

/**
 * A connection in the server's role.
 *
 * @see RFC 9113
 */
export class Http2ServerConnection implements ServerStreamCarrier, FrameOutputOwner {
  readonly conn: Conn;
  /** Octets that the client may send on a new stream, as far as it has said that it knows. */
  #windowBytes = DEFAULT_WINDOW_BYTES;
  /** The windows of settings that it has not acknowledged; null where they name none. */
  readonly #unacknowledged: (number | null)[] = [];
  /** Streams above it are not looked at. */
  #lastAcceptedId = MAX_WINDOW_BYTES;
  readonly #input: BufferedReader;
  readonly #writes: FrameOutput;
  readonly #frames: FrameReader = new FrameReader();
  readonly #decoder: BlockDecoder = new BlockDecoder();
  readonly #encoder: BlockEncoder = new BlockEncoder();
  readonly #fieldBlock: FieldBlock = new FieldBlock(MAX_REQUEST_FIELD_BYTES);
  readonly #peer: PeerSettings = new PeerSettings();
  readonly #receiving: ReceiveWindow = new ReceiveWindow(DEFAULT_WINDOW_BYTES);
  readonly #sending: SendWindows = new SendWindows();
  readonly #streams: StreamTable<ServerStream> = new StreamTable();
  readonly #accepted: ServerStream[] = [];
  #waiting: ((stream: ServerStream | null) => void) | null = null;
  #lastStreamId = 0;
  #hasPreface = false;
  #hasEnded = false;
  #ended: () => void = () => {};
  /** Settles when the connection is over. */
  readonly ended: Promise<void>;

  /** Makes the protocol of a connection, and begins to read. */
  constructor(conn: Conn, options: Http2ServerOptions = {}) {
    this.conn = conn;
    this.#input = new BufferedReader(conn);
    this.#writes = new FrameOutput(conn, this);
    this.ended = new Promise((resolve) => this.#ended = resolve);
    const settings: [number, number][] = [
      [MAX_CONCURRENT_STREAMS, options.maxConcurrentStreams ?? 100],
      [INITIAL_WINDOW_SIZE, options.windowBytes ?? DEFAULT_WINDOW_BYTES],
    ];
    if (options.enableConnectProtocol) settings.push([ENABLE_CONNECT_PROTOCOL, 1]);
    this.settings(settings);
    void this.#run();
  }

  /** The next request, or null: the connection is over. One call at a time. */
  accept(): Promise<ServerStream | null> {
    const next = this.#accepted.shift();
    if (next !== undefined) return Promise.resolve(next);
    if (this.#hasEnded) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting = resolve);
  }

  /** How many streams are open. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** Says that streams above `lastStreamId` are not looked at. Default: those that have come are. */
  goaway(errorCode: number = NO_ERROR, lastStreamId: number = this.#lastStreamId): void {
    this.#lastAcceptedId = Math.min(this.#lastAcceptedId, lastStreamId);
    this.#writes.frames.goaway(this.#lastAcceptedId, errorCode);
    for (const stream of this.#streams.values()) {
      if (stream.id > lastStreamId) stream.ended("connectionEnded", errorCode);
    }
    this.#writes.soon();
  }

  /** Changes settings. */
  settings(entries: readonly (readonly [number, number])[]): void {
    const window = entries.findLast(([identifier]) => identifier === INITIAL_WINDOW_SIZE);
    this.#unacknowledged.push(window?.[1] ?? null);
    this.#writes.frames.settings(entries);
    this.#writes.soon();
  }

  /** Says goodbye, and closes the connection when that was written. */
  close(): void {
    if (this.#writes.isEnding) return;
    this.#writes.frames.goaway(this.#lastStreamId, NO_ERROR);
    this.#writes.end();
  }

  // ServerStreamCarrier

  writeSection(
    stream: ServerStream,
    fields: Iterable<readonly [string, string]>,
    endStream: boolean,
  ): void {
    this.#encoder.begin();
    for (const [name, value] of fields) this.#encoder.field(name, value);
    this.#writes.frames.headers(
      stream.id,
      this.#encoder.end(),
      endStream,
      this.#peer.maxFrameBytes,
    );
    this.#writes.soon();
  }

  wantTurn(stream: ServerStream): void {
    this.#sending.want(stream);
    this.#writes.soon();
  }

  frameRoom(stream: ServerStream): number {
    const { maxFrameBytes } = this.#peer;
    return Math.min(
      stream.windowBytes,
      this.#sending.windowBytes,
      maxFrameBytes,
      LARGEST_DATA_BYTES,
    );
  }

  writeData(stream: ServerStream, content: Uint8Array, endStream: boolean): void {
    stream.windowBytes -= content.length;
    this.#sending.windowBytes -= content.length;
    this.#writes.frames.data(stream.id, content, endStream);
    this.#writes.soon();
  }

  writeReset(stream: ServerStream, errorCode: number): void {
    this.#writes.frames.rstStream(stream.id, errorCode);
    this.#writes.soon();
  }

  writeWindowUpdate(stream: ServerStream, bytes: number): void {
    this.#writes.frames.windowUpdate(stream.id, bytes);
    this.#writes.soon();
  }

  streamClosed(stream: ServerStream): void {
    this.#streams.delete(stream);
    this.#sending.leave(stream);
  }

  // What goes out.

  // FrameOutputOwner

  fillOutput(): void {
    this.#sending.turn(this.#writes.hasRoom);
  }

  outputWritten(): void {
    this.#writes.soon();
  }

  outputEnded(): void {
    this.#end();
  }

  outputFailed(): void {
    this.#end();
  }

  readonly #end = (): void => {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#writes.stop();
    for (const stream of this.#streams.values()) stream.ended("connectionEnded", NO_ERROR);
    this.conn.close();
    this.#waiting?.(null);
    this.#ended();
  };

  // What comes in.

  async #run(): Promise<void> {
    try {
      while (!this.#hasEnded && await this.#input.fill() !== null) {
        if (this.#takePreface()) this.#takeFrames();
      }
      this.#end();
    } catch (error) {
      if (!(error instanceof Http2Violation)) return this.#end();
      this.#writes.frames.goaway(this.#lastStreamId, error.errorCode, error.message);
      this.#writes.end();
    }
  }

  #takePreface(): boolean {
    if (this.#hasPreface) return true;
    const input = this.#input;
    if (input.buffered < PREFACE.length) return false;
    if (PREFACE.some((byte, i) => input.bytes[input.start + i] !== byte)) {
      throw connectionError(PROTOCOL_ERROR, "sent no preface");
    }
    input.consume(PREFACE.length);
    return this.#hasPreface = true;
  }

  #takeFrames(): void {
    const input = this.#input;
    const frames = this.#frames;
    for (;;) {
      const event = frames.read(input.bytes, input.start, input.end);
      if (event === "none") return;
      const { streamId } = frames;
      try {
        if (event === "frame") this.#frame();
        else if (event === "dataBegins") this.#dataBegins();
        else this.#dataPart();
      } catch (error) {
        if (!(error instanceof Http2Violation) || error.scope === "connection") throw error;
        this.#streams.get(streamId)?.reset(error.errorCode);
      }
      input.consume(frames.used);
    }
  }

  #frame(): void {
    const { type, flags, streamId, from, to } = this.#frames;
    const { bytes } = this.#input;
    const endStream = (flags & END_STREAM) !== 0;
    if (this.#fieldBlock.isOpen && type !== CONTINUATION) {
      throw connectionError(PROTOCOL_ERROR, "sent another frame within a field block");
    }
    switch (type) {
      case HEADERS:
        if ((flags & END_HEADERS) !== 0) this.#section(streamId, bytes, from, to, endStream);
        else this.#fieldBlock.begin(streamId, endStream, bytes, from, to);
        return;
      case CONTINUATION:
        this.#fieldBlock.add(streamId, bytes, from, to);
        if ((flags & END_HEADERS) !== 0) {
          const { endStream } = this.#fieldBlock;
          const block = this.#fieldBlock.take();
          this.#section(streamId, block, 0, block.length, endStream);
        }
        return;
      case SETTINGS:
        return (flags & ACK) === 0 ? this.#settings() : this.#settingsAcknowledged();
      case PING:
        if ((flags & ACK) === 0) this.#writes.frames.ping(bytes.subarray(from, to), true);
        return this.#writes.soon();
      case RST_STREAM:
        this.#streams.get(streamId)?.ended("resetReceived", uint32(bytes, from));
        return;
      case WINDOW_UPDATE:
        return this.#windowUpdate();
      case GOAWAY:
        return;
    }
  }

  #section(
    streamId: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    endStream: boolean,
  ): void {
    const open = this.#streams.get(streamId);
    const section = this.#decoder.decode(bytes, from, to, {
      limitBytes: MAX_REQUEST_FIELD_BYTES,
      mode: "strict",
      section: open === undefined ? "request" : "trailers",
      deviations: [],
    });
    if (open !== undefined) {
      if (open.state === "halfClosedRemote") {
        throw streamError(STREAM_CLOSED, "sent trailers behind the end");
      }
      if (section.violation !== null) throw section.violation;
      if (!endStream) throw streamError(PROTOCOL_ERROR, "sent trailers that end nothing");
      return open.endReceived(section.fields.headers);
    }
    if (streamId <= this.#lastStreamId) return;
    if ((streamId & 1) === 0) throw connectionError(PROTOCOL_ERROR, "opened an even stream");
    this.#lastStreamId = streamId;
    if (streamId <= this.#lastAcceptedId) this.#open(streamId, section, endStream);
  }

  #open(streamId: number, section: DecodedSection, endStream: boolean): void {
    const { pseudo, fields, violation } = section;
    const method = pseudo[METHOD - PSEUDO];
    if (violation !== null || method === undefined) {
      this.#writes.frames.rstStream(streamId, PROTOCOL_ERROR);
      return this.#writes.soon();
    }
    const head = {
      method,
      scheme: pseudo[SCHEME - PSEUDO] ?? null,
      authority: pseudo[AUTHORITY - PSEUDO] ?? fields.headers.get("host"),
      path: pseudo[PATH - PSEUDO] ?? null,
      protocol: pseudo[PROTOCOL - PSEUDO] ?? null,
      headers: fields.headers,
    };
    const stream = new ServerStream(streamId, head, this, {
      sendBytes: this.#sending.initialBytes,
      receiveBytes: this.#windowBytes,
    });
    this.#streams.add(stream);
    if (endStream) stream.endReceived(null);
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#accepted.push(stream);
    else waiting(stream);
  }

  #dataBegins(): void {
    const { flags, streamId, length, contentBytes, isDataComplete } = this.#frames;
    if (!this.#receiving.received(length)) {
      throw connectionError(FLOW_CONTROL_ERROR, "sent more than the connection's window allows");
    }
    const more = this.#receiving.used(length);
    if (more > 0) this.#writes.frames.windowUpdate(0, more);
    const stream = this.#streams.get(streamId);
    if (stream === undefined || stream.state === "halfClosedRemote") return this.#writes.soon();
    stream.dataBegins(length);
    stream.contentUsed(length - contentBytes);
    if (isDataComplete && (flags & END_STREAM) !== 0) stream.endReceived(null);
    this.#writes.soon();
  }

  #dataPart(): void {
    const { type, flags, streamId, from, to, isDataComplete } = this.#frames;
    const stream = this.#streams.get(streamId);
    if (type !== DATA || stream === undefined || stream.state === "halfClosedRemote") return;
    stream.dataReceived(this.#input.bytes, from, to);
    if (isDataComplete && (flags & END_STREAM) !== 0) stream.endReceived(null);
  }

  #settings(): void {
    const { from, to } = this.#frames;
    const peer = this.#peer;
    peer.apply(this.#input.bytes, from, to, false);
    this.#encoder.offered(peer.lowestHeaderTableBytes);
    this.#encoder.offered(peer.headerTableBytes);
    this.#sending.initialChanged(peer.initialWindowBytes, this.#streams.values());
    this.#writes.frames.settingsAck();
    this.#writes.soon();
  }

  /** What was said holds from here on. @see RFC 9113 section 6.9.2 */
  #settingsAcknowledged(): void {
    const windowBytes = this.#unacknowledged.shift();
    if (windowBytes === undefined) {
      throw connectionError(PROTOCOL_ERROR, "acknowledged settings that were not sent");
    }
    if (windowBytes === null) return;
    for (const stream of this.#streams.values()) {
      const more = stream.receiving.move(windowBytes - this.#windowBytes);
      if (more > 0) this.writeWindowUpdate(stream, more);
    }
    this.#windowBytes = windowBytes;
  }

  #windowUpdate(): void {
    const { streamId, from } = this.#frames;
    const increment = uint32(this.#input.bytes, from) & 0x7fffffff;
    const stream = this.#streams.get(streamId);
    if (increment === 0) throw streamError(PROTOCOL_ERROR, "opens a window by nothing");
    if (streamId === 0) {
      if (!this.#sending.opened(increment)) {
        throw connectionError(FLOW_CONTROL_ERROR, "opens the connection's window too far");
      }
    } else if (stream !== undefined) {
      stream.windowBytes += increment;
      if (stream.windowBytes > MAX_WINDOW_BYTES) {
        throw streamError(FLOW_CONTROL_ERROR, "opens a window too far");
      }
    }
    this.#writes.soon();
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]) >>> 0;
}
