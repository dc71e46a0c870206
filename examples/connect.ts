/**
 * CONNECT by the caller: a proxy opens a tunnel, and its bytes are the caller's own.
 *
 *     deno run -A examples/connect.ts [URL of the proxy, HOST:PORT of a server that echoes]
 *
 * Without arguments it starts both. Requests that only want to go through a proxy set the `proxy`
 * option of the transport instead.
 *
 * @module
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import process from "node:process";
import { HttpRequest, Transport } from "../mod.ts";

async function say(proxy: string, target: string): Promise<void> {
  const transport = new Transport();
  const response = await transport.roundTrip(
    new HttpRequest(proxy, { method: "CONNECT", host: target }),
  );
  if (response.status < 200 || response.status > 299) {
    console.log("refused:", response.status, await response.text());
  } else {
    const conn = response.upgrade();
    console.log("tunnel to", target.replace(/\d+$/, "PORT"), "pool:", transport.stats().total);
    const buffer = new Uint8Array(1024);
    for (const word of ["hello", "goodbye"]) {
      await conn.write(new TextEncoder().encode(word));
      const n = await conn.read(buffer);
      console.log("echo:", new TextDecoder().decode(buffer.subarray(0, n ?? 0)));
    }
    conn.close();
  }
  await transport.close();
}

/** Opens a tunnel to wherever it is told. Never let one like this listen on a network. */
function proxySocket(socket: Socket): void {
  socket.once("data", (head) => {
    const [, port] = /^CONNECT 127\.0\.0\.1:(\d+) HTTP\/1\.1\r\n/.exec(`${head}`) ?? [];
    if (port === undefined) {
      socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const upstream = connect(Number(port), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const [, , proxy, target] = process.argv;
if (proxy !== undefined && target !== undefined) {
  await say(proxy, target);
} else {
  const echo = createServer((socket) => void socket.pipe(socket));
  const forward = createServer(proxySocket);
  const [echoPort, proxyPort] = [await listening(echo), await listening(forward)];
  await say(`http://127.0.0.1:${proxyPort}/`, `127.0.0.1:${echoPort}`);
  echo.close();
  forward.close();
}
