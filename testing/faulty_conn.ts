/**
 * The server's end of a connection, whose writes go wrong when they are told to.
 *
 * @module
 */
import type { Conn } from "../conn/conn.ts";
import { closedError, lostError } from "../conn/conn_error.ts";
import { ConnOver } from "../conn/conn_over.ts";
import type { Clock } from "../transport/clock.ts";
import { concat } from "./joined_bytes.ts";
import { delay } from "./test_delay.ts";
import type { WireFault } from "./wire_fault.ts";

/** A connection that a server has accepted. */
export interface AcceptedConn {
  readonly conn: Conn;
  /** Breaks it as a TCP reset does. */
  reset(): void;
}

/** Milliseconds between the pieces of a slow response. */
const PIECE_MS = 50;

/** A connection over the accepted one. Owns: what waits in it. */
export class FaultyConn extends ConnOver implements Conn {
  readonly #accepted: AcceptedConn;
  readonly #clock: Clock | null;
  readonly #closed: AbortController = new AbortController();
  #fault: WireFault | null = null;
  #leftBytes = 0;
  /** What goes out together with what is planted behind it. */
  #held: Uint8Array[] = [];

  constructor(accepted: AcceptedConn, clock: Clock | null) {
    super(accepted.conn);
    this.#accepted = accepted;
    this.#clock = clock;
  }

  /** Aborts when it is closed from this side. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** From here on the fault counts; null: none. */
  arm(fault: WireFault | null): void {
    this.#fault = fault;
    this.#leftBytes = fault !== null && "afterBytes" in fault ? fault.afterBytes : 0;
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#accepted.conn.read(p);
  }

  write(p: Uint8Array): Promise<number> {
    switch (this.#fault?.kind) {
      case "slow":
        return this.#writeSlowly(p, this.#fault.bytesPerSecond);
      case "planted":
        this.#held.push(p.slice());
        return Promise.resolve(p.length);
      case "stall":
      case "reset":
      case "halfClose":
        return this.#writeUpTo(p, this.#fault.kind);
      default:
        return this.#accepted.conn.write(p);
    }
  }

  /** Writes what was held and what is planted, so that they come together. */
  async plant(text: string): Promise<void> {
    const held = this.#held.splice(0);
    held.push(Uint8Array.from(text, (character) => character.charCodeAt(0)));
    await this.#accepted.conn.write(concat(held));
  }

  close(): void {
    this.#closed.abort();
    this.#accepted.conn.close();
  }

  /** Breaks it as a TCP reset does. */
  reset(): void {
    this.#closed.abort();
    this.#accepted.reset();
  }

  /** Ends this side, and waits until the client has gone, unless somebody else reads. */
  async end(): Promise<void> {
    await this.#accepted.conn.closeWrite();
    const scratch = new Uint8Array(4096);
    try {
      while (await this.#accepted.conn.read(scratch) !== null);
    } catch {
      // It is over, or its reader sees the end.
    }
  }

  async #writeSlowly(p: Uint8Array, bytesPerSecond: number): Promise<number> {
    const pieceBytes = Math.max(1, Math.floor(bytesPerSecond * PIECE_MS / 1000));
    for (let at = 0; at < p.length; at += pieceBytes) {
      const piece = p.subarray(at, at + pieceBytes);
      await delay(piece.length * 1000 / bytesPerSecond, this.#clock, this.closed);
      await this.#accepted.conn.write(piece);
    }
    return p.length;
  }

  async #writeUpTo(p: Uint8Array, then: "stall" | "reset" | "halfClose"): Promise<number> {
    const bytes = Math.min(p.length, this.#leftBytes);
    if (bytes > 0) await this.#accepted.conn.write(p.subarray(0, bytes));
    this.#leftBytes -= bytes;
    if (bytes === p.length && p.length > 0) return bytes;
    if (then === "reset") {
      this.reset();
      throw lostError("request");
    }
    if (then === "halfClose") {
      await this.end();
      throw closedError("request");
    }
    return await new Promise((_, reject) => {
      const closed = (): void => reject(closedError("request"));
      if (this.closed.aborted) return closed();
      this.closed.addEventListener("abort", closed);
    });
  }
}
