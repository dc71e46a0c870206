/**
 * A server that answers each byte with one at once, and a little later with another one that nobody
 * has asked for, or with the end of the stream after an `e`. Prints its port; with the argument
 * `tls` it speaks TLS.
 *
 * @module
 */
import * as net from "node:net";
import process from "node:process";
import * as tls from "node:tls";
import { localhost } from "./certs.ts";

/** Milliseconds in which the client blocks its event loop. */
const delayMs = 10;

function serve(socket: net.Socket): void {
  socket.on("error", () => {});
  socket.on("data", (bytes: Uint8Array) => {
    socket.write("a");
    const ends = bytes.includes("e".charCodeAt(0));
    setTimeout(() => ends ? socket.end() : socket.write("p"), delayMs);
  });
}

const server = process.argv[2] === "tls"
  ? tls.createServer({ ...localhost }, serve)
  : net.createServer({ noDelay: true }, serve);
server.listen(0, "127.0.0.1", () => {
  console.log((server.address() as net.AddressInfo).port);
});

// Not left behind when the test run is killed.
process.stdin.on("end", () => process.exit());
process.stdin.resume();
