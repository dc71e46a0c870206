/**
 * One connection to a client, in the server's role: reads one request at a time and writes its
 * response. For tests, demonstrations, recorders and proxies; no clock, no routing.
 *
 * @module
 */
import { BufferedReader } from "../conn/buffered_reader.ts";
import { BufferedWriter } from "../conn/buffered_writer.ts";
import type { Conn, Reader } from "../conn/conn.ts";
import { HttpError } from "../conn/http_error.ts";
import { withUnread } from "../conn/unread_conn.ts";
import { ContentReader } from "./content_reader.ts";
import { ContentSender } from "./content_sender.ts";
import type { OutgoingContent } from "../http/outgoing_request.ts";
import { requestFraming } from "./framing.ts";
import { isToken } from "../http/grammar.ts";
import { responseHead } from "./head_writer.ts";
import { checkedField, HttpHeaders, type HttpHeadersInit } from "../http/http_headers.ts";
import { connectionOptions, isPersistent } from "./persistence.ts";
import { type RequestHead, RequestHeadReader } from "./request_head.ts";

/** Bytes. Most that a request head may take here. */
const MAX_REQUEST_HEAD_BYTES = 64 * 1024;

/**
 * A request as the server sees it.
 *
 * @see RFC 9112 section 3
 */
export interface ServerRequest {
  /** Request line and fields. */
  readonly head: RequestHead;
  /** The content; answers `Expect: 100-continue` when it is first read. */
  readonly content: Reader;
  /** Trailer fields; null before the end of the content and where there are none. */
  readonly trailers: HttpHeaders | null;
}

/**
 * A response to send.
 *
 * @see RFC 9112 section 4
 */
export interface ServerResponse {
  /** Integer 200..999. */
  statusCode: number;
  /** Default: empty. */
  reasonPhrase?: string;
  /** Framing fields are added. */
  headers?: HttpHeadersInit;
  /** Text is sent as UTF-8; an iterable is sent chunked. Default: none. */
  content?: string | Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Sent behind chunked content. */
  trailers?: [string, string][];
}

/**
 * A connection in the server's role.
 *
 * @see RFC 9112 section 9
 *
 * @example Answer one request over a pair of connections in memory
 * ```ts
 * import { pipe } from "@roundtrip/http/conn";
 * import { ServerConnection } from "@roundtrip/http/http1";
 *
 * const [client, server] = pipe();
 * await client.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"));
 * const connection = new ServerConnection(server);
 * const request = await connection.readRequest();
 * if (request?.head.requestTarget !== "/") throw new Error("not the target");
 * await connection.respond({ statusCode: 200, content: "hello" });
 * client.close();
 * connection.close();
 * ```
 */
export class ServerConnection {
  /** The connection; its reads and writes are this object's. */
  readonly conn: Conn;
  readonly #input: BufferedReader;
  readonly #output: BufferedWriter;
  readonly #heads: RequestHeadReader = new RequestHeadReader();
  #request: RequestHead | null = null;
  #content: ContentReader | null = null;
  #continueOwed = false;
  #persistent = true;

  /** Makes the protocol of a connection. */
  constructor(conn: Conn) {
    this.conn = conn;
    this.#input = new BufferedReader(conn);
    this.#output = new BufferedWriter(conn);
  }

  /** Whether another request may follow on this connection. */
  get persistent(): boolean {
    return this.#persistent;
  }

