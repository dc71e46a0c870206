/**
 * A raw server at a Unix socket.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RawHandler, RawServer } from "./raw_server.ts";

/** Runs a test with a server at a socket in a folder of its own, and removes both. */
export async function withUnixServer(
  handler: RawHandler,
  run: (path: string, server: RawServer) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "roundtrip-"));
  const path = join(folder, "server socket");
  const listener = net.createServer({ allowHalfOpen: true });
  const server = new RawServer(listener, handler, "http");
  try {
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(path, resolve);
    });
    await run(path, server);
  } finally {
    await server.close();
    await rm(folder, { recursive: true });
  }
}
