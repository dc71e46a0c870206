/**
 * Extended CONNECT: another protocol through one stream of an HTTP/2 connection, as WebSocket does
 * (RFC 8441). What goes through it here is plain text; the server sends it back.
 *
 *     deno run -A examples/http2_websocket.ts
 *
 * @module
 */
import { HttpRequest, Transport } from "../mod.ts";
import { startHttp2Server } from "./http2_server.ts";

const { url, close } = await startHttp2Server();
const transport = new Transport({ http2: { priorKnowledge: true } });
const response = await transport.roundTrip(
  new HttpRequest(`${url}/chat`, {
    method: "CONNECT",
    protocol: "websocket",
    headers: { "Sec-WebSocket-Version": "13" },
  }),
);
const conn = response.upgrade();
const room = new Uint8Array(1024);
for (const word of ["hello", "goodbye"]) {
  await conn.write(new TextEncoder().encode(word));
  const n = await conn.read(room);
  console.log("echo:", new TextDecoder().decode(room.subarray(0, n ?? 0)));
}
await conn.closeWrite();
console.log("the end:", await conn.read(room));
conn.close();
await transport.close();
await close();
