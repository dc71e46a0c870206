/**
 * Listens and never accepts: prints its port, and stands still.
 *
 * @module
 */
import { writeSync } from "node:fs";
import * as net from "node:net";
import process from "node:process";

const server = net.createServer();
server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
  writeSync(1, `${(server.address() as net.AddressInfo).port}\n`);
  // Ends by itself when the test run is killed.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
  process.exit();
});
