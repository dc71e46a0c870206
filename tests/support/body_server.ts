/**
 * A test server on loopback that reads whole bodies, and says how many bytes it read.
 *
 * @module
 */
import {
  type RecordedRequest,
  type TestHandler,
  type TestServer,
  testServer,
} from "../../testing/mod.ts";

/** 307, to that path. */
export function movedTo(path: string): Response {
  return new Response(null, { status: 307, headers: { Location: path } });
}

/** Runs a test with such a server; `requests` are those that came with their whole body. */
export async function withBodyServer(
  run: (server: TestServer, requests: readonly RecordedRequest[]) => Promise<void>,
  answer: TestHandler = (_, { recorded }) => new Response(String(recorded.body.length)),
): Promise<void> {
  await using server = await testServer(answer, { listen: "tcp" });
  await run(server, server.requests);
}
