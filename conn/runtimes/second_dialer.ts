/**
 * Dials from a given local address where the runtime's own sockets cannot choose it: with Node's,
 * which are loaded when that is asked for.
 *
 * @module
 */
import type { Address, Conn, Dialer, DialOptions } from "../conn.ts";
import type { PollBarrier } from "./poll_barrier.ts";

/** The second dialer of a runtime, beside its first. */
export class SecondDialer {
  readonly #first: Dialer;
  #second: Dialer | null = null;

  /** @param first Starts TLS over what is dialled. */
  constructor(first: Dialer) {
    this.#first = first;
  }

  /**
   * As {@linkcode Dialer.dial}.
   *
   * @param serverName For TLS; empty without.
   */
  async dial(address: Address, options: DialOptions, serverName: string): Promise<Conn> {
    const { signal, tls } = options;
    const { playedNodeDialer } = await import("./played_node.ts");
    this.#second ??= playedNodeDialer();
    const conn = await this.#second.dial(address, { ...options, tls: undefined });
    return tls === undefined
      ? conn
      : await this.#first.startTls(conn, { ...tls, serverName }, signal);
  }

  /** As {@linkcode Dialer.pollBarrier}, for the sockets of both; `barrier` is that of the first. */
  async pollBarrier(barrier: PollBarrier, sure: (() => void) | undefined): Promise<void> {
    if (this.#second === null) await barrier.wait(sure);
    // Each knows only about its own.
    else await Promise.all([barrier.wait(), this.#second.pollBarrier?.()]);
  }
}
