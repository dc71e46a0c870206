/**
 * A WebSocket server for the example that needs one: it greets, and sends texts back.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { NodeConn } from "../conn/runtimes/node_conn.ts";
import type { Address, Conn } from "../conn/mod.ts";
import type { Target } from "./target.ts";
import { acceptKey, encodeFrame, OPCODES, readFrame } from "./websocket.ts";

/** Starts a server on a loopback port. */
export async function startWebSocketServer(): Promise<Target> {
  const sockets: Set<Socket> = new Set();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    const nowhere: Address = { transport: "unix", path: "" };
    const conn = new NodeConn(socket, { localAddr: nowhere, remoteAddr: nowhere, tls: null });
    // A client that goes away is no reason to end the server.
    serve(conn).catch(() => {}).finally(() => conn.close());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}/`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function serve(conn: Conn): Promise<void> {
  const head = await readHead(conn);
  const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1];
  if (key === undefined) {
    await conn.write(bytesOf("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"));
    return;
  }
  const greeting = encodeFrame(OPCODES.text, bytesOf("welcome"));
  const answer = [
    "HTTP/1.1 101 Switching Protocols",
    "Connection: Upgrade",
    "Upgrade: websocket",
    `Sec-WebSocket-Accept: ${await acceptKey(key)}`,
    "\r\n",
  ].join("\r\n");
  // In one piece: the client has the greeting before it has asked for the connection.
  await conn.write(Uint8Array.of(...bytesOf(answer), ...greeting));
  for (;;) {
    const { opcode, payload } = await readFrame(conn);
    await conn.write(encodeFrame(opcode, payload));
    if (opcode === OPCODES.close) return;
  }
}

/** Reads up to the empty line, and not a byte more. */
async function readHead(conn: Conn): Promise<string> {
  const byte = new Uint8Array(1);
  let head = "";
  while (!head.endsWith("\r\n\r\n")) {
    if (await conn.read(byte) === null) throw new Error("The client left");
    head += String.fromCharCode(byte[0]);
  }
  return head;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
