/**
 * Sends a stream of known length and tells how far it is. The server is asked first, so nothing is
 * sent in vain.
 *
 *     deno run -A examples/upload.ts [URL]
 *
 * @module
 */
import { HttpRequest, Transport } from "../mod.ts";
import { target } from "./target.ts";

const totalBytes = 4_000_000;

/** Called once for each attempt, so that the body can be sent again. */
async function* pieces(): AsyncIterable<Uint8Array> {
  for (let sent = 0; sent < totalBytes; sent += 500_000) {
    console.log(`${sent / totalBytes * 100} %`);
    yield new Uint8Array(500_000);
  }
  console.log("100 %");
}

const { url, close } = await target("/upload");
const transport = new Transport();
const response = await transport.roundTrip(
  new HttpRequest(url, {
    method: "POST",
    headers: { "Expect": "100-continue" },
    body: pieces,
    contentLength: totalBytes,
    trace: { got100Continue: () => console.log("the server wants it") },
  }),
);
console.log(response.status, await response.text());
await transport.close();
await close();
