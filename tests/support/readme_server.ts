/**
 * The server that the programs of README.md reach, on TCP and on a Unix socket.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** Calls `use` with its port, and closes it with every connection. */
export async function withReadmeServer(
  socketPath: string,
  use: (port: number) => Promise<void>,
): Promise<void> {
  const upgraded: Set<Socket> = new Set();
  let busy = true;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url?.startsWith("/busy") && busy) {
      busy = false;
      response.writeHead(503).end("later");
    } else {
      answerOf(request, response);
    }
  };
  const servers = [createServer(answer), createServer(answer)];
  for (const server of servers) {
    server.on("upgrade", (_request, socket: Socket) => {
      upgraded.add(socket);
      socket.on("error", () => {});
      socket.write("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
      socket.pipe(socket);
    });
  }
  await new Promise<void>((resolve) => servers[0].listen(0, "127.0.0.1", resolve));
  await new Promise<void>((resolve) => servers[1].listen(socketPath, resolve));
  try {
    await use((servers[0].address() as AddressInfo).port);
  } finally {
    for (const socket of upgraded) socket.destroy();
    await Promise.all(servers.map(closed));
  }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

const text = "Hello from the server";

function answerOf(request: IncomingMessage, response: ServerResponse): void {
  const send = (type: string, body: string): void => {
    response.setHeader("Content-Type", type);
    response.end(body);
  };
  switch (request.url) {
    case "/login":
      response.setHeader("Set-Cookie", "session=1; Path=/");
      response.writeHead(303, { "Location": "/welcome" });
      response.end();
      break;
    case "/orders":
      request.setEncoding("utf8");
      request.once("data", (order) => {
        const { cookie, "x-app": app } = request.headers;
        response.statusCode = 201;
        send("application/json", JSON.stringify({ cookie, app, order: JSON.parse(order) }));
      });
      break;
    case "/file": {
      const digest = createHash("sha256").update(text).digest("base64");
      request.resume().once("end", () => {
        response.setHeader("Content-Digest", `sha-256=:${digest}:`);
        response.setHeader("Content-Length", text.length);
        send("text/plain", text);
      });
      break;
    }
    case "/proven":
      if (request.headers.authorization?.startsWith("Digest ")) return send("text/plain", text);
      response.writeHead(401, { "WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"' });
      response.end();
      break;
    case "/api":
      if (request.headers.authorization === "Bearer next") return send("text/plain", text);
      response.writeHead(401, { "WWW-Authenticate": "Bearer" }).end();
      break;
    case "/feed":
      switch (request.headers["last-event-id"]) {
        case undefined:
          send("text/event-stream", "retry: 1\nid: 1\ndata: first\n\n");
          break;
        case "1":
          send("text/event-stream", "id: 2\ndata: second\n\n");
          break;
        default:
          response.writeHead(204).end();
      }
      break;
    case "/events":
      send("text/event-stream", "event: tick\ndata: 1\n\ndata: 2\n\n");
      break;
    case "/orders/0":
      response.statusCode = 404;
      send("text/plain", "No such order");
      break;
    case "/secret":
      response.statusCode = request.headers.authorization === "Bearer mine" ? 200 : 401;
      send("text/plain", "Your secret");
      break;
    case "/lines":
      send("application/x-ndjson", '{"n":1}\n{"n":2}\n');
      break;
    default:
      request.resume();
      send("text/plain", text);
  }
}
