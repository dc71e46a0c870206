/**
 * A TLS server that says of each connection whether its session was taken up again. On Node, whatever
 * runs the test: the other runtimes' servers do not all give tickets.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { runtimePath } from "../../scripts/run_program.ts";

const program = fileURLToPath(new URL("../fixtures/session_server.ts", import.meta.url));

/** Versions of TLS. */
export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** Runs `use` with the port of the server, whose body for each connection is "new" or "resumed". */
export async function withSessionServer(
  maxVersion: TlsVersion,
  use: (port: number) => Promise<void>,
): Promise<void> {
  const server = spawn(runtimePath("node"), [program, maxVersion], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(server, "exit");
  try {
    const [line] = await once(server.stdout, "data") as [Uint8Array];
    const [first, second, port] = new TextDecoder().decode(line).trim().split(" ");
    assert.deepEqual([first, second], ["new", "resumed"], "what a client that resumes is told");
    await use(Number(port));
  } finally {
    server.stdin.end();
    await exited;
  }
}
