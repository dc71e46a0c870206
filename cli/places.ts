/**
 * Where connections go, and from where: `--resolve`, `--connect-to`, `-4`, `-6`, `--interface`,
 * `--keepalive-time`, `--unix-socket`.
 *
 * @module
 */
import { networkInterfaces } from "node:os";
import type { Address, Dialer } from "../conn/conn.ts";
import { systemDialer } from "../conn/dial.ts";
import { isIpAddress } from "../conn/tls_options.ts";
import { resolveBySystem } from "../conn/names/system_resolver.ts";
import { unixDialer } from "../conn/unix_dialer.ts";
import type { TransportOptions } from "../transport/transport_options.ts";
import { givenAddresses } from "./given_addresses.ts";
import type { GetOptions, OtherPlace } from "./get_options.ts";
import { InterfaceError } from "./transfer_error.ts";

/**
 * What a transport is told of it.
 *
 * @throws {HttpError} `ERR_INVALID_REQUEST`: not an IP address.
 * @throws {InterfaceError}
 */
export function placesOf(
  options: GetOptions,
): Pick<TransportOptions, "dialer" | "resolve" | "localAddress" | "tcpKeepAliveMs"> {
  const { unixSocket, addresses, otherPlaces, family, networkInterface, tcpKeepAliveMs } = options;
  const near = unixSocket === null
    ? givenAddresses(addresses, systemDialer())
    : unixDialer(unixSocket);
  return {
    dialer: otherPlaces.length === 0 ? near : elsewhere(otherPlaces, near),
    ...family === null ? {} : { resolve: (hostname: string) => lookUp(hostname, family) },
    ...networkInterface === null ? {} : { localAddress: addressOf(networkInterface, family) },
    tcpKeepAliveMs,
  };
}

async function lookUp(hostname: string, family: 4 | 6): Promise<string[]> {
  const found = await resolveBySystem(hostname, family);
  return found.map(({ address }) => address);
}

/** Dials other places. What is secured is still the host that was asked for. */
function elsewhere(places: readonly OtherPlace[], dialer: Dialer): Dialer {
  return {
    dial: (address, options) => dialer.dial(otherPlace(places, address), options),
    startTls: (conn, options, signal) => dialer.startTls(conn, options, signal),
    pollBarrier: dialer.pollBarrier && ((sure) => dialer.pollBarrier!(sure)),
  };
}

/** The first that fits counts. */
function otherPlace(places: readonly OtherPlace[], address: Address): Address {
  if (address.transport === "unix") return address;
  const place = places.find(({ hostname, port }) =>
    (hostname === "" || hostname === address.hostname) && (port ?? address.port) === address.port
  );
  return place === undefined ? address : {
    transport: "tcp",
    hostname: place.otherHostname || address.hostname,
    port: place.otherPort ?? address.port,
  };
}

/** An address of this machine: as it is given, or the first of an interface. */
function addressOf(given: string, family: 4 | 6 | null): string {
  const [, kind, name] = /^(?:(if|host)!)?(.*)$/s.exec(given)!;
  if (kind !== "if" && isIpAddress(name)) return name;
  const found = (networkInterfaces()[name] ?? [])
    .filter((each) => family === null || each.family === `IPv${family}`)
    .sort((a, b) => a.family.localeCompare(b.family))
    .at(0);
  if (found === undefined) throw new InterfaceError(name);
  return found.address;
}
