/**
 * Writes a body of any size to a file through one buffer: nothing is read before it is asked for.
 *
 *     deno run -A examples/download.ts [URL [FILE]]
 *
 * @module
 */
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { HttpRequest, Transport } from "../mod.ts";
import { target } from "./target.ts";

const { url, close } = await target("/download");
const path = process.argv[3] ?? join(tmpdir(), `roundtrip-download-${process.pid}`);
const transport = new Transport();
const response = await transport.roundTrip(new HttpRequest(url));
const file = await open(path, "w");
const buffer = new Uint8Array(256 * 1024);
let bytes = 0;
for (let n = await response.body.read(buffer); n !== null; n = await response.body.read(buffer)) {
  await file.writeFile(buffer.subarray(0, n));
  bytes += n;
}
await file.close();
console.log(`${bytes} of ${response.contentLength ?? "?"} bytes in ${path}`);
await transport.close();
await close();
