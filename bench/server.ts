/**
 * The answering side where nginx is not installed: as little as Node can do. Argument: port.
 *
 * @module
 */
import { createServer } from "node:net";
import process from "node:process";

const response = new TextEncoder().encode(
  "HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Fri, 20 Nov 2026 00:00:00 GMT\r\n" +
    "Content-Type: text/plain\r\nContent-Length: 13\r\nConnection: keep-alive\r\n\r\nHello, world!",
);

createServer({ noDelay: true }, (socket) => {
  // Requests without a body, one at a time: each ends with the data it comes in.
  socket.on("data", () => socket.write(response));
  socket.on("error", () => socket.destroy());
}).listen(Number(process.argv[2]), "127.0.0.1");
