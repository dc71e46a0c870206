/**
 * Servers on loopback for the tests of connections: TCP, TLS and Unix sockets, and a relay whose
 * client side can be reset.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import * as tls from "node:tls";
import type { Address } from "../../conn/mod.ts";

/** A server that is listening. */
export interface TestServer {
  readonly address: Address;
  /** The next connection that has not been taken yet. */
  accept(): Promise<net.Socket>;
  /** Closes the server and its connections, and waits for both. */
  close(): Promise<void>;
}

/** Where to listen. */
export interface ListenOptions {
  /** On a Unix socket in a folder of its own instead of 127.0.0.1. */
  unix?: boolean;
  /** Of TLS. */
  tls?: tls.TlsOptions;
  /** Told of handshakes that failed. */
  onTlsError?: (error: Error) => void;
}

/** Starts a server. Its sockets do nothing by themselves: half-open, paused. */
export async function listen(options: ListenOptions = {}): Promise<TestServer> {
  const waiting: net.Socket[] = [];
  const wanted: ((socket: net.Socket) => void)[] = [];
  const open = new Set<Duplex>();
  const track = (socket: Duplex) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
  };
  const onSocket = (socket: net.Socket) => {
    track(socket);
    socket.setNoDelay(true);
    const take = wanted.shift();
    if (take === undefined) waiting.push(socket);
    else take(socket);
  };
  const server = options.tls === undefined
    ? net.createServer({ allowHalfOpen: true }, onSocket)
    : tls.createServer({ allowHalfOpen: true, ...options.tls } as tls.TlsOptions, onSocket);
  if (options.tls !== undefined) {
    server.on("connection", track);
    server.on("tlsClientError", (error) => options.onTlsError?.(error));
  }
  const folder = options.unix ? mkdtempSync(join(tmpdir(), "conn-")) : null;
  const path = folder === null ? null : join(folder, "s");
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    if (path === null) server.listen(0, "127.0.0.1", resolve);
    else server.listen(path, resolve);
  });
  const address: Address = path === null
    ? { transport: "tcp", hostname: "127.0.0.1", port: (server.address() as net.AddressInfo).port }
    : { transport: "unix", path };
  return {
    address,
    accept: () => {
      const socket = waiting.shift();
      if (socket !== undefined) return Promise.resolve(socket);
      return new Promise((resolve) => wanted.push(resolve));
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
      while (open.size > 0) await new Promise((resolve) => setImmediate(resolve));
      if (folder !== null) rmSync(folder, { recursive: true });
    },
  };
}

/** Connects to a server of {@linkcode listen}. */
export async function connect(address: Address): Promise<net.Socket> {
  const socket = net.connect({
    ...(address.transport === "tcp"
      ? { host: address.hostname, port: address.port }
      : { path: address.path }),
    allowHalfOpen: true,
  });
  socket.on("error", () => {});
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

/** A server that passes bytes on to another one. */
export interface Relay {
  readonly address: Address;
  /** Breaks every connection on the client's side. */
  reset(): void;
  close(): Promise<void>;
}

/**
 * Starts a relay to `target`; with `options.tls` it ends TLS and passes plain bytes on.
 *
 * @param onClient Called with each client's socket before it is read.
 */
export async function relay(
  target: Address,
  options: ListenOptions = {},
  onClient: (socket: net.Socket) => void = () => {},
): Promise<Relay> {
  const server = await listen(options);
  const near = new Set<net.Socket>();
  const far = new Set<net.Socket>();
  let closing = false;
  const join = async (client: net.Socket): Promise<void> => {
    near.add(client);
    client.on("close", () => near.delete(client));
    const onward = await connect(target);
    far.add(onward);
    onward.on("close", () => {
      far.delete(onward);
      // What it has sent is still to be passed on.
      client.destroySoon();
    });
    if (client.destroyed) return void onward.destroy();
    client.on("close", () => onward.destroy());
    onClient(client);
    client.pipe(onward);
    onward.pipe(client);
  };
  const serve = async (): Promise<void> => {
    while (!closing) await join(await server.accept());
  };
  serve().catch(() => {});
  return {
    address: server.address,
    reset: () => near.forEach(reset),
    close: async () => {
      closing = true;
      await server.close();
      far.forEach((socket) => socket.destroy());
      while (far.size > 0) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** Breaks a connection so that the other side sees a reset. */
export function reset(socket: net.Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    // Not a TCP socket: unread bytes make the kernel do the same.
    socket.destroy();
  }
}
