/**
 * Server-sent events on one stream of a connection, while other requests go beside it.
 *
 *     deno run -A examples/http2_events.ts
 *
 * @module
 */
import { HttpRequest, serverSentEvents, Transport } from "../mod.ts";
import { startHttp2Server } from "./http2_server.ts";

const { url, close } = await startHttp2Server();
const transport = new Transport({ http2: { priorKnowledge: true } });
const feed = await transport.roundTrip(new HttpRequest(`${url}/events`));
for await (const { data } of serverSentEvents(feed.body)) {
  const beside = await transport.roundTrip(new HttpRequest(`${url}/beside`));
  console.log(data, "|", (await beside.text()).trim(), `on connection #${beside.connection.id}`);
}
await transport.close();
await close();
