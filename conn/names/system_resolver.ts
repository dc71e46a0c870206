/**
 * The system's resolver, by `node:dns`, which all three runtimes have.
 *
 * @module
 */

/** An address of a host. */
export interface ResolvedAddress {
  /** IPv4 or IPv6, as text. */
  readonly address: string;
  /** Of which of the two. */
  readonly family: number;
}

/**
 * Asks the system for all addresses of a host, in the system's order.
 *
 * Cancel: not possible; the system answers or gives up.
 *
 * @param family 4 or 6 for the addresses of that family alone, 0 for all.
 * @throws The runtime's error, with a `code` such as `"ENOTFOUND"`.
 */
export async function resolveBySystem(
  hostname: string,
  family: number,
): Promise<ResolvedAddress[]> {
  const { lookup } = await import("node:dns/promises");
  return await lookup(hostname, { all: true, family });
}
