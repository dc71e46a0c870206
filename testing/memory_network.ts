/**
 * A dialer whose connections lead to a server in this process: no ports, no permissions.
 *
 * @module
 */
import type { Address, Conn, Dialer, DialOptions, TlsInfo, TlsOptions } from "../conn/conn.ts";
import { dialError } from "../conn/conn_error.ts";
import { ConnOver } from "../conn/conn_over.ts";
import { HttpError } from "../conn/http_error.ts";
import { pipe, type PipeConn } from "../conn/pipe.ts";
import type { AcceptedConn } from "./faulty_conn.ts";

/** The server's side of the network. */
export interface MemoryListener {
  /** What ALPN may choose, best first. */
  readonly alpnProtocols: readonly string[];
  /** What becomes of a connection that is about to be made. */
  admit(address: Address): "accept" | "refuse";
  /** Whether the handshake of TLS that begins now comes to its end. */
  admitTls(): boolean;
  /** A connection is open, and everything about its TLS is known. */
  accepted(accepted: AcceptedConn): void;
}

/**
 * Makes the dialer. Whatever is dialled leads to the listener. TLS is told of, and nothing is
 * encrypted.
 */
export function memoryDialer(listener: MemoryListener): Dialer {
  /** Connections that the server does not know yet: TLS may be spoken on them. */
  const waiting: WeakMap<Conn, PipeConn> = new WeakMap();
  let ports = 50_000;
  const open = async (address: Address, options: DialOptions): Promise<Conn> => {
    options.signal?.throwIfAborted();
    if (listener.admit(address) === "refuse") throw dialError(address, "ECONNREFUSED", undefined);
    const here: Address = address.transport === "tcp"
      ? { transport: "tcp", hostname: "127.0.0.1", port: ports++ }
      : { transport: "unix", path: "" };
    const [client, server] = pipe({ addresses: [here, address] });
    const conn = new MemoryConn(client, null, () => {
      waiting.delete(conn);
      listener.accepted({ conn: server, reset: () => server.reset() });
    });
    waiting.set(conn, server);
    options.onConnect?.();
    return options.tls === undefined ? conn : await secure(conn, options.tls);
  };
  // deno-lint-ignore require-await -- What it throws must reject.
  const secure = async (conn: Conn, options: TlsOptions): Promise<Conn> => {
    const server = waiting.get(conn);
    if (server === undefined) {
      conn.close();
      throw new HttpError("ERR_TLS", "In memory, TLS begins before anything else is said", {
        phase: "tls",
      });
    }
    if (!listener.admitTls()) {
      conn.close();
      throw new HttpError("ERR_TLS", "The server ended the connection within the handshake", {
        phase: "tls",
      });
    }
    const { alpnProtocols = [] } = options;
    const chosen = listener.alpnProtocols.find((one) => alpnProtocols.includes(one)) ?? null;
    const info: TlsInfo = {
      alpnProtocol: chosen,
      protocol: "TLSv1.3",
      engine: "node",
      peerCertificate: null,
      sessionReused: null,
    };
    waiting.delete(conn);
    return new MemoryConn(conn, info, () => {
      const secured = new MemoryConn(server, info, () => {});
      listener.accepted({ conn: secured, reset: () => server.reset() });
    });
  };
  return {
    dial: open,
    startTls: secure,
  };
}

/** An end of a pipe that says whether TLS is spoken; it is taken up when it is first used. */
class MemoryConn extends ConnOver implements Conn {
  readonly #conn: Conn;
  readonly #tls: TlsInfo | null;
  #begin: (() => void) | null;

  constructor(conn: Conn, tls: TlsInfo | null, begin: () => void) {
    super(conn instanceof MemoryConn ? conn.#conn : conn);
    this.#conn = conn instanceof MemoryConn ? conn.#conn : conn;
    this.#tls = tls;
    this.#begin = begin;
  }

  override get tls(): TlsInfo | null {
    return this.#tls;
  }

  read(p: Uint8Array): Promise<number | null> {
    this.#began();
    return this.#conn.read(p);
  }

  write(p: Uint8Array): Promise<number> {
    this.#began();
    return this.#conn.write(p);
  }

  close(): void {
    this.#conn.close();
  }

  #began(): void {
    const begin = this.#begin;
    this.#begin = null;
    begin?.();
  }
}
