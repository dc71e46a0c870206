/**
 * A server that misbehaves at random, from a seed: it closes, resets, delays, and ends bodies early.
 * Each answer carries the request's id. Prints its port, and at the end of its input how many
 * connections are open.
 *
 * @module
 */
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { SeededRandom } from "../testing/seeded_random.ts";

const numbers = new SeededRandom(Number(process.argv[2] ?? 1));
const random = (): number => numbers.next();
const open = new Set<Socket>();

const server = createServer({ noDelay: true }, (socket) => {
  open.add(socket);
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
    for (let end = headEnd(received); end !== -1; end = headEnd(received)) {
      const head = received.slice(0, end);
      const bodyBytes = Number(/^Content-Length: (\d+)/mi.exec(head)?.[1] ?? 0);
      if (received.length < end + bodyBytes) return;
      received = received.slice(end + bodyBytes);
      answer(socket, /^X-Id: (\d+)/mi.exec(head)![1]);
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => open.delete(socket));
});

function headEnd(text: string): number {
  const at = text.indexOf("\r\n\r\n");
  return at === -1 ? -1 : at + 4;
}

function answer(socket: Socket, id: string): void {
  const body = `id=${id};`.padEnd(16 + Math.floor(random() * 2000), "x");
  const chunked = random() < 0.1;
  const head = `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\n` +
    (chunked ? "Transfer-Encoding: chunked\r\n\r\n" : `Content-Length: ${body.length}\r\n\r\n`);
  const message = head +
    (chunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body);
  const fate = random();
  if (fate < 0.005) socket.end(message);
  else if (fate < 0.010) socket.destroy();
  else if (fate < 0.015) socket.resetAndDestroy();
  else if (fate < 0.020) socket.end(message.slice(0, head.length + 8));
  else if (fate < 0.025) socket.write(message.slice(0, 20), () => socket.resetAndDestroy());
  else if (fate < 0.030) socket.write(message + "HTTP/1.1 200 OK\r\nX-Id: evil\r\n\r\n");
  else if (fate < 0.060) setTimeout(() => socket.write(message), random() * 10);
  else if (fate < 0.100) splitWrite(socket, message);
  else socket.write(message);
}

function splitWrite(socket: Socket, message: string): void {
  const at = Math.floor(random() * message.length);
  socket.write(message.slice(0, at), () => setTimeout(() => socket.write(message.slice(at)), 1));
}

server.listen(0, "127.0.0.1", () => {
  console.log((server.address() as { port: number }).port);
});
process.stdin.on("data", () => {});
process.stdin.on("end", () => {
  // What was closed a moment ago may not have been told of yet.
  setTimeout(() => {
    console.log(open.size);
    process.exit(0);
  }, 500);
});