  /**
   * Reads the next request head. Content of the request before that was not read is read and
   * dropped.
   *
   * @returns The request, or null: the client has closed, or the connection is not persistent.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: not a request. `ERR_HEADERS_TOO_LARGE`.
   * `ERR_INCOMPLETE_BODY`: the stream ended inside a request.
   */
  async readRequest(): Promise<ServerRequest | null> {
    await this.#skipContent();
    if (!this.#persistent) return null;
    const input = this.#input;
    for (;;) {
      const head = input.buffered === 0
        ? null
        : this.#heads.read(input.bytes, input.start, input.end);
      if (head !== null) {
        input.consume(this.#heads.length);
        return this.#begin(head);
      }
      if (input.buffered > MAX_REQUEST_HEAD_BYTES) {
        throw new HttpError("ERR_HEADERS_TOO_LARGE", "The request head is too large", {
          phase: "request",
        });
      }
      if (await input.fill() === null) {
        if (input.buffered === 0) return null;
        throw new HttpError("ERR_INCOMPLETE_BODY", "The stream ended inside a request head", {
          phase: "request",
        });
      }
    }
  }

  /** Sends an informational response, 100..199. Not 101: see {@linkcode switchProtocols}. */
  async inform(statusCode: number, headers: HttpHeadersInit = []): Promise<void> {
    this.#output.text(responseHead(statusCode, "", new HttpHeaders(headers)));
    await this.#output.flush();
  }

  /**
   * Sends the final response to the request that was read last; closes the connection if it is not
   * persistent.
   */
  async respond(response: ServerResponse): Promise<void> {
    const request = this.#request;
    this.#request = null;
    if (this.#continueOwed) {
      // The client was never told to send its content, and now need not: what follows is unclear.
      this.#continueOwed = false;
      this.#content = null;
      this.#persistent = false;
    }
    const headers = new HttpHeaders(response.headers);
    const content = outgoing(response);
    const { statusCode } = response;
    const bodiless = statusCode === 204 || statusCode === 304;
    const chunked = content !== null && content.lengthBytes === null;
    if (connectionOptions(headers.getAll("connection")).includes("close")) this.#persistent = false;
    const closeDelimited = chunked && request?.minorVersion === 0;
    if (closeDelimited) this.#persistent = false;
    if (!this.#persistent && !headers.has("connection")) headers.append("Connection", "close");
    if (chunked && !closeDelimited && !bodiless) headers.append("Transfer-Encoding", "chunked");
    if (!chunked && !bodiless && !headers.has("content-length")) {
      headers.append("Content-Length", String(content?.lengthBytes ?? 0));
    }
    this.#output.text(responseHead(statusCode, response.reasonPhrase ?? "", headers));
    if (content === null || bodiless || request?.method === "HEAD") await this.#output.flush();
    else if (closeDelimited) await this.#sendUnframed(content);
    else await new ContentSender(this.#output, content).send();
    if (!this.#persistent) {
      await this.conn.closeWrite();
      // Closing while the client still sends would reset the connection under the response.
      await this.#skipContent().catch(ignoreBrokenContent);
    }
  }

  /**
   * Answers 101 (or 200 to CONNECT) and hands the connection over, with unread bytes first.
   *
   * @param protocol A token for the `Upgrade` field, or null after CONNECT.
   */
  async switchProtocols(protocol: string | null): Promise<Conn> {
    if (protocol !== null && !isToken(protocol)) {
      throw new HttpError("ERR_INVALID_REQUEST", "Cannot switch: the protocol is not a token", {
        phase: "request",
      });
    }
    this.#output.text(
      protocol === null
        ? responseHead(200, "", [])
        : responseHead(101, "", [["Connection", "upgrade"], ["Upgrade", protocol]]),
    );
    await this.#output.flush();
    const { bytes, start, end } = this.#input;
    this.#input.consume(end - start);
    this.#persistent = false;
    return withUnread(this.conn, bytes.slice(start, end));
  }

  /** Closes the connection. Idempotent. */
  close(): void {
    this.conn.close();
  }

  #begin(head: RequestHead): ServerRequest {
    const content = new ContentReader(this.#input, this.conn, {
      framing: requestFraming(head),
      mode: "strict",
      deviations: [],
      code: "ERR_INVALID_REQUEST",
      maxTrailerBytes: MAX_REQUEST_HEAD_BYTES,
    });
    this.#request = head;
    this.#content = content;
    this.#persistent = isPersistent(head);
    this.#continueOwed = !content.complete && head.minorVersion === 1 &&
      head.headers.get("expect")?.toLowerCase() === "100-continue";
    return {
      head,
      content: { read: (p) => this.#readContent(content, p) },
      get trailers(): HttpHeaders | null {
        return content.trailers;
      },
    };
  }

  async #readContent(content: ContentReader, p: Uint8Array): Promise<number | null> {
    if (this.#continueOwed) {
      this.#continueOwed = false;
      await this.inform(100);
    }
    return content.read(p);
  }

  async #skipContent(): Promise<void> {
    const content = this.#content;
    this.#content = null;
    if (content === null || content.complete) return;
    const scratch = new Uint8Array(16 * 1024);
    while (await content.read(scratch) !== null);
  }

  async #sendUnframed(content: OutgoingContent): Promise<void> {
    await this.#output.flush();
    const source = content.open();
    for (let piece = await source.next(); piece !== null; piece = await source.next()) {
      await this.conn.write(piece);
    }
  }
}

function outgoing(response: ServerResponse): OutgoingContent | null {
  const { content } = response;
  if (content === undefined) return null;
  const trailers = (response.trailers ?? []).map(([name, value]) => checkedField(name, value));
  const bytes = typeof content === "string"
    ? new TextEncoder().encode(content)
    : content instanceof Uint8Array
    ? content
    : null;
  if (bytes !== null && trailers.length === 0) {
    return { bytes, lengthBytes: bytes.length, open: noSource, trailers: noTrailers };
  }
  const pieces = bytes === null ? content as Iterable<Uint8Array> : [bytes];
  return {
    bytes: null,
    lengthBytes: null,
    open: () => {
      const iterator = Symbol.asyncIterator in pieces
        ? (pieces as unknown as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
        : pieces[Symbol.iterator]();
      return {
        next: async () => {
          const { done, value } = await iterator.next();
          return done ? null : value;
        },
        cancel: () => void iterator.return?.(),
      };
    },
    trailers: () => Promise.resolve(trailers),
  };
}

/** The response has been sent: how the request ends is of no interest any more. */
function ignoreBrokenContent(): void {}

function noSource(): never {
  throw new TypeError("Content that is known whole has no source");
}

function noTrailers(): Promise<[string, string][]> {
  return Promise.resolve([]);
}
