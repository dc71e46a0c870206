/**
 * HTTP over a Unix socket: a dialer that goes to one path, whatever the URL says.
 *
 *     deno run -A examples/unix_socket.ts [URL [PATH OF THE SOCKET]]
 *
 * For example `http://localhost/version /var/run/docker.sock`.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { startDemoServer } from "../cli/demo_server.ts";
import { HttpRequest, Transport, unixDialer } from "../mod.ts";

async function show(url: string, path: string): Promise<void> {
  const transport = new Transport({ dialer: unixDialer(path) });
  const response = await transport.roundTrip(new HttpRequest(url));
  console.log(response.status, await response.text());
  await transport.close();
}

const [, , url, path] = process.argv;
if (url !== undefined && path !== undefined) {
  await show(url, path);
} else {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-"));
  const server = await startDemoServer(join(folder, "socket"));
  await show(server.url + "/hello", join(folder, "socket"));
  await server.close();
  await rm(folder, { recursive: true });
}
