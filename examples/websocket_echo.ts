/**
 * A WebSocket opened by hand: upgrade, say something, hear it again, say good-bye.
 *
 *     deno run -A examples/websocket_echo.ts [http: or https: URL of a server that echoes]
 *
 * @module
 */
import process from "node:process";
import { Transport } from "../mod.ts";
import { openWebSocket } from "./websocket.ts";
import { startWebSocketServer } from "./websocket_server.ts";

const given = process.argv[2];
const { url, close } = given === undefined
  ? await startWebSocketServer()
  : { url: given, close: () => Promise.resolve() };
const transport = new Transport();

const socket = await openWebSocket(transport, url);
console.log("connections of the transport:", transport.stats().total);
await socket.send("hello");
for (let text = await socket.receive(); text !== null; text = await socket.receive()) {
  console.log("received:", text);
  if (text === "hello") break;
}
await socket.close();
console.log("closed");

await transport.close();
await close();
