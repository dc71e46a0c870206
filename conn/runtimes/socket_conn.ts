/**
 * What connections over sockets of all three runtimes are derived from.
 *
 * @module
 */
import { KnownConn } from "../known_conn.ts";
import type { SocketState } from "./socket_state.ts";

/** What the state answers, and what a promise is in the place of callbacks. */
export abstract class SocketConn extends KnownConn {
  readonly #state: SocketState;

  /** @param state Which the adapter keeps up to date. */
  constructor(state: SocketState) {
    super();
    this.#state = state;
  }

  get bytesWritten(): number {
    return this.#state.output.writtenBytes;
  }

  read(p: Uint8Array): Promise<number | null> {
    return new Promise((resolve, reject) => this.startRead(p, resolve, reject));
  }

  abstract startRead(
    p: Uint8Array,
    done: (count: number | null) => void,
    failed: (error: unknown) => void,
  ): void;

  write(p: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => this.startWrite(p, resolve, reject));
  }

  abstract startWrite(
    p: Uint8Array,
    done: (count: number) => void,
    failed: (error: unknown) => void,
  ): void;

  whenClosed(): Promise<void> {
    return this.#state.gone.when();
  }
}
