/**
 * Our client against our server, over a pipe: exchanges of every kind, side by side, by chance. Each
 * ends exactly once, every octet is right, and nothing is left: no stream, no window, no place.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import type { Conn } from "../../conn/conn.ts";
import { pipe } from "../../conn/pipe.ts";
import type { IncomingContent } from "../../http/incoming_content.ts";
import type { OutgoingContent } from "../../http/outgoing_request.ts";
import { Http2Connection } from "../../http2/client_connection.ts";
import type { ClientStream } from "../../http2/client_stream.ts";
import { Http2ServerConnection } from "../../http2/server_connection.ts";
import type { ServerStream } from "../../http2/server_stream.ts";
import { seededRandom } from "../support/feed.ts";
import { test } from "../support/harness.ts";

/** Among them those that have once found something. */
const SEEDS: readonly number[] = [...Array.from({ length: 40 }, (_, i) => i + 1), 99, 156, 181];
const EXCHANGES = 24;

type Random = () => number;

function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)];
}

function upTo(random: Random, limit: number): number {
  return Math.floor(random() ** 2 * (limit + 1));
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** What stands at a place of the content that belongs to a number. */
function octet(number: number, at: number): number {
  return number * 37 + at * 11 + (at >>> 8) & 0xff;
}

function octets(number: number, from: number, to: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(to - from);
  for (let i = 0; i < bytes.length; i++) bytes[i] = octet(number, from + i);
  return bytes;
}

/** Checks content as it comes. */
class Expected {
  at = 0;
  readonly #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  take(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte !== octet(this.#number, this.at)) {
        assert.fail(`a wrong octet at ${this.at} of exchange ${this.#number}`);
      }
      this.at++;
    }
  }
}

/** What passes in one direction, as far as windows of the connection go. */
class Tap {
  dataBytes = 0;
  creditBytes = 0;
  #skip: number;
  #head: number[] = [];

  constructor(skip: number) {
    this.#skip = skip;
  }

  pass(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length;) {
      const skipped = Math.min(this.#skip, bytes.length - i);
      this.#skip -= skipped;
      i += skipped;
      if (i < bytes.length) this.#octet(bytes[i++]);
    }
  }

  #octet(byte: number): void {
    const head = this.#head;
    head.push(byte);
    const isCredit = head[3] === 8 && (head[5] | head[6] | head[7] | head[8]) === 0;
    if (head.length < (isCredit ? 13 : 9)) return;
    const length = head[0] << 16 | head[1] << 8 | head[2];
    if (head[3] === 0) this.dataBytes += length;
    if (isCredit) {
      this.creditBytes += head[9] << 24 | head[10] << 16 | head[11] << 8 | head[12];
    } else {
      this.#skip = length;
    }
    head.length = 0;
  }

  /** What may still be sent against what `other` has allowed. */
  leftOf(other: Tap): number {
    return 65_535 + other.creditBytes - this.dataBytes;
  }
}

