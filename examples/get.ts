/**
 * The shortest way: one GET with the default client.
 *
 *     deno run -A examples/get.ts [URL]
 *
 * @module
 */
import { defaultTransport, get, HttpError } from "../mod.ts";
import { target } from "./target.ts";

const { url, close } = await target("/hello");
try {
  const response = await get(url, { timeoutMs: 10_000 });
  console.log(response.status, response.headers.get("content-type"));
  console.log(await response.text());
} catch (error) {
  if (!(error instanceof HttpError)) throw error;
  console.log(error.code, error.phase, error.message);
}
// Idle connections do not keep the process; this only lets the server go at once.
defaultTransport.closeIdleConnections();
await close();
