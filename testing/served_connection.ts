/**
 * One connection of a test server, on the codecs of both versions.
 *
 * @module
 */
import type { Conn, Reader } from "../conn/conn.ts";
import { withUnread } from "../conn/unread_conn.ts";
import type { HttpHeadersInit } from "../http/http_headers.ts";
import { ServerConnection, type ServerRequest } from "../http1/server_connection.ts";
import { Http2ServerConnection } from "../http2/server_connection.ts";
import type { ServerStream } from "../http2/server_stream.ts";
import type { Clock } from "../transport/clock.ts";
import { type AcceptedConn, FaultyConn } from "./faulty_conn.ts";
import { concat } from "./joined_bytes.ts";
import { type RecordedRequest, recordedRequest } from "./recorded_request.ts";
import type { WireFault } from "./wire_fault.ts";

/** What is sent back. */
export interface ServedAnswer {
  /** Integer 200..999. */
  readonly status: number;
  readonly statusText: string;
  readonly headers: [string, string][];
  /** Null: none. An iterable is sent as it comes. */
  readonly content: Uint8Array | AsyncIterable<Uint8Array> | null;
  readonly trailers?: [string, string][];
  /** What goes wrong. */
  readonly fault: WireFault | null;
}

/** Who answers. */
export interface Answerer {
  /** Makes the answer. `inform` sends an informational response. */
  answer(
    request: RecordedRequest,
    inform: (status: number, headers?: HttpHeadersInit) => Promise<void>,
  ): Promise<ServedAnswer>;
  /** A fault was asked for that the protocol does not have. */
  misused(error: Error): void;
}

/** How a connection is served. */
export interface ServedConnectionOptions {
  /** Integer from 1. */
  readonly id: number;
  /** Whether HTTP/2 is spoken with who begins with its preface, or has chosen it. */
  readonly http2: boolean;
  /** Null: the runtime's. */
  readonly clock: Clock | null;
}

/** INTERNAL_ERROR of RFC 9113. */
const INTERNAL_ERROR = 2;

/** One connection. Owns: the connection. */
export class ServedConnection {
  readonly #conn: FaultyConn;
  readonly #answerer: Answerer;
  readonly #options: ServedConnectionOptions;

  constructor(accepted: AcceptedConn, answerer: Answerer, options: ServedConnectionOptions) {
    this.#conn = new FaultyConn(accepted, options.clock);
    this.#answerer = answerer;
    this.#options = options;
  }

  /** Aborts when the server closes it. */
  get closed(): AbortSignal {
    return this.#conn.closed;
  }

  /** Serves until it is over. Never rejects. */
  async run(): Promise<void> {
    try {
      const { conn, isHttp2 } = await this.#sniff();
      if (isHttp2) await this.#runHttp2(conn);
      else await this.#runHttp1(conn);
    } catch {
      // The client has gone, or a fault has ended it; there is nobody to tell.
    }
    this.#conn.close();
  }

  /** Closes it at once. */
  close(): void {
    this.#conn.close();
  }

  /** Breaks it at once. */
  reset(): void {
    this.#conn.reset();
  }

  async #sniff(): Promise<{ conn: Conn; isHttp2: boolean }> {
    const conn = this.#conn;
    if (!this.#options.http2) return { conn, isHttp2: false };
    if (conn.tls !== null && conn.tls.alpnProtocol !== null) {
      return { conn, isHttp2: conn.tls.alpnProtocol === "h2" };
    }
    const preface = "PRI * HTTP/2.0";
    const bytes = new Uint8Array(preface.length);
    let length = 0;
    while (length < bytes.length) {
      const count = await conn.read(bytes.subarray(length));
      if (count === null) break;
      length += count;
      const text = String.fromCharCode(...bytes.subarray(0, length));
      if (!preface.startsWith(text)) break;
    }
    const isHttp2 = String.fromCharCode(...bytes) === preface;
    return { conn: withUnread(conn, bytes.subarray(0, length)), isHttp2 };
  }

