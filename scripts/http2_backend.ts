/**
 * What stands behind the servers of `try_http2_servers.ts`, over HTTP/1.1; or, with a certificate, one
 * of them, on Node's own HTTP/2.
 *
 * `node http2_backend.ts PORT [CERT KEY]`
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import process from "node:process";
import { Readable } from "node:stream";

const PIECE = new Uint8Array(64 * 1024);

function* zeros(bytes: number): Generator<Uint8Array> {
  for (let left = bytes; left > 0; left -= PIECE.length) yield PIECE;
}

function answer(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): void {
  if (request.url === "/large") {
    Readable.from(zeros(256 * 1024 * 1024)).pipe(response as ServerResponse);
    return;
  }
  let bytes = 0;
  request.on("data", (chunk: Uint8Array) => void (bytes += chunk.length));
  request.on("end", () => {
    response.setHeader("X-Bytes", String(bytes));
    response.end(`answer to ${request.url}`);
  });
}

const [port, cert, key] = process.argv.slice(2);
const server = cert === undefined
  ? createServer({ keepAliveTimeout: 60_000 }, answer)
  : createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, answer);
server.listen(Number(port), "127.0.0.1");
