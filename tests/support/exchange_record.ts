/**
 * A client connection over a pipe, and a record of all that it tells: to its owner, to the sender of a
 * request, to the connection under it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import type { Address, Conn } from "../../conn/conn.ts";
import { HttpError } from "../../conn/http_error.ts";
import { pipe, type PipeConn } from "../../conn/pipe.ts";
import { ClientConnection } from "../../http1/client_connection.ts";
import type { ClientConnectionOptions, ConnectionOwner } from "../../http1/client_exchange.ts";
import type { ExchangeEvents } from "../../http/exchange_events.ts";
import type { WrittenRequest } from "../../http1/client_exchange.ts";
import type { OutgoingContent } from "../../http/outgoing_request.ts";
import type { IncomingContent } from "../../http/incoming_content.ts";
import type { ResponseHead } from "../../http/response_head.ts";
import { bytesOf, textOf } from "./feed.ts";

/** Settles when everything that needs no other event has happened: a pipe needs none. */
export function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** The code of an error, for a record. */
function said(error: unknown): string {
  if (error === undefined) return "";
  return " " + (error instanceof HttpError ? error.code : String(error));
}

/** A connection that counts how it is used. */
export class WatchedConn implements Conn {
  closes: number = 0;
  readsPending: number = 0;
  writes: number = 0;
  readonly #conn: Conn;

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  async read(p: Uint8Array): Promise<number | null> {
    this.readsPending++;
    assert.equal(this.readsPending, 1, "one read at a time");
    try {
      return await this.#conn.read(p);
    } finally {
      this.readsPending--;
    }
  }

  write(p: Uint8Array): Promise<number> {
    this.writes++;
    return this.#conn.write(p);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(): void {
    this.closes++;
    this.#conn.close();
  }

  ref(): void {
    this.#conn.ref();
  }

  unref(): void {
    this.#conn.unref();
  }

  get bytesWritten(): number {
    return this.#conn.bytesWritten;
  }

  get bytesRead(): number {
    return this.#conn.bytesRead;
  }

  get localAddr(): Address {
    return this.#conn.localAddr;
  }

  get remoteAddr(): Address {
    return this.#conn.remoteAddr;
  }

  readonly tls = null;
}

/** A connection, its other end, and what its owner was told. */
export interface Wire {
  readonly client: ClientConnection;
  readonly conn: WatchedConn;
  readonly server: PipeConn;
  /** `"idle"`, or `"closed"` with the reason. */
  readonly owned: string[];
  /** Called after each word to the owner. */
  onIdle: () => void;
}

/** Joins a client connection to a pipe. */
export function connect(
  options: Partial<ClientConnectionOptions> & { bufferBytes?: number } = {},
): Wire {
  const [here, server] = pipe({ bufferBytes: options.bufferBytes ?? 1024 * 1024 });
  const conn = new WatchedConn(here);
  const owned: string[] = [];
  const owner: ConnectionOwner = {
    idle: () => {
      owned.push("idle");
      wire.onIdle();
    },
    closed: (error) => void owned.push("closed" + said(error)),
  };
  const client = new ClientConnection(conn, {
    mode: "strict",
    maxResponseHeaderBytes: 64 * 1024,
    readBufferBytes: 16 * 1024,
    writeBufferBytes: 4 * 1024,
    ...options,
  }, owner);
  const wire: Wire = { client, conn, server, owned, onIdle: () => {} };
  return wire;
}

/** Closes both ends, and asserts that the owner has been told once, and the connection closed once. */
export async function hangUp(wire: Wire): Promise<void> {
  wire.client.close("the test is over");
  wire.server.close();
  await settled();
  assert.equal(wire.client.state, "closed");
  assert.equal(wire.owned.filter((line) => line.startsWith("closed")).length, 1, "told once");
  assert.equal(wire.owned.at(-1)?.startsWith("closed"), true, "and told last");
  assert.equal(wire.conn.closes, 1, "closed once");
  assert.equal(wire.conn.readsPending, 0, "no read is left");
}

/** What came of an exchange. */
export interface Answer {
  readonly head: ResponseHead;
  readonly content: IncomingContent;
}

/** Records the events of one exchange. */
export class Exchange implements ExchangeEvents {
  /** The events in order, in few words. */
  readonly log: string[] = [];
  /** The final response, or the failure. */
  readonly answer: Promise<Answer>;
  #settle: { resolve: (answer: Answer) => void; reject: (error: unknown) => void };

  constructor() {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.answer = promise;
    this.#settle = { resolve, reject };
    // A test that looks at the log only is no unhandled rejection.
    promise.catch(() => {});
  }

  wroteHead(): void {
    this.log.push("wroteHead");
  }

