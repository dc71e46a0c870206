/**
 * The server's end of one simulated HTTP/2 connection: what it answers, when, and how it misbehaves,
 * all drawn from the seed. It takes frames apart and puts them together by itself, so that a mistake
 * of the room `http2/` is not made on both ends.
 *
 * @module
 */
import { BlockDecoder } from "../http2/block_decoder.ts";
import { BlockEncoder } from "../http2/block_encoder.ts";
import { METHOD, PSEUDO } from "../http2/field_kind.ts";
import { PREFACE } from "../http2/preface.ts";
import { concat } from "./joined_bytes.ts";
import type { SeededRandom } from "./seeded_random.ts";
import type { ServerEnd, SimulatedConn } from "./simulated_conn.ts";
import { bodyFor, type ServerManners } from "./simulated_server.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** How HTTP/2 servers behave, besides what all do. Probabilities, counts and octets. */
export interface Http2Manners {
  readonly maxConcurrentStreams: number;
  readonly windowBytes: number;
  readonly refuse: number;
  /** GOAWAY behind a request; the connection ends with its streams. */
  readonly goaway: number;
  /** GOAWAY that leaves out requests that have come. */
  readonly hardGoaway: number;
  /** Frames that mean nothing, PINGs, and changes of settings. */
  readonly chatter: number;
  /** A frame that breaks a rule of the connection. */
  readonly violate: number;
  /** How often window is given late. */
  readonly stingy: number;
}

/** Who keeps the account. */
export interface Http2Ledger {
  log(line: string): void;
  fail(what: string): void;
  /** A request has come, and is worked on. */
  processing(conn: SimulatedConn, id: number): void;
  /** It was not, after all: a 417 asks for it without Expect. */
  refusedExpectation(id: number): void;
  /** A response is going to be sent. @returns Its number. */
  responding(conn: SimulatedConn, forId: number): number;
}

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const CONTINUATION = 9;

const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const PADDED = 8;

const INITIAL_WINDOW_SIZE = 4;
const MAX_CONCURRENT_STREAMS = 3;

const MAX_FRAME_BYTES = 16_384;

interface Stream {
  readonly id: number;
  /** Of the request. */
  requestId: number;
  method: string;
  hasEnded: boolean;
  isAnswered: boolean;
  /** What the client may still send, and what it takes. */
  receiveBytes: number;
  sendBytes: number;
  /** What waits for window, and whether the stream ends behind it. */
  output: Uint8Array[];
  endsWith: [string, string][] | true | null;
}

/** One connection's server. */
export class SimulatedHttp2Server implements ServerEnd {
  readonly #conn: SimulatedConn;
  readonly #clock: VirtualClock;
  readonly #manners: ServerManners;
  readonly #http2: Http2Manners;
  readonly #ledger: Http2Ledger;
  readonly #random: SeededRandom;
  readonly #decoder = new BlockDecoder();
  readonly #encoder = new BlockEncoder();
  #input: Uint8Array = new Uint8Array(0);
  #hasPreface = false;
  #block: { streamId: number; flags: number; bytes: Uint8Array } | null = null;
  readonly #streams: Map<number, Stream> = new Map();
  #lastStreamId = 0;
  /** Streams above it are not looked at; Infinity: all are. */
  #lastAcceptedId = Infinity;
  /** The settings that the client has not acknowledged, oldest first. */
  readonly #unacknowledged: { maxStreams: number; windowBytes: number }[] = [];
  #maxStreams = Infinity;
  #windowBytes = 65_535;
  #receiveBytes = 65_535;
  #sendBytes = 65_535;
  #clientWindowBytes = 65_535;
  #freeAtMs = 0;
  #gone = false;
  #isLeaving = false;
  #hasGreeted = false;

  constructor(
    conn: SimulatedConn,
    clock: VirtualClock,
    manners: { all: ServerManners; http2: Http2Manners },
    random: SeededRandom,
    ledger: Http2Ledger,
  ) {
    this.#conn = conn;
    this.#clock = clock;
    this.#manners = manners.all;
    this.#http2 = manners.http2;
    this.#random = random;
    this.#ledger = ledger;
    this.#after("settings", () => this.#greet());
  }

