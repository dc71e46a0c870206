/**
 * Sockets that listen on loopback, for a test server. The same modules on each runtime.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import type { Address, TlsInfo } from "../conn/conn.ts";
import { NodeConn } from "../conn/runtimes/node_conn.ts";
import type { AcceptedConn } from "./faulty_conn.ts";
import type { TestCertificate } from "./test_certificate.ts";

/** How to listen. */
export interface ListenOptions {
  readonly kind: "tcp" | "tls" | "unix";
  readonly certificate: TestCertificate | null;
  /** What ALPN may choose, best first. */
  readonly alpnProtocols: string[];
  /** What becomes of a connection that is about to be made. */
  readonly admit: () => "accept" | "drop";
  /** A connection is open. */
  readonly accepted: (accepted: AcceptedConn) => void;
}

/** What listens. */
export interface Listener {
  readonly address: Address;
  /** Settles when nothing of it is left. */
  close(): Promise<void>;
}

/** Starts to listen on a free port of 127.0.0.1, or on a socket in a folder of its own. */
export async function listenOnLoopback(options: ListenOptions): Promise<Listener> {
  const sockets: Set<Socket> = new Set();
  const admitted = (socket: Socket): boolean => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    if (options.admit() === "accept") return true;
    // The client has connected: it shall see the end, not a failure to connect.
    socket.destroy();
    return false;
  };
  const serve = (socket: Socket, tls: TlsInfo | null): void => {
    const conn = new NodeConn(socket, { localAddr: NOWHERE, remoteAddr: NOWHERE, tls });
    options.accepted({ conn, reset: () => destroy(socket) });
  };
  const { certificate } = options;
  const server = certificate === null
    ? createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      if (admitted(socket)) serve(socket, null);
    })
    : createTlsServer({
      allowHalfOpen: true,
      cert: certificate.cert,
      key: certificate.key,
      ALPNProtocols: options.alpnProtocols,
    }, (socket) => {
      socket.on("error", () => {});
      serve(socket, tlsInfo(socket));
    });
  if (certificate !== null) {
    server.on("connection", admitted);
    // A client that does not trust it, or leaves.
    server.on("tlsClientError", () => {});
  }
  const folder = options.kind === "unix" ? mkdtempSync(join(tmpdir(), "roundtrip-")) : null;
  const path = folder === null ? null : join(folder, "s");
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path === null ? { host: "127.0.0.1", port: 0 } : { path }, resolve);
  });
  const address: Address = path === null
    ? { transport: "tcp", hostname: "127.0.0.1", port: (server.address() as { port: number }).port }
    : { transport: "unix", path };
  return {
    address,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      if (folder !== null) rmSync(folder, { recursive: true, force: true });
    },
  };
}

const NOWHERE: Address = { transport: "unix", path: "" };

function destroy(socket: Socket): void {
  // By a reset, where the runtime has it.
  if (typeof socket.resetAndDestroy === "function") socket.resetAndDestroy();
  else socket.destroy();
}

function tlsInfo(socket: TLSSocket): TlsInfo {
  return {
    alpnProtocol: socket.alpnProtocol || null,
    protocol: socket.getProtocol(),
    engine: "node",
    peerCertificate: null,
    sessionReused: null,
  };
}
