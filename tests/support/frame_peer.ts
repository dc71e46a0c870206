/**
 * The other end of an HTTP/2 connection, frame by frame: says what a test tells it to say, and lists
 * what our client has sent.
 *
 * @module
 */
import assert from "node:assert/strict";
import { BufferedReader } from "../../conn/buffered_reader.ts";
import { pipe, type PipeConn } from "../../conn/pipe.ts";
import type { HttpError } from "../../conn/http_error.ts";
import type { IncomingContent } from "../../http/incoming_content.ts";
import type { ResponseHead } from "../../http/response_head.ts";
import type { OutgoingContent, OutgoingRequest } from "../../http/outgoing_request.ts";
import { BlockDecoder } from "../../http2/block_decoder.ts";
import { BlockEncoder } from "../../http2/block_encoder.ts";
import { Http2Connection, type Http2ConnectionOptions } from "../../http2/client_connection.ts";
import type { ClientStream } from "../../http2/client_stream.ts";
import { METHOD, PSEUDO } from "../../http2/field_kind.ts";
import {
  ACK,
  END_HEADERS,
  END_STREAM,
  frameTypeName,
  HEADERS,
  PING,
  SETTINGS,
} from "../../http2/frame_types.ts";
import { errorCodeName } from "../../http2/http2_error.ts";
import { PREFACE } from "../../http2/preface.ts";
import { bytesOf, textOf } from "./feed.ts";

/** A frame that the client has sent. */
export interface SentFrame {
  readonly type: string;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** What came of one exchange. */
export interface Outcome {
  readonly status: number | null;
  readonly body: string;
  readonly headers: [string, string][];
  readonly trailers: [string, string][] | null;
  readonly error: HttpError | null;
  readonly informational: number[];
}

/** An exchange under way. */
export interface Exchange {
  readonly stream: ClientStream;
  /** All of the answer; read when this is first asked for. */
  readonly outcome: Promise<Outcome>;
  /** Settles with the head. */
  readonly response: Promise<{ head: ResponseHead; content: IncomingContent }>;
  /** What was told, in order. */
  readonly told: string[];
}

/** Options that a test changes. */
export interface PeerOptions extends Partial<Http2ConnectionOptions> {
  /** Whether the server says its settings by itself. @default {true} */
  readonly settings?: boolean;
  /** Whether the server reads what the client sends. @default {true} */
  readonly listens?: boolean;
}

/** A request of a test's. */
export interface GivenRequest extends Partial<OutgoingRequest> {
  readonly fields?: [string, string][];
  /** Called within each event; may do what callers do. */
  readonly onTold?: (event: string) => void;
}

/** The other end of a connection. */
export class FrameServer {
  readonly frames: SentFrame[] = [];
  /** Whether PINGs of the client are answered by themselves. */
  answersPings: boolean = false;
  readonly #conn: PipeConn;
  readonly #input: BufferedReader;
  readonly #encoder: BlockEncoder = new BlockEncoder();
  readonly #decoder: BlockDecoder = new BlockDecoder();
  #seen = 0;
  readonly #requests: Map<number, ReadonlyMap<string, string>> = new Map();
  #decodedCount = 0;
  #waiting: (() => void)[] = [];
  #hasEnded = false;
  #isDeaf = false;
  /** Settles when what was sent before has been taken. */
  #sending: Promise<void> = Promise.resolve();
  /** Settles when the client says no more. */
  readonly reading: Promise<void>;

  /**
   * @param conn Its end.
   * @param listens Whether it reads what the client sends.
   */
  constructor(conn: PipeConn, listens: boolean = true) {
    this.#conn = conn;
    this.#input = new BufferedReader(conn);
    this.reading = listens ? this.#read() : Promise.resolve();
  }

  /** Says its settings, and acknowledges the client's. */
  greet(entries: readonly (readonly [number, number])[] = []): void {
    this.settings(entries);
    this.frame(SETTINGS, ACK, 0, []);
  }

  /** Sends octets. */
  send(bytes: Uint8Array | readonly number[]): void {
    const copy = Uint8Array.from(bytes);
    this.#sending = this.#sending.then(() => this.#conn.write(copy)).then(() => {}, () => {});
  }

