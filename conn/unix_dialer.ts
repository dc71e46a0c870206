/**
 * A dialer that goes to one Unix socket, whatever address it is asked for.
 *
 * @module
 */
import type { Address, Conn, Dialer, DialOptions, TlsOptions } from "./conn.ts";
import { systemDialer } from "./dial.ts";

class UnixDialer implements Dialer {
  #path: string;
  #system: Dialer = systemDialer();

  constructor(path: string) {
    this.#path = path;
  }

  /** {@inheritDoc Dialer.dial} */
  dial(address: Address, options: DialOptions = {}): Promise<Conn> {
    // The certificate is that of the host that was asked for.
    const tls = options.tls !== undefined && address.transport === "tcp"
      ? { ...options.tls, serverName: options.tls.serverName ?? address.hostname }
      : options.tls;
    return this.#system.dial({ transport: "unix", path: this.#path }, { ...options, tls });
  }

  /** {@inheritDoc Dialer.startTls} */
  startTls(conn: Conn, options: TlsOptions, signal?: AbortSignal): Promise<Conn> {
    return this.#system.startTls(conn, options, signal);
  }

  /** {@inheritDoc Dialer.pollBarrier} */
  pollBarrier(sure?: () => void): Promise<void> {
    return this.#system.pollBarrier?.(sure) ?? Promise.resolve();
  }
}

/**
 * Makes a dialer that connects to the Unix socket at `path` whatever address it is asked for. TLS
 * goes over it, and checks the name of the host that was asked for.
 *
 * @param path Path of the socket in the file system.
 */
export function unixDialer(path: string): Dialer {
  return new UnixDialer(path);
}
