/**
 * Another protocol over the same connection: after 101 the bytes are the caller's.
 *
 *     deno run -A examples/upgrade.ts [URL of a server that upgrades to "echo"]
 *
 * @module
 */
import { HttpRequest, Transport } from "../mod.ts";
import { target } from "./target.ts";

const { url, close } = await target("/echo");
const transport = new Transport();
const response = await transport.roundTrip(
  new HttpRequest(url, { headers: { "Connection": "upgrade", "Upgrade": "echo" } }),
);
if (response.status === 101) {
  const conn = response.upgrade();
  const buffer = new Uint8Array(1024);
  for (const word of ["hello", "goodbye"]) {
    await conn.write(new TextEncoder().encode(word));
    const n = await conn.read(buffer);
    console.log("echo:", new TextDecoder().decode(buffer.subarray(0, n ?? 0)));
  }
  conn.close();
} else {
  console.log("not upgraded:", response.status);
  await response.body.close();
}
await transport.close();
await close();
