/**
 * A TCP server that scripts bytes: each connection is served by a handler that reads and sends what the test wants.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import * as net from "node:net";
import * as tls from "node:tls";

/** Serves one connection. What it throws fails the test when the server is closed. */
export type RawHandler = (connection: RawConnection) => void | Promise<void>;

/** How to listen. */
export interface RawServerOptions {
  /** Serve TLS with the certificate of `tests/certs/localhost.pem`. @default {false} */
  readonly tls?: boolean;
  /** Serve TLS with this certificate and key, PEM. */
  readonly leaf?: { readonly cert: string; readonly key: string };
  /** Address to listen at. @default {"127.0.0.1"} */
  readonly hostname?: string;
}

/** Reads a file beside this one as text. */
export function testFile(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}

/** The authority that signed the certificate of TLS servers. */
export const testAuthority: string = testFile("../certs/ca.pem");

/** Bytes as text, one character each. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** Text whose characters are bytes, as those bytes. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  // A copy, since a small `Buffer` lies in an array that others use too.
  return new Uint8Array(Buffer.from(text, "latin1"));
}

/** A final answer with a body. */
export function answered(body: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** The connection ended, or was closed by the client, before what the handler waited for came. */
export class ConnectionEndedError extends Error {
  override readonly name: string = "ConnectionEndedError";
}

/** One connection, at the server's end. */
export class RawConnection {
  /** Which connection of its server this is, from 0. */
  readonly index: number;
  /** Settles when the socket is gone, however it ended. */
  readonly closed: Promise<void>;
  /** Settles when the client has ended its side, or the socket is gone. */
  readonly clientEnded: Promise<void>;
  readonly #socket: net.Socket;
  readonly #chunks: Uint8Array[] = [];
  #receivedBytes = 0;
  #sentBytes = 0;
  #unread = "";
  #ended = false;
  #reset = false;
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(socket: net.Socket, index: number) {
    this.#socket = socket;
    this.index = index;
    socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(new Uint8Array(chunk));
      this.#receivedBytes += chunk.length;
      this.#unread += latin1(chunk);
      this.#wake();
    });
    const ended = new Promise<void>((resolve) => {
      socket.on("end", () => {
        this.#ended = true;
        this.#wake();
        resolve();
      });
    });
    socket.on("error", () => {
      this.#reset = true;
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.#isClosed = true;
        this.#wake();
        resolve();
      });
    });
    this.clientEnded = Promise.race([ended, this.closed]);
  }

  /** Everything received so far, one character for each byte. */
  get received(): string {
    return this.#chunks.map(latin1).join("");
  }

  /** How many bytes were received so far. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** How many bytes the kernel has taken; those that wait in the process do not count. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Whether the client has ended its side, or the socket is gone. */
  get ended(): boolean {
    return this.#ended || this.#reset || this.#isClosed || this.#socket.destroyed;
  }

  /** Whether the socket is gone. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Waits for bytes up to and including `mark`, and takes them.
   *
   * @throws {ConnectionEndedError} The client ended first.
   */
  async readUntil(mark: string): Promise<string> {
    return await this.#take(() => {
      const at = this.#unread.indexOf(mark);
      return at === -1 ? -1 : at + mark.length;
    });
  }

  /** Waits for a request head, and takes it. */
  readHead(): Promise<string> {
    return this.readUntil("\r\n\r\n");
  }

  /** Waits for `count` bytes, and takes them. */
  async readBytes(count: number): Promise<string> {
    return await this.#take(() => this.#unread.length >= count ? count : -1);
  }

  /** Waits until the client ends its side or the socket is gone; takes what came before. */
  async readToEnd(): Promise<string> {
    return await this.#take(() => this.ended ? this.#unread.length : -1);
  }

  async #take(length: () => number): Promise<string> {
    for (;;) {
      const n = length();
      if (n >= 0) {
        const taken = this.#unread.slice(0, n);
        this.#unread = this.#unread.slice(n);
        return taken;
      }
      if (this.ended) throw new ConnectionEndedError(`The client ended after ${this.#unread}`);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Sends bytes; settles when the runtime has taken them, or when the connection is gone. */
  async send(bytes: Uint8Array | string): Promise<void> {
    const all = typeof bytes === "string" ? bytesOf(bytes) : bytes;
    if (this.#isClosed || this.#socket.destroyed) return;
    const written = new Promise<void>((resolve) => {
      this.#socket.write(all, (error) => {
        if (!error) this.#sentBytes += all.length;
        resolve();
      });
    });
    await Promise.race([written, this.closed]);
  }

  /** Ends this side. */
  end(): void {
    this.#socket.end();
  }

  /** Closes at once. */
  close(): void {
    this.#socket.destroy();
  }

  /** Breaks the connection with a TCP reset. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Reads nothing more until {@linkcode resume}. */
  pause(): void {
    this.#socket.pause();
  }

  /** Reads again. */
  resume(): void {
    this.#socket.resume();
  }
}

