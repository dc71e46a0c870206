/**
 * Large bodies through `createFetch`, down and up, against a server in another process: shows that
 * memory stays flat. Everything stays on loopback and ends by itself.
 *
 * Arguments: GiB each way (default 4). Run it with each runtime.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { createFetch, Transport } from "../mod.ts";

const MIB = 1024 * 1024;
const PIECE_BYTES = 64 * 1024;
/** A bound that no machine should need. */
const GIVE_UP_MS = 300_000;

setTimeout(() => {
  console.error("took too long");
  process.exit(1);
}, GIVE_UP_MS).unref?.();

if (process.argv[2] === "serve") serve();
else await measure(Number(process.argv[2] ?? 4) * 1024 * MIB);

/** Answers GET with as many bytes as the path says, and PUT with how many came. */
function serve(): void {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (first: Uint8Array) => {
      const text = new TextDecoder("latin1").decode(first);
      if (text.startsWith("GET")) send(socket, Number(/\/(\d+)/.exec(text)![1]));
      else receive(socket, text);
    });
  });
  server.listen(0, "127.0.0.1", () => console.log((server.address() as { port: number }).port));
}

function send(socket: Socket, bytes: number): void {
  const piece = new Uint8Array(PIECE_BYTES).fill(0x61);
  let left = bytes;
  socket.write(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${bytes}\r\n\r\n`);
  const more = (): void => {
    while (left > 0) {
      left -= PIECE_BYTES;
      if (!socket.write(piece)) return;
    }
    socket.end();
  };
  socket.on("drain", more);
  more();
}

function receive(socket: Socket, head: string): void {
  const end = head.indexOf("\r\n\r\n") + 4;
  const expected = Number(/content-length: *(\d+)/i.exec(head)![1]);
  let received = head.length - end;
  socket.on("data", (piece: Uint8Array) => {
    received += piece.length;
    if (received < expected) return;
    const text = String(received);
    socket.end(
      `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    );
  });
}

async function measure(bytes: number): Promise<void> {
  const node = new URL("../node_modules/.bin/node", import.meta.url).pathname;
  const server = spawn(node, [new URL(import.meta.url).pathname, "serve"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const port = await new Promise<string>((resolve) =>
    server.stdout.once("data", (line: Uint8Array) => resolve(new TextDecoder().decode(line).trim()))
  );
  const transport = new Transport();
  const fetch = createFetch({ transport });
  try {
    const url = `http://127.0.0.1:${port}/`;
    await report("down", bytes, (progress) => download(fetch, url + bytes, progress));
    await report("up", bytes, (progress) => upload(fetch, url, bytes, progress));
  } finally {
    await transport.close();
    server.kill();
  }
}

type Progress = (bytes: number) => void;

async function download(fetch: typeof globalThis.fetch, url: string, progress: Progress) {
  const response = await fetch(url);
  let received = 0;
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    received += piece.length;
    progress(received);
  }
  return received;
}

async function upload(
  fetch: typeof globalThis.fetch,
  url: string,
  bytes: number,
  progress: Progress,
): Promise<number> {
  const piece = new Uint8Array(PIECE_BYTES).fill(0x61);
  let sent = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => {
      controller.enqueue(piece);
      sent += piece.length;
      progress(sent);
      if (sent >= bytes) controller.close();
    },
  }, { highWaterMark: 0 });
  const headers = { "Content-Length": `${bytes}` };
  const init = { method: "PUT", headers, body, duplex: "half" } as RequestInit;
  return Number(await (await fetch(url, init)).text());
}

/** Runs one way, and says how fast it went and how far memory went above what it was early on. */
async function report(
  way: string,
  bytes: number,
  run: (progress: Progress) => Promise<number>,
): Promise<void> {
  const rss: number[] = [];
  let next = 0;
  const startedAt = performance.now();
  const moved = await run((now) => {
    if (now < next) return;
    next += bytes / 16;
    rss.push(Math.round(process.memoryUsage().rss / MIB));
  });
  const seconds = (performance.now() - startedAt) / 1000;
  if (moved !== bytes) throw new Error(`${way}: ${moved} of ${bytes} bytes`);
  console.log(
    `${way}: ${(bytes / 1024 / MIB).toFixed(1)} GiB in ${seconds.toFixed(1)} s, ` +
      `${(bytes / seconds / 1e9).toFixed(2)} GB/s, RSS in MiB at each sixteenth: ${rss.join(" ")}`,
  );
}
