/**
 * A server in memory that costs next to nothing: what is counted around it is the client's own.
 *
 * @module
 */
import type { Address, Conn, Dialer } from "../../mod.ts";
import { KnownConn } from "../../conn/known_conn.ts";
import { bytesOf } from "./raw_server.ts";

const greeting = bytesOf("Hello, world!");

/** An answer with `content`. @param coding Its content coding. */
function answerWith(content: Uint8Array, coding: string | null): Uint8Array {
  const head = "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Fri, 20 Nov 2026 00:00:00 GMT\r\n" +
    `Content-Type: text/plain\r\nContent-Length: ${content.length}\r\nConnection: keep-alive\r\n` +
    (coding === null ? "" : `Content-Encoding: ${coding}\r\n`) + "\r\n";
  const answer = new Uint8Array(head.length + content.length);
  answer.set(bytesOf(head));
  answer.set(content, head.length);
  return answer;
}

const address: Address = { transport: "tcp", hostname: "127.0.0.1", port: 80 };
const settled: Promise<void> = Promise.resolve();

/** Answers every write that ends a request. Known, as those of the runtimes are: it is not guarded. */
class AnsweringConn extends KnownConn implements Conn {
  readonly localAddr: Address = address;
  readonly remoteAddr: Address = address;
  readonly tls: null = null;
  bytesWritten = 0;
  bytesRead = 0;
  readonly #counts: AnsweringDialer;
  #answered = false;
  /** How much of the answer has been given. */
  #at = 0;
  #p: Uint8Array | null = null;
  #resolve: ((count: number | null) => void) | null = null;

  constructor(counts: AnsweringDialer) {
    super();
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
    const { answer } = this.#counts;
    const p = this.#p!;
    const n = Math.min(p.length, answer.length - this.#at);
    p.set(n === answer.length ? answer : answer.subarray(this.#at, this.#at + n));
    this.bytesRead += n;
    this.#at = this.#at + n === answer.length ? 0 : this.#at + n;
    this.#answered = this.#at > 0;
    this.#resolve = null;
    done(n);
  };
}

/** Dials connections in memory and counts what is done with them. */
export class AnsweringDialer implements Dialer {
  dials = 0;
  reads = 0;
  writes = 0;
  /** A write that ends with it ends a request. */
  readonly lastByte: number;
  readonly answer: Uint8Array;

  /** @param content What every answer brings; with its coding, where it has one. */
  constructor(lastByte: string, content: Uint8Array = greeting, coding: string | null = null) {
    this.lastByte = lastByte.charCodeAt(0);
    this.answer = answerWith(content, coding);
  }

  dial(): Promise<Conn> {
    this.dials++;
    return Promise.resolve(new AnsweringConn(this));
  }

  startTls(conn: Conn): Promise<Conn> {
    return Promise.resolve(conn);
  }
}
