/**
 * The limit: the same request bytes written and the same response bytes read on the runtime's own
 * sockets, without looking at them; where the others parse or unpack, it does that and nothing else. Deno awaits each write and read; Bun and Node work in callbacks,
 * which is faster there (awaiting costs Node a fifth and Bun a thirtieth).
 *
 * @module
 */
import { readFileSync } from "node:fs";
import * as net from "node:net";
import process from "node:process";
import * as tls from "node:tls";
import { gunzipSync } from "node:zlib";
import type { Lap } from "./meter.ts";
import type { Task } from "./task.ts";

/** What a raw loop sends and how it knows that it has the answer. */
export interface RawExchange {
  readonly hostname: string;
  readonly port: number;
  readonly ca: string | null;
  readonly request: Uint8Array;
  /** Bytes of the whole response. */
  readonly responseBytes: number;
  /** What is made of the whole response; null: nothing. Throws if it is not the right one. */
  readonly finish: ((response: Uint8Array) => void) | null;
  /** A connection for each exchange. */
  readonly close: boolean;
}

interface DenoConn {
  read(p: Uint8Array): Promise<number | null>;
  write(p: Uint8Array): Promise<number>;
  close(): void;
}

interface DenoTcpConn extends DenoConn {
  setNoDelay(on: boolean): void;
}

interface DenoRuntime {
  connect(options: { hostname: string; port: number }): Promise<DenoTcpConn>;
  startTls(conn: DenoTcpConn, options: { hostname: string; caCerts: string[] }): Promise<
    DenoConn & { handshake(): Promise<unknown> }
  >;
}

interface BunSocket {
  write(p: Uint8Array, offset?: number, length?: number): number;
  end(): void;
}

interface BunRuntime {
  connect(options: {
    hostname: string;
    port: number;
    tls?: { ca: string; serverName: string };
    socket: {
      open?(socket: BunSocket): void;
      handshake?(socket: BunSocket, ok: boolean): void;
      data(socket: BunSocket, data: Uint8Array): void;
      drain?(socket: BunSocket): void;
      close?(): void;
      error(socket: BunSocket, error: Error): void;
    };
  }): Promise<BunSocket>;
}

const globals = globalThis as { Deno?: DenoRuntime; Bun?: BunRuntime };

/** Bytes. Reads into a buffer of this size where the runtime lets one choose. */
export const READ_BYTES: number = 1024 * 1024;

/** Bytes. Pieces of an upload. */
export const PIECE_BYTES: number = 64 * 1024;

/** The request that ours sends, as bytes. */
export function rawRequest(task: Task): Uint8Array {
  const { pathname, host } = new URL(task.url);
  const method = task.postBytes > 0 ? "POST" : "GET";
  const length = task.postBytes > 0 ? `Content-Length: ${task.postBytes}\r\n` : "";
  const target = task.proxy === "" ? pathname : task.url;
  const head = `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: roundtrip/0.1.0\r\n` +
    `${length}${task.close ? "Connection: close\r\n" : ""}Accept-Encoding: gzip\r\n\r\n`;
  const body = task.streamed ? 0 : task.postBytes;
  const bytes = new Uint8Array(head.length + body).fill(0x61);
  bytes.set(new TextEncoder().encode(head));
  return bytes;
}

/** Sends the request once, to learn how long the response is and that it is the right one. */
export async function probe(task: Task): Promise<RawExchange> {
  const { hostname, port } = new URL(task.proxy === "" ? task.url : task.proxy);
  const ca = task.url.startsWith("https:") ? readFileSync(task.caFile, "utf8") : null;
  const request = rawRequest(task);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const socket = ca === null
    ? net.connect(Number(port), hostname)
    : tls.connect({ host: hostname, port: Number(port), ca });
  socket.on("error", reject).on("close", () => reject(new Error("The server closed")));
  let finish: RawExchange["finish"] = null;
  let text = "";
  socket.on("data", (data: Uint8Array) => {
    text += new TextDecoder("latin1").decode(data);
    const body = text.indexOf("\r\n\r\n") + 4;
    if (body < 4) return;
    const head = text.slice(0, body).toLowerCase();
    if (!head.startsWith("http/1.1 200")) return reject(new Error(head.split("\r\n")[0]));
    const length = /\r\ncontent-length: (\d+)/.exec(head);
    if (length === null) {
      if (text.endsWith("\r\n0\r\n\r\n")) resolve(text.length);
      return;
    }
    if (head.includes("content-encoding: gzip")) finish = unpack(task, body);
    else if (task.read === "json") finish = parse(task, body);
    else if (Number(length[1]) !== task.expected) reject(new Error(`${length[1]} bytes`));
    resolve(body + Number(length[1]));
  });
  socket.write(request);
  const responseBytes = await promise;
  socket.destroy();
  return { hostname, port: Number(port), ca, request, responseBytes, finish, close: task.close };
}

