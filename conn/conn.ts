/**
 * The byte-stream seam: what a connected stream and a dialer are. Interfaces only; no HTTP, no
 * runtime, no timers.
 *
 * @module
 */

import type { SocketOptions } from "./socket_options.ts";

/** Where a connection goes: a TCP host and port, or the path of a Unix socket. */
export type Address = TcpAddress | UnixAddress;

/** A TCP end point. */
export interface TcpAddress {
  /** What kind of address it is. */
  transport: "tcp";
  /** A DNS name, an IPv4 address, or an IPv6 address without brackets. */
  hostname: string;
  /** Integer 1..65535. */
  port: number;
}

/** A Unix domain socket. */
export interface UnixAddress {
  /** What kind of address it is. */
  transport: "unix";
  /** Path of the socket in the file system. */
  path: string;
}

/** Reads bytes into the caller's buffer; the shape of `Reader` in `@std/io`. */
export interface Reader {
  /**
   * Reads at least one byte into `p`.
   *
   * @returns How many bytes were read, 1..`p.length`, or null at the end of the stream. An empty
   * `p` gives 0.
   */
  read(p: Uint8Array): Promise<number | null>;
}

/** Writes bytes; the shape of `Writer` in `@std/io`. */
export interface Writer {
  /**
   * Writes all of `p`.
   *
   * @returns `p.length`; a shorter write does not happen.
   */
  write(p: Uint8Array): Promise<number>;
}

/** Lets go of a resource; the shape of `Closer` in `@std/io`. */
export interface Closer {
  /** Idempotent, synchronous, never throws. */
  close(): void;
}

/**
 * A connected byte stream.
 *
 * At most one read and one write may be under way at a time; they may run side by side. A second
 * one of the same kind rejects with `ERR_INVALID_REQUEST` and disturbs nothing.
 */
