/**
 * A server that misbehaves at random, from a seed: it closes, resets, delays, and ends bodies early.
 * Each answer carries the request's id. Prints its port (`port 1234`), and at the end of its
 * input how many connections are open (`open 0`).
 *
 * `soak_server.ts SEED [busy|busy-tls]`: for busy clients it also plants answers that nobody asked
 * for, and prints of each when the kernel has had it, as `planted ID TIME`.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { createServer as createTlsServer } from "node:tls";
import { SeededRandom } from "../testing/seeded_random.ts";

const numbers = new SeededRandom(Number(process.argv[2] ?? 1));
const random = (): number => numbers.next();
const open = new Set<Socket>();
const mode = process.argv[3] ?? "calm";

function serve(socket: Socket): void {
  open.add(socket);
  // What is written is to be on its way when its time is noted.
  socket.setNoDelay(true);
  let received = "";
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
    for (let end = headEnd(received); end !== -1; end = headEnd(received)) {
      const head = received.slice(0, end);
      const bodyBytes = Number(/^Content-Length: (\d+)/mi.exec(head)?.[1] ?? 0);
      if (received.length < end + bodyBytes) return;
      received = received.slice(end + bodyBytes);
      // What was planted has been taken for the answer: there shall not be a second one.
      if (planted.has(socket)) return void socket.destroy();
      answer(socket, /^X-Id: (\d+)/mi.exec(head)![1]);
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => open.delete(socket));
}

/** Milliseconds within which something is planted behind an answer. */
const PLANTING_MS = 40;

const planted = new Set<Socket>();
let plantedCount = 0;

/** Sockets that a delayed answer is owed to: planted before it, it would make it the next request's. */
const owed = new Set<Socket>();

/** Writes a part of an answer, or all of it, a little later. */
function owe(socket: Socket, part: string, delayMs: number): void {
  owed.add(socket);
  setTimeout(() => {
    owed.delete(socket);
    socket.write(part);
  }, delayMs);
}

function plant(socket: Socket): void {
  if (socket.destroyed || owed.has(socket)) return;
  planted.add(socket);
  const id = ++plantedCount;
  const body = `planted=${id};`;
  const head = `HTTP/1.1 200 OK\r\nX-Id: planted\r\nContent-Length: ${body.length}\r\n\r\n`;
  socket.write(head + body, () => console.log(`planted ${id} ${Date.now()}`));
  socket.on("close", () => planted.delete(socket));
}

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
  if (mode !== "calm" && random() < 0.2) {
    socket.write(message);
    setTimeout(plant, random() * PLANTING_MS, socket);
    return;
  }
  const fate = random();
  if (fate < 0.005) socket.end(message);
  else if (fate < 0.010) socket.destroy();
  else if (fate < 0.015) reset(socket);
  else if (fate < 0.020) socket.end(message.slice(0, head.length + 8));
  else if (fate < 0.025) socket.write(message.slice(0, 20), () => reset(socket));
  else if (fate < 0.030) socket.write(message + "HTTP/1.1 200 OK\r\nX-Id: evil\r\n\r\n");
  else if (fate < 0.060) owe(socket, message, random() * 10);
  else if (fate < 0.100) splitWrite(socket, message);
  else socket.write(message);
}

function reset(socket: Socket): void {
  // A TLS socket cannot.
  if (mode === "busy-tls") socket.destroy();
  else socket.resetAndDestroy();
}

function splitWrite(socket: Socket, message: string): void {
  const at = Math.floor(random() * message.length);
  socket.write(message.slice(0, at));
  owe(socket, message.slice(at), 1);
}

const certificate = (name: string): string =>
  readFileSync(new URL(`../tests/certs/${name}`, import.meta.url), "utf8");
const server = mode === "busy-tls"
  ? createTlsServer(
    { cert: certificate("localhost.pem"), key: certificate("localhost.key") },
    serve,
  )
  : createServer({ noDelay: true }, serve);
server.listen(0, "127.0.0.1", () => {
  console.log(`port ${(server.address() as { port: number }).port}`);
});
process.stdin.on("data", () => {});
process.stdin.on("end", () => {
  // What was closed a moment ago may not have been told of yet.
  setTimeout(() => {
    console.log(`open ${open.size}`);
    process.exit(0);
  }, 500);
});
