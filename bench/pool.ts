/**
 * What the pool's bookkeeping costs: take and give back over 10 and over 10,000 hosts, so that
 * one sees whether it grows with them. Prints one line of JSON.
 *
 * @module
 */
import { type Lease, Pool } from "../transport/pool/pool.ts";

const ROUNDS = 1_000_000;

/** Nanoseconds of one take and give back, the best of three. */
function measure(hostCount: number): number {
  const leases: Lease<number>[] = [];
  const pool: Pool<number, number> = new Pool<number, number>(
    {
      maxIdle: 0,
      maxIdlePerKey: 0,
      maxConnsPerKey: 0,
      maxWaitersPerKey: 0,
      maxDialsPerKey: 0,
      idleTimeoutMs: 90_000,
    },
    {
      startDial: (ticket) => pool.dialled(ticket, pool.admit(ticket, ticket.waiter), 0),
      deliver: (_, lease) => leases.push(lease),
      kept: () => {},
      discard: () => {},
      dialsWanted: () => {},
      dialsUnwanted: () => {},
    },
  );
  const keys = Array.from({ length: hostCount }, (_, i) => `https//host-${i}.example:443`);
  keys.forEach((key, i) => pool.enqueue(key, i));
  for (const lease of leases) pool.giveBack(lease, 0);
  let best = Infinity;
  for (let run = 0; run < 3; run++) {
    const startedAt = performance.now();
    for (let i = 0; i < ROUNDS; i++) pool.giveBack(pool.take(keys[i % hostCount], i)!, i);
    best = Math.min(best, (performance.now() - startedAt) / ROUNDS * 1e6);
  }
  return best;
}

console.log(JSON.stringify({
  nanosWith10Hosts: measure(10),
  nanosWith10000Hosts: measure(10_000),
}));