  wroteRequest(error: unknown): void {
    this.log.push("wroteRequest" + said(error));
  }

  firstByte(): void {
    this.log.push("firstByte");
  }

  informational(head: ResponseHead): void {
    this.log.push(`informational ${head.statusCode}`);
  }

  response(head: ResponseHead, content: IncomingContent): void {
    this.log.push(`response ${head.statusCode}`);
    this.#settle.resolve({ head, content });
  }

  failed(error: unknown): void {
    this.log.push("failed" + said(error));
    this.#settle.reject(error);
  }
}

/** The head that {@linkcode send} sends. */
export const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** Sends a request; what is not said is that of a GET. */
export function send(wire: Wire, request: Partial<WrittenRequest> = {}): Exchange {
  const exchange = new Exchange();
  wire.client.send({
    method: "GET",
    head: GET,
    content: null,
    expectContinue: false,
    upgrade: false,
    close: false,
    ...request,
  }, exchange);
  return exchange;
}

/** Writes as the server. */
export async function say(wire: Wire, text: string): Promise<void> {
  await wire.server.write(bytesOf(text));
  await settled();
}

/** Reads as the server, as much as `expected` has, and asserts that it is that. */
export async function hear(wire: Wire, expected: string): Promise<void> {
  let heard = "";
  while (heard.length < expected.length) {
    const p = new Uint8Array(expected.length - heard.length);
    const n = await wire.server.read(p);
    if (n === null) break;
    heard += textOf(p.subarray(0, n));
  }
  assert.equal(heard, expected);
}

/** Reads as the server, up to the end of the stream. */
export async function hearAll(wire: Wire): Promise<string> {
  let heard = "";
  const p = new Uint8Array(64 * 1024);
  for (let n = await wire.server.read(p); n !== null; n = await wire.server.read(p)) {
    heard += textOf(p.subarray(0, n));
  }
  return heard;
}

/** All of a response's content. */
export async function contentOf(
  content: IncomingContent,
  roomBytes: number = 64 * 1024,
): Promise<string> {
  if (content.whole !== null) return textOf(content.whole);
  let text = "";
  const p = new Uint8Array(roomBytes);
  for (let n = await content.read(p); n !== null; n = await content.read(p)) {
    text += textOf(p.subarray(0, n));
  }
  return text;
}

/** Asserts that a promise rejects with this code. */
export async function rejectsWith(promise: Promise<unknown>, code: string): Promise<HttpError> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    assert.equal(error.code, code);
    return error;
  }
  assert.fail(`did not reject with ${code}`);
}

/** Content that a test gives piece by piece. */
export class GivenContent implements OutgoingContent {
  readonly bytes: Uint8Array | null;
  readonly lengthBytes: number | null;
  opened: number = 0;
  cancelled: number = 0;
  /** What the content was asked for and has not given yet. */
  #asked: { resolve: (piece: Uint8Array | null) => void; reject: (e: unknown) => void } | null =
    null;
  #ready: (() => Promise<Uint8Array | null>)[] = [];
  readonly #trailers: () => Promise<Iterable<readonly [string, string]>>;

  constructor(
    lengthBytes: number | null,
    trailers: [string, string][] | Error = [],
  ) {
    this.bytes = null;
    this.lengthBytes = lengthBytes;
    this.#trailers = () =>
      trailers instanceof Error ? Promise.reject(trailers) : Promise.resolve(trailers);
  }

  open(): { next: () => Promise<Uint8Array | null>; cancel: () => void } {
    this.opened++;
    return {
      next: () => {
        const ready = this.#ready.shift();
        if (ready !== undefined) return ready();
        return new Promise((resolve, reject) => this.#asked = { resolve, reject });
      },
      cancel: () => void this.cancelled++,
    };
  }

  trailers(): Promise<Iterable<readonly [string, string]>> {
    return this.#trailers();
  }

  /** Gives a piece; null ends. */
  give(piece: string | null): this {
    const bytes = piece === null ? null : bytesOf(piece);
    const asked = this.#asked;
    this.#asked = null;
    if (asked !== null) asked.resolve(bytes);
    else this.#ready.push(() => Promise.resolve(bytes));
    return this;
  }

  /** Fails instead of giving. */
  break(error: unknown): this {
    const asked = this.#asked;
    this.#asked = null;
    if (asked !== null) asked.reject(error);
    else this.#ready.push(() => Promise.reject(error));
    return this;
  }
}

/** Content that is known whole. */
export function wholeContent(text: string): OutgoingContent {
  const bytes = bytesOf(text);
  return {
    bytes,
    lengthBytes: bytes.length,
    open: () => assert.fail("known whole"),
    trailers: () => assert.fail("not chunked"),
  };
}
