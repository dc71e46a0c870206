/**
 * A connection with some of its methods replaced, all of whose bytes go through them.
 *
 * @module
 */
import type { Conn } from "./conn.ts";
import { ConnOver } from "./conn_over.ts";
import { HttpError, printable } from "./http_error.ts";

/** What can be put in the place of a connection's own. */
export type ConnOverrides = Partial<Pick<Conn, "read" | "write" | "close">>;

const NAMES: ReadonlySet<string> = new Set<keyof ConnOverrides>(["read", "write", "close"]);

/**
 * Puts methods of the caller's in the place of a connection's own; all others are those of `conn`.
 *
 * None of them is bypassed. An object that merely replaces `read` is: `startRead` and `readChunk` of
 * the connection underneath are quicker, and used where they are there. TLS that is started over
 * the result, by the `startTls` of every dialer of this package, goes through them as well.
 *
 * What replaces `read` and `write` must keep to what {@linkcode Conn} says of them: `read` gives
 * 1..`p.length` or null, `write` all of `p`. `close` is called once; it has to close `conn`.
 *
 * @param conn A connection, which nobody else must read, write or close from then on but the
 * overrides.
 * @param overrides Functions, called as methods of this object.
 * @throws {HttpError} `ERR_INVALID_REQUEST`: an override of another name, or that is no function.
 * @example A dialer whose connections count what they bring
 * ```ts
 * import { type Dialer, systemDialer, wrapConn } from "@roundtrip/http/conn";
 *
 * let bytes = 0;
 * const system = systemDialer();
 * const dialer: Dialer = {
 *   dial: async (address, options) => {
 *     const conn = await system.dial(address, options);
 *     return wrapConn(conn, {
 *       read: async (p) => {
 *         const count = await conn.read(p);
 *         bytes += count ?? 0;
 *         return count;
 *       },
 *     });
 *   },
 *   startTls: (conn, options, signal) => system.startTls(conn, options, signal),
 *   pollBarrier: () => system.pollBarrier!(),
 * };
 * if (bytes !== 0 || dialer.securesDials) throw new Error("nothing was dialled");
 * ```
 */
export function wrapConn(conn: Conn, overrides: ConnOverrides): Conn {
  for (const [name, value] of Object.entries(overrides)) {
    if (!NAMES.has(name)) throw invalid(name, "it cannot be replaced");
    if (value !== undefined && typeof value !== "function") {
      throw invalid(name, "it is no function");
    }
  }
  return new WrappedConn(conn, overrides);
}

class WrappedConn extends ConnOver implements Conn {
  readonly startRead?: Conn["startRead"];
  readonly startWrite?: Conn["startWrite"];
  readonly readChunk?: Conn["readChunk"];
  readonly kernelIsEmpty?: Conn["kernelIsEmpty"];
  readonly #conn: Conn;
  readonly #overrides: ConnOverrides;
  readonly #readsItself: boolean;
  readonly #writesItself: boolean;
  #isClosed = false;

  constructor(conn: Conn, overrides: ConnOverrides) {
    super(conn);
    this.#conn = conn;
    this.#overrides = overrides;
    this.#readsItself = typeof overrides.read === "function";
    this.#writesItself = typeof overrides.write === "function";
    if (!this.#readsItself) {
      if (conn.startRead !== undefined) this.startRead = (...all) => conn.startRead!(...all);
      if (conn.readChunk !== undefined) this.readChunk = (maxBytes) => conn.readChunk!(maxBytes);
      if (conn.kernelIsEmpty !== undefined) this.kernelIsEmpty = () => conn.kernelIsEmpty!();
    }
    if (!this.#writesItself && conn.startWrite !== undefined) {
      this.startWrite = (...all) => conn.startWrite!(...all);
    }
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#readsItself ? this.#overrides.read!(p) : this.#conn.read(p);
  }

  write(p: Uint8Array): Promise<number> {
    return this.#writesItself ? this.#overrides.write!(p) : this.#conn.write(p);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (typeof this.#overrides.close === "function") this.#overrides.close();
    else this.#conn.close();
  }

  /** What replaces `read` may give little of much that has come. */
  get readsInParts(): boolean {
    return this.#readsItself || this.#conn.readsInParts === true;
  }

  /** It may also take its time. */
  get tellsLate(): boolean {
    return this.#readsItself || this.#conn.tellsLate === true;
  }
}

function invalid(name: string, why: string): HttpError {
  const message = `Cannot wrap the connection: ${printable(name)}: ${why}`;
  return new HttpError("ERR_INVALID_REQUEST", message, { phase: "client" });
}
