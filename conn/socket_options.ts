/**
 * What is asked of the sockets of connections.
 *
 * @module
 */
import { HttpError } from "./http_error.ts";

/**
 * How the system is to treat a socket. What the runtime cannot do is refused, never ignored.
 *
 * @see RFC 9293 section 3.8.4
 */
export interface SocketOptions {
  /** IP address to dial from. On Deno and Bun `node:net` dials then. */
  localAddress?: string;
  /**
   * Whether small pieces leave at once, without waiting for those before them to be acknowledged
   * (TCP_NODELAY). Of no concern to Unix sockets, as what follows.
   *
   * @default {true}
   */
  tcpNoDelay?: boolean;
  /**
   * After how long without a word the system probes whether the other end is still there, and then
   * at the pace and as often as it is set up: 1 to 32,767,000, whole seconds, rounded up. For paths that
   * forget connections nobody uses; a peer that is gone is found, in minutes. On Deno `node:net` dials
   * then. 0: never.
   *
   * @default {0}
   */
  tcpKeepAliveMs?: number;
}

/** Milliseconds: the kernel has 15 bits for the seconds. */
export const MAX_KEEP_ALIVE_MS: number = 32_767_000;

/** The options of sockets that are set among others. Pure. */
export function socketOptions(options: SocketOptions): SocketOptions {
  const { localAddress, tcpNoDelay, tcpKeepAliveMs } = options;
  return {
    ...localAddress === undefined ? {} : { localAddress },
    ...tcpNoDelay === undefined ? {} : { tcpNoDelay },
    ...tcpKeepAliveMs === undefined ? {} : { tcpKeepAliveMs },
  };
}

/** Milliseconds, of whole seconds; 0: off. Pure. */
export function keepAliveMs(options: SocketOptions): number {
  return Math.ceil((options.tcpKeepAliveMs ?? 0) / 1000) * 1000;
}

/**
 * Refuses what cannot be asked of TCP.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`
 */
export function checkTcpOptions({ tcpNoDelay, tcpKeepAliveMs }: SocketOptions): void {
  if (tcpNoDelay !== undefined && typeof tcpNoDelay !== "boolean") {
    throw refused("tcpNoDelay", "not a boolean");
  }
  if (tcpKeepAliveMs === undefined) return;
  if (!(Number.isInteger(tcpKeepAliveMs) && tcpKeepAliveMs >= 0)) {
    throw refused("tcpKeepAliveMs", "not a whole number of milliseconds");
  }
  if (tcpKeepAliveMs > MAX_KEEP_ALIVE_MS) {
    throw refused("tcpKeepAliveMs", `more than ${MAX_KEEP_ALIVE_MS}`);
  }
}

function refused(name: string, why: string): HttpError {
  return new HttpError("ERR_INVALID_REQUEST", `Cannot use dial option ${name}: ${why}`, {
    phase: "dial",
  });
}
