/**
 * Dials, waits in a read, and tells what it sees. Arguments: the port, `tcp` or `tls`, then what to
 * do: `ref`, `unref`, or `barrier` (an unref'd read, and a wait at the barrier).
 *
 * @module
 */
import process from "node:process";
import { systemDialer, type TlsOptions } from "../../conn/mod.ts";
import { ca } from "./certs.ts";

const [port, transport, action] = process.argv.slice(2);
const dialer = systemDialer();
const tls: TlsOptions | undefined = transport === "tcp"
  ? undefined
  : { caCerts: [ca], verifyPeer: transport === "tls" ? undefined : () => {} };
const conn = await dialer.dial({ transport: "tcp", hostname: "127.0.0.1", port: Number(port) }, {
  tls,
});
if (action !== "ref") conn.unref();
conn.read(new Uint8Array(1)).then((count) => {
  console.log(`read ${count}`);
  conn.close();
});
console.log("idle");
if (action === "barrier") {
  for (let round = 0; round < 3; round++) {
    await dialer.pollBarrier!();
    console.log("polled");
  }
}