/** A connection whose octets are looked at as they are written. */
function tapped(conn: Conn, tap: Tap): Conn {
  return new Proxy(conn, {
    get: (target, name) => {
      if (name === "write") {
        return (p: Uint8Array) => {
          tap.pass(p);
          return target.write(p);
        };
      }
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const KINDS = [
  "down",
  "down",
  "up",
  "up",
  "echo",
  "echo",
  "early",
  "refuse",
  "reset",
  "cancel",
  "abandon",
  "breaks",
  "head",
  "tunnel",
  "tunnel",
] as const;

/** Kinds whose head comes before their upload: it would never be asked for. */
const EARLY: readonly string[] = ["early", "echo"];

/** One round: a client, a server, and what they do to each other. */
class Round {
  readonly #random: Random;
  readonly #limitBytes: number;
  readonly #windowBytes: number;
  readonly #maxStreams: number;
  readonly #client: Http2Connection;
  readonly #server: Http2ServerConnection;
  readonly #upTap = new Tap(24);
  readonly #downTap = new Tap(0);
  readonly #faults: unknown[] = [];
  /** What is under way, for messages. */
  readonly #open: Map<ClientStream, string> = new Map();
  readonly #serving: Promise<void>[] = [];
  #closed: { error: unknown } | null = null;
  #goesAway: boolean;

  constructor(seed: number) {
    const random = this.#random = seededRandom(seed);
    const bufferBytes = pick(random, [13, 300, 5_000, 65_536]);
    this.#limitBytes = bufferBytes < 100 ? 2_000 : pick(random, [3_000, 30_000, 90_000]);
    this.#goesAway = random() < 0.25;
    this.#windowBytes = pick(random, [65_535, 100_000, 1_000_000]);
    this.#maxStreams = 1 + upTo(random, 15);
    const [near, far] = pipe({ bufferBytes });
    this.#client = new Http2Connection(tapped(near, this.#upTap), {
      mode: "strict",
      maxResponseHeaderBytes: 64 * 1024,
      readBufferBytes: pick(random, [64, 1_000, 16_384]),
      maxConcurrentStreams: this.#maxStreams,
      streamWindowBytes: pick(random, [1_000, 40_000, 400_000]),
      connectionWindowBytes: this.#windowBytes,
    }, {
      capacityChanged: () => {},
      streamClosed: () => {},
      closed: (error) => {
        if (this.#closed !== null) this.#faults.push(new Error("closed twice"));
        this.#closed = { error };
      },
    });
    this.#server = new Http2ServerConnection(tapped(far, this.#downTap), {
      maxConcurrentStreams: 1 + upTo(random, 15),
      windowBytes: pick(random, [600, 2_000, 20_000, 65_535, 200_000]),
    });
  }

  async run(): Promise<void> {
    void this.#accept();
    const random = this.#random;
    const exchanges: Promise<void>[] = [];
    const goneAt = this.#goesAway ? 5 + upTo(random, EXCHANGES) : Infinity;
    for (let number = 1; number <= EXCHANGES; number++) {
      for (let i = 0; this.#client.capacity <= this.#client.streamCount; i++) {
        if (this.#client.state === "retiring" || this.#client.state === "closed") break;
        if (i > 20_000) assert.fail(`no place becomes free: ${this.#left}`);
        await turn();
      }
      if (number >= goneAt || this.#client.capacity === 0) break;
      const exchange = this.#exchange(number, pick(random, KINDS));
      exchange.catch(() => {});
      exchanges.push(exchange);
      if (random() < 0.2) this.#server.settings(this.#settings());
      while (random() < 0.3) await turn();
    }
    if (this.#goesAway) this.#server.goaway();
    await Promise.all(exchanges);
    await this.#checkRest();
    this.#client.close(new Error("the round is over"));
    await this.#server.ended;
    await Promise.all(this.#serving);
    if (this.#faults.length > 0) throw this.#faults[0];
  }

  get #left(): string {
    const open = [...this.#open].filter(([{ isClosed }]) => !isClosed);
    const streams = open.map(([{ id, state, windowBytes }, kind]) =>
      `${kind} as ${id} ${state}, may send ${windowBytes}`
    );
    return `${this.#server.streamCount} at the server, here ${streams.join("; ")}`;
  }

  #settings(): [number, number][] {
    const random = this.#random;
    const all: [number, number][] = [
      [1, pick(random, [0, 60, 200, 4_096])],
      [1, pick(random, [0, 60, 200, 4_096])],
      [3, 1 + upTo(random, 15)],
      [4, pick(random, [600, 2_000, 20_000, 65_535, 200_000])],
    ];
    return all.filter(() => random() < 0.5);
  }

  /** Nothing is left, and all of the windows is there. */
  async #checkRest(): Promise<void> {
    for (let i = 0; this.#client.streamCount + this.#server.streamCount > 0; i++) {
      if (i > 3_000) {
        assert.fail(`streams are left: ${this.#left}`);
      }
      await turn();
    }
    if (this.#goesAway) {
      for (let i = 0; this.#closed === null && i < 3_000; i++) await turn();
      assert.notEqual(this.#closed, null, "not closed behind its last stream");
      assert.equal(this.#closed!.error, undefined);
      return;
    }
    assert.equal(this.#closed, null, `closed: ${this.#closed?.error}`);
    // What waits to be written, and the PINGs behind resets.
    let before = -1;
    for (let quiet = 0, i = 0; quiet < 20 && i < 3_000; i++) {
      await turn();
      const now = this.#upTap.creditBytes + this.#downTap.creditBytes;
      quiet = now === before ? quiet + 1 : 0;
      before = now;
    }
    assert.ok(
      this.#downTap.leftOf(this.#upTap) >= 0.75 * this.#windowBytes,
      `the client's window lacks ${this.#windowBytes - this.#downTap.leftOf(this.#upTap)}`,
    );
    assert.ok(
      this.#upTap.leftOf(this.#downTap) >= 0.75 * 65_535,
      `the server's window lacks ${65_535 - this.#upTap.leftOf(this.#downTap)}`,
    );
    const allowed = this.#client.capacity;
    assert.ok(allowed >= 1 && allowed <= this.#maxStreams);
  }

  // The client.

  async #exchange(number: number, kind: typeof KINDS[number]): Promise<void> {
    const random = this.#random;
    const sizeBytes = upTo(random, this.#limitBytes);
    const ends: string[] = [];
    const settled = Promise.withResolvers<IncomingContent>();
    const hasUpload = ["up", "echo", "early", "refuse", "breaks"].includes(kind) ||
      (["reset", "cancel"].includes(kind) && random() < 0.5);
    const content = hasUpload ? this.#content(number, sizeBytes, kind === "breaks") : null;
    const isTunnel = kind === "tunnel";
    const at = kind === "reset" ? upTo(random, sizeBytes) : sizeBytes;
    const fields: [string, string][] = [
      ["x-kind", `${kind}${hasUpload ? "-upload" : ""}`],
      ["x-number", String(number)],
      ["x-size", String(at)],
      ["x-lasting", "the same in each"],
    ];
    const declared = content?.lengthBytes ?? null;
    if (declared !== null) fields.push(["content-length", String(declared)]);
    const expectContinue = content !== null && !EARLY.includes(kind) && random() < 0.2;
    if (expectContinue) fields.push(["expect", "100-continue"]);
    const method = isTunnel ? "CONNECT" : kind === "head" ? "HEAD" : hasUpload ? "POST" : "GET";
    const target = isTunnel ? "there:1" : pick(random, ["/", "/a", "/b"]);
    const stream = this.#client.send({
      method,
      scheme: "http",
      authority: isTunnel ? target : "a.test",
      target,
      head: `${method} ${target} ${fields.join()}`,
      protocol: null,
      content,
      expectContinue,
      upgrade: false,
      close: false,
      forEachField: (callback) => fields.forEach(([name, value]) => callback(name, value)),
    }, {
      wroteHead: () => {},
      wroteRequest: () => {},
      firstByte: () => {},
      informational: () => {},
      response: (head, incoming) => {
        ends.push("response");
        if (kind !== "refuse" && head.statusCode !== 200) {
          this.#faults.push(new Error(`${head.statusCode} to ${kind}`));
        }
        // An answer that belongs to another.
        if (head.headers.get("x-number") !== String(number)) {
          this.#faults.push(new Error(`an answer of another exchange to ${number}`));
        }
        settled.resolve(incoming);
      },
      failed: (error) => {
        ends.push("failed");
        settled.reject(error);
      },
    });
    this.#open.set(stream, `${kind} ${number} of ${sizeBytes}`);
    if (stream.awaitingContinue && random() < 0.3) stream.continueTimedOut();
    if (kind === "cancel") void this.#cancel(stream);
    const mayFail = this.#goesAway || ["reset", "cancel", "breaks"].includes(kind);
    try {
      const incoming = await settled.promise;
      if (isTunnel) await this.#tunnel(number, sizeBytes, incoming);
      else await this.#read(number, sizeBytes, kind, incoming);
    } catch (error) {
      if (
        !mayFail || (this.#goesAway && !stream.isUnprocessed && kind !== "reset" &&
          kind !== "cancel" && kind !== "breaks")
      ) {
        throw new Error(`${kind} ${number}`, { cause: error });
      }
    }
    assert.equal(ends.length, 1, `${kind} ${number} ended: ${ends.join()}`);
  }

  async #cancel(stream: ClientStream): Promise<void> {
    while (this.#random() < 0.8) await turn();
    stream.cancel(8, new Error("cancelled"));
  }

  #content(number: number, sizeBytes: number, breaks: boolean): OutgoingContent {
    const random = this.#random;
    const fails = breaks ? upTo(random, sizeBytes) : Infinity;
    if (!breaks && random() < 0.4) {
      const bytes = octets(number, 0, sizeBytes);
      return {
        bytes,
        lengthBytes: sizeBytes,
        open: () => assert.fail("bytes have no source"),
        trailers: () => Promise.resolve([]),
      };
    }
    let opened = 0;
    return {
      bytes: null,
      lengthBytes: random() < 0.5 ? sizeBytes : null,
      open: () => {
        if (++opened > 1) this.#faults.push(new Error("opened twice"));
        let at = 0;
        return {
          next: async () => {
            if (random() < 0.3) await turn();
            if (at >= fails) throw new Error("the source breaks");
            if (at === sizeBytes) return null;
            const end = Math.min(sizeBytes, at + upTo(random, 20_000));
            const piece = octets(number, at, end);
            at = end;
            return piece;
          },
          cancel: () => {},
        };
      },
      trailers: () => Promise.resolve(random() < 0.5 ? [] : [["x-sum", String(number)]]),
    };
  }

  async #read(
    number: number,
    sizeBytes: number,
    kind: string,
    incoming: IncomingContent,
  ): Promise<void> {
    const random = this.#random;
    const expected = new Expected(number);
    const stopAt = kind === "abandon" ? upTo(random, sizeBytes) : Infinity;
    if (incoming.whole !== null) {
      expected.take(incoming.whole);
    } else {
      for (;;) {
        if (expected.at >= stopAt) {
          await incoming.abandon();
          return;
        }
        if (random() < 0.2) await turn();
        if (random() < 0.5) {
          const chunk = await incoming.readChunk!();
          if (chunk === null) break;
          expected.take(chunk);
        } else {
          const room = new Uint8Array(1 + upTo(random, 10_000));
          const n = await incoming.read(room);
          if (n === null) break;
          expected.take(room.subarray(0, n));
        }
      }
      assert.equal(incoming.complete, true);
    }
    const whole = kind === "head" || kind === "early" || kind === "refuse" || kind === "up";
    // A reset one must not look complete unless it was.
    assert.equal(expected.at, whole ? 0 : sizeBytes, `${kind} ${number} has another length`);
    if (kind === "down" || kind === "echo") {
      assert.equal(incoming.trailers?.get("x-sum") ?? String(number), String(number));
    }
  }

  async #tunnel(number: number, sizeBytes: number, incoming: IncomingContent): Promise<void> {
    const random = this.#random;
    const conn = incoming.takeOver();
    const closesEarly = random() < 0.2;
    const writing = (async () => {
      for (let at = 0; at < sizeBytes;) {
        const end = Math.min(sizeBytes, at + 1 + upTo(random, 20_000));
        await conn.write(octets(number, at, end));
        at = end;
      }
      await conn.closeWrite();
    })();
    writing.catch(() => {});
    const expected = new Expected(number);
    const room = new Uint8Array(1 + upTo(random, 5_000));
    for (let n = await conn.read(room); n !== null; n = await conn.read(room)) {
      expected.take(room.subarray(0, n));
      if (closesEarly && random() < 0.3) return conn.close();
    }
    await writing;
    assert.equal(expected.at, sizeBytes);
    conn.close();
  }

  // The server.

  async #accept(): Promise<void> {
    for (let next = await this.#server.accept(); next; next = await this.#server.accept()) {
      const stream = next;
      this.#serving.push(
        this.#serve(stream).catch((error) => {
          const code = (error as { code?: string }).code;
          // The client has ended it.
          if (!stream.isClosed || code === "ERR_ASSERTION") this.#faults.push(error);
        }),
      );
    }
  }

  async #serve(stream: ServerStream): Promise<void> {
    const random = this.#random;
    const { headers } = stream.head;
    const [kind, upload] = headers.get("x-kind")!.split("-");
    const number = Number(headers.get("x-number"));
    const sizeBytes = Number(headers.get("x-size"));
    const own: [string, string][] = [["x-number", String(number)], ["x-lasting", "the same"]];
    if (random() < 0.3) await turn();
    if (random() < 0.2) stream.inform(103, [["link", "</a>"]]);
    switch (kind) {
      case "tunnel":
        return await this.#echoTunnel(stream, own, number);
      case "up":
      case "breaks": {
        const got = await this.#readAll(stream, number);
        if (kind === "breaks") assert.fail("a source that broke looks complete");
        assert.equal(got, sizeBytes, "an upload of another length");
        return stream.respond({ statusCode: 200, headers: own });
      }
      case "early":
      case "refuse":
        stream.respond({ statusCode: kind === "early" ? 200 : 413, headers: own });
        if (kind === "early") assert.equal(await this.#readAll(stream, number), sizeBytes);
        return;
      case "echo":
        stream.respond({
          statusCode: 200,
          headers: own,
          content: this.#echo(stream, number, sizeBytes),
          trailers: random() < 0.5 ? [] : [["x-sum", String(number)]],
        });
        return;
      case "reset":
        stream.respond({
          statusCode: 200,
          headers: own,
          // More than comes before the reset.
          content: this.#pieces(number, sizeBytes + 10, () => {
            stream.reset(pick(random, [0, 2, 7, 8]));
          }, sizeBytes),
        });
        return;
      default:
        if (upload !== undefined && random() < 0.5) await this.#readAll(stream, number);
        stream.respond({
          statusCode: 200,
          headers: own,
          content: random() < 0.5
            ? octets(number, 0, sizeBytes)
            : this.#pieces(number, sizeBytes, () => {}, Infinity),
          trailers: random() < 0.5 ? [] : [["x-sum", String(number)]],
        });
    }
  }

  async *#pieces(
    number: number,
    sizeBytes: number,
    stop: () => void,
    stopAt: number,
  ): AsyncGenerator<Uint8Array> {
    const random = this.#random;
    for (let at = 0; at < sizeBytes;) {
      if (at >= stopAt) {
        if (random() < 0.5) await turn();
        stop();
        return;
      }
      if (random() < 0.2) await turn();
      const end = Math.min(sizeBytes, stopAt, at + 1 + upTo(random, 20_000));
      yield octets(number, at, end);
      at = end;
    }
  }

  async *#echo(
    stream: ServerStream,
    number: number,
    sizeBytes: number,
  ): AsyncGenerator<Uint8Array> {
    const expected = new Expected(number);
    const room = this.#room();
    const { content } = stream;
    for (let n = await content.read(room); n !== null; n = await content.read(room)) {
      expected.take(room.subarray(0, n));
      yield room.slice(0, n);
    }
    assert.equal(expected.at, sizeBytes, "an upload of another length");
  }

  /** Not too small: a small window is opened with each read, and that octet by octet is a flood. */
  #room(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(600 + upTo(this.#random, 20_000));
  }

  async #readAll(stream: ServerStream, number: number): Promise<number> {
    const expected = new Expected(number);
    const room = this.#room();
    const { content } = stream;
    for (let n = await content.read(room); n !== null; n = await content.read(room)) {
      expected.take(room.subarray(0, n));
      if (this.#random() < 0.1) await turn();
    }
    const sum = stream.trailers?.get("x-sum");
    if (sum !== undefined && sum !== null) assert.equal(sum, String(number));
    return expected.at;
  }

  async #echoTunnel(
    stream: ServerStream,
    own: [string, string][],
    number: number,
  ): Promise<void> {
    const conn = stream.accept(own);
    const expected = new Expected(number);
    const room = this.#room();
    for (let n = await conn.read(room); n !== null; n = await conn.read(room)) {
      expected.take(room.subarray(0, n));
      await conn.write(room.slice(0, n));
    }
    await conn.closeWrite();
  }
}

test("H112 our client against our server: each exchange ends once, every octet is right, nothing is left", async () => {
  for (const seed of SEEDS) {
    try {
      await new Round(seed).run();
    } catch (error) {
      throw new Error(`seed ${seed}: ${error}`, { cause: error });
    }
  }
});
