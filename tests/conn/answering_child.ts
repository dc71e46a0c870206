/**
 * A server in a process of its own that answers every piece of bytes with the same response. Prints
 * its port; ends with its standard input.
 *
 * @module
 */
import * as net from "node:net";
import process from "node:process";

const answer = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!";

const server = net.createServer({ noDelay: true }, (socket) => {
  socket.on("data", () => socket.write(answer));
  socket.on("error", () => socket.destroy());
});
server.listen(0, "127.0.0.1", () => console.log((server.address() as net.AddressInfo).port));
process.stdin.on("end", () => process.exit(0)).resume();
