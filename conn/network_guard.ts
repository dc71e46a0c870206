/**
 * A place for whoever wants a say in each dial of this process before it is made: tests that must not
 * reach the network.
 *
 * @module
 */
import type { Address } from "./conn.ts";

/** Looks at an address that is about to be dialled; what it throws is the error of the dial. */
export type NetworkGuard = (address: Address) => void;

let guard: NetworkGuard | null = null;

/** Puts a guard in its place. @returns The one before; null: there was none. */
export function replaceNetworkGuard(next: NetworkGuard | null): NetworkGuard | null {
  const before = guard;
  guard = next;
  return before;
}

/** @throws What the guard throws. */
export function checkNetwork(address: Address): void {
  guard?.(address);
}
