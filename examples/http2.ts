/**
 * HTTP/2 without TLS: many requests at once on one connection, to a server that is known to speak it.
 *
 *     deno run -A examples/http2.ts [URL]
 *
 * With `https:` URLs nothing has to be said: the server chooses.
 *
 * @module
 */
import process from "node:process";
import { HttpRequest, Transport } from "../mod.ts";
import { startHttp2Server } from "./http2_server.ts";

const given = process.argv[2];
const { url, close } = given === undefined
  ? await startHttp2Server()
  : { url: given, close: () => Promise.resolve() };
const transport = new Transport({ http2: { priorKnowledge: true } });

const responses = await Promise.all(
  ["/a", "/b", "/c"].map((path) => transport.roundTrip(new HttpRequest(new URL(path, url)))),
);
for (const response of responses) {
  const { id, protocol, streamId } = response.connection;
  console.log(`connection #${id} ${protocol}, stream ${streamId}: ${await response.text()}`.trim());
}
console.log(transport.stats().total, "connection");
await transport.close();
await close();