/** A server on the loopback interface. */
export class RawServer {
  /** Every connection so far, in the order in which they came. */
  readonly connections: RawConnection[] = [];
  readonly #server: net.Server;
  readonly #serving: Promise<void>[] = [];
  readonly #failures: unknown[] = [];
  readonly #scheme: string;

  constructor(server: net.Server, handler: RawHandler, scheme: "http" | "https") {
    this.#server = server;
    this.#scheme = scheme;
    server.on(scheme === "https" ? "secureConnection" : "connection", (socket: net.Socket) => {
      const connection = new RawConnection(socket, this.connections.length);
      this.connections.push(connection);
      this.#serving.push(this.#serve(connection, handler));
    });
  }

  async #serve(connection: RawConnection, handler: RawHandler): Promise<void> {
    try {
      await handler(connection);
    } catch (error) {
      // That the client leaves is for the test to judge.
      if (!(error instanceof ConnectionEndedError)) this.#failures.push(error);
    }
    // Half-closed sockets would stay for ever.
    await connection.clientEnded;
    connection.end();
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** `http://127.0.0.1:8000`, or `https://localhost:8000`. */
  get origin(): string {
    return `${this.#scheme}://${this.#scheme === "https" ? "localhost" : "127.0.0.1"}:${this.port}`;
  }

  /** How many sockets are open at this end. */
  get openCount(): number {
    return this.connections.filter((connection) => !connection.isClosed).length;
  }

  /** Settles when no socket is open any more; the clients close them. */
  async allClosed(): Promise<void> {
    await Promise.all(this.connections.map((connection) => connection.closed));
  }

  /**
   * Closes every socket, waits until they are gone and the handlers have ended.
   *
   * @throws What a handler threw.
   */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.connections) connection.close();
    await this.allClosed();
    await closed;
    await Promise.all(this.#serving);
    if (this.#failures.length > 0) throw this.#failures[0];
  }
}

/** Starts a server. Close it at the end of the test. */
export async function rawServer(
  handler: RawHandler,
  options: RawServerOptions = {},
): Promise<RawServer> {
  const isTls = options.tls || options.leaf !== undefined;
  const leaf = options.leaf ?? {
    cert: testFile("../certs/localhost.pem"),
    key: testFile("../certs/localhost.key"),
  };
  const server = isTls
    ? tls.createServer({ noDelay: true, ...leaf })
    : net.createServer({ allowHalfOpen: true, noDelay: true });
  const raw = new RawServer(server, handler, isTls ? "https" : "http");
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, options.hostname ?? "127.0.0.1", () => resolve());
  });
  return raw;
}

/** Runs a test with a server, and closes it whatever happens. */
export async function withRawServer<T>(
  handler: RawHandler,
  run: (server: RawServer) => Promise<T>,
  options?: RawServerOptions,
): Promise<T> {
  const server = await rawServer(handler, options);
  let result: T;
  try {
    result = await run(server);
  } catch (error) {
    // The test's own failure tells more than what it did to the handlers.
    await server.close().catch(() => {});
    throw error;
  }
  await server.close();
  return result;
}
