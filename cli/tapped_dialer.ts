/**
 * Tells of every byte that goes over the connections of a dialer.
 *
 * @module
 */
import type { Address, Conn, Dialer } from "../conn/conn.ts";
import { addressText } from "../conn/conn_error.ts";
import { ConnOver } from "../conn/conn_over.ts";
import type { TraceDump } from "./trace_dump.ts";

/** Makes the same dialer, whose connections are told of. Bytes are those above TLS. */
export function tappedDialer(dialer: Dialer, dump: TraceDump): Dialer {
  const under: WeakMap<Conn, Conn> = new WeakMap();
  const tapped = (conn: Conn): Conn => {
    const tap = new TappedConn(conn, dump);
    under.set(tap, conn);
    return tap;
  };
  return {
    securesDials: dialer.securesDials,
    dial: async (address, options) => tapped(await dialer.dial(address, options)),
    startTls: async (conn, options, signal) =>
      // What goes over it from now on is not to be read.
      tapped(await dialer.startTls(under.get(conn) ?? conn, options, signal)),
    pollBarrier: dialer.pollBarrier && ((sure) => dialer.pollBarrier!(sure)),
  };
}

class TappedConn extends ConnOver implements Conn {
  readonly #conn: Conn;
  readonly #dump: TraceDump;

  constructor(conn: Conn, dump: TraceDump) {
    super(conn);
    this.#conn = conn;
    this.#dump = dump;
  }

  async read(p: Uint8Array): Promise<number | null> {
    const count = await this.#conn.read(p);
    if (count !== null) this.#tell("<= Recv", p.subarray(0, count));
    return count;
  }

  async write(p: Uint8Array): Promise<number> {
    this.#tell("=> Send", p);
    return await this.#conn.write(p);
  }

  close(): void {
    this.#conn.close();
  }

  /** What comes is told of a turn later than the runtime tells it. */
  get readsInParts(): boolean {
    return true;
  }

  get tellsLate(): boolean {
    return true;
  }

  #tell(mark: "=> Send" | "<= Recv", bytes: Uint8Array): void {
    const { localAddr, remoteAddr } = this.#conn;
    const ends: [Address, Address] = mark === "=> Send"
      ? [localAddr, remoteAddr]
      : [remoteAddr, localAddr];
    this.#dump.bytes(mark, bytes, ends.map(addressText).join(" to "));
  }
}
