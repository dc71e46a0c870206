/**
 * Dials given addresses for some hosts: `--resolve`.
 *
 * @module
 */
import type { Address, Dialer } from "../conn/conn.ts";
import { resolvingDialer } from "../conn/names/resolving_dialer.ts";
import type { HostAddresses } from "./get_options.ts";

/**
 * Makes a dialer that looks no name up that has addresses here, and passes on all else.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: not an IP address.
 */
export function givenAddresses(given: readonly HostAddresses[], dialer: Dialer): Dialer {
  if (given.length === 0) return dialer;
  const dialers: Map<string, Dialer> = new Map();
  for (const { hostname, port, addresses } of given) {
    const hosts = { [hostname]: [...addresses] };
    dialers.set(`${hostname.toLowerCase()}:${port}`, resolvingDialer({ dialer, hosts }));
  }
  const dialerOf = (address: Address): Dialer => {
    if (address.transport === "unix") return dialer;
    return dialers.get(`${address.hostname}:${address.port}`) ?? dialer;
  };
  return {
    dial: (address, options) => dialerOf(address).dial(address, options),
    startTls: (conn, options, signal) => dialer.startTls(conn, options, signal),
    pollBarrier: dialer.pollBarrier && ((sure) => dialer.pollBarrier!(sure)),
  };
}
