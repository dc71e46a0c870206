/**
 * Every way to a connection, each with its other end: the table that the contract suite runs over.
 *
 * @module
 */
import type { Socket } from "node:net";
import {
  type Address,
  type Conn,
  connFromStreams,
  pipe,
  systemDialer,
  unixDialer,
} from "../../conn/mod.ts";
import { ca, localhost } from "./certs.ts";
import { listen, type ListenOptions, relay, reset } from "./conn_servers.ts";

/** The other end of a connection. */
export interface Peer {
  /** Settles when all of it is accepted. */
  send(bytes: Uint8Array): Promise<void>;
  /** Reads `count` bytes, or fewer when the stream ends before. */
  receive(count: number): Promise<Uint8Array>;
  /** Ends the writing side. */
  end(): Promise<void>;
  /** Closes both sides. */
  close(): void;
  /** Breaks the connection. */
  reset(): void;
}

/** A connection and its other end. */
export interface Linked {
  readonly conn: Conn;
  readonly peer: Peer;
  /** Closes everything and waits for it. */
  done(): Promise<void>;
}

/** A way to a connection. */
export interface Link {
  readonly name: string;
  /** The TLS engine that has to serve, null without TLS. */
  readonly engine: "native" | "node" | null;
  /** Of its addresses. */
  readonly transport: Address["transport"];
  readonly open: () => Promise<Linked>;
}

const encryption = { tls: { ...localhost } };
const trust = { caCerts: [ca], serverName: "localhost" };

/** The table. */
export const links: readonly Link[] = [
  {
    name: "tcp",
    transport: "tcp",
    engine: null,
    open: () => overSocket({}, (dialer, address) => dialer.dial(address)),
  },
  {
    name: "tls",
    transport: "tcp",
    engine: "native",
    open: () =>
      overSocket(encryption, (dialer, address) => dialer.dial(address, { tls: { ...trust } })),
  },
  {
    name: "tls after plain",
    transport: "tcp",
    engine: "native",
    open: () =>
      overSocket(
        encryption,
        async (dialer, address) => dialer.startTls(await dialer.dial(address), trust),
      ),
  },
  {
    name: "tls over any conn",
    transport: "tcp",
    engine: "node",
    open: () =>
      overSocket(
        encryption,
        async (dialer, address) => dialer.startTls(foreign(await dialer.dial(address)), trust),
      ),
  },
  {
    name: "tls in tls",
    transport: "tcp",
    engine: "node",
    open: () =>
      overSocket(
        { ...encryption, within: encryption },
        async (dialer, address) =>
          dialer.startTls(await dialer.dial(address, { tls: trust }), trust),
      ),
  },
  {
    name: "tcp from an address",
    transport: "tcp",
    engine: null,
    open: () =>
      overSocket({}, (dialer, address) => dialer.dial(address, { localAddress: "127.0.0.1" })),
  },
  {
    name: "tls from an address",
    transport: "tcp",
    engine: "node",
    open: () =>
      overSocket(
        encryption,
        (dialer, address) => dialer.dial(address, { localAddress: "127.0.0.1", tls: trust }),
      ),
  },
  {
    name: "unix",
    transport: "unix",
    engine: null,
    open: () => overSocket({ unix: true }, (dialer, address) => dialer.dial(address)),
  },
  {
    name: "tls over unix",
    transport: "unix",
    engine: "native",
    open: () =>
      overSocket({ ...encryption, unix: true }, (_dialer, address) => {
        if (address.transport !== "unix") throw new TypeError("Not a Unix address");
        const host = { transport: "tcp", hostname: "localhost", port: 443 } as const;
        return unixDialer(address.path).dial(host, { tls: { caCerts: [ca] } });
      }),
  },
  { name: "pipe", transport: "unix", engine: null, open: () => Promise.resolve(overPipe()) },
  { name: "streams", transport: "unix", engine: null, open: () => Promise.resolve(overStreams()) },
];

type DialLink = (
  dialer: ReturnType<typeof systemDialer>,
  address: Parameters<ReturnType<typeof systemDialer>["dial"]>[0],
) => Promise<Conn>;

