/**
 * The servers that the programs of docs/routes.md reach: an origin on TCP, TLS and a Unix socket,
 * one that echoes, and proxies of every kind.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import * as net from "node:net";
import * as tls from "node:tls";
import type { Duplex } from "node:stream";

/** Where they listen, and what they saw. */
export interface RouteServers {
  readonly originPort: number;
  readonly secureOriginPort: number;
  readonly echoPort: number;
  /** HTTP proxy; wants the credentials `user:pw`. */
  readonly proxyPort: number;
  /** The same over TLS. */
  readonly secureProxyPort: number;
  /** SOCKS5; wants the same. */
  readonly socksPort: number;
  /** What passed: `"forward example.com:80"`, `"connect …"`, `"socks …"`, `"client certificate"`. */
  readonly seen: string[];
}

const CREDENTIALS = `Basic ${btoa("user:pw")}`;

function testFile(name: string): string {
  return readFileSync(new URL(name, import.meta.url), "utf8");
}

/** Runs a test with all of them, and closes them with every connection. */
export async function withRouteServers(
  socketPath: string,
  run: (servers: RouteServers) => Promise<void>,
): Promise<void> {
  const seen: string[] = [];
  const sockets: Set<net.Socket> = new Set();
  const servers: net.Server[] = [];
  const listen = async (server: net.Server, path?: string): Promise<number> => {
    servers.push(server);
    server.on("connection", (socket: net.Socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => {
      if (path === undefined) server.listen(0, "127.0.0.1", resolve);
      else server.listen(path, resolve);
    });
    return path === undefined ? (server.address() as net.AddressInfo).port : 0;
  };
  const certificate = {
    cert: testFile("../certs/localhost.pem"),
    key: testFile("../certs/localhost.key"),
  };
  const secure = (handler: (socket: tls.TLSSocket) => void): tls.Server => {
    const options = { ...certificate, ca: testFile("../certs/ca.pem"), requestCert: true };
    const server = tls.createServer({ ...options, rejectUnauthorized: false }, handler);
    server.on("tlsClientError", () => {});
    return server;
  };

  const echoPort = await listen(net.createServer((socket) => void socket.pipe(socket)));
  const originPort = await listen(net.createServer(answer));
  await listen(net.createServer(answer), socketPath);
  const secureOriginPort = await listen(secure((socket) => {
    if (socket.authorized) seen.push("client certificate");
    answer(socket);
  }));

  /** Names that only the proxies know. */
  const dial = (host: string, port: number): net.Socket => {
    const known: Record<string, number> = { "example.com": originPort, "echo.example": echoPort };
    const socket = net.connect(known[host] ?? port, "127.0.0.1");
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    return socket;
  };
  const proxy = (client: Duplex): void => forward(client, dial, seen);
  const proxyPort = await listen(net.createServer(proxy));
  const secureProxyPort = await listen(secure(proxy));
  const socksPort = await listen(net.createServer((socket) => {
    void socks(socket, dial, seen).catch(() => socket.destroy());
  }));

  try {
    await run({
      originPort,
      secureOriginPort,
      echoPort,
      proxyPort,
      secureProxyPort,
      socksPort,
      seen,
    });
  } finally {
    const closed = servers.map((server) =>
      new Promise<void>((resolve) => void server.close(() => resolve()))
    );
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  }
}

/** Says hello to every request, and echoes after an upgrade. */
function answer(socket: Duplex): void {
  const reader = new HeadReader(socket);
  const next = async (): Promise<void> => {
    const head = await reader.head();
    if (/^upgrade: echo\r$/im.test(head)) {
      socket.write("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
      reader.release().pipe(socket);
      return;
    }
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    await next();
  };
  next().catch(() => socket.destroy());
}

type Dial = (host: string, port: number) => net.Socket;

/** One request: absolute-form is passed on, CONNECT opens a tunnel. */
async function forwarded(client: Duplex, dial: Dial, seen: string[]): Promise<void> {
  const reader = new HeadReader(client);
  const head = await reader.head();
  const [method, target] = head.split(" ");
  if (!head.includes(`\r\nProxy-Authorization: ${CREDENTIALS}\r\n`)) {
    client.end("HTTP/1.1 407 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  if (method === "CONNECT") {
    const [host, port] = target.split(":");
    seen.push(`connect ${target}`);
    const upstream = dial(host, Number(port));
    client.write("HTTP/1.1 200 OK\r\n\r\n");
    upstream.pipe(client);
    reader.release().pipe(upstream);
    return;
  }
  const { hostname, port, pathname } = new URL(target);
  seen.push(`forward ${hostname}:${port || 80}`);
  const upstream = dial(hostname, Number(port || 80));
  upstream.write(`GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
  upstream.pipe(client);
}

function forward(client: Duplex, dial: Dial, seen: string[]): void {
  forwarded(client, dial, seen).catch(() => client.destroy());
}

/** RFC 1928 and RFC 1929, names and IPv4 only. */
async function socks(client: net.Socket, dial: Dial, seen: string[]): Promise<void> {
  const reader = new HeadReader(client);
  const [, methods] = await reader.bytes(2);
  await reader.bytes(methods);
  client.write(Uint8Array.of(5, 2));
  const [, userLength] = await reader.bytes(2);
  const user = latin1(await reader.bytes(userLength));
  const [passwordLength] = await reader.bytes(1);
  const password = latin1(await reader.bytes(passwordLength));
  const welcome = user === "user" && password === "pw";
  client.write(Uint8Array.of(1, welcome ? 0 : 1));
  if (!welcome) return;
  const [, , , kind] = await reader.bytes(4);
  const host = kind === 3
    ? latin1(await reader.bytes((await reader.bytes(1))[0]))
    : (await reader.bytes(4)).join(".");
  const [high, low] = await reader.bytes(2);
  const port = high * 256 + low;
  seen.push(`socks ${host}:${port}`);
  const upstream = dial(host, port);
  client.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
  upstream.pipe(client);
  reader.release().pipe(upstream);
}

/** Takes heads and counted bytes off a stream, and gives the rest back. */
class HeadReader {
  readonly #stream: Duplex;
  #buffered = "";
  #wake: () => void = () => {};
  #ended = false;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on("data", this.#take);
    stream.on("close", this.#end);
    stream.on("error", this.#end);
  }

  async head(): Promise<string> {
    while (!this.#buffered.includes("\r\n\r\n")) await this.#more();
    return this.#cut(this.#buffered.indexOf("\r\n\r\n") + 4);
  }

  async bytes(count: number): Promise<Uint8Array> {
    while (this.#buffered.length < count) await this.#more();
    return Uint8Array.from(this.#cut(count), (character) => character.charCodeAt(0));
  }

  /** The stream, with what was not taken in front. */
  release(): Duplex {
    this.#stream.off("data", this.#take);
    this.#stream.pause();
    if (this.#buffered !== "") this.#stream.unshift(latin1Bytes(this.#cut(this.#buffered.length)));
    return this.#stream;
  }

  #cut(length: number): string {
    const taken = this.#buffered.slice(0, length);
    this.#buffered = this.#buffered.slice(length);
    return taken;
  }

  readonly #take = (chunk: Uint8Array): void => {
    this.#buffered += latin1(chunk);
    this.#wake();
  };

  readonly #end = (): void => {
    this.#ended = true;
    this.#wake();
  };

  async #more(): Promise<void> {
    if (this.#ended) throw new Error("The client left");
    await new Promise<void>((resolve) => this.#wake = resolve);
  }
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function latin1Bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