  async #runHttp1(conn: Conn): Promise<void> {
    const connection = new ServerConnection(conn);
    for (;;) {
      const request = await connection.readRequest();
      if (request === null) return;
      const recorded = await this.#recordHttp1(request);
      const answer = await this.#answerer.answer(
        recorded,
        (status, headers) => connection.inform(status, headers),
      );
      this.#conn.arm(answer.fault);
      const goesOn = await this.#respondHttp1(connection, answer);
      this.#conn.arm(null);
      if (!goesOn) return;
    }
  }

  async #recordHttp1(request: ServerRequest): Promise<RecordedRequest> {
    const { method, requestTarget: target, minorVersion, headers } = request.head;
    const body = await readAll(request.content);
    const scheme = this.#conn.tls === null ? "http" : "https";
    const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`);
    return recordedRequest({
      protocol: "http/1.1",
      method,
      target,
      url: target.startsWith("/") ? `${scheme}://${headers.get("host") ?? ""}${target}` : target,
      headers,
      head: `${method} ${target} HTTP/1.${minorVersion}\r\n${lines.join("")}\r\n`,
      body,
      trailers: request.trailers,
      connectionId: this.#options.id,
      streamId: null,
    });
  }

  /** @returns Whether another request may follow. */
  async #respondHttp1(connection: ServerConnection, answer: ServedAnswer): Promise<boolean> {
    const { fault } = answer;
    switch (fault?.kind) {
      case "badChunk":
        await this.#write(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nhello\r\n",
        );
        return false;
      case "garbage":
        await this.#write(fault.text);
        return false;
      case "goAway":
      case "rstStream":
        this.#answerer.misused(new TypeError(`HTTP/1.1 has no fault ${fault.kind}`));
        await connection.respond({ statusCode: 500, content: `HTTP/1.1 has no ${fault.kind}` });
        return true;
    }
    const whole = fault?.kind === "wrongLength" ? await wholeOf(answer.content) : null;
    const headers = whole === null ? answer.headers : [
      ...answer.headers.filter(([name]) => name.toLowerCase() !== "content-length"),
      wrongLength(whole, fault),
    ];
    await connection.respond({
      statusCode: answer.status,
      reasonPhrase: answer.statusText,
      headers,
      content: whole ?? answer.content ?? undefined,
      trailers: answer.trailers,
    });
    if (whole !== null) await this.#conn.end();
    if (fault?.kind === "planted") await this.#conn.plant(fault.text);
    // What was sent is less than was promised, or exactly as much as the fault lets through.
    if (fault !== null && "afterBytes" in fault) await this.#conn.write(new Uint8Array(0));
    return whole === null;
  }

  async #runHttp2(conn: Conn): Promise<void> {
    const connection = new Http2ServerConnection(conn);
    for (;;) {
      const stream = await connection.accept();
      if (stream === null) return;
      this.#serveStream(connection, stream).catch(() => stream.reset(INTERNAL_ERROR));
    }
  }

  async #serveStream(connection: Http2ServerConnection, stream: ServerStream): Promise<void> {
    const recorded = await this.#recordHttp2(stream);
    const answer = await this.#answerer.answer(recorded, (status, headers) => {
      stream.inform(status, headers);
      return Promise.resolve();
    });
    const { fault } = answer;
    switch (fault?.kind) {
      case "rstStream":
        return stream.reset(fault.errorCode);
      case "goAway":
        return connection.goaway(fault.errorCode, Math.max(0, stream.id - 2));
      case "garbage":
        await this.#write(fault.text);
        return this.#conn.close();
      case "badChunk":
      case "planted":
        this.#answerer.misused(new TypeError(`HTTP/2 has no fault ${fault.kind}`));
        stream.respond({ statusCode: 500, content: `HTTP/2 has no ${fault.kind}` });
        return;
    }
    this.#conn.arm(fault);
    const whole = fault?.kind === "wrongLength" ? await wholeOf(answer.content) : null;
    const headers = answer.headers.filter(([name]) =>
      !CONNECTION_FIELDS.has(name.toLowerCase()) &&
      (whole === null || name.toLowerCase() !== "content-length")
    );
    stream.respond({
      statusCode: answer.status,
      headers: whole === null ? headers : [...headers, wrongLength(whole, fault)],
      content: whole ?? answer.content ?? undefined,
      trailers: answer.trailers,
    });
    await stream.sent;
    if (fault?.kind === "slow") this.#conn.arm(null);
  }

  async #recordHttp2(stream: ServerStream): Promise<RecordedRequest> {
    const { method, scheme, authority, path, protocol, headers } = stream.head;
    const body = await readAll(stream.content);
    const pseudo: [string, string | null][] = [
      [":method", method],
      [":scheme", scheme],
      [":authority", authority],
      [":path", path],
      [":protocol", protocol],
    ];
    const lines = [...pseudo, ...headers]
      .flatMap(([name, value]) => value === null ? [] : [`${name}: ${value}\r\n`]);
    const target = path ?? authority ?? "";
    return recordedRequest({
      protocol: "h2",
      method,
      target,
      url: path === null ? target : `${scheme}://${authority ?? ""}${path}`,
      headers,
      head: `${lines.join("")}\r\n`,
      body,
      trailers: stream.trailers,
      connectionId: this.#options.id,
      streamId: stream.id,
    });
  }

  async #write(text: string): Promise<void> {
    await this.#conn.write(Uint8Array.from(text, (character) => character.charCodeAt(0)));
  }
}

/** Fields that HTTP/2 does not have. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

function wrongLength(content: Uint8Array, fault: WireFault | null): [string, string] {
  const byBytes = fault?.kind === "wrongLength" ? fault.byBytes : 0;
  return ["Content-Length", String(Math.max(0, content.length + byBytes))];
}

async function wholeOf(content: ServedAnswer["content"]): Promise<Uint8Array> {
  if (content === null) return new Uint8Array(0);
  if (content instanceof Uint8Array) return content;
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(piece);
  return concat(pieces);
}

async function readAll(content: Reader): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  const room = new Uint8Array(64 * 1024);
  for (let n = await content.read(room); n !== null; n = await content.read(room)) {
    pieces.push(room.slice(0, n));
  }
  return concat(pieces);
}