  received(bytes: Uint8Array): void {
    if (this.#gone) return;
    this.#input = concat([this.#input, bytes]);
    if (!this.#hasPreface) {
      if (this.#input.length < PREFACE.length) return;
      if (!PREFACE.every((byte, i) => this.#input[i] === byte)) this.#ledger.fail("no preface");
      this.#input = this.#input.slice(PREFACE.length);
      this.#hasPreface = true;
    }
    while (this.#input.length >= 9) {
      const input = this.#input;
      const length = input[0] << 16 | input[1] << 8 | input[2];
      if (length > MAX_FRAME_BYTES) this.#ledger.fail(`#${this.#conn.id} a frame is too long`);
      if (input.length < 9 + length) return;
      const payload = input.slice(9, 9 + length);
      this.#input = input.slice(9 + length);
      this.#frame(input[3], input[4], uint32(input, 5), payload);
      if (this.#gone) return;
    }
  }

  clientGone(): void {
    this.#gone = true;
  }

  // What comes in.

  #frame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    if (this.#block !== null && type !== CONTINUATION) {
      this.#ledger.fail(`#${this.#conn.id} a frame stands within a field block`);
    }
    switch (type) {
      case HEADERS:
        return this.#headers(flags, streamId, payload);
      case CONTINUATION: {
        const block = this.#block!;
        block.bytes = concat([block.bytes, payload]);
        if ((flags & END_HEADERS) === 0) return;
        this.#block = null;
        return this.#section(streamId, block.flags, block.bytes);
      }
      case DATA:
        return this.#data(flags, streamId, payload);
      case RST_STREAM:
        this.#streams.delete(streamId);
        return this.#maybeLeave();
      case SETTINGS:
        return this.#clientSettings(flags, payload);
      case PING:
        if ((flags & ACK) === 0) this.#send(PING, ACK, 0, payload);
        return;
      case GOAWAY:
        return;
      case WINDOW_UPDATE: {
        const increment = uint32(payload, 0);
        if (streamId === 0) this.#sendBytes += increment;
        else {
          const stream = this.#streams.get(streamId);
          if (stream !== undefined) stream.sendBytes += increment;
        }
        return this.#flush();
      }
    }
  }

  #headers(flags: number, streamId: number, payload: Uint8Array): void {
    if ((flags & PADDED) !== 0) this.#ledger.fail("the client pads");
    if ((flags & END_HEADERS) === 0) this.#block = { streamId, flags, bytes: payload };
    else this.#section(streamId, flags, payload);
  }

  #section(streamId: number, flags: number, bytes: Uint8Array): void {
    const known = this.#streams.get(streamId);
    const section = this.#decoder.decode(bytes, 0, bytes.length, {
      limitBytes: 1 << 20,
      mode: "strict",
      section: streamId <= this.#lastStreamId ? "trailers" : "request",
      deviations: [],
    });
    if (section.violation !== null) {
      this.#ledger.fail(`a request is malformed: ${section.violation}`);
    }
    if (streamId <= this.#lastStreamId) {
      if (known !== undefined && (flags & END_STREAM) !== 0) this.#requestEnded(known);
      return;
    }
    this.#lastStreamId = streamId;
    const { headers } = section.fields;
    const stream: Stream = {
      id: streamId,
      requestId: Number(headers.get("x-id")),
      method: section.pseudo[METHOD - PSEUDO]!,
      hasEnded: false,
      isAnswered: false,
      receiveBytes: this.#windowBytes,
      sendBytes: this.#clientWindowBytes,
      output: [],
      endsWith: null,
    };
    this.#ledger.log(`#${this.#conn.id} server has head of ${stream.requestId}`);
    if (streamId > this.#lastAcceptedId) return;
    this.#streams.set(streamId, stream);
    if (this.#streams.size > this.#maxStreams) {
      this.#ledger.fail(
        `#${this.#conn.id} has ${this.#streams.size} of ${this.#maxStreams} streams`,
      );
    }
    if (this.#random.chance(this.#http2.refuse)) return this.#reset(stream, 7);
    this.#ledger.processing(this.#conn, stream.requestId);
    this.#processes(stream, headers.get("expect") !== null, (flags & END_STREAM) !== 0);
  }

