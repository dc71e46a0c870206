/**
 * Informational responses: what a server says before it answers.
 *
 *     deno run -A examples/early_hints.ts [URL]
 *
 * @module
 */
import { HttpRequest, Transport } from "../mod.ts";
import { target } from "./target.ts";

const { url, close } = await target("/hints");
const transport = new Transport();
const response = await transport.roundTrip(
  new HttpRequest(url, {
    trace: {
      got1xxResponse: (status, headers) => console.log(status, headers.get("link")),
    },
  }),
);
console.log(response.status, await response.text());
await transport.close();
await close();