  /** Sends a frame. */
  frame(type: number, flags: number, streamId: number, payload: Iterable<number> | string): void {
    this.send(frame(type, flags, streamId, payload));
  }

  /** Sends SETTINGS. */
  settings(entries: readonly (readonly [number, number])[]): void {
    const payload = entries.flatMap(([id, value]) => [
      id >>> 8 & 0xff,
      id & 0xff,
      ...uint32(value),
    ]);
    this.frame(SETTINGS, 0, 0, payload);
  }

  /** The block of fields, by this end's table. */
  block(fields: Iterable<readonly [string, string]>): Uint8Array<ArrayBuffer> {
    this.#encoder.begin();
    for (const [name, value] of fields) this.#encoder.field(name, value);
    return this.#encoder.end().slice();
  }

  /** Sends HEADERS. */
  headers(
    streamId: number,
    fields: readonly (readonly [string, string])[],
    endStream: boolean = false,
  ): void {
    const flags = END_HEADERS | (endStream ? END_STREAM : 0);
    this.frame(HEADERS, flags, streamId, this.block(fields));
  }

  /** Sends a whole answer. */
  answer(streamId: number, body: string = "", status: string = "200"): void {
    this.headers(streamId, [[":status", status]], body === "");
    if (body !== "") this.data(streamId, body, true);
  }

  /** Sends DATA. */
  data(streamId: number, content: Iterable<number> | string, endStream: boolean = false): void {
    this.frame(0, endStream ? END_STREAM : 0, streamId, content);
  }

  /** Sends RST_STREAM. */
  reset(streamId: number, code: number): void {
    this.frame(3, 0, streamId, uint32(code));
  }

  /** Sends GOAWAY. */
  goaway(lastStreamId: number, code: number, debugData: string = ""): void {
    this.frame(7, 0, 0, [...uint32(lastStreamId), ...uint32(code), ...bytesOf(debugData)]);
  }

  /** Sends WINDOW_UPDATE. */
  windowUpdate(streamId: number, increment: number): void {
    this.frame(8, 0, streamId, uint32(increment));
  }

  /** Ends this end's writing. */
  async end(): Promise<void> {
    await this.#sending;
    await this.#conn.closeWrite();
  }

  /** Breaks the connection. */
  break(): void {
    this.#conn.reset();
  }

