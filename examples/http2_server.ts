/**
 * An HTTP/2 server for the examples that need one, on Roundtrip's own server end: without TLS, so that
 * clients have to know beforehand what it speaks.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import type { Address } from "../conn/mod.ts";
import { NodeConn } from "../conn/runtimes/node_conn.ts";
import { Http2ServerConnection, type ServerStream } from "../http2/mod.ts";
import type { Target } from "./target.ts";

/** Starts a server on a loopback port. */
export async function startHttp2Server(): Promise<Target> {
  const sockets: Set<Socket> = new Set();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    const nowhere: Address = { transport: "unix", path: "" };
    const conn = new NodeConn(socket, { localAddr: nowhere, remoteAddr: nowhere, tls: null });
    // A client that goes away is no reason to end the server.
    serve(new Http2ServerConnection(conn, { enableConnectProtocol: true })).catch(() => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function serve(connection: Http2ServerConnection): Promise<void> {
  for (;;) {
    const stream = await connection.accept();
    if (stream === null) return;
    answer(stream).catch(() => stream.reset(2));
  }
}

async function answer(stream: ServerStream): Promise<void> {
  const { method, path, protocol } = stream.head;
  if (method === "CONNECT" && protocol === "websocket") return await echo(stream);
  if (path === "/events") {
    const headers = { "content-type": "text/event-stream" };
    return stream.respond({ statusCode: 200, headers, content: events() });
  }
  if (path === "/greet.Greeter/Greet") return await greet(stream);
  stream.respond({ statusCode: 200, content: `${method} ${path} on stream ${stream.id}\n` });
}

async function* events(): AsyncIterable<Uint8Array> {
  for (const word of ["one", "two", "three"]) {
    yield new TextEncoder().encode(`data: ${word}\n\n`);
    await setTimeout(10);
  }
}

/** A unary call as gRPC makes it: a message each way, and how it went behind the answer. */
async function greet(stream: ServerStream): Promise<void> {
  const request = await readAll(stream);
  const name = new TextDecoder().decode(request.subarray(5));
  const text = new TextEncoder().encode(`Hello, ${name}`);
  const message = new Uint8Array(5 + text.length);
  new DataView(message.buffer).setUint32(1, text.length);
  message.set(text, 5);
  stream.respond({
    statusCode: 200,
    headers: { "content-type": "application/grpc" },
    content: message,
    trailers: [["grpc-status", "0"], ["grpc-message", "well done"]],
  });
}

async function readAll(stream: ServerStream): Promise<Uint8Array> {
  const room = new Uint8Array(64 * 1024);
  let length = 0;
  for (;;) {
    const n = await stream.content.read(room.subarray(length));
    if (n === null) return room.subarray(0, length);
    length += n;
  }
}

/** Sends back what comes through the stream. */
async function echo(stream: ServerStream): Promise<void> {
  const conn = stream.accept();
  const room = new Uint8Array(4096);
  for (let n = await conn.read(room); n !== null; n = await conn.read(room)) {
    await conn.write(room.slice(0, n));
  }
  await conn.closeWrite();
}