export interface Conn extends Reader, Writer, Closer {
  /**
   * Reads at least one byte into `p`. `p` belongs to the connection until the promise settles; where
   * it is detached or resized before, the read fails with `ERR_INVALID_REQUEST`.
   *
   * Cancel: {@linkcode Conn.close} is the only way.
   *
   * @returns 1..`p.length`, or null at the end of the stream, now and on every later call. An
   * empty `p` gives 0 at once.
   * @throws {HttpError} `ERR_CONNECTION_LOST`: reset by the peer, or the network failed.
   * `ERR_TLS`: a TLS alert or a record that cannot be read. `ERR_CLOSED`: closed from this side.
   */
  read(p: Uint8Array): Promise<number | null>;
  /**
   * Reads at least one byte into an array of the connection's making, which is the caller's from
   * then on: there, where the runtime brings bytes in arrays of its own, this is a copy less than
   * {@linkcode Conn.read}. Its buffer holds nothing else. In all else as `read`, and like it at most
   * one at a time of either. A connection that does not have it is read into the caller's arrays.
   *
   * @param maxBytes Integer >= 1, or Infinity; what came beyond it is kept for the next read.
   * @returns 1..`maxBytes` bytes, or null at the end of the stream.
   */
  readChunk?(maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null>;
  /**
   * Writes all of `p`; settles once the runtime has accepted every byte. `p` must not change
   * until then.
   *
   * @returns `p.length`.
   * @throws {HttpError} `ERR_INVALID_REQUEST`: `p` was detached or resized while it waited, so that
   * a part of it is missing. Else as for {@linkcode Conn.read}; {@linkcode Conn.bytesWritten} tells how much
   * was accepted before.
   */
  write(p: Uint8Array): Promise<number>;
  /**
   * As {@linkcode Conn.read}, without a promise: one of the two is called, once, never before this
   * returns. Neither may throw. Absent: {@linkcode Conn.read} is used.
   */
  startRead?(
    p: Uint8Array,
    done: (count: number | null) => void,
    failed: (error: unknown) => void,
  ): void;
  /**
   * As {@linkcode Conn.write}, without a promise: one of the two is called, once, maybe before this
   * returns. Neither may throw. Absent: {@linkcode Conn.write} is used.
   */
  startWrite?(
    p: Uint8Array,
    done: (count: number) => void,
    failed: (error: unknown) => void,
  ): void;
  /** Ends the writing side (FIN, over TLS `close_notify`); reading may go on. */
  closeWrite(): Promise<void>;
  /** Closes both directions at once. A pending read or write rejects with `ERR_CLOSED`. */
  close(): void;
  /**
   * Settles once the connection is closed and nothing of it is left: the runtime has let go of the
   * socket, and every read and write has settled. Never rejects; closes nothing by itself.
   *
   * Order: after {@linkcode Conn.close}. A connection that does not have it is gone with `close()`.
   */
  whenClosed?(): Promise<void>;
  /**
   * Whether bytes that came together may be told by several reads, with turns of the caller's in
   * between: that a read gave less than was asked for does not mean that nothing waits behind it.
   * Absent: false.
   */
  readonly readsInParts?: boolean;
  /**
   * Whether the runtime tells of a read some time after it has read: other code of the program may
   * have run in between, and more may have come meanwhile. Absent: false.
   */
  readonly tellsLate?: boolean;
  /**
   * Looks at the kernel this moment, without waiting for the event loop to do so: whether it holds
   * nothing for this connection, no bytes and no end. False: it does, or what came has not been told
   * yet; the connection must be closed then, as what was found may be lost. Null, or absent: that
   * cannot be seen. Over TLS it is about records.
   *
   * Order: while a read is pending, and nothing else.
   */
  kernelIsEmpty?(): boolean | null;
  /** Keeps the process alive while a read is pending (the state of a new connection). */
  ref(): void;
  /** Lets the process exit although a read is pending. */
  unref(): void;
  /** Bytes that the runtime has accepted so far, also after a failed write. Over TLS: plain bytes. */
  readonly bytesWritten: number;
  /** Bytes that have been read so far. Over TLS: plain bytes. */
  readonly bytesRead: number;
  /** This end; stays known after the connection is closed. */
  readonly localAddr: Address;
  /** The other end; stays known after the connection is closed. */
  readonly remoteAddr: Address;
  /** What the runtime tells of the TLS session, null without TLS. */
  readonly tls: TlsInfo | null;
}

/** How to secure a connection. An option that the runtime cannot honour is refused, never ignored. */
export interface TlsOptions {
  /** PEM certificates of authorities to trust, or of a server that has signed its own. */
  caCerts?: string[];
  /**
   * Whether `caCerts` are trusted besides the runtime's defaults or instead of them.
   * @default {"extra"}
   */
  caMode?: "extra" | "only";
  /** PEM client certificate (chain); goes with `key`. */
  cert?: string;
  /** PEM private key of `cert`. */
  key?: string;
  /** Name sent as SNI and checked against the certificate. Default: the host that is dialled. */
  serverName?: string;
  /** Protocols offered by ALPN, best first. Default: none offered. */
  alpnProtocols?: string[];
  /** Lowest TLS version to accept. Default: the runtime's, TLS 1.2. */
  minVersion?: "TLSv1.2" | "TLSv1.3";
  /**
   * Accepts any certificate of any host. For tests; never in production: its first use in a process
   * is told by `console.warn()`.
   *
   * @default {false}
   */
  insecureSkipVerify?: boolean;
  /**
   * Called after the runtime's own checks have passed; throw to refuse the peer. It has to decide at
   * once: a promise refuses it too.
   */
  verifyPeer?: (info: TlsInfo) => void;
  /**
   * Told each secret of a connection, as a line of the key log format without its end, for a program
   * that looks into what was recorded on the wire. Whoever has the lines can read the connection. What
   * it throws ends the connection. On Node and Bun; on Bun the engine of `node:tls` serves then. Deno
   * refuses this; its own engine, which serves unless an option is beyond it, writes the secrets into
   * the file that `SSLKEYLOGFILE` names in the environment.
   *
   * @see RFC 9850
   */
  keyLog?: (line: string) => void;
}

/** What is known of a TLS session. */
export interface TlsInfo {
  /** The protocol chosen by ALPN, null if none was. */
  alpnProtocol: string | null;
  /** For example `"TLSv1.3"`, null where the engine does not tell. */
  protocol: string | null;
  /** Which TLS implementation served. */
  engine: "deno" | "bun" | "node" | "workerd";
  /**
   * Whether the session of an earlier connection was taken up, with less of a handshake. What is told
   * of the peer is then what was verified when that session began. Null: the engine does not tell.
   */
  sessionReused: boolean | null;
  /** The peer's leaf certificate, null where the engine does not tell. */
  peerCertificate: {
    subject: string;
    issuer: string;
    /** SHA-256 of `raw`, upper-case hexadecimal pairs with colons. */
    fingerprint256: string;
    /** End of validity as the engine formats it. */
    validTo: string;
    /** DER. */
    raw: Uint8Array;
  } | null;
}

/** How to dial. */
export interface DialOptions extends SocketOptions {
  /** Aborting rejects with `signal.reason` at once; no socket is left behind. */
  signal?: AbortSignal;
  /** Secure the connection before it is returned. */
  tls?: TlsOptions;
  /**
   * Called once when the connection is open, before the TLS handshake: what tells a caller of
   * `dial({ tls })` where connecting ends and securing begins. What it throws rejects the dial.
   *
   * @param socket By which the handshake can be kept from keeping the process alive, as by
   * {@linkcode Conn.ref} and {@linkcode Conn.unref}, as long as `dial()` has not settled. Missing
   * where the runtime has no way.
   */
  onConnect?: (socket?: Pick<Conn, "ref" | "unref">) => void;
}

/** Makes connections. */
export interface Dialer {
  /**
   * Connects, and completes the TLS handshake when `options.tls` is given.
   *
   * @throws {HttpError} `ERR_DIAL`: unknown host, refused, unreachable. `ERR_TLS`: handshake or
   * certificate refused. `ERR_INVALID_REQUEST`: an option that this runtime cannot honour.
   */
  dial(address: Address, options?: DialOptions): Promise<Conn>;
  /**
   * Secures a connection that is already open: after CONNECT or SOCKS, inside TLS, over a Unix
   * socket. Takes `conn` over, also when it fails: the caller must not touch it again.
   *
   * Order: no read or write of `conn` may be pending, nothing read from it may be left over.
   *
   * @param options `serverName` is needed when the name cannot be taken from `conn.remoteAddr`.
   * @param signal Aborting closes `conn` and rejects with `signal.reason` at once.
   * @throws {HttpError} as for {@linkcode Dialer.dial}.
   */
  startTls(conn: Conn, options: TlsOptions, signal?: AbortSignal): Promise<Conn>;
  /**
   * Whether `dial` with `tls` and `onConnect` is the better way to a secure connection than `dial`
   * and `startTls`, which gives the same. Absent: it is not.
   */
  readonly securesDials?: boolean;
  /**
   * Settles once the kernel has been polled for every connection of this dialer, so that what it
   * held when the call was made has reached the pending reads. Absent where nothing is held back.
   *
   * @param sure Called, as often as is of use, before it settles: what the kernel holds at the moment
   * of the last call has reached the pending reads too. Must not throw.
   */
  pollBarrier?(sure?: () => void): Promise<void>;
  /**
   * Whether something is held back and there is no `pollBarrier`, as in Workers: then a request that
   * may not be sent twice goes out on a connection that has not served yet. Absent: no.
   */
  readonly holdsBack?: boolean;
}
