/**
 * Node's sockets on runtimes that play Node. The turns of their event loops prove nothing about the
 * kernel, so there a loopback connection has to.
 *
 * @module
 */
import * as net from "node:net";
import type { Address } from "../conn.ts";
import { addresses, NodeDialer, start } from "./node.ts";
import { NodeConn } from "./node_conn.ts";
import { type BarrierEnd, PollBarrier } from "./poll_barrier.ts";
import { endTurn } from "./turn_end.ts";

/** A dialer of them. */
export function playedNodeDialer(): NodeDialer {
  return new NodeDialer(new PollBarrier(barrierPair, endTurn));
}

const loopback: Address = { transport: "tcp", hostname: "127.0.0.1", port: 0 };

/** Makes the two ends of a loopback connection. */
async function barrierPair(): Promise<[BarrierEnd, BarrierEnd]> {
  const server = net.createServer({ noDelay: true });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as net.AddressInfo;
    const accepted = new Promise<net.Socket>((resolve) => server.once("connection", resolve));
    const near = (await start({ host: "127.0.0.1", port }, {}).done).socket;
    const far = await accepted;
    if (far.remotePort !== near.localPort) {
      near.destroy();
      far.destroy();
      throw new Error("Somebody else has connected");
    }
    const ends = [near, far].map((socket) =>
      new NodeConn(socket, { ...addresses(socket, loopback), tls: null })
    );
    for (const end of ends) end.unref();
    return [ends[0], ends[1]];
  } finally {
    server.close();
  }
}
