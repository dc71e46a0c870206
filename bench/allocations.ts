/**
 * Which function allocates how many bytes for one request, collected garbage included: small GETs
 * one after the other against a server in memory. Node only: the others' inspectors leave out what
 * has been collected.
 *
 *     node bench/allocations.ts
 *
 * @module
 */
import { Session } from "node:inspector/promises";
import { HttpRequest, Transport } from "../mod.ts";
import { root } from "../scripts/run_program.ts";
import { AnsweringDialer } from "../tests/support/answering_conn.ts";

interface Node {
  callFrame: { functionName: string; url: string; lineNumber: number };
  selfSize: number;
  children: Node[];
}

const REQUESTS = 5_000;
const ROWS = 30;

const transport = new Transport({ dialer: new AnsweringDialer("\n") });

async function run(): Promise<void> {
  for (let n = 0; n < REQUESTS; n++) {
    await (await transport.roundTrip(new HttpRequest("http://127.0.0.1/"))).bytes();
  }
}

await run();
const session = new Session();
session.connect();
await session.post("HeapProfiler.startSampling", {
  samplingInterval: 512,
  includeObjectsCollectedByMajorGC: true,
  includeObjectsCollectedByMinorGC: true,
});
await run();
const { profile } = await session.post("HeapProfiler.stopSampling") as { profile: { head: Node } };
session.disconnect();
transport.destroy();

const bytes = new Map<string, number>();
function add({ callFrame: { functionName, url, lineNumber }, selfSize, children }: Node): void {
  const name = `${functionName || "(anonymous)"}  ${url.replace(`file://${root}`, "")}:${
    lineNumber + 1
  }`;
  bytes.set(name, (bytes.get(name) ?? 0) + selfSize / REQUESTS);
  children.forEach(add);
}
add(profile.head);
const total = [...bytes.values()].reduce((sum, one) => sum + one, 0);
console.log(`${total.toFixed(0).padStart(6)}  bytes for each request`);
for (const [name, size] of [...bytes].sort((a, b) => b[1] - a[1]).slice(0, ROWS)) {
  console.log(`${size.toFixed(0).padStart(6)}  ${name}`);
}