  /** The first frame, from the last one that was asked for on, that is of a type and for a stream. */
  async sent(type: string, streamId?: number): Promise<SentFrame> {
    for (;;) {
      for (; this.#seen < this.frames.length; this.#seen++) {
        const sent = this.frames[this.#seen];
        if (sent.type !== type || (streamId !== undefined && sent.streamId !== streamId)) continue;
        this.#seen++;
        return sent;
      }
      if (this.#hasEnded) {
        assert.fail(`the client never sent ${type}: ${this.frames.map((one) => one.type).join()}`);
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Whether such a frame has come, whatever was asked for before. */
  saw(type: string, streamId?: number): boolean {
    return this.frames.some((one) =>
      one.type === type && (streamId === undefined || one.streamId === streamId)
    );
  }

  /** How many frames of a type have come. */
  countOf(type: string): number {
    return this.frames.filter((one) => one.type === type).length;
  }

  /** The fields of a request that has come; `:path` and its like among them. */
  requestOn(streamId: number): ReadonlyMap<string, string> {
    for (; this.#decodedCount < this.frames.length; this.#decodedCount++) {
      const sent = this.frames[this.#decodedCount];
      // In the order of the wire: each may refer to those before it.
      if (sent.type === "HEADERS" && !this.#requests.has(sent.streamId)) {
        this.#requests.set(sent.streamId, new Map(this.fieldsOf(sent)));
      }
    }
    return this.#requests.get(streamId)!;
  }

  /**
   * Settles once the client has taken apart all that was sent so far: it has answered a PING. What
   * {@linkcode FrameServer.sent} finds next is what it would have found before.
   */
  async settled(): Promise<void> {
    const mark = [0xff, 0xff, 0xff, 0xff, ...uint32(Math.floor(Math.random() * 2 ** 32))];
    this.frame(PING, 0, 0, mark);
    for (let at = this.#seen;;) {
      for (; at < this.frames.length; at++) {
        const { type, flags, payload } = this.frames[at];
        if (type !== "PING" || (flags & ACK) === 0) continue;
        if (payload.every((byte, i) => byte === mark[i])) return;
      }
      if (this.#hasEnded) assert.fail("the client has left without an answer to PING");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** The fields of a HEADERS frame of the client's; pseudo-fields first. */
  fieldsOf({ payload }: SentFrame): [string, string][] {
    const section = this.#decoder.decode(payload, 0, payload.length, {
      limitBytes: 1 << 20,
      mode: "strict",
      section: payload.length > 0 ? "request" : "trailers",
      deviations: [],
    });
    assert.equal(section.violation, null);
    const names = [":method", ":scheme", ":authority", ":path", ":protocol"];
    const pseudo = names.flatMap((name, i): [string, string][] => {
      const value = section.pseudo[METHOD - PSEUDO + i];
      return value === undefined ? [] : [[name, value]];
    });
    return [...pseudo, ...section.fields.headers];
  }

  /** Takes what comes next, and nothing behind it. */
  stopReading(): void {
    this.#isDeaf = true;
  }

  /** Closes the socket. */
  closeSocket(): void {
    this.#conn.close();
  }

  async #read(): Promise<void> {
    const input = this.#input;
    let preface = false;
    try {
      while (!this.#isDeaf && await input.fill() !== null) {
        if (!preface) {
          if (input.buffered < PREFACE.length) continue;
          assert.deepEqual(input.bytes.slice(input.start, input.start + PREFACE.length), PREFACE);
          input.consume(PREFACE.length);
          preface = true;
        }
        while (input.buffered >= 9) {
          const { bytes, start } = input;
          const length = bytes[start] << 16 | bytes[start + 1] << 8 | bytes[start + 2];
          if (input.buffered < 9 + length) break;
          const sent = {
            type: frameTypeName(bytes[start + 3]),
            flags: bytes[start + 4],
            streamId: new DataView(bytes.buffer).getUint32(start + 5),
            payload: bytes.slice(start + 9, start + 9 + length),
          };
          this.frames.push(sent);
          const isPing = sent.type === "PING" && (sent.flags & ACK) === 0;
          if (isPing && this.answersPings) this.frame(PING, ACK, 0, sent.payload);
          input.consume(9 + length);
        }
        this.#wake();
      }
    } catch {
      // Closed by the test.
    }
    this.#hasEnded = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** A client and the other end of its connection. */
export class FramePeer extends FrameServer {
  /** Our end. */
  readonly client: Http2Connection;
  /** What the client was closed with. */
  closed: { error: unknown } | null = null;
  /** What the connection told its owner. */
  readonly told: string[] = [];

  constructor(options: PeerOptions = {}) {
    const { settings = true, listens = true, ...others } = options;
    const [near, far] = pipe({ bufferBytes: listens ? 1 << 20 : 64 });
    super(far, listens);
    this.client = new Http2Connection(near, {
      mode: "strict",
      maxResponseHeaderBytes: 64 * 1024,
      readBufferBytes: 16 * 1024,
      maxConcurrentStreams: 100,
      streamWindowBytes: 4 << 20,
      connectionWindowBytes: 64 << 20,
      ...others,
    }, {
      capacityChanged: () => this.told.push(`capacity ${this.client.capacity}`),
      streamClosed: (stream) => {
        assert.ok(!this.told.includes(`closed ${stream.id}`), "a stream was closed twice");
        this.told.push(`closed ${stream.id}`);
      },
      settingsAcknowledged: () => this.told.push("settings acknowledged"),
      pingAnswered: (number) => this.told.push(`ping ${number}`),
      closed: (error) => {
        assert.equal(this.closed, null, "closed twice");
        this.closed = { error };
      },
    });
    if (settings) this.greet();
  }

  /** Sends a request through the client. */
  request(given: GivenRequest = {}): Exchange {
    const { fields = [], onTold = () => {}, ...others } = given;
    const told: string[] = [];
    const tell = (event: string): void => {
      told.push(event);
      onTold(event);
    };
    const informational: number[] = [];
    const settled = Promise.withResolvers<{ head: ResponseHead; content: IncomingContent }>();
    settled.promise.catch(() => {});
    const stream = this.client.send({
      method: "GET",
      scheme: "https",
      authority: "a.test",
      target: "/",
      head: `${others.method} ${others.target} ${fields.join()} ${others.protocol}`,
      protocol: null,
      content: null,
      expectContinue: false,
      upgrade: false,
      close: false,
      forEachField: (callback) => fields.forEach(([name, value]) => callback(name, value)),
      ...others,
    }, {
      wroteHead: () => tell("wroteHead"),
      wroteRequest: (error) => tell(error === undefined ? "wroteRequest" : "wroteRequest!"),
      firstByte: () => tell("firstByte"),
      informational: (head) => {
        informational.push(head.statusCode);
        tell(`informational ${head.statusCode}`);
      },
      finalHead: () => tell("finalHead"),
      response: (head, content) => {
        settled.resolve({ head, content });
        tell("response");
      },
      failed: (error) => {
        settled.reject(error);
        tell("failed");
      },
    });
    let outcome: Promise<Outcome> | null = null;
    return {
      stream,
      response: settled.promise,
      told,
      get outcome(): Promise<Outcome> {
        return outcome ??= settled.promise.then(
          ({ head, content }) => readAll(head, content, informational),
          (error) => ({
            status: null,
            body: "",
            headers: [],
            trailers: null,
            error,
            informational,
          }),
        );
      },
    };
  }

  /** The GOAWAY by which the client ended the connection, and that it is closed with an error. */
  async violated(): Promise<{ code: string; error: HttpError }> {
    const { payload } = await this.sent("GOAWAY");
    await this.reading;
    assert.notEqual(this.closed, null);
    return { code: codeOf(payload, 4), error: this.closed!.error as HttpError };
  }

  /** Closes everything. */
  async close(): Promise<void> {
    this.client.close(new Error("the test is over"));
    await this.reading;
    this.closeSocket();
  }
}

async function readAll(
  head: ResponseHead,
  content: IncomingContent,
  informational: number[],
): Promise<Outcome> {
  let body = content.whole === null ? "" : textOf(content.whole);
  let error: HttpError | null = null;
  try {
    if (content.whole === null && content.framing.kind !== "tunnel") {
      const room = new Uint8Array(7_000);
      for (let n = await content.read(room); n !== null; n = await content.read(room)) {
        body += textOf(room.subarray(0, n));
      }
    }
  } catch (failure) {
    error = failure as HttpError;
  }
  return {
    status: head.statusCode,
    body,
    headers: [...head.headers],
    trailers: content.trailers === null ? null : [...content.trailers],
    error,
    informational,
  };
}

/** The octets of a frame. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Iterable<number> | string,
): Uint8Array<ArrayBuffer> {
  const bytes = typeof payload === "string" ? bytesOf(payload) : Uint8Array.from(payload);
  const { length } = bytes;
  return Uint8Array.from([
    length >>> 16,
    length >>> 8 & 0xff,
    length & 0xff,
    type,
    flags,
    ...uint32(streamId),
    ...bytes,
  ]);
}

/** Four octets. */
export function uint32(value: number): number[] {
  return [value >>> 24, value >>> 16 & 0xff, value >>> 8 & 0xff, value & 0xff];
}

/** The error code that stands in a payload. */
export function codeOf(payload: Uint8Array<ArrayBuffer>, at: number = 0): string {
  return errorCodeName(new DataView(payload.buffer).getUint32(at));
}

/** Content of bytes. */
export function bytesContent(bytes: Uint8Array): OutgoingContent {
  return {
    bytes,
    lengthBytes: bytes.length,
    open: () => assert.fail("bytes have no source"),
    trailers: () => Promise.resolve([]),
  };
}
