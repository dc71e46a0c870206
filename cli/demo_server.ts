/**
 * A server on a loopback port, or a Unix socket, that shows what HTTP/1.1 can do. For the
 * demonstration and the examples.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { NodeConn } from "../conn/runtimes/node_conn.ts";
import type { Address, Reader } from "../conn/conn.ts";
import { ServerConnection, type ServerRequest } from "../http1/server_connection.ts";

/** A server that runs. */
export interface DemoServer {
  /** Of its root, without a `/` at the end. Through a Unix socket: what to ask for. */
  readonly url: string;
  /** Closes it and every connection. */
  close(): Promise<void>;
}

type Route = (request: ServerRequest, connection: ServerConnection) => Promise<void>;

const encoder = new TextEncoder();

/** Bytes that `/large` would send: more than anybody reads. */
export const LARGE_BYTES: number = 1024 ** 3;

/** Length of the text that `/gzip` sends. */
const GZIP_TEXT_BYTES = 64 * 1024;

const routes: Readonly<Record<string, Route>> = {
  "/hello": (_request, connection) =>
    connection.respond({
      statusCode: 200,
      headers: [["Content-Type", "text/plain"]],
      content: "Hello, world!\n",
    }),

  "/chunked": (_request, connection) =>
    connection.respond({
      statusCode: 200,
      headers: [["Content-Type", "text/plain"], ["Trailer", "X-Lines, X-Mood"]],
      content: ["one\n", "two\n", "three\n"].map((line) => encoder.encode(line)),
      trailers: [["X-Lines", "3"], ["X-Mood", "good"]],
    }),

  "/gzip": (_request, connection) =>
    connection.respond({
      statusCode: 200,
      headers: [["Content-Type", "text/plain"], ["Content-Encoding", "gzip"]],
      content: gzipSync("All work and no play. ".repeat(3_000).slice(0, GZIP_TEXT_BYTES)),
    }),

  "/hints": async (_request, connection) => {
    await connection.inform(103, [["Link", "</style.css>; rel=preload; as=style"]]);
    await connection.respond({
      statusCode: 200,
      headers: [["Content-Type", "text/html"]],
      content: '<link rel="stylesheet" href="/style.css">\n',
    });
  },

  "/upload": async (request, connection) => {
    const bytes = await countBytes(request.content);
    await connection.respond({
      statusCode: 200,
      headers: [["Content-Type", "application/json"]],
      content: JSON.stringify({ bytes, trailers: [...request.trailers ?? []] }) + "\n",
    });
  },

  "/full": (_request, connection) =>
    connection.respond({
      statusCode: 413,
      reasonPhrase: "Content Too Large",
      headers: [["Connection", "close"]],
      content: "No more, thank you.\n",
    }),

  "/unasked": async (request, connection) => {
    if (request.head.headers.has("expect")) {
      await connection.respond({ statusCode: 417, headers: [["Connection", "close"]] });
    } else {
      await connection.respond({
        statusCode: 200,
        content: JSON.stringify({ bytes: await countBytes(request.content) }) + "\n",
      });
    }
  },

  "/large": (_request, connection) =>
    connection.respond({ statusCode: 200, content: zeros(LARGE_BYTES) }),

  "/download": (_request, connection) =>
    connection.respond({ statusCode: 200, content: new Uint8Array(8 * 1024 * 1024) }),

  "/echo": async (_request, connection) => {
    const conn = await connection.switchProtocols("echo");
    const buffer = new Uint8Array(4096);
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) {
      await conn.write(buffer.subarray(0, n));
    }
    conn.close();
  },
};

/**
 * Starts a server.
 *
 * @param path Of a Unix socket to listen on; default: a free port on 127.0.0.1.
 */
export async function startDemoServer(path?: string): Promise<DemoServer> {
  const sockets: Set<Socket> = new Set();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    void serve(socket);
  });
  server.listen(path === undefined ? { host: "127.0.0.1", port: 0 } : { path });
  await once(server, "listening");
  const address = server.address();
  const url = typeof address === "object" && address !== null
    ? `http://127.0.0.1:${address.port}`
    : "http://localhost";
  return {
    url,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function serve(socket: Socket): Promise<void> {
  const here: Address = { transport: "unix", path: "" };
  const conn = new NodeConn(socket, { localAddr: here, remoteAddr: here, tls: null });
  const connection = new ServerConnection(conn);
  try {
    for (;;) {
      const request = await connection.readRequest();
      if (request === null) break;
      const path = request.head.requestTarget.replace(/\?.*$/, "");
      const route = Object.hasOwn(routes, path) ? routes[path] : notFound;
      await route(request, connection);
    }
  } catch {
    // The client went away, or never spoke HTTP; there is nobody to tell.
  }
  connection.close();
}

const notFound: Route = (_request, connection) =>
  connection.respond({
    statusCode: 404,
    reasonPhrase: "Not Found",
    headers: [["Content-Type", "text/plain"]],
    content: `There are: ${Object.keys(routes).join(" ")}\n`,
  });

async function countBytes(content: Reader): Promise<number> {
  const buffer = new Uint8Array(64 * 1024);
  let bytes = 0;
  for (let n = await content.read(buffer); n !== null; n = await content.read(buffer)) bytes += n;
  return bytes;
}

/** Gives the client, which lives in the same process, its turn after each piece. */
async function* zeros(bytes: number): AsyncIterable<Uint8Array> {
  const piece = new Uint8Array(64 * 1024);
  for (let sent = 0; sent < bytes; sent += piece.length) {
    yield piece.subarray(0, Math.min(piece.length, bytes - sent));
    await setImmediate();
  }
}
