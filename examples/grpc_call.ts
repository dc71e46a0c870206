/**
 * One call as gRPC makes it, by hand: a message up, a message down, and its status in the trailers.
 *
 *     deno run -A examples/grpc_call.ts
 *
 * @module
 */
import { HttpRequest, Transport } from "../mod.ts";
import { startHttp2Server } from "./http2_server.ts";

/** A message with its prefix: not compressed, and its length in four bytes. */
function framed(text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  const message = new Uint8Array(5 + payload.length);
  new DataView(message.buffer).setUint32(1, payload.length);
  message.set(payload, 5);
  return message;
}

const { url, close } = await startHttp2Server();
const transport = new Transport({ http2: { priorKnowledge: true } });
const response = await transport.roundTrip(
  new HttpRequest(`${url}/greet.Greeter/Greet`, {
    method: "POST",
    headers: { "Content-Type": "application/grpc", "TE": "trailers" },
    body: framed("world"),
    timeoutMs: 5_000,
  }),
);
const message = await response.bytes();
console.log(new TextDecoder().decode(message.subarray(5)));
const trailers = await response.trailers;
console.log("grpc-status:", trailers.get("grpc-status"), trailers.get("grpc-message"));
await transport.close();
await close();
