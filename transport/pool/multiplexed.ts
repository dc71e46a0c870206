/**
 * HTTP/2 on connections of the pool, loaded when it may be spoken for the first time: most programs
 * never need it.
 *
 * @module
 */
type Multiplexed = typeof import("./multiplexed_connection.ts");

let loaded: Multiplexed | null = null;

/** What has been loaded; null: nothing yet. */
export function loadedMultiplexed(): Multiplexed | null {
  return loaded;
}

/** Loads it, once for all transports. */
export async function loadMultiplexed(): Promise<Multiplexed> {
  return loaded ??= await import("./multiplexed_connection.ts");
}
