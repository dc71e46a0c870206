/**
 * A server in memory that costs next to nothing: what is counted around it is the client's own.
 *
 * @module
 */
import type { Address, Conn, Dialer } from "../../mod.ts";
import { bytesOf } from "./raw_server.ts";

const answer: Uint8Array = bytesOf(
  "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Fri, 20 Nov 2026 00:00:00 GMT\r\n" +
    "Content-Type: text/plain\r\nContent-Length: 13\r\nConnection: keep-alive\r\n\r\nHello, world!",
);
const address: Address = { transport: "tcp", hostname: "127.0.0.1", port: 80 };
const settled: Promise<void> = Promise.resolve();

/** Answers every write that ends a request. */
class AnsweringConn implements Conn {
  readonly localAddr: Address = address;
  readonly remoteAddr: Address = address;
  readonly tls: null = null;
  bytesWritten = 0;
  bytesRead = 0;
  readonly #counts: AnsweringDialer;
  #answered = false;
  #p: Uint8Array | null = null;
  #resolve: ((count: number | null) => void) | null = null;

  constructor(counts: AnsweringDialer) {
    this.#counts = counts;
  }

  read(p: Uint8Array): Promise<number | null> {
    return new Promise((resolve) => this.startRead(p, resolve));
  }

  startRead(p: Uint8Array, done: (count: number | null) => void): void {
    this.#counts.reads++;
    this.#p = p;
    this.#resolve = done;
    if (this.#answered) queueMicrotask(this.#answer);
  }

  write(p: Uint8Array): Promise<number> {
    return new Promise((resolve) => this.startWrite(p, resolve));
  }

  startWrite(p: Uint8Array, done: (count: number) => void): void {
    this.#counts.writes++;
    this.bytesWritten += p.length;
    if (p[p.length - 1] === this.#counts.lastByte) {
      this.#answered = true;
      if (this.#resolve !== null) queueMicrotask(this.#answer);
    }
    done(p.length);
  }

  closeWrite(): Promise<void> {
    return settled;
  }

  close(): void {
    this.#resolve?.(null);
  }

  ref(): void {}

  unref(): void {}

  readonly #answer = (): void => {
    const done = this.#resolve!;
    this.#p!.set(answer);
    this.bytesRead += answer.length;
    this.#answered = false;
    this.#resolve = null;
    done(answer.length);
  };
}

/** Dials connections in memory and counts what is done with them. */
export class AnsweringDialer implements Dialer {
  dials = 0;
  reads = 0;
  writes = 0;
  /** A write that ends with it ends a request. */
  readonly lastByte: number;

  constructor(lastByte: string) {
    this.lastByte = lastByte.charCodeAt(0);
  }

  dial(): Promise<Conn> {
    this.dials++;
    return Promise.resolve(new AnsweringConn(this));
  }

  startTls(conn: Conn): Promise<Conn> {
    return Promise.resolve(conn);
  }
}