async function overSocket(
  options: ListenOptions & { within?: ListenOptions },
  dial: DialLink,
): Promise<Linked> {
  const server = await listen(options);
  const outer = options.within && await relay(server.address, options.within);
  // A socket under TLS can be reset only from outside.
  const front = options.tls && await relay((outer ?? server).address, { unix: options.unix });
  const closeServers = async () => {
    await front?.close();
    await outer?.close();
    await server.close();
  };
  try {
    const [conn, socket] = await Promise.all([
      dial(systemDialer(), (front ?? server).address),
      server.accept(),
    ]);
    return {
      conn,
      peer: socketPeer(socket, front && (() => front.reset())),
      done: async () => {
        conn.close();
        await closeServers();
      },
    };
  } catch (error) {
    await closeServers();
    throw error;
  }
}

/** The same connection as another class, which no adapter takes for its own. */
export function foreign(conn: Conn): Conn {
  return {
    read: (p) => conn.read(p),
    write: (p) => conn.write(p),
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
    ref: () => conn.ref(),
    unref: () => conn.unref(),
    get bytesRead() {
      return conn.bytesRead;
    },
    get bytesWritten() {
      return conn.bytesWritten;
    },
    localAddr: conn.localAddr,
    remoteAddr: conn.remoteAddr,
    tls: conn.tls,
  };
}

/** The server's end of a connection. It reads only when it is asked to. */
export function socketPeer(socket: Socket, resetLink: () => void = () => reset(socket)): Peer {
  return {
    send: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => error ? reject(error) : resolve());
      }),
    receive: async (count) => {
      const parts: Uint8Array[] = [];
      for (let left = count; left > 0;) {
        const part: Uint8Array | null = socket.read(
          Math.min(left, socket.readableLength) || undefined,
        );
        if (part !== null) {
          parts.push(part);
          left -= part.length;
        } else if (socket.readableEnded || socket.destroyed) {
          break;
        } else {
          await anyEvent(socket, ["readable", "end", "close"]);
        }
      }
      return joined(parts);
    },
    end: () => new Promise((resolve) => void socket.end(resolve)),
    close: () => socket.destroy(),
    reset: resetLink,
  };
}

function anyEvent(socket: Socket, names: string[]): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      for (const name of names) socket.off(name, stop);
      resolve();
    };
    for (const name of names) socket.on(name, stop);
  });
}

function overPipe(): Linked {
  const [conn, other] = pipe();
  return { conn, peer: connPeer(other, () => other.reset()), done: closeAll(conn, other) };
}

function overStreams(): Linked {
  const forth = bufferedStream();
  const back = bufferedStream();
  const conn = connFromStreams({ readable: back.readable, writable: forth.writable });
  const reader = forth.readable.getReader();
  const writer = back.writable.getWriter();
  let rest: Uint8Array = new Uint8Array(0);
  const cancel = () => {
    const reason = new Error("peer is gone");
    reader.cancel(reason).catch(() => {});
    return reason;
  };
  const peer: Peer = {
    send: async (bytes) => {
      await writer.write(bytes.slice());
    },
    receive: async (count) => {
      const parts: Uint8Array[] = [];
      for (let left = count; left > 0;) {
        if (rest.length === 0) {
          const { done, value } = await reader.read();
          if (done) break;
          rest = value;
        }
        const part = rest.subarray(0, left);
        rest = rest.subarray(part.length);
        parts.push(part);
        left -= part.length;
      }
      return joined(parts);
    },
    end: () => writer.close(),
    close: () => {
      cancel();
      writer.close().catch(() => {});
    },
    reset: () => {
      writer.abort(cancel()).catch(() => {});
    },
  };
  return { conn, peer, done: closeAll(conn, peer) };
}

/** By itself a TransformStream accepts nothing before somebody reads. */
function bufferedStream(): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream<Uint8Array, Uint8Array>({}, undefined, {
    highWaterMark: 64 * 1024,
    size: (chunk) => chunk?.byteLength ?? 0,
  });
}

function connPeer(conn: Conn, reset: () => void): Peer {
  return {
    send: async (bytes) => {
      await conn.write(bytes);
    },
    receive: async (count) => {
      const bytes = new Uint8Array(count);
      let length = 0;
      while (length < count) {
        const got = await conn.read(bytes.subarray(length));
        if (got === null) break;
        length += got;
      }
      return bytes.subarray(0, length);
    },
    end: () => conn.closeWrite(),
    close: () => conn.close(),
    reset,
  };
}

function closeAll(...ends: { close(): void }[]): () => Promise<void> {
  return () => {
    for (const end of ends) end.close();
    return Promise.resolve();
  };
}

function joined(parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
