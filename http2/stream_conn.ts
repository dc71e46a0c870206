/**
 * A stream as a connection: what CONNECT gives, and its extended form.
 *
 * @module
 */
import type { Address, Conn, TlsInfo } from "../conn/conn.ts";
import { busyError, closedError, endedError } from "../conn/conn_error.ts";
import type { ContentSource, OutgoingContent } from "../http/outgoing_request.ts";
import { CANCEL } from "./http2_error.ts";
import type { StreamContent } from "./stream_content.ts";

/** The stream, as the connection over it sees it. @see RFC 9113 section 8.5 */
export interface TunnelStream {
  /** Ends the stream from here. */
  cancel(errorCode: number, reason: unknown): void;
}

/** What is written to the connection, as content of the stream: it ends when it ends. @see RFC 9113 section 8.5 */
export class TunnelOutput implements OutgoingContent, ContentSource {
  readonly bytes = null;
  readonly lengthBytes = null;
  #piece: Uint8Array | null = null;
  #hasEnded = false;
  #failure: { error: unknown } | null = null;
  #written: PromiseWithResolvers<void> | null = null;
  #asked: PromiseWithResolvers<Uint8Array | null> | null = null;

  open(): ContentSource {
    return this;
  }

  trailers(): Promise<[]> {
    return Promise.resolve([]);
  }

  next(): Promise<Uint8Array | null> {
    this.#written?.resolve();
    this.#written = null;
    this.#asked = Promise.withResolvers<Uint8Array | null>();
    if (this.#piece !== null) this.#give();
    else if (this.#hasEnded) this.#asked.resolve(null);
    return this.#asked.promise;
  }

  cancel(): void {
    this.fail(closedError("request"));
    this.#piece = null;
    this.#asked?.resolve(null);
  }

  /** Sends a piece. Settles when all of it stands in frames. */
  send(piece: Uint8Array): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure.error);
    this.#piece = piece;
    this.#written = Promise.withResolvers<void>();
    const { promise } = this.#written;
    if (this.#asked !== null) this.#give();
    return promise;
  }

  /** Nothing more will be sent. Rejects where nothing more can be sent either. */
  end(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure.error);
    this.#hasEnded = true;
    this.#asked?.resolve(null);
    return Promise.resolve();
  }

  /** Nothing more can be sent. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#written?.reject(this.#failure.error);
    this.#written = null;
  }

  #give(): void {
    this.#asked!.resolve(this.#piece);
    this.#asked = null;
    this.#piece = null;
  }
}

/**
 * The connection over a stream. Its end is the stream's; the other streams go on.
 *
 * @see RFC 9113 section 8.5
 */
export class StreamConn implements Conn {
  readonly #stream: TunnelStream;
  readonly #below: Conn;
  readonly #input: StreamContent;
  readonly #output: TunnelOutput;
  #bytesRead = 0;
  #bytesWritten = 0;
  #isReading = false;
  #isWriting = false;
  #hasEnded = false;
  #isClosed = false;

  /** Makes the connection; the stream is its own from now on. */
  constructor(stream: TunnelStream, below: Conn, input: StreamContent, output: TunnelOutput) {
    this.#stream = stream;
    this.#below = below;
    this.#input = input;
    this.#output = output;
  }

  async read(p: Uint8Array): Promise<number | null> {
    if (this.#isClosed) throw closedError("body");
    if (this.#isReading) throw busyError("body");
    if (p.length === 0) return 0;
    this.#isReading = true;
    try {
      const n = await this.#input.readTunnel(p);
      this.#bytesRead += n ?? 0;
      return n;
    } finally {
      this.#isReading = false;
    }
  }

  async write(p: Uint8Array): Promise<number> {
    if (this.#isClosed) throw closedError("request");
    if (this.#hasEnded) throw endedError();
    if (this.#isWriting) throw busyError("request");
    if (p.length === 0) return 0;
    this.#isWriting = true;
    try {
      await this.#output.send(p);
      this.#bytesWritten += p.length;
      return p.length;
    } finally {
      this.#isWriting = false;
    }
  }

  closeWrite(): Promise<void> {
    if (this.#isClosed) return Promise.reject(closedError("request"));
    if (this.#isWriting) return Promise.reject(busyError("request"));
    if (this.#hasEnded) return Promise.resolve();
    this.#hasEnded = true;
    return this.#output.end();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#output.fail(closedError("request"));
    this.#stream.cancel(CANCEL, closedError("body"));
    this.#input.drop();
  }

  /** The connection below keeps the process alive as long as it has streams. */
  ref(): void {}

  /** As {@linkcode StreamConn.ref}. */
  unref(): void {}

  get bytesRead(): number {
    return this.#bytesRead;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  get localAddr(): Address {
    return this.#below.localAddr;
  }

  get remoteAddr(): Address {
    return this.#below.remoteAddr;
  }

  get tls(): TlsInfo | null {
    return this.#below.tls;
  }
}
