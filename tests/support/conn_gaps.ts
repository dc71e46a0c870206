/**
 * What a runtime cannot do with connections, as data: the tests of these names are not registered
 * there, and the run prints why.
 *
 * @module
 */
import type { Gap } from "../../scripts/test_report.ts";
import { runtime, test, type TestOptions } from "./harness.ts";
import { workerdGaps } from "./workerd_gaps.ts";

const contract = "tests/conn/conn_contract_test.ts";
const dial = "tests/conn/conn_dial_test.ts";

const bunHalfOpen = "node:tls over a stream ends both directions when the peer ends its own";
const noCloseNotify = "node:tls and Bun tell of any end as of an orderly one";
const bunConnect =
  "Bun.connect() cannot be cancelled, and keeps the process alive until the system gives up";
const denoHandshake =
  "Deno keeps the socket of a handshake that was given up until the peer says something or closes";

/** The gaps. */
export const connGaps: readonly Gap[] = [
  ...["tls over any conn", "tls in tls", "tls from an address"].map((link): Gap => ({
    file: contract,
    name: `conn: ${link}: after the peer's end writing goes on`,
    runtime: "bun",
    reason: bunHalfOpen,
  })),
  ...["dial()", "startTls()"].map((way): Gap => ({
    file: dial,
    name: `tls: ${way}: aborting in the handshake closes the connection`,
    runtime: "deno",
    reason: denoHandshake,
  })),
  ...["a server", "a server, by a dialer of one's own", "a proxy"].map((to): Gap => ({
    file: "tests/transport/pool/process_exit_test.ts",
    name: `M8 exit: after a request that was given up while it connected to ${to}`,
    runtime: "bun",
    reason: bunConnect,
  })),
  ...(["bun", "node"] as const).flatMap((runtime) =>
    ["dial()", "startTls()"].map((way): Gap => ({
      file: dial,
      name: `tls: ${way}: an end without close_notify is a lost connection`,
      runtime,
      reason: noCloseNotify,
    }))
  ),
  ...workerdGaps,
];

/** Registers a test, unless the running runtime has a gap of that name. */
export function testUnlessGap(
  name: string,
  fn: () => void | Promise<void>,
  options?: TestOptions,
): void {
  const gap = connGaps.find((gap) => gap.name === name && gap.runtime === runtime);
  if (gap === undefined) test(name, fn, options);
  else console.log(`gap on ${runtime}: ${name}: ${gap.reason}`);
}
