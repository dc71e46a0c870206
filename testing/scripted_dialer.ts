/**
 * A dialer that hands out scripted connections, for tests of what dials.
 *
 * @module
 */
import type { Address, Dialer, TlsOptions } from "../conn/conn.ts";
import { type ScriptedConn, ScriptError } from "./scripted_conn.ts";

/** A {@linkcode Dialer} that hands out scripted connections in order. */
export interface ScriptedDialer extends Dialer {
  /** The addresses that were dialled. */
  readonly dialled: readonly Address[];
  /** The options of each `startTls`. The connection stays the same: nothing is encrypted. */
  readonly secured: readonly TlsOptions[];
  /**
   * Checks that every connection was dialled and its script consumed.
   *
   * @throws {ScriptError} One was not.
   */
  assertConsumed(): void;
}

/**
 * Makes a dialer of scripted connections. A dial beyond the last one fails.
 *
 * @example Exactly these bytes are sent
 * ```ts
 * import { HttpRequest, Transport } from "@roundtrip/http";
 * import { ScriptedConn, scriptedDialer } from "@roundtrip/http/testing";
 *
 * const dialer = scriptedDialer(
 *   new ScriptedConn()
 *     .expect("GET /a HTTP/1.1\r\nHost: example.com\r\nAccept: text/plain\r\n\r\n")
 *     .send("HTTP/1.1 204 No Content\r\n\r\n"),
 * );
 * await using transport = new Transport({ dialer, disableCompression: true });
 * const request = new HttpRequest("http://example.com/a", {
 *   headers: { "User-Agent": "", "Accept": "text/plain" },
 * });
 * const response = await transport.roundTrip(request);
 * if (response.status !== 204) throw new Error("204 was sent");
 * dialer.assertConsumed();
 * ```
 */
export function scriptedDialer(...conns: ScriptedConn[]): ScriptedDialer {
  const dialled: Address[] = [];
  const secured: TlsOptions[] = [];
  return {
    dialled,
    secured,
    dial: (address) => {
      dialled.push(address);
      const conn = conns[dialled.length - 1];
      if (conn !== undefined) return Promise.resolve(conn);
      const message = `Unexpected dial ${dialled.length}: there are ${conns.length} connections`;
      return Promise.reject(new ScriptError(message));
    },
    startTls: (conn, options) => {
      secured.push(options);
      return Promise.resolve(conn);
    },
    assertConsumed: () => {
      if (dialled.length < conns.length) {
        throw new ScriptError(`${dialled.length} of ${conns.length} connections were dialled`);
      }
      for (const conn of conns) conn.assertConsumed();
    },
  };
}
