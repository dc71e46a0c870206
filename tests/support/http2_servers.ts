/**
 * Node's own HTTP/2 servers, in another process: not ours, and the same for the three runtimes.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root, runtimePath } from "../../scripts/run_program.ts";
import type { Http2Ports } from "../fixtures/http2_server.ts";

const fixture = fileURLToPath(new URL("../fixtures/http2_server.ts", import.meta.url));

/** Where the servers of one test are. */
export interface Http2Servers {
  readonly ports: Http2Ports;
  /** URL of one over TLS, with HTTP/1.1 beside it. */
  readonly secure: string;
  /** URL of one over TLS that speaks HTTP/1.1 alone. */
  readonly http1: string;
  /** URL of one over TCP, by prior knowledge. */
  readonly plain: string;
  /** Path of one at a Unix socket, by prior knowledge. */
  readonly socketPath: string;
}

/** Runs a test with the servers, and ends them. */
export async function withHttp2Servers(
  run: (servers: Http2Servers) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "roundtrip-"));
  const socketPath = join(folder, "socket");
  const child = spawn(runtimePath("node"), [fixture, socketPath], {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    const [line] = await once(child.stdout, "data") as [Uint8Array];
    const ports = JSON.parse(new TextDecoder().decode(line)) as Http2Ports;
    await run({
      ports,
      secure: `https://localhost:${ports.secure}`,
      http1: `https://localhost:${ports.http1}`,
      plain: `http://127.0.0.1:${ports.plain}`,
      socketPath,
    });
  } finally {
    child.stdin.end();
    await exited;
    rmSync(folder, { recursive: true });
  }
}
