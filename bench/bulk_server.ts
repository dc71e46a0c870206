/**
 * The answering side of `bulk.ts`, in a process of its own: GET /N gives N bytes, PUT takes what its
 * Content-Length says and answers with the count. Prints its port; ends with its input.
 *
 * @module
 */
import { createServer, type Socket } from "node:net";
import process from "node:process";

const piece = new Uint8Array(256 * 1024).fill(0x78);

const server = createServer({ noDelay: true }, (socket) => {
  let head = "";
  let leftBytes = 0;
  let takenBytes = 0;
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    let at = 0;
    if (leftBytes === 0) {
      head += chunk.toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end === -1) return;
      at = chunk.length - (head.length - end - 4);
      const [method, path] = head.split(" ", 2);
      leftBytes = Number(/^Content-Length: (\d+)/mi.exec(head)?.[1] ?? 0);
      head = "";
      takenBytes = 0;
      if (method === "GET") return give(socket, Number(path.slice(1)));
    }
    takenBytes += chunk.length - at;
    leftBytes -= chunk.length - at;
    if (leftBytes > 0) return;
    const answer = String(takenBytes);
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`);
  });
});

function give(socket: Socket, bytes: number): void {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
  let leftBytes = bytes;
  const more = (): void => {
    while (leftBytes > 0) {
      const next = leftBytes < piece.length ? piece.subarray(0, leftBytes) : piece;
      leftBytes -= next.length;
      if (!socket.write(next)) {
        socket.once("drain", more);
        return;
      }
    }
  };
  more();
}

server.listen(0, "127.0.0.1", () => {
  console.log((server.address() as { port: number }).port);
});
process.stdin.on("data", () => {});
process.stdin.on("end", () => process.exit(0));