  #processes(stream: Stream, expects: boolean, hasEnded: boolean): void {
    const random = this.#random;
    const { early, refuseExpectation } = this.#manners;
    if (expects && !hasEnded) {
      if (random.chance(refuseExpectation)) {
        this.#ledger.refusedExpectation(stream.requestId);
        this.#respond(stream, 417);
      } else if (random.chance(0.7)) {
        this.#after("100", () => this.#head(stream, [[":status", "100"]], false));
      }
    } else if (random.chance(early)) {
      this.#respond(stream, random.chance(0.3) ? 413 : 200);
    }
    if (hasEnded) this.#requestEnded(stream);
  }

  #data(flags: number, streamId: number, payload: Uint8Array): void {
    this.#receiveBytes -= payload.length;
    if (this.#receiveBytes < 0) this.#ledger.fail(`#${this.#conn.id} window is overrun`);
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) {
      stream.receiveBytes -= payload.length;
      if (stream.receiveBytes < 0) this.#ledger.fail(`window of stream ${streamId} is overrun`);
    }
    const give = (): void => {
      if (payload.length === 0) return;
      this.#receiveBytes += payload.length;
      this.#send(WINDOW_UPDATE, 0, 0, word(payload.length));
      this.#give(streamId, payload.length);
    };
    if (this.#random.chance(this.#http2.stingy)) {
      const delayMs = this.#random.delay(this.#manners.thinkMs);
      this.#clock.plan(delayMs, `#${this.#conn.id} gives window`, () => !this.#gone && give());
    } else {
      give();
    }
    if (stream !== undefined && (flags & END_STREAM) !== 0) this.#requestEnded(stream);
  }

  #give(streamId: number, bytes: number): void {
    const open = this.#streams.get(streamId);
    if (open === undefined || open.hasEnded) return;
    open.receiveBytes += bytes;
    this.#send(WINDOW_UPDATE, 0, streamId, word(bytes));
  }

  #requestEnded(stream: Stream): void {
    stream.hasEnded = true;
    this.#ledger.log(`#${this.#conn.id} server has ${stream.requestId}`);
    if (!stream.isAnswered) this.#respond(stream, 200);
    this.#maybeClose(stream);
  }

  #clientSettings(flags: number, payload: Uint8Array): void {
    if ((flags & ACK) !== 0) {
      const { maxStreams, windowBytes } = this.#unacknowledged.shift()!;
      this.#maxStreams = maxStreams;
      const change = windowBytes - this.#windowBytes;
      this.#windowBytes = windowBytes;
      for (const stream of this.#streams.values()) stream.receiveBytes += change;
      return;
    }
    for (let i = 0; i < payload.length; i += 6) {
      if ((payload[i] << 8 | payload[i + 1]) !== INITIAL_WINDOW_SIZE) continue;
      const bytes = uint32(payload, i + 2);
      for (const stream of this.#streams.values()) {
        stream.sendBytes += bytes - this.#clientWindowBytes;
      }
      this.#clientWindowBytes = bytes;
    }
    this.#send(SETTINGS, ACK, 0, []);
    this.#flush();
  }

  // What goes out.

  /** Its settings stand in front of everything. */
  #greet(): void {
    if (this.#hasGreeted) return;
    this.#hasGreeted = true;
    this.#settings();
  }

  #settings(): void {
    const random = this.#random;
    const { maxConcurrentStreams, windowBytes } = this.#http2;
    const said = {
      // What is open may be more than a new limit: the client can only wait.
      maxStreams: Math.max(this.#streams.size, random.integer(1, maxConcurrentStreams)),
      windowBytes: random.integer(windowBytes >> 1, windowBytes),
    };
    this.#unacknowledged.push(said);
    this.#send(SETTINGS, 0, 0, [
      ...setting(MAX_CONCURRENT_STREAMS, said.maxStreams),
      ...setting(INITIAL_WINDOW_SIZE, said.windowBytes),
    ]);
  }

  /** Plans what comes next on this connection. */
  #after(what: string, run: () => void): void {
    const delayMs = this.#random.delay(this.#manners.thinkMs);
    this.#freeAtMs = this.#clock.now() + delayMs;
    this.#clock.plan(delayMs, `#${this.#conn.id} ${what}`, () => {
      if (!this.#gone) run();
    });
  }

  #respond(stream: Stream, status: number): void {
    stream.isAnswered = true;
    const { requestId } = stream;
    const random = this.#random;
    const manners = this.#manners;
    const conn = this.#conn;
    const fault = this.#drawFault();
    if (fault === "silent") return;
    if (fault === "reset") {
      return this.#after(
        "resets",
        () =>
          random.chance(0.2) ? conn.reset() : this.#reset(stream, random.pick([0, 1, 2, 8, 11])),
      );
    }
    if (fault === "close") return this.#after("closes", () => conn.serverClose());
    if (fault === "malformed") {
      const wrong = random.pick<[string, string][]>([
        [[":status", "2x0"]],
        [["x-no-status", "1"]],
        [[":status", "200"], ["X-Upper", "1"]],
        [[":status", "200"], ["content-length", "1"], ["content-length", "2"]],
      ]);
      return this.#after("babbles", () => this.#head(stream, wrong, true));
    }
    if (random.chance(manners.informational)) {
      this.#after("103", () => this.#head(stream, [[":status", "103"], ["link", "</x>"]], false));
    }
    const number = this.#ledger.responding(conn, requestId);
    const length = random.chance(0.3)
      ? 0
      : random.integer(1, random.chance(0.5) ? 40 : manners.bodyBytes);
    const body = stream.method === "HEAD" ? new Uint8Array(0) : bodyFor(requestId, length);
    const fields: [string, string][] = [
      [":status", String(status)],
      ["x-id", String(requestId)],
      ["x-response", String(number)],
      ["x-length", String(length)],
    ];
    if (random.chance(0.5)) fields.push(["content-length", String(length)]);
    const isCut = fault === "truncate" && body.length > 0;
    const ending: true | [string, string][] = body.length > 0 && random.chance(0.2)
      ? [["x-end", "1"]]
      : true;
    const headEnds = body.length === 0;
    const pieces: Uint8Array[] = [];
    const most = isCut ? random.integer(0, body.length - 1) : body.length;
    for (let at = 0; at < most;) {
      const piece = body.subarray(at, Math.min(most, at + random.integer(1, MAX_FRAME_BYTES)));
      at += piece.length;
      pieces.push(piece);
    }
    if (random.chance(0.5)) {
      pieces.splice(0, pieces.length, ...pieces.length > 0 ? [concat(pieces)] : []);
    }
    const give = (i: number): void => {
      if (!this.#streams.has(stream.id) || i === pieces.length) return;
      stream.output.push(pieces[i]);
      if (i === pieces.length - 1 && !isCut) stream.endsWith = ending;
      this.#flush();
      if (random.chance(0.5)) give(i + 1);
      else this.#after(`answers ${requestId}`, () => give(i + 1));
    };
    this.#after(`answers ${requestId}`, () => {
      if (!this.#head(stream, fields, headEnds)) return;
      if (headEnds) this.#afterwards();
      else give(0);
      if (isCut) this.#cut(stream);
    });
  }

  /** The rest of the answer does not come. */
  #cut(stream: Stream): void {
    this.#clock.plan(this.#random.delay(200), `#${this.#conn.id} cuts`, () => {
      if (this.#gone) return;
      const draw = this.#random.next();
      if (draw < 0.2) this.#conn.reset();
      else if (draw < 0.3) this.#conn.serverClose();
      else this.#reset(stream, this.#random.pick([0, 2, 8]));
    });
  }

  #drawFault(): "silent" | "reset" | "close" | "truncate" | "malformed" | "none" {
    let draw = this.#random.next();
    for (const fault of ["silent", "reset", "close", "truncate", "malformed"] as const) {
      draw -= this.#manners[fault];
      if (draw < 0) return fault;
    }
    return "none";
  }

  /** What happens when something was answered. */
  #afterwards(): void {
    const random = this.#random;
    const { goaway, hardGoaway, chatter, violate } = this.#http2;
    if (random.chance(chatter)) this.#after("chats", () => this.#chat());
    if (random.chance(violate)) this.#after("violates", () => this.#violate());
    if (random.chance(goaway)) this.#after("leaves", () => this.#leave(this.#lastStreamId, 0));
    if (random.chance(hardGoaway)) {
      // Who was worked on is not disowned.
      this.#after("leaves at once", () => this.#leave(this.#lastStreamId, random.pick([0, 2, 11])));
    }
    if (random.chance(this.#manners.idleClose)) {
      const delayMs = this.#freeAtMs - this.#clock.now() + random.delay(150);
      this.#clock.plan(delayMs, `#${this.#conn.id} idle close`, () => this.#conn.serverClose());
    }
  }

  #chat(): void {
    const random = this.#random;
    switch (random.integer(0, 4)) {
      case 0:
        for (let i = random.integer(1, 20); i > 0; i--) {
          this.#send(PING, 0, 0, [1, 2, 3, 4, 5, 6, 7, i]);
        }
        return;
      case 1:
        return this.#send(0xbe, 0xff, random.integer(0, 100), [1, 2, 3]);
      case 2:
        return this.#send(2, 0, 1, [0, 0, 0, 0, 5]);
      case 3:
        return this.#settings();
      case 4:
        return this.#give(this.#lastStreamId, 10);
    }
  }

  #violate(): void {
    const [type, flags, streamId, payload] = this.#random.pick<[number, number, number, number[]]>([
      [DATA, 0, 0, [1]],
      [HEADERS, END_HEADERS, 2, [0x88]],
      [HEADERS, END_HEADERS, 1_001, [0x88]],
      [HEADERS, END_HEADERS, Math.max(1, this.#lastStreamId), [0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]],
      [WINDOW_UPDATE, 0, 0, word(0)],
      [WINDOW_UPDATE, 0, 0, word(0x7fffffff)],
      [SETTINGS, 0, 0, [1]],
      [PING, 0, 0, [1, 2, 3]],
      [5, END_HEADERS, 1, [0, 0, 0, 2, 0x88]],
    ]);
    this.#send(type, flags, streamId, payload);
  }

  #leave(lastStreamId: number, code: number): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#lastAcceptedId = lastStreamId;
    this.#send(GOAWAY, 0, 0, [...word(lastStreamId), ...word(code)]);
    this.#maybeLeave();
  }

  #maybeLeave(): void {
    if (this.#isLeaving && this.#streams.size === 0) this.#conn.serverClose();
  }

  #reset(stream: Stream, code: number): void {
    if (!this.#streams.delete(stream.id)) return;
    this.#send(RST_STREAM, 0, stream.id, word(code));
    this.#maybeLeave();
  }

  /** @returns Whether the stream is open. */
  #head(stream: Stream, fields: readonly [string, string][], endStream: boolean): boolean {
    if (!this.#streams.has(stream.id)) return false;
    this.#encoder.begin();
    for (const [name, value] of fields) this.#encoder.field(name, value);
    const block = this.#encoder.end().slice();
    const end = endStream ? END_STREAM : 0;
    if (this.#random.chance(0.2) && block.length > 1) {
      const at = this.#random.integer(1, block.length - 1);
      this.#send(HEADERS, end, stream.id, block.subarray(0, at));
      this.#send(CONTINUATION, END_HEADERS, stream.id, block.subarray(at));
    } else {
      this.#send(HEADERS, end | END_HEADERS, stream.id, block);
    }
    if (endStream) {
      stream.endsWith = true;
      stream.output = [];
      this.#ended(stream);
    }
    return true;
  }

  /** Sends what waits, as far as the windows go. */
  #flush(): void {
    for (const stream of [...this.#streams.values()]) {
      while (stream.output.length > 0) {
        const piece = stream.output[0];
        const room = Math.min(this.#sendBytes, stream.sendBytes, MAX_FRAME_BYTES);
        if (room <= 0) break;
        const part = piece.subarray(0, room);
        if (part.length === piece.length) stream.output.shift();
        else stream.output[0] = piece.subarray(part.length);
        this.#sendBytes -= part.length;
        stream.sendBytes -= part.length;
        const isLast = stream.output.length === 0 && stream.endsWith === true;
        this.#send(DATA, isLast ? END_STREAM : 0, stream.id, part);
        if (isLast) this.#ended(stream);
      }
      if (stream.output.length > 0 || !Array.isArray(stream.endsWith)) continue;
      const trailers = stream.endsWith;
      stream.endsWith = null;
      this.#head(stream, trailers, true);
    }
  }

  #ended(stream: Stream): void {
    stream.isAnswered = true;
    this.#afterwards();
    // Behind a refusal nothing more is read.
    if (!stream.hasEnded && this.#random.chance(0.5)) return this.#reset(stream, 0);
    this.#maybeClose(stream);
  }

  #maybeClose(stream: Stream): void {
    if (!stream.hasEnded || stream.endsWith !== true || stream.output.length > 0) return;
    this.#streams.delete(stream.id);
    this.#maybeLeave();
  }

  #send(type: number, flags: number, streamId: number, payload: ArrayLike<number>): void {
    this.#greet();
    const { length } = payload;
    const frame = new Uint8Array(9 + length);
    frame.set([length >>> 16, length >>> 8 & 0xff, length & 0xff, type, flags, ...word(streamId)]);
    frame.set(payload, 9);
    this.#conn.send(frame);
  }
}

function setting(identifier: number, value: number): number[] {
  return [identifier >>> 8, identifier & 0xff, ...word(value)];
}

function word(value: number): number[] {
  return [value >>> 24, value >>> 16 & 0xff, value >>> 8 & 0xff, value & 0xff];
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]) >>> 0;
}
