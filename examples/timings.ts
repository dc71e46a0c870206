/**
 * Where the time went, and which connection served.
 *
 *     deno run -A examples/timings.ts [URL]
 *
 * @module
 */
import { HttpRequest, Transport } from "../mod.ts";
import { target } from "./target.ts";

const { url, close } = await target("/hello");
const transport = new Transport();
for (let i = 0; i < 3; i++) {
  const response = await transport.roundTrip(new HttpRequest(url));
  await response.bytes();
  const { id, reused } = response.connection;
  console.log(`connection #${id} ${reused ? "reused" : "new"}`);
  for (const [phase, ms] of Object.entries(response.timings)) {
    if (ms !== null) console.log(`  ${phase.padEnd(10)} ${ms.toFixed(2)}`);
  }
}
const { idle, total } = transport.stats();
console.log(`${total} connection, ${idle} idle`);
await transport.close();
await close();