function unpack({ expected }: Task, head: number): (response: Uint8Array) => void {
  return (response) => {
    const { length } = gunzipSync(response.subarray(head));
    if (length !== expected) throw new Error(`${length} instead of ${expected} bytes`);
  };
}

function parse({ expected }: Task, head: number): (response: Uint8Array) => void {
  const decoder = new TextDecoder();
  return (response) => {
    const { length } = JSON.parse(decoder.decode(response.subarray(head)));
    if (length !== expected) throw new Error(`${length} instead of ${expected} items`);
  };
}

/** Bytes of a response that are still to come, from what comes. */
class Remainder {
  readonly #responseBytes: number;
  readonly #finish: RawExchange["finish"];
  readonly #whole: Uint8Array | null;
  #left: number;

  constructor({ responseBytes, finish }: RawExchange) {
    this.#responseBytes = responseBytes;
    this.#finish = finish;
    this.#whole = finish === null ? null : new Uint8Array(responseBytes);
    this.#left = responseBytes;
  }

  /** Takes the next `n` bytes, which `data` begins with; true: that was the response. */
  take(data: Uint8Array, n: number): boolean {
    this.#whole?.set(data.subarray(0, n), this.#responseBytes - this.#left);
    this.#left -= n;
    if (this.#left > 0) return false;
    if (this.#left < 0) throw new Error(`${-this.#left} bytes too many`);
    this.#left = this.#responseBytes;
    if (this.#whole !== null) this.#finish!(this.#whole);
    return true;
  }
}

/** A closed loop of exchanges. */
export function rawLoop(exchange: RawExchange, lap: Lap): Promise<void> {
  if (globals.Deno) return denoLoop(globals.Deno, exchange, lap);
  return globals.Bun ? bunLoop(globals.Bun, exchange, lap) : nodeLoop(exchange, lap);
}

async function denoConnect(deno: DenoRuntime, exchange: RawExchange): Promise<DenoConn> {
  const { hostname, port, ca } = exchange;
  const conn = await deno.connect({ hostname, port });
  conn.setNoDelay(true);
  if (ca === null) return conn;
  const secure = await deno.startTls(conn, { hostname, caCerts: [ca] });
  await secure.handshake();
  return secure;
}

async function denoLoop(deno: DenoRuntime, exchange: RawExchange, lap: Lap): Promise<void> {
  const { request, responseBytes, close } = exchange;
  const buffer = new Uint8Array(responseBytes > READ_BYTES ? READ_BYTES : 64 * 1024);
  const remainder = new Remainder(exchange);
  let conn = await denoConnect(deno, exchange);
  for (;;) {
    await conn.write(request);
    for (;;) {
      const n = await conn.read(buffer);
      if (n === null) throw new Error("The server closed");
      if (remainder.take(buffer, n)) break;
    }
    const goOn = lap.next();
    if (close || !goOn) conn.close();
    if (!goOn) return;
    if (close) conn = await denoConnect(deno, exchange);
  }
}

async function bunLoop(bun: BunRuntime, exchange: RawExchange, lap: Lap): Promise<void> {
  const { hostname, port, ca, request, close } = exchange;
  let goOn = true;
  do {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const remainder = new Remainder(exchange);
    await bun.connect({
      hostname,
      port,
      ...(ca === null ? {} : { tls: { ca, serverName: hostname } }),
      socket: {
        ...(ca === null
          ? { open: (socket) => void socket.write(request) }
          : { handshake: (socket) => void socket.write(request) }),
        data(socket, data) {
          if (!remainder.take(data, data.length)) return;
          goOn = lap.next();
          if (goOn && !close) {
            socket.write(request);
          } else {
            // Closing is told at once, and is no error any more.
            resolve();
            socket.end();
          }
        },
        close: () => reject(new Error("The server closed")),
        error: (_, error) => reject(error),
      },
    });
    await promise;
  } while (goOn);
}

async function nodeLoop(exchange: RawExchange, lap: Lap): Promise<void> {
  const { hostname, port, ca, request, responseBytes, close } = exchange;
  const buffer = new Uint8Array(responseBytes > READ_BYTES ? READ_BYTES : 64 * 1024);
  let goOn = true;
  do {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const remainder = new Remainder(exchange);
    const take = (n: number, data: Uint8Array): boolean => {
      if (!remainder.take(data, n)) return true;
      goOn = lap.next();
      if (goOn && !close) {
        socket.write(request);
      } else {
        socket.destroy();
        resolve();
      }
      return true;
    };
    const onread = { buffer, callback: take };
    const socket: net.Socket = ca === null
      ? net.connect({ host: hostname, port, noDelay: true, onread })
      : tls.connect({ host: hostname, port, ca });
    if (ca !== null) {
      socket.setNoDelay(true);
      socket.on("data", (data: Uint8Array) => take(data.length, data));
    }
    socket.on(ca === null ? "connect" : "secureConnect", () => socket.write(request));
    socket.on("error", reject).on("close", () => reject(new Error("The server closed")));
    await promise;
  } while (goOn);
}

/** A closed loop of uploads: the head, `bytes` in pieces, and the response in one read. */
export function rawUpload(exchange: RawExchange, bytes: number, lap: Lap): Promise<void> {
  if (globals.Deno) return denoUpload(globals.Deno, exchange, bytes, lap);
  return globals.Bun
    ? bunUpload(globals.Bun, exchange, bytes, lap)
    : nodeUpload(exchange, bytes, lap);
}

function checkAnswer({ responseBytes }: RawExchange, bytes: number | null): void {
  if (bytes !== responseBytes) throw new Error(`${bytes} instead of ${responseBytes} bytes`);
}

async function denoUpload(
  deno: DenoRuntime,
  exchange: RawExchange,
  bytes: number,
  lap: Lap,
): Promise<void> {
  const piece = new Uint8Array(PIECE_BYTES);
  const answer = new Uint8Array(1024);
  const conn = await denoConnect(deno, exchange);
  do {
    await conn.write(exchange.request);
    for (let sent = 0; sent < bytes;) {
      const end = Math.min(PIECE_BYTES, bytes - sent);
      for (let from = 0; from < end;) {
        from += await conn.write(
          from === 0 && end === PIECE_BYTES ? piece : piece.subarray(from, end),
        );
      }
      sent += end;
    }
    checkAnswer(exchange, await conn.read(answer));
  } while (lap.next());
  conn.close();
}

async function bunUpload(
  bun: BunRuntime,
  exchange: RawExchange,
  bytes: number,
  lap: Lap,
): Promise<void> {
  const piece = new Uint8Array(PIECE_BYTES);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let sent = 0;
  const send = (socket: BunSocket): void => {
    while (sent < bytes) {
      // Where in the piece the last short write ended.
      const from = sent % PIECE_BYTES;
      const length = Math.min(PIECE_BYTES - from, bytes - sent);
      const taken = socket.write(piece, from, length);
      if (taken < 0) return reject(new Error("The server closed"));
      sent += taken;
      if (taken < length) return;
    }
  };
  const begin = (socket: BunSocket): void => {
    sent = 0;
    socket.write(exchange.request);
    send(socket);
  };
  await bun.connect({
    hostname: exchange.hostname,
    port: exchange.port,
    socket: {
      open: begin,
      drain: send,
      data(socket, data) {
        checkAnswer(exchange, data.length);
        if (lap.next()) return begin(socket);
        resolve();
        socket.end();
      },
      close: () => reject(new Error("The server closed")),
      error: (_, error) => reject(error),
    },
  });
  await promise;
}

async function nodeUpload(exchange: RawExchange, bytes: number, lap: Lap): Promise<void> {
  const piece = new Uint8Array(PIECE_BYTES);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = net.connect({ host: exchange.hostname, port: exchange.port, noDelay: true });
  let sent = 0;
  const send = (): void => {
    while (sent < bytes) {
      const end = Math.min(PIECE_BYTES, bytes - sent);
      sent += end;
      if (!socket.write(end === PIECE_BYTES ? piece : piece.subarray(0, end))) return;
    }
  };
  const begin = (): void => {
    sent = 0;
    socket.write(exchange.request);
    send();
  };
  socket.on("connect", begin).on("drain", send).on("error", reject);
  socket.on("close", () => reject(new Error("The server closed")));
  socket.on("data", (data: Uint8Array) => {
    checkAnswer(exchange, data.length);
    if (lap.next()) return begin();
    socket.destroy();
    resolve();
  });
  await promise;
}

/** Opens a connection, makes one exchange and keeps a read outstanding, as an idle connection has. */
export async function openIdle(exchange: RawExchange): Promise<void> {
  const { hostname, port, request } = exchange;
  const remainder = new Remainder(exchange);
  if (globals.Deno) {
    const conn = await denoConnect(globals.Deno, exchange);
    await conn.write(request);
    const buffer = new Uint8Array(1024);
    for (let taken = false; !taken;) {
      const n = await conn.read(buffer);
      if (n === null) throw new Error("The server closed");
      taken = remainder.take(buffer, n);
    }
    conn.read(new Uint8Array(1)).catch(() => {});
    return;
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (globals.Bun) {
    await globals.Bun.connect({
      hostname,
      port,
      socket: {
        open: (socket) => void socket.write(request),
        data: (_, data) => void (remainder.take(data, data.length) && resolve()),
        error: (_, error) => reject(error),
      },
    });
  } else {
    const socket = net.connect({ host: hostname, port }, () => socket.write(request));
    socket.on("error", reject).on("data", (data: Uint8Array) => {
      if (remainder.take(data, data.length)) resolve();
    });
  }
  await promise;
}

/** The runtime that runs this. */
export const runtime: "deno" | "bun" | "node" = globals.Deno
  ? "deno"
  : globals.Bun
  ? "bun"
  : "node";

/** Ends the process although connections are open. */
export function leave(result: unknown): never {
  console.log(JSON.stringify(result));
  process.exit(0);
}
