/**
 * A port that takes connections no more, so that dialling it neither succeeds nor fails.
 *
 * @module
 */
import * as net from "node:net";
import { startScript } from "./child.ts";

/** Runs a test with the number of such a port. */
export async function withFullBacklog(run: (port: number) => Promise<void>): Promise<void> {
  const child = startScript("full_backlog_child.ts");
  const port = Number(await child.line());
  const fillers: net.Socket[] = [];
  try {
    await fillBacklog(port, fillers);
    await run(port);
  } finally {
    for (const socket of fillers) socket.destroy();
    await child.kill();
  }
}

/** Connects until the kernel takes no more. */
async function fillBacklog(port: number, sockets: net.Socket[]): Promise<void> {
  let waiting = 0;
  while (waiting < 3) {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => {});
    sockets.push(socket);
    let connected = false;
    socket.once("connect", () => connected = true);
    for (let turn = 0; turn < 500 && !connected; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!connected) waiting++;
  }
}
