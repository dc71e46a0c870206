/**
 * Trailer fields, both ways: sent behind a chunked body, and read behind one.
 *
 *     deno run -A examples/trailers.ts [URL]
 *
 * @module
 */
import { HttpRequest, Transport } from "../mod.ts";
import { target } from "./target.ts";

async function* lines(): AsyncIterable<Uint8Array> {
  for (const line of ["one\n", "two\n"]) yield new TextEncoder().encode(line);
}

const { url, close } = await target("");
const transport = new Transport();

// The values are asked for when the body has been sent: a digest can be one of them.
const sent = await transport.roundTrip(
  new HttpRequest(new URL("/upload", url), {
    method: "POST",
    headers: { "Trailer": "X-Lines" },
    body: lines,
    trailers: () => [["X-Lines", "2"]],
  }),
);
console.log("the server saw", await sent.text());

const received = await transport.roundTrip(new HttpRequest(new URL("/chunked", url)));
console.log(await received.text());
for (const [name, value] of await received.trailers) console.log(`${name}: ${value}`);
await transport.close();
await close();
