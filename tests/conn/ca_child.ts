/**
 * Dials with several sets of authorities and prints what comes of each. The runtime itself has been
 * told to trust the authority of the server. Arguments: the port.
 *
 * @module
 */
import process from "node:process";
import { HttpError, systemDialer, type TlsOptions } from "../../conn/mod.ts";
import { otherCa } from "./certs.ts";

const port = Number(process.argv[2]);
const dialer = systemDialer();
const cases: TlsOptions[] = [
  {},
  { caCerts: [otherCa] },
  { caCerts: [otherCa], caMode: "only" },
  { verifyPeer: () => {} },
  { caCerts: [otherCa], verifyPeer: () => {} },
  { caCerts: [otherCa], caMode: "only", verifyPeer: () => {} },
];
for (const tls of cases) {
  const result = await dialer.dial({ transport: "tcp", hostname: "127.0.0.1", port }, { tls }).then(
    (conn) => {
      conn.close();
      return "trusted";
    },
    (error: unknown) => error instanceof HttpError ? error.code : String(error),
  );
  console.log(result);
}
